//! A project's description as HTML that can stand in a page: Markdown, reStructuredText or plain text in, safe HTML out.
//!
//! Whoever uploads writes the description, so nothing in it is believed. Three steps, each of which would do alone for most input:
//! the markup becomes HTML, [`super::shape`] brings that HTML into a shape that fits into the page, and [`super::wall`] lets
//! through what is on its list. Time and memory are bounded, whatever the input; it still is work for the blocking pool.
//!
//! The HTML depends on the arguments only, so it can be kept by a hash of them.

pub use super::shape::Images;

use super::shape;
use super::{escape, linkify, markdown, rst, wall};
use crate::limits::DESCRIPTION_BYTES_MAX;

/// A description for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// HTML for the inside of a block element. Headings begin at `h3`, ids with `description-`.
    pub html: String,
    /// Whether something is missing at the end: it was too long.
    pub cut: bool,
}

/// How a description is marked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Markup {
    /// Markdown with GitHub's additions, which contains CommonMark.
    Markdown,
    /// reStructuredText, without what Sphinx adds.
    Rst,
    /// No markup.
    Plain,
}

impl Markup {
    /// What `Description-Content-Type` says. If there is none, the core metadata specification says reStructuredText, but authors
    /// who name no type write Markdown as well: the text decides. What is of a type that nobody knows is shown as it stands.
    pub fn of(content_type: Option<&str>, text: &str) -> Self {
        let named = content_type.map(|value| value.split(';').next().unwrap_or_default().trim());
        match named {
            None | Some("") => guess(text),
            Some(name) if name.eq_ignore_ascii_case("text/markdown") => Self::Markdown,
            Some(name) if name.eq_ignore_ascii_case("text/x-rst") => Self::Rst,
            Some(_) => Self::Plain,
        }
    }
}

/// Which of the two markups has more lines that only it would have.
fn guess(text: &str) -> Markup {
    let markdown = |line: &str| {
        let heading = line.trim_start_matches('#');
        let is_heading = heading.len() < line.len() && line.len() - heading.len() <= 6 && heading.starts_with(' ');
        is_heading || line.starts_with("```") || line.contains("](")
    };
    let rst = |line: &str| {
        let is_explicit = line.starts_with(".. ");
        let is_underline =
            line.len() >= 4 && line.bytes().all(|b| b == line.as_bytes()[0]) && b"=~^\"'".contains(&line.as_bytes()[0]);
        is_explicit || is_underline || line.ends_with("::") || line.contains("`_") || line.contains("``") && !line.contains("```")
    };
    let count = |has: &dyn Fn(&str) -> bool| text.lines().take(GUESSED_LINES).filter(|line| has(line.trim_end())).count();
    if count(&markdown) > count(&rst) { Markup::Markdown } else { Markup::Rst }
}

/// Lines that a guess looks at.
const GUESSED_LINES: usize = 500;

/// Renders a description of the type that `Description-Content-Type` names.
pub fn render(text: &str, content_type: Option<&str>, images: Images<'_>) -> Description {
    let (text, is_cut) = bounded(text);
    let (html, is_long) = match Markup::of(content_type, text) {
        Markup::Markdown => markdown::to_html(text),
        Markup::Rst => rst::to_html(text),
        Markup::Plain => (plain(text), false),
    };
    let shaped = shape::shape(&html, images);
    Description { html: wall::pass(&shaped.html), cut: is_cut || is_long || shaped.cut }
}

/// The beginning of a text, in whole lines if it has any.
fn bounded(text: &str) -> (&str, bool) {
    if text.len() <= DESCRIPTION_BYTES_MAX {
        return (text, false);
    }
    let start = &text[..text.floor_char_boundary(DESCRIPTION_BYTES_MAX)];
    (start.rfind('\n').map_or(start, |end| &start[..end]), true)
}

/// Text as it stands, its addresses made into links.
fn plain(text: &str) -> String {
    let mut out = String::from("<pre class=\"text\">\n");
    linkify::linkify(&mut out, text, escape);
    out.push_str("</pre>");
    out
}

#[cfg(test)]
#[path = "description_tests.rs"]
mod tests;
