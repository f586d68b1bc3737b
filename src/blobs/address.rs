//! Where the store of all blobs is, as the operator writes it: a folder, or a bucket of an object store.

use std::fmt;
use std::path::PathBuf;

use object_store::path::Path;

/// Where the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A folder of this machine, or one that is mounted on it.
    Folder(PathBuf),
    /// A bucket, or what lies below a prefix in it.
    Bucket(Bucket),
}

/// A bucket of an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Whose.
    pub cloud: Cloud,
    /// Its name; Azure calls it a container.
    pub name: String,
    /// What all keys begin with; may be empty.
    pub prefix: Path,
}

/// The kinds of object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// S3 and everything that speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

impl Address {
    /// Reads `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or the path of a folder.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text {
                "" => Err("write a folder, or a bucket such as s3://bucket/prefix".into()),
                folder => Ok(Self::Folder(folder.into())),
            };
        };
        let cloud = match scheme {
            "s3" => Cloud::S3,
            "gs" => Cloud::Google,
            "az" => Cloud::Azure,
            _ => return Err("write a folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix".into()),
        };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self::Bucket(Bucket { cloud, name: bucket_name(name)?, prefix: key_prefix(prefix)? }))
    }
}

/// The text may hold a secret that somebody took for a part of the address, so no error repeats it.
fn bucket_name(name: &str) -> Result<String, String> {
    if name.contains(['@', ':']) {
        return Err(
            "credentials and endpoints do not belong into the address of a bucket: give them in the variables of its cloud"
                .into(),
        );
    }
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    match !name.is_empty() && plain {
        true => Ok(name.to_owned()),
        false => Err("the name of the bucket is missing or has characters that no bucket has: write s3://bucket/prefix".into()),
    }
}

fn key_prefix(prefix: &str) -> Result<Path, String> {
    let path = Path::parse(prefix).ok().filter(|_| !prefix.starts_with('/') && !prefix.contains(['?', '#', '%', '\\']));
    path.ok_or_else(|| "the prefix behind the bucket must be plain words with single slashes between them".into())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Bucket(bucket) => bucket.fmt(f),
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.cloud {
            Cloud::S3 => "s3",
            Cloud::Google => "gs",
            Cloud::Azure => "az",
        };
        write!(f, "{scheme}://{}/{}", self.name, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_buckets_are_told_apart() {
        for folder in ["blobs", "/srv/blobs", "../s3:/x", "C:/x"] {
            assert_eq!(Address::parse(folder), Ok(Address::Folder(folder.into())));
        }
        for (text, cloud, name, prefix) in [
            ("s3://bucket", Cloud::S3, "bucket", ""),
            ("s3://bucket/", Cloud::S3, "bucket", ""),
            ("gs://shop.example/a/b/", Cloud::Google, "shop.example", "a/b"),
            ("az://container/a", Cloud::Azure, "container", "a"),
        ] {
            let bucket = Bucket { cloud, name: name.into(), prefix: prefix.into() };
            assert_eq!(Address::parse(text), Ok(Address::Bucket(bucket)), "{text}");
        }
        assert_eq!(Address::parse("s3://bucket/a/").unwrap().to_string(), "s3://bucket/a");
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for (text, reason) in [
            ("", "write a folder"),
            ("ftp://bucket", "write a folder"),
            ("file:///srv/blobs", "write a folder"),
            ("S3://bucket", "write a folder"),
            ("s3://", "name of the bucket is missing"),
            ("s3:///prefix", "name of the bucket is missing"),
            ("s3://sesame bucket", "name of the bucket"),
            ("s3://key:sesame@bucket/x", "credentials"),
            ("s3://bucket//sesame", "prefix"),
            ("s3://bucket/a/../sesame", "prefix"),
            ("s3://bucket/a?region=sesame", "prefix"),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.contains(reason) && !error.contains("sesame"), "{text}: {error}");
        }
    }
}
