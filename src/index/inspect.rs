//! Looks into an uploaded wheel or source distribution: takes the metadata out and refuses what would harm or mislead those
//! who install it. What the archive says is the truth; the fields of an upload form are only claims. Documentation archives
//! are looked into for those who read them.
//!
//! Blocks, and does nothing but read the handle it is given: call it on the blocking pool. Memory and time are bounded by
//! `limits.rs`, whatever the bytes say. A wheel costs a look at its directory, a source distribution or a documentation archive
//! one pass through it.

mod archive_path;
mod docs;
mod member;
mod record;
mod refused;
mod sdist;
mod tar_gz;
mod tar_links;
mod unpacked;
mod wheel;
mod zip_end;
mod zip_file;

use std::io::{Read, Seek};

use crate::pypi::filename::{DistKind, SdistExtension};
use crate::pypi::{CoreMetadata, DistFilename, ProjectName, Version};

pub use docs::DocsZip;
pub use member::{Member, Unpack};
pub use refused::Refused;

/// What an archive says about itself.
#[derive(Debug)]
pub struct Inspected {
    /// Its METADATA or PKG-INFO. Name and version agree with the file name.
    pub metadata: CoreMetadata,
    /// The same as the exact bytes, which are served to installers (PEP 658).
    pub metadata_bytes: Vec<u8>,
}

/// Inspects the archive in `file`, which was uploaded under `name`.
///
/// A source distribution without PKG-INFO is refused with [`Refused::NoMetadata`], which a caller may choose to forgive.
pub fn inspect(file: &mut (impl Read + Seek), name: &DistFilename) -> Result<Inspected, Refused> {
    let metadata_bytes = match &name.kind {
        DistKind::Wheel { .. } => wheel::metadata_of(file, name)?,
        DistKind::Sdist { extension: SdistExtension::Zip } => sdist::metadata_of_zip(file)?,
        DistKind::Sdist { extension: SdistExtension::TarGz } => tar_gz::metadata_of(file)?,
    };
    let metadata = CoreMetadata::parse(&metadata_bytes)?;
    agree(&metadata, name)?;
    Ok(Inspected { metadata, metadata_bytes })
}

/// The archive must be the release that its file name promises: installers choose by the one and believe the other.
fn agree(metadata: &CoreMetadata, name: &DistFilename) -> Result<(), Refused> {
    if ProjectName::parse(metadata.name()).as_ref() != Ok(&name.project) {
        return Err(Refused::OtherName { metadata: refused::shown(metadata.name()), filename: name.project.to_string() });
    }
    if Version::parse(metadata.version()).as_ref() != Ok(&name.version) {
        return Err(Refused::OtherVersion { metadata: refused::shown(metadata.version()), filename: name.version.to_string() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
