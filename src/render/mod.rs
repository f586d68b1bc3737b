//! Text, HTML and pictures for people, as pure functions: descriptions that strangers wrote, charts, sizes and times in words.
//!
//! Nothing in this folder does I/O, reads a clock, awaits, or knows requests. Whatever comes out as HTML is safe to put into a page
//! as it is: what strangers wrote goes through [`description`], and everything else is escaped here.
//!
//! | module | what it is |
//! |---|---|
//! | [`description`] | a project's description, in whatever markup, as safe HTML |
//! | [`chart`] | a small chart of counts by day |
//! | [`words`] | sizes, counts and times |

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
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

/// The text, escaped.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text);
    out
}
