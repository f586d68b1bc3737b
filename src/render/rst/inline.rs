//! Markup inside a paragraph: emphasis, literals, roles, references, substitutions, notes, addresses.
//!
//! A mark whose end is not found once is not looked for again in the same paragraph, so that the time stays linear.

use super::Writer;
use super::targets::{Substitution, slug};
use crate::render::linkify::{link, linkify};
use crate::render::{escape, escaped};
use std::fmt::Write;

/// Marks that have an end, with what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Literal,
    Strong,
    Emphasis,
    Text,
    Substitution,
    Note,
}

impl Mark {
    /// The mark that begins here, its beginning and its end.
    fn at(text: &str) -> Option<(Self, &'static str, &'static str)> {
        let marks = [
            (Self::Literal, "``", "``"),
            (Self::Strong, "**", "**"),
            (Self::Text, "`", "`"),
            (Self::Emphasis, "*", "*"),
            (Self::Substitution, "|", "|"),
            (Self::Note, "[", "]_"),
        ];
        marks.into_iter().find(|(_, start, _)| text.starts_with(start))
    }
}

/// Bytes of a note's label or a substitution's name, and its end: it may turn out to be neither, and then the look was in vain.
const NAME_REACH: usize = 200;

/// The marks whose end was looked for in vain.
#[derive(Default)]
struct Vain(Vec<Mark>);

impl Writer {
    /// Writes running text.
    pub(super) fn inline(&mut self, text: &str) {
        self.marked(text, true);
    }

    /// `deep`: whether substitutions are made; what they stand for has none.
    fn marked(&mut self, text: &str, deep: bool) {
        let mut vain = Vain::default();
        // From where on nothing is written yet, and where the next look begins.
        let (mut written, mut at) = (0, 0);
        while let Some(found) = text[at..].find(['\\', '`', '*', '|', '[']) {
            at += found;
            if self.is_full() {
                return;
            }
            if text[at..].starts_with('\\') {
                self.running(&text[written..at]);
                at = self.escaped_char(text, at + 1);
                written = at;
                continue;
            }
            match self.mark(text, written, at, deep, &mut vain) {
                Some(end) => (written, at) = (end, end),
                None => at += 1,
            }
        }
        self.running(&text[written..]);
    }

    /// Writes the character behind a backslash; white space is left out. Tells where it ends.
    fn escaped_char(&mut self, text: &str, at: usize) -> usize {
        let Some(c) = text[at..].chars().next() else { return at };
        let end = at + c.len_utf8();
        if !c.is_whitespace() {
            escape(&mut self.out, &text[at..end]);
        }
        end
    }

    /// Writes what is marked here, and before it what is not written yet. Tells where it ends; `None` if nothing is marked.
    fn mark(&mut self, text: &str, written: usize, at: usize, deep: bool, vain: &mut Vain) -> Option<usize> {
        let (mark, start, end) = Mark::at(&text[at..])?;
        let role = (mark == Mark::Text).then(|| role_before(&text[written..at])).flatten();
        let begins = at - role.map_or(0, |role| role.len() + 2);
        if vain.0.contains(&mark) || !may_begin(text, begins, at + start.len()) {
            return None;
        }
        let inner = at + start.len();
        let is_name = matches!(mark, Mark::Note | Mark::Substitution);
        let reach = if is_name { text.floor_char_boundary(inner + NAME_REACH) } else { text.len() };
        let Some(length) = find_end(&text[inner..reach], end, mark) else {
            if !is_name {
                vain.0.push(mark);
            }
            return None;
        };
        let (content, after) = (&text[inner..inner + length], inner + length + end.len());
        if mark == Mark::Note && !is_note(content) || mark == Mark::Substitution && self.targets.substituted(content).is_none() {
            return None;
        }
        self.running(&text[written..begins]);
        match mark {
            Mark::Literal => self.wrapped("code", content),
            Mark::Strong => self.wrapped("strong", &unescaped(content)),
            Mark::Emphasis => self.wrapped("em", &unescaped(content)),
            Mark::Note => self.note_reference(content),
            Mark::Substitution => {
                self.substitute(content, deep);
                // A substitution that is a reference has its link already.
                return Some(after + text[after..].len() - text[after..].trim_start_matches('_').len());
            }
            Mark::Text => return Some(after + self.interpreted(content, role, &text[after..])),
        }
        Some(after)
    }

    fn wrapped(&mut self, tag: &str, text: &str) {
        let _ = write!(self.out, "<{tag}>{}</{tag}>", escaped(text));
    }

    /// Text in backquotes: a reference if `_` follows, else what its role says. Tells how much of `after` belongs to it.
    fn interpreted(&mut self, content: &str, role: Option<&str>, after: &str) -> usize {
        let content = content.split_whitespace().collect::<Vec<_>>().join(" ");
        if role.is_none()
            && let Some(marks) = ["__", "_"].into_iter().find(|marks| after.starts_with(marks))
        {
            self.reference(&content, marks == "__");
            return marks.len();
        }
        let role_after = after.strip_prefix(':').and_then(|rest| rest.split_once(':')).map(|(name, _)| name);
        let role_after = role_after.filter(|name| role.is_none() && is_role(name));
        let (text, _) = with_target(&content);
        match role.or(role_after) {
            Some("emphasis") => self.wrapped("em", &unescaped(text)),
            Some("strong") => self.wrapped("strong", &unescaped(text)),
            Some("sub" | "subscript") => self.wrapped("sub", &unescaped(text)),
            Some("sup" | "superscript") => self.wrapped("sup", &unescaped(text)),
            // Sphinx's roles name things of programs; `~` and `!` before a name only say how it is shown there.
            Some(_) => self.wrapped("code", unescaped(text).trim_start_matches(['~', '!'])),
            None => self.wrapped("cite", &unescaped(text)),
        }
        role_after.map_or(0, |name| name.len() + 2)
    }

    /// `text <address>`_, or the name of a target.
    fn reference(&mut self, content: &str, is_anonymous: bool) {
        let (text, target) = with_target(content);
        let text = unescaped(text);
        let url = match target {
            Some(target) => match target.strip_suffix('_').filter(|_| !target.contains("://")) {
                Some(name) => self.targets.link(name),
                None => {
                    let url = target.replace('\\', "");
                    if !is_anonymous {
                        self.targets.learn(&text, &url);
                    }
                    Some(url)
                }
            },
            None if is_anonymous => self.targets.next_anonymous(),
            None => self.targets.link(&text),
        };
        match url {
            Some(url) => link(&mut self.out, &url, if text.is_empty() { &url } else { &text }),
            None => escape(&mut self.out, &text),
        }
    }

    fn substitute(&mut self, name: &str, deep: bool) {
        match self.targets.substituted(name).cloned() {
            Some(Substitution::Image { url, alt, target }) => self.image(&url, &alt, target.as_deref(), &[]),
            Some(Substitution::Text(text)) if deep => self.marked(&text, false),
            _ => escape(&mut self.out, name),
        }
    }

    /// Writes a picture, in a link if it has one.
    pub(super) fn image(&mut self, url: &str, alt: &str, target: Option<&str>, attributes: &[(&str, &str)]) {
        let target = target.map(|target| match target.strip_suffix('_').filter(|_| !target.contains("://")) {
            Some(name) => self.targets.link(name.trim_matches('`')).unwrap_or_default(),
            None => target.to_owned(),
        });
        if let Some(target) = &target {
            let _ = write!(self.out, "<a href=\"{}\">", escaped(target));
        }
        let _ = write!(self.out, "<img src=\"{}\" alt=\"{}\"", escaped(url), escaped(alt));
        for (name, value) in attributes {
            let _ = write!(self.out, " {name}=\"{}\"", escaped(value));
        }
        self.out.push_str(if target.is_some() { "></a>" } else { ">" });
    }

    fn note_reference(&mut self, label: &str) {
        let label = self.note_label(label, 0);
        let id = slug(&label);
        let _ = write!(self.out, "<sup class=\"footnote-ref\"><a href=\"#note-{id}\">{}</a></sup>", escaped(&label));
    }

    /// What a note is called: `#` is a number that nobody has chosen, counted apart for references (0) and notes (1).
    pub(super) fn note_label(&mut self, label: &str, kind: usize) -> String {
        match label {
            "#" | "*" => {
                self.targets.numbered[kind] += 1;
                self.targets.numbered[kind].to_string()
            }
            label => label.trim_start_matches('#').to_owned(),
        }
    }

    /// Text without marks, except that words which end in `_` may be references, and addresses links.
    fn running(&mut self, text: &str) {
        let Self { out, targets, .. } = self;
        linkify(out, text, |out, text| {
            let mut rest = text;
            while let Some((start, end, taken)) = next_reference(rest) {
                let name = &rest[start..end];
                escape(out, &rest[..start]);
                let url = if taken - end == 2 { targets.next_anonymous() } else { targets.link(name) };
                match url {
                    Some(url) => link(out, &url, name),
                    None => escape(out, &rest[start..taken]),
                }
                rest = &rest[taken..];
            }
            escape(out, rest);
        });
    }
}

/// The next word with `_` or `__` behind it: where it begins and ends, and where the marks end.
fn next_reference(text: &str) -> Option<(usize, usize, usize)> {
    let mut from = 0;
    while let Some(found) = text[from..].find('_') {
        let end = from + found;
        let marks = text[end..].len() - text[end..].trim_start_matches('_').len();
        let after = end + marks;
        // Words have letters and digits, and single marks between them.
        let mut start = end;
        for (at, c) in text[..end].char_indices().rev().take(NAME_REACH) {
            let is_inner = "-.:+_".contains(c) && start < end && text[start..].starts_with(char::is_alphanumeric);
            if !c.is_alphanumeric() && !is_inner {
                break;
            }
            start = at;
        }
        let word = text[start..end].trim_start_matches(|c: char| !c.is_alphanumeric());
        let start = end - word.len();
        let ends_here = text[after..].chars().next().is_none_or(|c| !c.is_alphanumeric());
        if marks <= 2 && !word.is_empty() && word.ends_with(char::is_alphanumeric) && ends_here {
            return Some((start, end, after));
        }
        from = after;
    }
    None
}

/// The role before backquotes: of `:py:func:` that is `py:func`.
fn role_before(text: &str) -> Option<&str> {
    let inner = text.strip_suffix(':')?;
    let start = inner.rfind(|c: char| !c.is_ascii_alphanumeric() && !":-_.+".contains(c)).map_or(0, |at| at + 1);
    // The byte at `start` may belong to a character of several bytes.
    let name = inner.get(start..)?.strip_prefix(':')?;
    is_role(name).then_some(name)
}

fn is_role(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || ":-_.+".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() < 100 && name.chars().all(known)
}

/// Whether a mark may begin here: behind white space or an opening character, before something that is not white space, and not
/// between quotes of its own.
fn may_begin(text: &str, at: usize, inner: usize) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[inner..].chars().next();
    let is_open = before.is_none_or(|c| c.is_whitespace() || "'\"([{<-/:–—«‘“".contains(c));
    let pairs = [('\'', '\''), ('"', '"'), ('(', ')'), ('[', ']'), ('{', '}'), ('<', '>')];
    let is_quoted = pairs.iter().any(|(open, close)| before == Some(*open) && after == Some(*close));
    is_open && !is_quoted && after.is_some_and(|c| !c.is_whitespace())
}

/// Where the end of a mark is: behind something that is not white space, before white space or a closing character.
fn find_end(text: &str, end: &str, mark: Mark) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = text[from..].find(end) {
        let at = from + found;
        let before = text[..at].chars().next_back();
        let after = text[at + end.len()..].chars().next();
        let is_escaped = before == Some('\\') && mark != Mark::Literal;
        let closes = after.is_none_or(|c| c.is_whitespace() || "'\")]}>-/:.,;!?\\–—»’”".contains(c));
        // References and roles follow backquotes directly.
        let is_followed = matches!(mark, Mark::Text | Mark::Substitution) && after == Some('_');
        if before.is_some_and(|c| !c.is_whitespace()) && !is_escaped && (closes || is_followed) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// Whether what stands in brackets is the label of a note.
fn is_note(label: &str) -> bool {
    let name = label.strip_prefix('#').unwrap_or(label);
    label == "*"
        || label == "#"
        || !name.is_empty() && name.len() < 100 && name.chars().all(|c| c.is_alphanumeric() || "-_.:".contains(c))
}

/// `text <target>` apart.
fn with_target(content: &str) -> (&str, Option<&str>) {
    let parts = content.strip_suffix('>').and_then(|rest| rest.rsplit_once('<'));
    match parts {
        Some((text, target)) if text.is_empty() || text.ends_with(char::is_whitespace) => (text.trim_end(), Some(target.trim())),
        _ => (content, None),
    }
}

/// Text without the backslashes that keep characters from being marks.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next().filter(|c| !c.is_whitespace())),
            c => out.push(c),
        }
    }
    out
}
