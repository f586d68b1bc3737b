//! The Python packaging rules as pure functions: names, versions, file names, metadata and the two page forms.
//!
//! Nothing in this folder does I/O, reads a clock, awaits, or knows that Cheeseshop exists. Whatever comes in is text or
//! bytes somebody else read; whatever goes out is a value or text somebody else writes.

pub mod digest;
pub mod filename;
pub mod metadata;
pub mod name;
pub mod page_html;
pub mod page_json;
pub mod page_parse;
pub mod project_page;
pub mod timestamp;
pub mod version;

pub use digest::Sha256;
pub use filename::DistFilename;
pub use metadata::CoreMetadata;
pub use name::ProjectName;
pub use project_page::{PageFile, PageMetadata, ProjectPage, ProjectStatus};
pub use timestamp::Timestamp;
pub use version::Version;
