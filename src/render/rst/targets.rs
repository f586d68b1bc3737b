//! What names in a text stand for: links, places, substitutions. Collected before anything is written, since a name may be used
//! before it is given.

use super::lines::{adornment, indent, is_blank};
use std::collections::HashMap;

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// An address.
    Url(String),
    /// A place in this text, by its id.
    Place(String),
    /// What another name leads to.
    Same(String),
}

/// What `|name|` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Substitution {
    /// Text with markup.
    Text(String),
    /// A picture: its address, the text that stands for it, and where it links to.
    Image { url: String, alt: String, target: Option<String> },
}

/// All names of a text.
#[derive(Debug, Default)]
pub(super) struct Targets {
    named: HashMap<String, Target>,
    substitutions: HashMap<String, Substitution>,
    /// Addresses without a name, in their order; references without a name take one after the other.
    anonymous: Vec<String>,
    taken: usize,
    /// Numbers given to notes that have none: to references, and to the notes themselves.
    pub(super) numbered: [usize; 2],
}

/// Bytes of an address or a name. Each may be used often, so that long ones would make a short text long.
const NAME_BYTES_MAX: usize = 2000;
/// Lines with options of a substitution.
const OPTIONS_MAX: usize = 10;
/// How often a name may lead to another one.
const HOPS_MAX: usize = 8;

impl Targets {
    pub(super) fn collect(lines: &[&str]) -> Self {
        let mut targets = Self::default();
        for (at, line) in lines.iter().enumerate() {
            let text = line.trim_start();
            if let Some(rest) = text.strip_prefix(".. _") {
                targets.explicit(rest, lines.get(at + 1).copied().unwrap_or_default());
            } else if let Some(url) = text.strip_prefix("__ ") {
                targets.anonymous.push(bounded(url.trim()));
            } else if let Some(rest) = text.strip_prefix(".. |") {
                targets.substitution(rest, &lines[at + 1..]);
            } else if lines.get(at + 1).is_some_and(|next| adornment(next).is_some())
                && !is_blank(line)
                && adornment(line).is_none()
            {
                targets.named.entry(normal(text)).or_insert_with(|| Target::Place(slug(text)));
            }
        }
        targets
    }

    /// `name: address`, `name:` for the place itself, `_: address` without a name. A long address stands on the next line.
    fn explicit(&mut self, text: &str, next: &str) {
        let (name, url) = match text.strip_prefix('`').and_then(|rest| rest.split_once("`:")) {
            Some(quoted) => quoted,
            None => match split_name(text) {
                Some(plain) => plain,
                None => return,
            },
        };
        let url = match url.trim() {
            "" if indent(next) > 0 => next.trim(),
            url => url,
        };
        let url = bounded(&url.replace("\\_", "_"));
        let target = match url.strip_suffix('_') {
            _ if url.is_empty() => Target::Place(slug(name)),
            Some(other) if !url.contains("://") => Target::Same(normal(other.trim_matches('`'))),
            _ => Target::Url(url.clone()),
        };
        match name {
            "_" => self.anonymous.push(url),
            name => drop(self.named.insert(normal(&name.replace('\\', "")), target)),
        }
    }

    /// `name| image:: address` and `name| replace:: text`.
    fn substitution(&mut self, text: &str, after: &[&str]) {
        let Some((name, rest)) = text.split_once('|') else { return };
        let Some((directive, argument)) = rest.trim().split_once("::") else { return };
        let argument = bounded(argument.trim());
        let options = after.iter().take(OPTIONS_MAX).take_while(|line| indent(line) > 0).map(|line| line.trim());
        let option = |name: &str| options.clone().find_map(|line| line.strip_prefix(name)).map(|value| bounded(value.trim()));
        let found = match directive.trim() {
            "image" => Substitution::Image {
                url: argument,
                alt: option(":alt:").unwrap_or_else(|| name.to_owned()),
                target: option(":target:"),
            },
            "replace" => Substitution::Text(argument),
            _ => return,
        };
        self.substitutions.insert(normal(name), found);
    }

    /// What a name leads to in the end: an address, or `#` and an id.
    pub(super) fn link(&self, name: &str) -> Option<String> {
        let mut name = normal(name);
        for _ in 0..HOPS_MAX {
            match self.named.get(&name)? {
                Target::Url(url) => return Some(url.clone()),
                Target::Place(id) => return Some(format!("#{id}")),
                Target::Same(other) => name = other.clone(),
            }
        }
        None
    }

    /// Notes a name that is given in passing.
    pub(super) fn learn(&mut self, name: &str, url: &str) {
        self.named.entry(normal(name)).or_insert_with(|| Target::Url(bounded(url)));
    }

    /// The next address without a name.
    pub(super) fn next_anonymous(&mut self) -> Option<String> {
        self.taken += 1;
        self.anonymous.get(self.taken - 1).cloned()
    }

    pub(super) fn substituted(&self, name: &str) -> Option<&Substitution> {
        self.substitutions.get(&normal(name))
    }
}

/// `name: rest`; a colon in the name is escaped or has no space behind it.
fn split_name(text: &str) -> Option<(&str, &str)> {
    let mut colons = text.match_indices(':').map(|(at, _)| at);
    let at = colons.find(|at| !text[..*at].ends_with('\\') && (text[at + 1..].is_empty() || text[at + 1..].starts_with(' ')))?;
    Some((&text[..at], &text[at + 1..]))
}

/// Names have no case, and white space is one space.
fn normal(name: &str) -> String {
    let mut out = String::new();
    for word in bounded(name).split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().flat_map(char::to_lowercase));
    }
    out
}

fn bounded(text: &str) -> String {
    text[..text.floor_char_boundary(NAME_BYTES_MAX)].to_owned()
}

/// An id from a title: words in lower case, joined by dashes.
pub(super) fn slug(title: &str) -> String {
    let mut out = String::new();
    for c in bounded(title).chars().flat_map(char::to_lowercase) {
        match c.is_alphanumeric() {
            true => out.push(c),
            false if !out.is_empty() && !out.ends_with('-') => out.push('-'),
            false => {}
        }
    }
    out.truncate(out.trim_end_matches('-').len());
    out
}
