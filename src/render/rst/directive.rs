//! Explicit markup: what begins with `..`, that is directives, notes, targets and comments.

use super::Writer;
use super::lines::{dedented, indented_end, is_blank, trimmed};
use super::targets::slug;
use crate::render::escaped;
use std::fmt::Write;

/// A directive, taken apart.
struct Directive<'a> {
    name: String,
    argument: &'a str,
    options: Vec<(&'a str, &'a str)>,
    content: Vec<&'a str>,
}

impl<'a> Directive<'a> {
    /// Reads what stands behind `..` and the lines that belong to it.
    fn read(first: &'a str, body: Vec<&'a str>) -> Option<Self> {
        let (name, argument) = first.split_once("::")?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.:+".contains(c);
        if name.is_empty() || !name.chars().all(is_name) || !(argument.is_empty() || argument.starts_with(' ')) {
            return None;
        }
        let options = body.iter().map_while(|line| option(line)).collect::<Vec<_>>();
        let content = body[options.len()..].to_vec();
        Some(Self { name: name.to_ascii_lowercase(), argument: argument.trim(), options, content })
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// Argument and content together, as the text that most admonitions are.
    fn text(&self) -> Vec<&'a str> {
        std::iter::once(self.argument).chain(self.content.iter().copied()).collect()
    }
}

/// `:name: value`
fn option(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix(':')?.split_once(':')?;
    let is_option = !name.is_empty() && !name.contains(char::is_whitespace) && (value.is_empty() || value.starts_with(' '));
    is_option.then(|| (name, value.trim()))
}

/// Admonitions, with the alert that looks like them and the title that they have.
const ADMONITIONS: &[(&str, &str, &str)] = &[
    ("admonition", "note", "Note"),
    ("attention", "warning", "Attention"),
    ("caution", "caution", "Caution"),
    ("danger", "caution", "Danger"),
    ("error", "caution", "Error"),
    ("hint", "tip", "Hint"),
    ("important", "important", "Important"),
    ("note", "note", "Note"),
    ("seealso", "note", "See also"),
    ("tip", "tip", "Tip"),
    ("warning", "warning", "Warning"),
];

impl Writer {
    pub(super) fn explicit(&mut self, lines: &[&str], depth: usize) -> Option<usize> {
        let first = lines[0].strip_prefix("..").filter(|rest| rest.is_empty() || rest.starts_with(' '));
        let Some(first) = first.map(str::trim) else {
            // An address without a name, which is collected already.
            return lines[0].starts_with("__ ").then_some(1);
        };
        let end = 1 + indented_end(&lines[1..], 0);
        let body = dedented(&lines[1..end]);
        if let Some(note) = first.strip_prefix('[') {
            self.note(note, &body, depth);
        } else if let Some(target) = first.strip_prefix('_') {
            self.place(target);
        } else if !first.starts_with('|')
            && let Some(directive) = Directive::read(first, body)
        {
            self.directive(&directive, &lines[..end], depth);
        }
        Some(end)
    }

    /// `label] text`
    fn note(&mut self, text: &str, body: &[&str], depth: usize) {
        let Some((label, first)) = text.split_once(']') else { return };
        let label = self.note_label(label, 1);
        let _ = write!(self.out, "<div class=\"footnotes\" id=\"note-{}\"><sup>{}</sup> ", slug(&label), escaped(&label));
        let lines: Vec<&str> = std::iter::once(first.trim()).chain(body.iter().copied()).collect();
        self.blocks(trimmed(&lines), depth + 1);
        self.out.push_str("</div>\n");
    }

    /// `name:` without an address names the place where it stands.
    fn place(&mut self, target: &str) {
        if let Some(name) = target.strip_suffix(':') {
            let _ = write!(self.out, "<span id=\"{}\"></span>", slug(name.trim_matches('`')));
        }
    }

    fn directive(&mut self, directive: &Directive<'_>, source: &[&str], depth: usize) {
        if let Some((name, alert, title)) = ADMONITIONS.iter().find(|(name, ..)| *name == directive.name) {
            let has_title = *name == "admonition" && !directive.argument.is_empty();
            let title = if has_title { directive.argument } else { title };
            let text = if has_title { directive.content.clone() } else { directive.text() };
            return self.admonition(alert, title, &text, depth);
        }
        match directive.name.as_str() {
            "image" => self.picture(directive, "p"),
            "figure" => {
                self.picture(directive, "p");
                self.blocks(&directive.content, depth + 1);
            }
            "code" | "code-block" | "sourcecode" => self.literal(&directive.content, Some(directive.argument)),
            "parsed-literal" | "math" => self.literal(trimmed(&directive.text()), None),
            "versionadded" | "versionchanged" | "deprecated" => self.version_note(directive, depth),
            "rubric" | "centered" => self.tagged("p", |writer| writer.strong(directive.argument)),
            "topic" | "sidebar" | "list-table" | "csv-table" | "table" => self.titled(directive, depth),
            "container" | "class" | "compound" | "only" | "epigraph" | "highlights" | "pull-quote" | "rst-class" => {
                self.blocks(&directive.content, depth + 1);
            }
            // What only makes sense in a set of documents, or would bring something from elsewhere.
            "contents" | "default-role" | "highlight" | "include" | "index" | "literalinclude" | "meta" | "raw" | "role"
            | "sectnum" | "section-numbering" | "toctree" => {}
            _ => self.literal(source, None),
        }
    }

    fn strong(&mut self, text: &str) {
        let _ = write!(self.out, "<strong>{}</strong>", escaped(text));
    }

    fn admonition(&mut self, alert: &str, title: &str, text: &[&str], depth: usize) {
        let _ = writeln!(
            self.out,
            "<div class=\"markdown-alert markdown-alert-{alert}\"><p class=\"markdown-alert-title\">{}</p>",
            escaped(title)
        );
        self.blocks(&dedented(trimmed(text)), depth + 1);
        self.out.push_str("</div>\n");
    }

    fn picture(&mut self, directive: &Directive<'_>, tag: &str) {
        let names = ["align", "height", "width"];
        let attributes: Vec<(&str, &str)> = names.iter().filter_map(|name| Some((*name, directive.option(name)?))).collect();
        let alt = directive.option("alt").unwrap_or_default();
        self.tagged(tag, |writer| writer.image(directive.argument, alt, directive.option("target"), &attributes));
    }

    fn version_note(&mut self, directive: &Directive<'_>, depth: usize) {
        let what = match directive.name.as_str() {
            "versionadded" => "New in version",
            "versionchanged" => "Changed in version",
            _ => "Deprecated since version",
        };
        let (version, text) = directive.argument.split_once(' ').unwrap_or((directive.argument, ""));
        self.tagged("p", |writer| {
            let _ = write!(writer.out, "<em>{what} {}:</em> ", escaped(version));
            writer.inline(text);
        });
        self.blocks(&directive.content, depth + 1);
    }

    fn titled(&mut self, directive: &Directive<'_>, depth: usize) {
        if !directive.argument.is_empty() {
            self.tagged("p", |writer| writer.strong(directive.argument));
        }
        match directive.name.as_str() {
            // Rows as lines of text.
            "csv-table" => self.literal(&directive.content, None),
            _ if directive.content.iter().all(|line| is_blank(line)) => {}
            _ => self.blocks(&directive.content, depth + 1),
        }
    }
}
