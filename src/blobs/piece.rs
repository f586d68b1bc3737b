//! Memory for the pieces that files are read in. Large ones are used again: a new one has to be got from the system page by page, or be
//! filled with zeros, before the file's bytes are copied over that. Knows no file.

use crate::limits::{BLOB_READ_BYTES, SPARE_PIECES_MAX};
use bytes::Bytes;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Bytes to be filled. What they hold before is anything.
#[derive(Debug)]
pub(super) struct Piece {
    memory: Vec<u8>,
    length: usize,
}

static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

fn spare<T>(work: impl FnOnce(&mut Vec<Vec<u8>>) -> T) -> T {
    work(&mut SPARE.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Piece {
    /// A piece of this length, up to [`BLOB_READ_BYTES`]. A short one has memory of its own and no more than it needs: a client may
    /// hold it for long.
    pub fn new(length: usize) -> Self {
        let memory = match is_large(length) {
            true => spare(Vec::pop).unwrap_or_else(|| vec![0; BLOB_READ_BYTES]),
            false => vec![0; length],
        };
        Self { memory, length }
    }
}

fn is_large(length: usize) -> bool {
    length > BLOB_READ_BYTES / 2
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

impl DerefMut for Piece {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.length]
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Piece> for Bytes {
    fn from(piece: Piece) -> Self {
        Bytes::from_owner(piece)
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        if memory.len() == BLOB_READ_BYTES {
            spare(|spare| {
                if spare.len() < SPARE_PIECES_MAX {
                    spare.push(memory);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_as_long_as_was_asked_for_and_keeps_its_bytes() {
        for length in [0, 1, BLOB_READ_BYTES / 2, BLOB_READ_BYTES / 2 + 1, BLOB_READ_BYTES] {
            let filled = |byte: u8| {
                let mut piece = Piece::new(length);
                piece.fill(byte);
                Bytes::from(piece)
            };
            let (one, other) = (filled(1), filled(2));
            assert_eq!((one.len(), other.len()), (length, length));
            drop(filled(3));
            assert!(one.iter().all(|byte| *byte == 1) && other.iter().all(|byte| *byte == 2), "{length}");
        }
    }

    #[test]
    fn no_more_than_some_are_kept() {
        let many: Vec<Piece> = (0..2 * SPARE_PIECES_MAX).map(|_| Piece::new(BLOB_READ_BYTES)).collect();
        drop(many);
        assert!(spare(|spare| spare.len()) <= SPARE_PIECES_MAX);
    }
}
