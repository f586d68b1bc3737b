//! The spool: bytes on their way in. It writes them to a temporary file, hashes them, counts them, refuses too many, and
//! disappears unless it is committed.
//!
//! Neither hashing nor disk writes run on async threads: chunks are collected, and a full buffer is hashed and written on the
//! blocking pool while the next one fills from the network.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::StoredBlob;
use super::hashes::Hashes;
use super::spool_folder::TempFile;
use crate::limits::SPOOL_BUFFER_BYTES;
use crate::pypi::Sha256;

/// Which digests a spool computes besides the SHA-256, which is the key of the blob and always computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digests {
    /// None besides: files of mirrors.
    Sha256,
    /// MD5: files of mirrors whose upstream gives nothing better.
    Sha256AndMd5,
    /// MD5 and BLAKE2b-256: uploads, whose form may give any of them.
    All,
}

/// Why a spool takes no more. The spool is of no use afterwards.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The sender has more bytes than are allowed.
    #[error("the file is larger than the {limit} bytes that are allowed here")]
    TooLarge {
        /// Bytes.
        limit: u64,
    },
    /// The disk or a quota is full.
    #[error("the server's disk is full: ask its administrator to make room, then try again")]
    Full,
    /// Anything else the operating system reports.
    #[error("the server could not write the file: {0}")]
    Io(io::Error),
}

/// A temporary file that takes bytes. Dropping it deletes the file.
#[derive(Debug)]
pub struct Spool {
    limit: u64,
    accepted: u64,
    buffer: Vec<u8>,
    path: PathBuf,
    written: Arc<AtomicU64>,
    writer: Writer,
}

/// All bytes, hashed, still in a temporary file. Dropping it deletes the file; `Blobs::commit` keeps it.
#[derive(Debug)]
pub struct Spooled {
    /// The digest of the bytes.
    pub sha256: Sha256,
    /// The MD5, if asked for.
    pub md5: Option<[u8; 16]>,
    /// The BLAKE2b-256, if asked for.
    pub blake2: Option<[u8; 32]>,
    /// Bytes.
    pub size: u64,
    temp: TempFile,
}

/// Where the file and the hashes are at this moment.
#[derive(Debug)]
enum Writer {
    Idle(Box<Sink>),
    /// On the blocking pool; comes back with its empty buffer, or not at all if it failed.
    Busy(JoinHandle<io::Result<(Box<Sink>, Vec<u8>)>>),
    Failed,
}

/// The file and the hashes: what moves to the blocking pool and back.
#[derive(Debug)]
struct Sink {
    temp: TempFile,
    hashes: Hashes,
    written: Arc<AtomicU64>,
}

impl Digests {
    /// What to compute so that a file can be compared with a digest that another server names: `sha256` or `md5`.
    /// `None` for an algorithm that this spool does not compute.
    pub fn with(algorithm: &str) -> Option<Self> {
        match algorithm {
            "sha256" => Some(Self::Sha256),
            "md5" => Some(Self::Sha256AndMd5),
            _ => None,
        }
    }
}

impl Spool {
    /// A spool into `temp` that takes up to `limit` bytes.
    pub(super) fn new(temp: TempFile, limit: u64, which: Digests) -> Self {
        let written = Arc::new(AtomicU64::new(0));
        let path = temp.path.clone();
        let writer = Writer::Idle(Box::new(Sink::new(temp, which, written.clone())));
        Self { limit, accepted: 0, buffer: Vec::new(), path, written, writer }
    }

    /// Takes the next bytes. They are in the file soon after: at the latest when [`Spool::flush`] or `finish` returns, so an
    /// error may concern bytes of an earlier call. If the caller stops waiting, the bytes of this call may be lost: it must
    /// not go on writing.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), SpoolError> {
        self.accepted = self.accepted.saturating_add(chunk.len() as u64);
        self.refuse_too_many()?;
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(SPOOL_BUFFER_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            rest = later;
            if self.buffer.len() == SPOOL_BUFFER_BYTES {
                self.start_write().await?;
            }
        }
        Ok(())
    }

    /// Bytes in the file: a [`Spool::reader`] can read that many now.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Waits until all bytes taken so far are in the file, though not on the disk.
    pub async fn flush(&mut self) -> Result<(), SpoolError> {
        if !self.buffer.is_empty() {
            self.start_write().await?;
        }
        let sink = self.idle().await?;
        self.writer = Writer::Idle(sink);
        Ok(())
    }

    /// A second handle on the file, at its beginning, to read what is written so far and, later, what comes. It stays valid
    /// when the spool is committed or dropped. Blocks for the time of one look-up.
    pub fn reader(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// Ends the spool: all bytes are in the file and the digests known.
    pub async fn finish(mut self) -> Result<Spooled, SpoolError> {
        self.refuse_too_many()?;
        self.flush().await?;
        let sink = self.idle().await?;
        Ok(sink.finish())
    }

    /// Also after a refusal that the caller ignored: a smaller chunk that would fit leaves a hole.
    fn refuse_too_many(&self) -> Result<(), SpoolError> {
        match self.accepted > self.limit {
            true => Err(SpoolError::TooLarge { limit: self.limit }),
            false => Ok(()),
        }
    }

    /// Sends the buffer to the blocking pool, as soon as the one before it is done.
    async fn start_write(&mut self) -> Result<(), SpoolError> {
        let mut sink = self.idle().await?;
        let mut full = std::mem::take(&mut self.buffer);
        self.writer = Writer::Busy(tokio::task::spawn_blocking(move || {
            sink.take(&full)?;
            full.clear();
            Ok((sink, full))
        }));
        Ok(())
    }

    /// Waits for the running write and takes the sink. Leaves `Failed`: whoever asked puts something else there.
    async fn idle(&mut self) -> Result<Box<Sink>, SpoolError> {
        if let Writer::Busy(task) = &mut self.writer {
            // Waits by reference: if the caller stops waiting here, the task is still ours.
            let done = task.await;
            self.writer = Writer::Failed;
            let (sink, empty) = done.map_err(io::Error::other)??;
            self.writer = Writer::Idle(sink);
            // Two buffers take turns.
            if self.buffer.capacity() == 0 {
                self.buffer = empty;
            }
        }
        match std::mem::replace(&mut self.writer, Writer::Failed) {
            Writer::Idle(sink) => Ok(sink),
            _ => Err(SpoolError::Io(io::Error::other("an earlier write failed"))),
        }
    }
}

impl Sink {
    fn new(temp: TempFile, which: Digests, written: Arc<AtomicU64>) -> Self {
        Self { temp, hashes: Hashes::new(which), written }
    }

    /// Hashes and writes. Blocks.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hashes.update(bytes);
        self.temp.file.write_all(bytes)?;
        self.temp.count(bytes.len());
        self.written.fetch_add(bytes.len() as u64, Ordering::Release);
        Ok(())
    }

    fn finish(self) -> Spooled {
        Spooled::from_measured(self.temp, &self.hashes.finish())
    }
}

impl Spooled {
    /// A file of which everything is known.
    pub(super) fn from_measured(temp: TempFile, measured: &StoredBlob) -> Self {
        Self { sha256: measured.sha256, md5: measured.md5, blake2: measured.blake2, size: measured.size, temp }
    }

    /// `bytes` in a temporary file. Blocks.
    pub(super) fn of_bytes(temp: TempFile, bytes: &[u8]) -> io::Result<Self> {
        let mut sink = Sink::new(temp, Digests::Sha256, Arc::default());
        sink.take(bytes)?;
        Ok(sink.finish())
    }

    /// The file, opened for reading from its beginning. Stays valid when the spool is committed or dropped.
    pub fn file(&self) -> io::Result<File> {
        File::open(&self.temp.path)
    }

    /// What committing it gives.
    pub(super) fn as_stored(&self) -> StoredBlob {
        StoredBlob { sha256: self.sha256, size: self.size, md5: self.md5, blake2: self.blake2 }
    }

    /// Puts the bytes on the disk and then the file at `target`, replacing what is there. The caller syncs the folder.
    pub(super) fn move_to(self, target: &Path) -> io::Result<()> {
        self.temp.file.sync_all()?;
        std::fs::rename(&self.temp.path, target)
    }
}

impl From<io::Error> for SpoolError {
    fn from(err: io::Error) -> Self {
        match err.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(err),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::Blobs;
    use std::io::Read;

    async fn spool(limit: u64, which: Digests) -> (tempfile::TempDir, Spool) {
        let root = tempfile::tempdir().unwrap();
        let spool = Blobs::open_folder(root.path()).unwrap().spool(limit, which).await.unwrap();
        (root, spool)
    }

    fn read_all(mut file: File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[tokio::test]
    async fn digests_are_those_of_the_bytes() {
        let (_root, mut spool) = spool(100, Digests::All).await;
        for piece in ["a", "", "bc"] {
            spool.write(Bytes::from(piece)).await.unwrap();
        }
        let spooled = spool.finish().await.unwrap();
        assert_eq!(spooled.size, 3);
        assert_eq!(spooled.sha256, Sha256::of(b"abc"));
        assert_eq!(hex::encode(spooled.md5.unwrap()), "900150983cd24fb0d6963f7d28e17f72");
        let blake2 = "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319";
        assert_eq!(hex::encode(spooled.blake2.unwrap()), blake2);
        assert_eq!(read_all(spooled.file().unwrap()), b"abc");
    }

    #[tokio::test]
    async fn only_the_digests_asked_for_are_computed() {
        for (which, md5, blake2) in
            [(Digests::Sha256, false, false), (Digests::Sha256AndMd5, true, false), (Digests::All, true, true)]
        {
            let (_root, spool) = spool(100, which).await;
            let spooled = spool.finish().await.unwrap();
            assert_eq!((spooled.md5.is_some(), spooled.blake2.is_some()), (md5, blake2), "{which:?}");
            assert_eq!(spooled.sha256, Sha256::of(b""));
        }
        assert_eq!(Digests::with("md5"), Some(Digests::Sha256AndMd5));
        assert_eq!(Digests::with("sha1"), None);
    }

    #[tokio::test]
    async fn bytes_around_the_size_of_the_buffer_arrive_whole() {
        for size in [SPOOL_BUFFER_BYTES - 1, SPOOL_BUFFER_BYTES, SPOOL_BUFFER_BYTES + 1, 3 * SPOOL_BUFFER_BYTES + 17] {
            for piece in [1000, SPOOL_BUFFER_BYTES, size] {
                let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
                let (_root, mut spool) = spool(u64::MAX, Digests::Sha256).await;
                for chunk in bytes.chunks(piece) {
                    spool.write(Bytes::copy_from_slice(chunk)).await.unwrap();
                }
                let spooled = spool.finish().await.unwrap();
                assert_eq!(spooled.sha256, Sha256::of(&bytes), "{size} in pieces of {piece}");
                assert_eq!(read_all(spooled.file().unwrap()), bytes);
            }
        }
    }

    #[tokio::test]
    async fn the_limit_itself_fits_and_one_byte_more_is_refused() {
        let (_root, mut exact) = spool(3, Digests::Sha256).await;
        exact.write(Bytes::from_static(b"abc")).await.unwrap();
        assert_eq!(exact.finish().await.unwrap().size, 3);
        let (_root, mut over) = spool(3, Digests::Sha256).await;
        assert!(matches!(over.write(Bytes::from_static(b"abcd")).await, Err(SpoolError::TooLarge { limit: 3 })));
        let again = over.write(Bytes::from_static(b"a")).await;
        assert!(matches!(again, Err(SpoolError::TooLarge { .. })), "a refused spool stays refused");
        assert!(matches!(over.finish().await, Err(SpoolError::TooLarge { .. })));
    }

    #[tokio::test]
    async fn dropping_removes_the_file() {
        let (_root, mut spool) = spool(100, Digests::Sha256).await;
        spool.write(Bytes::from_static(b"abc")).await.unwrap();
        spool.flush().await.unwrap();
        let path = spool.path.clone();
        assert!(path.exists());
        drop(spool);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_reader_sees_bytes_as_they_come_and_outlives_the_spool() {
        let (_root, mut spool) = spool(100, Digests::Sha256).await;
        let mut reader = spool.reader().unwrap();
        spool.write(Bytes::from_static(b"first ")).await.unwrap();
        assert_eq!(spool.written(), 0, "what is only collected is not promised");
        spool.flush().await.unwrap();
        assert_eq!(spool.written(), 6);
        let mut six = [0; 6];
        reader.read_exact(&mut six).unwrap();
        assert_eq!(&six, b"first ");
        spool.write(Bytes::from_static(b"second")).await.unwrap();
        drop(spool.finish().await.unwrap());
        assert_eq!(read_all(reader), b"second");
    }

    #[tokio::test]
    async fn a_reader_outlives_the_commit() {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open_folder(root.path()).unwrap();
        let mut spool = blobs.spool(100, Digests::Sha256).await.unwrap();
        let reader = spool.reader().unwrap();
        spool.write(Bytes::from_static(b"abc")).await.unwrap();
        let spooled = spool.finish().await.unwrap();
        let file = spooled.file().unwrap();
        blobs.commit(spooled).await.unwrap();
        assert_eq!(read_all(reader), b"abc");
        assert_eq!(read_all(file), b"abc");
    }

    #[tokio::test]
    async fn after_a_failed_write_the_file_is_gone_and_the_spool_says_so() {
        let (_root, mut spool) = spool(u64::MAX, Digests::Sha256).await;
        let Writer::Idle(sink) = &mut spool.writer else { panic!("a new spool waits") };
        sink.temp.file = File::open(&spool.path).unwrap();
        spool.write(Bytes::from(vec![0; 10])).await.unwrap();
        assert!(matches!(spool.flush().await, Err(SpoolError::Io(_))), "the file is open for reading only");
        assert!(!spool.path.exists());
        spool.write(Bytes::from(vec![0; 10])).await.unwrap();
        assert!(spool.finish().await.is_err());
    }

    #[test]
    fn a_full_disk_is_told_from_other_errors() {
        for (errno, full) in [(28, true), (122, true), (5, false), (13, false)] {
            let err = SpoolError::from(io::Error::from_raw_os_error(errno));
            assert_eq!(matches!(err, SpoolError::Full), full, "errno {errno}: {err}");
        }
    }
}
