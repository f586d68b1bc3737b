//! Writes one large JSON document piece by piece, so that it is never in memory. Whoever calls begins and ends what belongs
//! together; commas are put here.

use serde::Serialize;
use std::io::{self, Write};

/// A document in the making.
#[derive(Debug)]
pub struct JsonWriter<W> {
    out: W,
    /// Of each open object or list: the character that closes it, and whether anything is in it.
    open: Vec<(u8, bool)>,
}

impl<W: Write> JsonWriter<W> {
    /// A document into `out`.
    pub fn new(out: W) -> Self {
        Self { out, open: Vec::new() }
    }

    /// Begins an object: the document itself, or the value of the last [`JsonWriter::key`].
    pub fn begin_object(&mut self) -> io::Result<()> {
        self.open.push((b'}', false));
        self.out.write_all(b"{")
    }

    /// Begins a list as the value of the last [`JsonWriter::key`].
    pub fn begin_list(&mut self) -> io::Result<()> {
        self.open.push((b']', false));
        self.out.write_all(b"[")
    }

    /// Ends what was begun last.
    pub fn end(&mut self) -> io::Result<()> {
        let closing = self.open.pop().map_or(b'}', |(closing, _)| closing);
        self.out.write_all(&[b'\n', closing])
    }

    /// A key of the open object; its value comes next.
    pub fn key(&mut self, key: &str) -> io::Result<()> {
        self.separate()?;
        serde_json::to_writer(&mut self.out, key)?;
        self.out.write_all(b": ")
    }

    /// A key with its value.
    pub fn entry(&mut self, key: &str, value: &impl Serialize) -> io::Result<()> {
        self.key(key)?;
        Ok(serde_json::to_writer(&mut self.out, value)?)
    }

    /// An item of the open list.
    pub fn item(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.separate()?;
        Ok(serde_json::to_writer(&mut self.out, value)?)
    }

    /// Gives back what was written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn separate(&mut self) -> io::Result<()> {
        let first = match self.open.last_mut() {
            Some((_, used)) => !std::mem::replace(used, true),
            None => true,
        };
        self.out.write_all(if first { b"\n" } else { b",\n" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn pieces_make_one_document() {
        let mut json = JsonWriter::new(Vec::new());
        json.begin_object().unwrap();
        json.entry("a\"b", &1).unwrap();
        json.key("list").unwrap();
        json.begin_list().unwrap();
        json.item(&json!({"x": null})).unwrap();
        json.item(&"y").unwrap();
        json.end().unwrap();
        json.key("empty").unwrap();
        json.begin_object().unwrap();
        json.end().unwrap();
        json.end().unwrap();
        let value: Value = serde_json::from_slice(&json.into_inner()).unwrap();
        assert_eq!(value, json!({"a\"b": 1, "list": [{"x": null}, "y"], "empty": {}}));
    }
}
