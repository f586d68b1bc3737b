//! The folder for files that are on their way in: `<tmp>/<process>/`, one for each process, held by a lock.
//!
//! The lock, not the process number, says whether the owner lives: containers all have process 1, and the kernel lets go of
//! a lock at the very moment its process ends, however it ends.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::local::{found, naming};
use crate::metrics::Store as Counts;

/// The name of the lock file in `<tmp>` and in each process's folder.
const LOCK: &str = "lock";

/// This process's folder for spool files. Goes with its content when the last user drops it.
#[derive(Debug)]
pub(super) struct SpoolFolder {
    path: PathBuf,
    files: AtomicU64,
    counts: Arc<Counts>,
    /// Holds the lock as long as it is open.
    _lock: File,
}

/// A file in a [`SpoolFolder`] that disappears when it is dropped, unless it was renamed away.
#[derive(Debug)]
pub(super) struct TempFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Bytes that were received into it.
    received: u64,
    /// Keeps the folder, and with it the lock, as long as a file is in it.
    folder: Arc<SpoolFolder>,
}

impl SpoolFolder {
    /// Makes a folder below `tmp` for this process, and removes those of processes that have ended.
    pub(super) fn open(tmp: &Path, counts: Arc<Counts>) -> io::Result<Self> {
        fs::create_dir_all(tmp).map_err(|err| naming(tmp, err))?;
        let _others_wait = lock_out_others(tmp)?;
        sweep(tmp, true)?;
        let path = make_own(tmp)?;
        let lock = lock_file(&path.join(LOCK))?;
        lock.lock()?;
        Ok(Self { path, files: AtomicU64::new(0), counts, _lock: lock })
    }

    /// Looks through the folders of processes that have ended, and removes them if `remove` says so; how many spool files they
    /// hold, and their bytes.
    pub(super) fn sweep_others(&self, remove: bool) -> io::Result<(u64, u64)> {
        let Some(tmp) = self.path.parent() else { return Ok((0, 0)) };
        let _others_wait = lock_out_others(tmp)?;
        sweep(tmp, remove)
    }

    /// A new, empty file.
    pub(super) fn new_file(self: &Arc<Self>) -> io::Result<TempFile> {
        self.with_new_path(|path| File::create_new(path).map_err(|err| naming(path, err)))
    }

    /// The file that `make` makes at a path that nothing has.
    pub(super) fn with_new_path(self: &Arc<Self>, make: impl FnOnce(&Path) -> io::Result<File>) -> io::Result<TempFile> {
        let path = self.path.join(self.files.fetch_add(1, Ordering::Relaxed).to_string());
        let file = make(&path)?;
        Ok(TempFile { file, path, received: 0, folder: self.clone() })
    }
}

impl Drop for SpoolFolder {
    fn drop(&mut self) {
        // Best effort: what stays is swept at the next start.
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl TempFile {
    /// Counts bytes that were written to it.
    pub(super) fn count(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.received += bytes;
        self.folder.counts.spooled.add(bytes.cast_signed());
        self.folder.counts.received_bytes.add(bytes);
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        self.folder.counts.spooled.add(-self.received.cast_signed());
        // Here and not on the blocking pool, which may be gone when a server stops. A file that was renamed is not found.
        let _ = fs::remove_file(&self.path);
    }
}

fn lock_file(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(path)
}

/// While what this returns is held nobody else sweeps: a folder whose owner has not locked it yet would look abandoned.
fn lock_out_others(tmp: &Path) -> io::Result<File> {
    lock_file(&tmp.join(LOCK)).and_then(|lock| lock.lock().map(|()| lock)).map_err(|err| naming(tmp, err))
}

/// Removes every folder in `tmp` whose lock is free, or only looks; how many files are in them, and their bytes.
fn sweep(tmp: &Path, remove: bool) -> io::Result<(u64, u64)> {
    let mut swept = (0, 0);
    for entry in fs::read_dir(tmp)? {
        let folder = entry?.path();
        if folder.is_dir() {
            // Not found: its owner ended and removed it this very moment.
            let one = found(sweep_one(&folder, remove)).map_err(|err| naming(&folder, err))?;
            let (files, bytes) = one.unwrap_or_default();
            swept = (swept.0 + files, swept.1 + bytes);
        }
    }
    Ok(swept)
}

/// Removes `folder`, or only looks, if no process holds its lock.
fn sweep_one(folder: &Path, remove: bool) -> io::Result<(u64, u64)> {
    let lock = lock_file(&folder.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok((0, 0)),
        Err(TryLockError::Error(err)) => return Err(err),
    }
    let mut swept = (0, 0);
    for file in fs::read_dir(folder)? {
        let file = file?;
        if file.file_name() != LOCK {
            swept = (swept.0 + 1, swept.1 + file.metadata()?.len());
        }
    }
    if remove {
        fs::remove_dir_all(folder)?;
    }
    Ok(swept)
}

/// Makes `<tmp>/<process number>-<n>` with the first `n` that is free.
fn make_own(tmp: &Path) -> io::Result<PathBuf> {
    let process = std::process::id();
    for n in 0_u32.. {
        let path = tmp.join(format!("{process}-{n}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(err) if err.kind() == ErrorKind::AlreadyExists => {}
            Err(err) => return Err(naming(&path, err)),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}
