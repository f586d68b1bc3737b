//! Moving house: in from a devpi export or a folder of files, out again as a devpi export, and everything as it is from one of our
//! own databases and stores to another.
//!
//! The rules of what a file may be and how rows are written are `index`'s; this folder reads and writes the other side's
//! format and goes through it in order. (`house` moves rows as they are: they were judged when they were written.) What cannot be taken over is named in a [`report::Report`], and the rest goes on.

pub mod checksum;
pub mod dump;
pub mod dump_options;
pub mod dump_reader;
pub mod export_devpi;
pub mod house;
pub mod import_devpi;
pub mod import_folder;
mod json_writer;
pub mod orders;
pub mod progress;
pub mod report;

use crate::error::Error;

/// An error of the rules for the operator, who may see the cause of an internal one.
fn plain(error: Error) -> anyhow::Error {
    match error {
        Error::Internal(cause) => cause,
        told => anyhow::anyhow!("{told}"),
    }
}
