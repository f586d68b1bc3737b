//! Whether a file's bytes are those that a dump names: every digest that it gives is compared.

use crate::blobs::StoredBlob;
use crate::limits;
use sha2::Digest;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What came of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub enum Compared {
    /// At least one digest was compared, and none differs.
    Equal,
    /// The bytes are others; which digest says so.
    Different(String),
    /// No digest was given that can be computed here.
    Unknown,
}

/// Compares what the dump says with what was measured. `path` is read again for digests that are not measured as a rule. Blocks.
pub fn compare(given: &BTreeMap<String, String>, size: Option<u64>, measured: &StoredBlob, path: &Path) -> io::Result<Compared> {
    if let Some(size) = size.filter(|size| *size != measured.size) {
        return Ok(Compared::Different(format!("it has {} bytes, not {size}", measured.size)));
    }
    let mut compared = 0;
    for (algorithm, hex) in given {
        let Some(found) = found(algorithm, measured, path)? else { continue };
        if found != *hex {
            return Ok(Compared::Different(format!("its {algorithm} is {found}, not {hex}")));
        }
        compared += 1;
    }
    Ok(if compared > 0 { Compared::Equal } else { Compared::Unknown })
}

fn found(algorithm: &str, measured: &StoredBlob, path: &Path) -> io::Result<Option<String>> {
    match algorithm {
        "sha256" => Ok(Some(measured.sha256.hex())),
        "md5" => Ok(measured.md5.map(hex::encode)),
        "sha224" => read::<sha2::Sha224>(path).map(Some),
        "sha384" => read::<sha2::Sha384>(path).map(Some),
        "sha512" => read::<sha2::Sha512>(path).map(Some),
        _ => Ok(None),
    }
}

fn read<D: Digest>(path: &Path) -> io::Result<String> {
    let (mut file, mut digest, mut buffer) = (File::open(path)?, D::new(), vec![0; limits::SPOOL_BUFFER_BYTES]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(digest.finalize())),
            read => digest.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::measure;

    #[test]
    fn every_digest_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"abc").unwrap();
        let measured = measure(&path).unwrap();
        let sha512 = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        let given = |pairs: &[(&str, &str)], size| {
            let given = pairs.iter().map(|(algorithm, hex)| ((*algorithm).to_owned(), (*hex).to_owned())).collect();
            compare(&given, size, &measured, &path).unwrap()
        };
        let md5 = ("md5", "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(given(&[md5, ("sha512", sha512)], Some(3)), Compared::Equal);
        assert!(matches!(given(&[md5, ("sha512", "00")], None), Compared::Different(why) if why.contains("sha512")));
        assert!(matches!(given(&[md5], Some(4)), Compared::Different(why) if why.contains("3 bytes")));
        assert_eq!(given(&[("crc32", "0")], None), Compared::Unknown);
        assert_eq!(given(&[], None), Compared::Unknown);
    }
}
