//! The digests of a stream of bytes, computed side by side in one pass. Pure but for [`of_file`], which reads one file.

use std::fs::File;
use std::io::{self, Read};

use blake2::{Blake2b256, Digest};
use md5::Md5;

use super::{Digests, StoredBlob};
use crate::limits::SPOOL_BUFFER_BYTES;
use crate::pypi::Sha256;

/// Digests in the making.
#[derive(Debug)]
pub(super) struct Hashes {
    sha256: sha2::Sha256,
    md5: Option<Md5>,
    blake2: Option<Blake2b256>,
    size: u64,
}

impl Hashes {
    pub(super) fn new(which: Digests) -> Self {
        Self {
            sha256: sha2::Sha256::new(),
            md5: (which != Digests::Sha256).then(Md5::new),
            blake2: (which == Digests::All).then(Blake2b256::new),
            size: 0,
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(blake2) = &mut self.blake2 {
            blake2.update(bytes);
        }
        self.size += bytes.len() as u64;
    }

    pub(super) fn finish(self) -> StoredBlob {
        StoredBlob {
            sha256: Sha256::from_bytes(self.sha256.finalize().into()),
            size: self.size,
            md5: self.md5.map(|md5| md5.finalize().into()),
            blake2: self.blake2.map(|blake2| blake2.finalize().into()),
        }
    }
}

/// Reads a file to its end, hands each piece to `take` and returns the digests of all of it. Blocks.
pub(super) fn of_file(file: &mut File, which: Digests, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<StoredBlob> {
    let mut hashes = Hashes::new(which);
    let mut buffer = vec![0; SPOOL_BUFFER_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hashes.finish()),
            Ok(read) => {
                hashes.update(&buffer[..read]);
                take(&buffer[..read])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
