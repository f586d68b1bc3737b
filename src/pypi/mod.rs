//! The Python packaging rules as pure functions: names, versions, file names, metadata and the two page forms.
//!
//! Nothing in this folder does I/O, reads a clock, awaits, or knows that Cheeseshop exists. Whatever comes in is text or
//! bytes somebody else read; whatever goes out is a value or text somebody else writes.

pub mod devpi_fields;
pub mod digest;
pub mod filename;
pub mod filename_guess;
pub mod metadata;
pub mod metadata_form;
pub mod name;
pub mod name_list;
pub mod page_html;
pub mod page_json;
mod page_link;
pub mod page_parse;
mod page_read_html;
mod page_read_json;
pub mod project_links;
pub mod project_page;
pub mod requirement;
pub mod tags_words;
pub mod timestamp;
pub mod version;

pub use digest::Sha256;
pub use filename::DistFilename;
pub use metadata::CoreMetadata;
pub use name::ProjectName;
pub use name_list::NameList;
pub use project_page::{LinkedFile, LinkedPage, PageFile, PageMetadata, ProjectPage, ProjectStatus};
pub use timestamp::Timestamp;
pub use version::Version;

/// The first `bytes` bytes of `text`, for messages that show input nobody has bounded.
fn legible(text: &str, bytes: usize) -> String {
    match text.len() <= bytes {
        true => text.to_owned(),
        false => format!("{}…", &text[..text.floor_char_boundary(bytes)]),
    }
}
