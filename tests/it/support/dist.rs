//! Distributions built in memory: sound wheels and source distributions, and wheels with something missing.

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A distribution: its file name, its bytes, and the METADATA or PKG-INFO inside.
#[derive(Debug, Clone)]
pub struct Dist {
    pub name: String,
    pub version: String,
    pub filename: String,
    pub bytes: Vec<u8>,
    pub metadata: Vec<u8>,
}

/// Hex of the SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Dist {
    /// A pure wheel.
    pub fn wheel(name: &str, version: &str) -> Self {
        Self::wheel_with(name, version, "", b"VALUE = 1\n")
    }

    /// A wheel with further metadata lines, and `content` as its module.
    pub fn wheel_with(name: &str, version: &str, more: &str, content: &[u8]) -> Self {
        Self::wheel_of(name, version, metadata(name, version, more), content)
    }

    /// A wheel with this summary, these keywords and this description.
    pub fn described(name: &str, version: &str, summary: &str, keywords: &str, description: &str) -> Self {
        let head = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {summary}\nKeywords: {keywords}\n");
        Self::wheel_of(name, version, format!("{head}\n{description}\n").into_bytes(), b"")
    }

    fn wheel_of(name: &str, version: &str, metadata: Vec<u8>, content: &[u8]) -> Self {
        let stem = format!("{}-{version}", name.replace(['-', '.'], "_"));
        let inside = |file: &str| format!("{stem}.dist-info/{file}");
        let module = format!("{}/__init__.py", name.replace(['-', '.'], "_"));
        let wheel = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
        let record = format!(
            "{module},,{}\n{},,{}\n{},,{}\n{},,\n",
            content.len(),
            inside("METADATA"),
            metadata.len(),
            inside("WHEEL"),
            wheel.len(),
            inside("RECORD")
        );
        let members: [(&str, &[u8]); 4] = [
            (&module, content),
            (&inside("METADATA"), &metadata),
            (&inside("WHEEL"), wheel),
            (&inside("RECORD"), record.as_bytes()),
        ];
        let bytes = zip_of(&members);
        Self { name: name.into(), version: version.into(), filename: format!("{stem}-py3-none-any.whl"), bytes, metadata }
    }

    /// A wheel of which nothing compresses, so that it has about as many bytes as asked for.
    pub fn large_wheel(name: &str, version: &str, bytes: usize) -> Self {
        Self::wheel_with(name, version, "", &noise(bytes))
    }

    /// A zip archive with a wheel's name and no METADATA in it.
    pub fn wheel_without_metadata(name: &str, version: &str) -> Self {
        let sound = Self::wheel(name, version);
        Self { bytes: zip_of(&[("readme.txt", b"nothing")]), metadata: Vec::new(), ..sound }
    }

    /// A source distribution.
    pub fn sdist(name: &str, version: &str) -> Self {
        let metadata = metadata(name, version, "");
        let stem = format!("{}-{version}", name.replace(['-', '.'], "_"));
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        for (file, content) in [("PKG-INFO", metadata.as_slice()), ("setup.py", b"")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("{stem}/{file}"), content).unwrap();
        }
        let bytes = tar.into_inner().unwrap().finish().unwrap();
        Self { name: name.into(), version: version.into(), filename: format!("{stem}.tar.gz"), bytes, metadata }
    }

    /// The same under other bytes: as good a distribution, with another digest.
    pub fn rebuilt(&self) -> Self {
        assert!(self.filename.ends_with(".whl"));
        Self { filename: self.filename.clone(), ..Self::wheel_with(&self.name, &self.version, "", b"VALUE = 2\n") }
    }

    /// The same under another file name.
    pub fn named(self, filename: &str) -> Self {
        Self { filename: filename.into(), ..self }
    }

    pub fn is_wheel(&self) -> bool {
        self.filename.ends_with(".whl")
    }

    pub fn sha256(&self) -> String {
        sha256(&self.bytes)
    }

    /// Its path below an index.
    pub fn path(&self, index: &str) -> String {
        let digest = self.sha256();
        format!("/{index}/+f/{}/{}/{}", &digest[..3], &digest[3..16], self.filename)
    }
}

fn metadata(name: &str, version: &str, more: &str) -> Vec<u8> {
    format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: a test\n{more}\nA description.\n").into_bytes()
}

/// A zip archive of these files, deflated.
pub fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Bytes that deflate cannot make smaller.
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..bytes).map(|_| next()).collect()
}
