//! Where files are found below an index: devpi's URL shape, so that lock files written against devpi stay valid.
//!
//! Pure. The one place that knows the shape; pages write it and file requests are matched against it.

use super::merge::Listed;
use crate::pypi::{PageFile, Sha256};
use crate::urls::encode_segment;

/// Hex digits of the hash that stand in a link's folder.
pub const FOLDER_DIGITS: usize = 16;

/// The folder of a file's link below its index, without slashes at the ends.
///
/// `+f/<first 3 hex digits>/<next 13>` of the best hash the page gave; `+e/<address of the upstream folder>` if it gave none.
pub fn folder(file: &PageFile) -> String {
    match best_hash(file) {
        Some(hex) => hashed(hex),
        None => format!("+e/{}", flattened(&file.url)),
    }
}

/// The folder of what is linked by its SHA-256.
pub fn folder_of(sha256: &Sha256) -> String {
    hashed(&sha256.hex())
}

fn hashed(hex: &str) -> String {
    format!("+f/{}/{}", &hex[..3], &hex[3..FOLDER_DIGITS])
}

/// The hash that stands in the link: SHA-256, else whatever the page gave first. Shorter than 16 digits is none.
fn best_hash(file: &PageFile) -> Option<&str> {
    let hash = file.hash("sha256").or_else(|| file.hashes.first().map(|(_, hex)| hex.as_str()));
    hash.filter(|hex| hex.len() >= FOLDER_DIGITS && hex.is_ascii())
}

/// `scheme://host/path/file` as devpi flattens it: the folder's parts joined by `_`, everything unusual a `_`.
fn flattened(url: &str) -> String {
    let folder = url.rsplit_once('/').map_or(url, |(folder, _)| folder);
    let joined = folder.replacen("://", "/", 1).replace('/', "_");
    joined.chars().map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' }).collect()
}

/// The whole link of a file below its index: `+f/abc/def0123456789/name`, percent-encoded.
pub fn path(listed: &Listed) -> String {
    format!("{}/{}", folder(&listed.file), encode_segment(&listed.file.filename))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_have_devpis_shape() {
        let mut file = PageFile::bare("hello-1.0.zip", "http://127.0.0.1:43791/files/hello-1.0.zip");
        assert_eq!(folder(&file), "+e/http_127.0.0.1_43791_files");
        file.hashes = vec![("md5".into(), "0123456789abcdef0123456789abcdef".into())];
        assert_eq!(folder(&file), "+f/012/3456789abcdef");
        file.hashes.push(("sha256".into(), "f".repeat(64)));
        assert_eq!(folder(&file), format!("+f/fff/{}", "f".repeat(13)));
    }
}
