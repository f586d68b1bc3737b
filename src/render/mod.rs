//! Text, HTML and pictures for people, as pure functions: descriptions that strangers wrote, charts, sizes and days in words.
//!
//! Nothing in this folder does I/O, reads a clock, awaits, or knows requests. Whatever comes out as HTML is safe to put into a page
//! as it is: what strangers wrote goes through [`description`], and everything else is escaped here.
//!
//! | module | what it is |
//! |---|---|
//! | [`description`] | a project's description, in whatever markup, as safe HTML |
//! | [`chart`] | a small chart of counts by day |
//! | [`words`] | sizes, counts and days |

pub mod chart;
pub mod description;
mod linkify;
mod markdown;
mod rst;
mod shape;
mod vocabulary;
mod wall;
pub mod words;

/// Appends text, escaped for HTML's text and for its quoted attributes.
fn escape(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#39;",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// The text, escaped.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text);
    out
}
