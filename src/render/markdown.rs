//! Markdown with GitHub's additions: tables, strikethrough, task lists, bare addresses, footnotes, alerts, and the HTML in it.
//! What comes out is not safe yet.

use crate::limits::{DESCRIPTION_HTML_BYTES_MAX, DESCRIPTION_QUOTES_MAX, DESCRIPTION_WORD_BYTES_MAX};
use comrak::adapters::{HeadingAdapter, HeadingMeta};
use comrak::nodes::Sourcepos;
use comrak::options::Plugins;
use comrak::{Anchorizer, Arena, Options, format_html_with_plugins, parse_document};
use std::fmt::{self, Write};
use std::sync::{Mutex, PoisonError};

/// The HTML of a Markdown text, and whether something is missing at its end.
pub(super) fn to_html(text: &str) -> (String, bool) {
    let text = with_few_quotes(text);
    let options = options(&text);
    let headings = Headings::default();
    let mut plugins = Plugins::default();
    plugins.render.heading_adapter = Some(&headings);
    let arena = Arena::new();
    let root = parse_document(&arena, &text, &options);
    let mut out = Bounded(String::new());
    let written = format_html_with_plugins(root, &options, &mut out, &plugins);
    (out.0, written.is_err())
}

fn options(text: &str) -> Options<'static> {
    let mut options = Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.alerts = true;
    // It takes quadratic time for a text without white space.
    options.extension.autolink = text.split_ascii_whitespace().all(|word| word.len() <= DESCRIPTION_WORD_BYTES_MAX);
    options.render.r#unsafe = true;
    options
}

/// The text with at most [`DESCRIPTION_QUOTES_MAX`] marks of quotes at the beginning of each line: each is one level of nesting,
/// and the parser's time grows with the square of that.
fn with_few_quotes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let is_mark = |c: char| c.is_whitespace() || c.is_ascii_digit() || ">-*+.)".contains(c);
        let (marks, rest) = line.split_at(line.find(|c| !is_mark(c)).unwrap_or(line.len()));
        let mut quotes = 0;
        out.extend(marks.chars().filter(|c| {
            quotes += usize::from(*c == '>');
            *c != '>' || quotes <= DESCRIPTION_QUOTES_MAX
        }));
        out.push_str(rest);
    }
    out
}

/// Gives each heading an id made from its text, as forges do, so that links to it lead there.
#[derive(Default)]
struct Headings(Mutex<Anchorizer>);

impl HeadingAdapter for Headings {
    fn enter(&self, output: &mut dyn Write, heading: &HeadingMeta, _: Option<Sourcepos>) -> fmt::Result {
        let id = self.0.lock().unwrap_or_else(PoisonError::into_inner).anchorize(&heading.content);
        write!(output, "<h{} id=\"{}\">", heading.level, super::escaped(&id))
    }

    fn exit(&self, output: &mut dyn Write, heading: &HeadingMeta) -> fmt::Result {
        write!(output, "</h{}>", heading.level)
    }
}

/// Text that refuses to grow far beyond the limit: few words can name long footnotes and wide tables.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(text);
        if self.0.len() > DESCRIPTION_HTML_BYTES_MAX { Err(fmt::Error) } else { Ok(()) }
    }
}
