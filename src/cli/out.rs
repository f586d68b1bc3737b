//! Standard output and error: the only file that writes to them, beside [`super::bar`], above which it writes.

use super::bar;
use serde_json::Value;
use std::io::{IsTerminal, Write};

/// Writes a line of the result.
pub fn line(text: &str) {
    // Not `println!`, which panics when the reader of a pipe has gone; nobody is left to be told.
    bar::above(|| {
        let mut stdout = std::io::stdout();
        let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    });
}

/// Writes JSON for programs.
pub fn json(value: &Value) {
    line(&format!("{value:#}"));
}

/// Writes rows with aligned columns; the last column is left as it is.
pub fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        line(cells.join("  ").trim_end());
    }
}

/// Whether standard error is a terminal.
pub fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Says on standard error how far something has come, where there is no terminal.
pub fn progress(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Standard error, for the log.
#[derive(Debug, Clone, Copy)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        bar::above(|| std::io::stderr().write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Says on standard error, in one line, why the program failed.
pub fn complain(error: &anyhow::Error) {
    let text = format!("{error:#}").replace(['\r', '\n'], " ");
    bar::above(|| {
        let _ = writeln!(std::io::stderr(), "cheeseshop: {text}");
    });
}

/// Writes an object as `key  value` lines; what is absent or empty is left out.
pub fn fields(object: &Value) {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Array(items) => Some(
            items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect::<Vec<_>>().join(","),
        )
        .filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    };
    let entries = object.as_object().into_iter().flatten();
    table(&entries.filter_map(|(key, value)| Some(vec![key.clone(), text(value)?])).collect::<Vec<_>>());
}
