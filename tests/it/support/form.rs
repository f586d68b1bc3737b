//! Upload forms, in every order and with every mistake.

use super::Dist;
use bytes::Bytes;
use md5::Md5;
use sha2::Digest;

/// A multipart form in the making.
#[derive(Debug, Clone)]
pub struct Form {
    pub parts: Vec<Part>,
    pub boundary: String,
}

#[derive(Debug, Clone)]
pub struct Part {
    pub name: String,
    pub filename: Option<String>,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

impl Part {
    pub fn text(name: &str, value: &str) -> Self {
        Self { name: name.into(), filename: None, content_type: None, body: value.into() }
    }

    pub fn file(filename: &str, body: &[u8]) -> Self {
        Self {
            name: "content".into(),
            filename: Some(filename.into()),
            content_type: Some("application/octet-stream".into()),
            body: body.into(),
        }
    }
}

impl Form {
    /// What an ordinary uploader sends.
    pub fn of(dist: &Dist) -> Self {
        let blake2 = {
            use blake2::Digest as _;
            hex::encode(blake2::Blake2b::<blake2::digest::consts::U32>::digest(&dist.bytes))
        };
        let parts = vec![
            Part::text(":action", "file_upload"),
            Part::text("protocol_version", "1"),
            Part::text("metadata_version", "2.1"),
            Part::text("name", &dist.name),
            Part::text("version", &dist.version),
            Part::text("filetype", if dist.is_wheel() { "bdist_wheel" } else { "sdist" }),
            Part::text("pyversion", if dist.is_wheel() { "py3" } else { "source" }),
            Part::text("sha256_digest", &dist.sha256()),
            Part::text("md5_digest", &hex::encode(Md5::digest(&dist.bytes))),
            Part::text("blake2_256_digest", &blake2),
            Part::file(&dist.filename, &dist.bytes),
        ];
        Self { parts, boundary: "BOUNDARY-of-the-test".into() }
    }

    /// Documentation as devpi's client sends it; without a version it leaves the field out.
    pub fn docs(name: &str, version: Option<&str>, zip: &[u8]) -> Self {
        let mut parts = vec![Part::text("name", name)];
        parts.extend(version.map(|version| Part::text("version", version)));
        parts.extend([Part::text(":action", "doc_upload"), Part::text("protocol_version", "1")]);
        parts.push(Part::file(&format!("{name}-{}.doc.zip", version.unwrap_or("docs")), zip));
        Self { parts, boundary: "BOUNDARY-of-the-test".into() }
    }

    /// Sets a text field, in its place or at the end.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        match self.parts.iter_mut().find(|part| part.name == name) {
            Some(part) => part.body = value.into(),
            None => self.parts.push(Part::text(name, value)),
        }
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        let before = self.parts.len();
        self.parts.retain(|part| part.name != name);
        assert!(self.parts.len() < before, "the form has no {name}");
        self
    }

    pub fn content_first(mut self) -> Self {
        self.parts.rotate_right(1);
        assert_eq!(self.parts[0].name, "content");
        self
    }

    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    pub fn encode(&self) -> Bytes {
        let mut bytes = Vec::new();
        for part in &self.parts {
            let filename = part.filename.as_ref().map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
            let content_type = part.content_type.as_ref().map(|kind| format!("Content-Type: {kind}\r\n")).unwrap_or_default();
            let head = format!(
                "--{}\r\nContent-Disposition: form-data; name=\"{}\"{filename}\r\n{content_type}\r\n",
                self.boundary, part.name
            );
            bytes.extend_from_slice(head.as_bytes());
            bytes.extend_from_slice(&part.body);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        bytes.into()
    }
}
