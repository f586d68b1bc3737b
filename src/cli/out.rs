//! The only place that prints.

use std::io::Write;

/// Prints a line to standard output. A reader that has gone away, such as `head`, is no error.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a line to standard error.
pub fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "cheeseshop: {text}");
}
