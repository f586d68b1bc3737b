//! The file of one table: a row a line, each a JSON list, packed by zstd. Blocks.

use crate::blobs::measure;
use crate::db::dump::{Kind, Value};
use crate::limits;
use crate::pypi::Sha256;
use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use zstd::stream::{read::Decoder, write::Encoder};

/// The folder of all of them.
pub const FOLDER: &str = "tables";

/// Where the rows of `table` are.
pub fn path(folder: &Path, table: &str) -> PathBuf {
    folder.join(FOLDER).join(format!("{table}.jsonl.zst"))
}

/// Writes rows.
pub struct Writer {
    out: Encoder<'static, BufWriter<File>>,
    path: PathBuf,
}

impl Writer {
    /// Begins the file anew.
    pub fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self { out: Encoder::new(BufWriter::new(file), limits::RECORD_COMPRESSION)?, path })
    }

    /// Writes one.
    pub fn row(&mut self, row: Vec<Value>) -> Result<()> {
        let row: Vec<Json> = row.into_iter().map(to_json).collect();
        serde_json::to_writer(&mut self.out, &row)?;
        Ok(self.out.write_all(b"\n")?)
    }

    /// Brings the file to the disk and returns its digest.
    pub fn finish(self) -> Result<Sha256> {
        let mut out = self.out.finish()?;
        out.flush()?;
        out.get_ref().sync_all()?;
        super::sync_folder_of(&self.path)?;
        Ok(measure(&self.path)?.sha256)
    }
}

fn to_json(value: Value) -> Json {
    match value {
        Value::Integer(value) => value.into(),
        Value::Boolean(value) => value.into(),
        Value::Text(value) => value.into(),
        Value::Bytes(value) => value.map(|bytes| STANDARD.encode(bytes)).into(),
    }
}

/// Reads rows, one at a time.
pub struct Reader {
    lines: BufReader<Decoder<'static, BufReader<File>>>,
    kinds: Vec<Kind>,
    path: PathBuf,
    number: u64,
}

impl Reader {
    /// Opens the file at `path`, whose rows have values of these kinds.
    pub fn open(path: PathBuf, kinds: Vec<Kind>) -> Result<Self> {
        let file = File::open(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(Self { lines: BufReader::new(Decoder::new(file)?), kinds, path, number: 0 })
    }

    /// The next row with the bytes of its line; `None` at the end.
    fn read(&mut self) -> Result<Option<(Vec<Value>, usize)>> {
        let mut line = Vec::new();
        (&mut self.lines).take(limits::HOUSE_ROW_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        ensure!(line.ends_with(b"\n"), "it breaks off, or has more than {} bytes", limits::HOUSE_ROW_BYTES_MAX);
        let row: Vec<Json> = serde_json::from_slice(&line)?;
        ensure!(row.len() == self.kinds.len(), "it has {} values, not {}", row.len(), self.kinds.len());
        let values = row.into_iter().zip(&self.kinds).map(|(value, kind)| from_json(value, *kind));
        Ok(Some((values.collect::<Result<_>>()?, line.len())))
    }
}

impl Iterator for Reader {
    type Item = Result<(Vec<Value>, usize)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.number += 1;
        self.read().with_context(|| format!("line {} of {} cannot be used", self.number, self.path.display())).transpose()
    }
}

fn from_json(value: Json, kind: Kind) -> Result<Value> {
    Ok(match (kind, value) {
        (Kind::Integer, Json::Null) => Value::Integer(None),
        (Kind::Boolean, Json::Null) => Value::Boolean(None),
        (Kind::Text | Kind::Json, Json::Null) => Value::Text(None),
        (Kind::Bytes, Json::Null) => Value::Bytes(None),
        (Kind::Integer, Json::Number(number)) => Value::Integer(Some(number.as_i64().context("a number is too large")?)),
        (Kind::Boolean, Json::Bool(value)) => Value::Boolean(Some(value)),
        (Kind::Text | Kind::Json, Json::String(text)) => Value::Text(Some(text)),
        (Kind::Bytes, Json::String(text)) => Value::Bytes(Some(STANDARD.decode(text)?)),
        (kind, _) => bail!("a value is not of the kind {kind:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str, kinds: &[Kind]) -> Result<Vec<Vec<Value>>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        std::fs::write(&path, zstd::encode_all(lines.as_bytes(), 1).unwrap()).unwrap();
        Reader::open(path, kinds.to_vec())?.map(|row| row.map(|(values, _)| values)).collect()
    }

    #[test]
    fn every_value_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(FOLDER)).unwrap();
        let kinds = [Kind::Integer, Kind::Boolean, Kind::Text, Kind::Bytes, Kind::Json];
        let rows = vec![
            vec![
                Value::Integer(Some(i64::MIN)),
                Value::Boolean(Some(true)),
                Value::Text(Some("a\n\"ü\u{1f9c0}".into())),
                Value::Bytes(Some(vec![0, 255])),
                Value::Text(Some("{\"a\": 1.50}".into())),
            ],
            vec![Value::Integer(None), Value::Boolean(None), Value::Text(None), Value::Bytes(None), Value::Text(None)],
        ];
        let path = path(folder.path(), "t");
        let mut writer = Writer::create(path.clone()).unwrap();
        rows.iter().for_each(|row| writer.row(row.clone()).unwrap());
        assert_eq!(writer.finish().unwrap(), measure(&path).unwrap().sha256);
        let back: Vec<_> = Reader::open(path, kinds.to_vec()).unwrap().map(|row| row.unwrap().0).collect();
        assert_eq!(back, rows);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (lines, reason) in [
            ("[1]\n[2]", "breaks off"),
            ("[1]\n[2, 3]\n", "2 values"),
            ("[1]\n[\"2\"]\n", "kind Integer"),
            ("[1]\n[1.5]\n", "too large"),
            ("[1]\nx\n", "expected value"),
        ] {
            let error = format!("{:#}", read(lines, &[Kind::Integer]).unwrap_err());
            assert!(error.contains("line 2 of") && error.contains(reason), "{error}");
        }
        assert!(read("[\"?\"]\n", &[Kind::Bytes]).is_err());
        assert!(read("", &[Kind::Bytes]).unwrap().is_empty());
    }
}
