//! reStructuredText, as far as descriptions use it: sections, paragraphs, lists, literal blocks, tables without spans, links,
//! pictures, admonitions. What comes out is not safe yet.
//!
//! This is no docutils. It knows no errors: what it does not understand is shown as the text that it is. It includes no files,
//! passes no raw HTML on, and its work is linear in the text, whose nesting is bounded.

mod directive;
mod inline;
mod lines;
mod list;
mod table;
mod targets;

use super::escape;
use crate::limits::{DESCRIPTION_HTML_BYTES_MAX, DESCRIPTION_QUOTES_MAX};
use lines::{adornment, dedented, indent, indented_end, is_blank, trimmed};
use std::fmt::Write;
use targets::Targets;

/// The HTML of a reStructuredText, and whether something is missing at its end.
pub(super) fn to_html(text: &str) -> (String, bool) {
    let text = lines::expanded(text);
    let lines: Vec<&str> = text.lines().collect();
    let mut writer = Writer { out: String::new(), targets: Targets::collect(&lines), styles: Vec::new() };
    writer.blocks(&lines, 0);
    let cut = writer.is_full();
    (writer.out, cut)
}

struct Writer {
    out: String,
    targets: Targets,
    /// The adornments of titles in the order in which they came: their place is the level.
    styles: Vec<(char, bool)>,
}

/// Writes the block at the beginning of some lines, if it is of one kind, and tells how many lines it is.
type Reader<T> = fn(&mut T, &[&str], usize) -> Option<usize>;

impl Writer {
    /// A few characters can stand for a long address, often.
    fn is_full(&self) -> bool {
        self.out.len() > DESCRIPTION_HTML_BYTES_MAX
    }

    /// Writes blocks that begin at the left margin of `lines`.
    fn blocks(&mut self, lines: &[&str], depth: usize) {
        if depth > DESCRIPTION_QUOTES_MAX {
            return self.literal(lines, None);
        }
        let mut rest = lines;
        while let Some(first) = rest.first() {
            let taken = match () {
                () if self.is_full() => return,
                () if is_blank(first) => 1,
                () if indent(first) > 0 => self.quote(rest, depth),
                () => self.block(rest, depth),
            };
            rest = &rest[taken.clamp(1, rest.len())..];
        }
    }

    /// Writes the block at the beginning of `lines` and tells how many of them it is.
    fn block(&mut self, lines: &[&str], depth: usize) -> usize {
        let kinds: [Reader<Self>; 10] = [
            Self::explicit,
            Self::title,
            Self::transition,
            Self::bullets,
            Self::numbers,
            Self::fields,
            Self::options,
            Self::doctest,
            Self::line_block,
            Self::table,
        ];
        let known = kinds.iter().find_map(|kind| kind(self, lines, depth));
        known.or_else(|| self.definitions(lines, depth)).unwrap_or_else(|| self.paragraph(lines))
    }

    fn quote(&mut self, lines: &[&str], depth: usize) -> usize {
        let end = indented_end(lines, 0);
        self.out.push_str("<blockquote>");
        self.blocks(&dedented(&lines[..end]), depth + 1);
        self.out.push_str("</blockquote>\n");
        end
    }

    /// A title, with a line below it or lines around it. Only at the outermost level, but nobody is hurt elsewhere.
    fn title(&mut self, lines: &[&str], _depth: usize) -> Option<usize> {
        let (title, style, taken) = match (adornment(lines[0]), lines.get(1), lines.get(2)) {
            (Some(over), Some(title), Some(under)) if !is_blank(title) && adornment(under) == Some(over) => {
                (*title, (over, true), 3)
            }
            (None, Some(under), _) => (lines[0], (adornment(under)?, false), 2),
            _ => return None,
        };
        let title = title.trim();
        // A short line below a longer one is a list or a quoted ellipsis more often than a title.
        let line = lines[taken - 1];
        if line.len() < 4 && line.len() < title.chars().count() {
            return None;
        }
        let level = self.styles.iter().position(|known| *known == style).unwrap_or_else(|| {
            self.styles.push(style);
            self.styles.len() - 1
        });
        let level = (level + 1).min(6);
        let _ = write!(self.out, "<h{level} id=\"{}\">", targets::slug(title));
        self.inline(title);
        let _ = writeln!(self.out, "</h{level}>");
        Some(taken)
    }

    /// A line across.
    fn transition(&mut self, lines: &[&str], _depth: usize) -> Option<usize> {
        let is_alone = lines.get(1).is_none_or(|next| is_blank(next));
        (adornment(lines[0]).is_some() && lines[0].len() >= 4 && is_alone).then(|| {
            self.out.push_str("<hr>\n");
            1
        })
    }

    /// A session at the interpreter's prompt, up to the next blank line.
    fn doctest(&mut self, lines: &[&str], _depth: usize) -> Option<usize> {
        lines[0].starts_with(">>> ").then(|| {
            let end = lines::paragraph_end(lines);
            self.literal(&lines[..end], Some("python"));
            end
        })
    }

    /// `| line`: lines that stay lines.
    fn line_block(&mut self, lines: &[&str], _depth: usize) -> Option<usize> {
        let is_line = |line: &&str| line.starts_with("| ") || *line == "|";
        let end = lines.iter().take_while(|line| is_line(line)).count();
        if end == 0 {
            return None;
        }
        self.out.push_str("<p>");
        for line in &lines[..end] {
            self.inline(line[1..].trim());
            self.out.push_str("<br>\n");
        }
        self.out.push_str("</p>\n");
        Some(end)
    }

    fn paragraph(&mut self, lines: &[&str]) -> usize {
        let end = lines::paragraph_end(lines);
        // What is indented deeper than the line before it begins a block of its own.
        let end = lines[..end].iter().position(|line| indent(line) > 0).unwrap_or(end);
        let text = lines[..end].join("\n");
        let Some(before) = text.strip_suffix("::") else {
            self.tagged("p", |writer| writer.inline(&text));
            return end;
        };
        // `text::` is `text:` and a literal block, `::` alone only the block.
        let shown =
            if before.ends_with(|c: char| !c.is_whitespace()) { format!("{before}:") } else { before.trim_end().to_owned() };
        if !shown.is_empty() {
            self.tagged("p", |writer| writer.inline(&shown));
        }
        end + self.literal_block(&lines[end..])
    }

    /// What follows `::`: what is indented, or lines that all begin with the same punctuation. Tells how many lines it is.
    fn literal_block(&mut self, lines: &[&str]) -> usize {
        let blank = lines.iter().take_while(|line| is_blank(line)).count();
        let rest = &lines[blank..];
        let Some(first) = rest.first() else { return blank };
        if indent(first) > 0 {
            let end = indented_end(rest, 0);
            self.literal(&dedented(&rest[..end]), None);
            return blank + end;
        }
        match first.chars().next().filter(char::is_ascii_punctuation) {
            Some(mark) if blank > 0 => {
                let end = rest.iter().take_while(|line| line.starts_with(mark)).count();
                self.literal(&rest[..end], None);
                blank + end
            }
            _ => blank,
        }
    }

    /// Lines as they stand.
    fn literal(&mut self, lines: &[&str], language: Option<&str>) {
        self.out.push_str("<pre><code");
        if let Some(language) = language.filter(|language| !language.is_empty()) {
            self.out.push_str(" class=\"language-");
            escape(&mut self.out, language);
            self.out.push('"');
        }
        self.out.push('>');
        for line in trimmed(lines) {
            escape(&mut self.out, line);
            self.out.push('\n');
        }
        self.out.push_str("</code></pre>\n");
    }

    fn tagged(&mut self, tag: &str, inner: impl FnOnce(&mut Self)) {
        let _ = write!(self.out, "<{tag}>");
        inner(self);
        let _ = writeln!(self.out, "</{tag}>");
    }
}

#[cfg(test)]
mod tests;
