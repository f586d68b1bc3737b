//! Requirements: the lines of `Requires-Dist`, taken apart and grouped by extra, for people to read (PEP 508, PEP 685).
//!
//! Nothing is resolved and nothing is refused: old metadata has lines that no standard allows. What cannot be read is given back
//! as the text that it is.

use super::ProjectName;
use crate::limits::{DEPENDENCIES_SHOWN_MAX, DEPENDENCY_BYTES_MAX};
use std::collections::HashMap;

/// One project that is required.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The project, as its author writes it.
    pub name: String,
    /// The project.
    pub project: ProjectName,
    /// The extras that are asked of it.
    pub extras: Vec<String>,
    /// Which of its versions.
    pub wanted: Wanted,
    /// When it is required, as a marker without its part about the extra; `None`: always.
    pub marker: Option<String>,
}

/// Which versions of a project are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Any.
    Any,
    /// Those that these specifiers allow: `>=1.0, <2`.
    Versions(String),
    /// What lies at this address.
    At(String),
}

/// A line of `Requires-Dist`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dependency {
    /// A line that was understood.
    On(Requirement),
    /// One that was not, or is too long to try.
    Text(String),
}

/// What one extra requires, or everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The extra, as its author writes it; `None`: required by everybody.
    pub extra: Option<String>,
    /// In the order of the lines. An extra may require nothing.
    pub dependencies: Vec<Dependency>,
}

/// All that a release requires.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dependencies {
    /// What everybody requires, if anything; then the extras, in the order in which they are declared.
    pub groups: Vec<Group>,
    /// Dependencies beyond [`DEPENDENCIES_SHOWN_MAX`], which are not in the groups.
    pub more: usize,
}

/// Reads the values of `Requires-Dist` and `Provides-Extra`.
pub fn dependencies<'a>(
    requires_dist: impl IntoIterator<Item = &'a str>,
    provides_extra: impl IntoIterator<Item = &'a str>,
) -> Dependencies {
    let mut groups = Groups::default();
    let mut more = 0;
    let mut left = DEPENDENCIES_SHOWN_MAX;
    // First, so that it comes first.
    groups.of(None);
    for extra in provides_extra.into_iter().take(DEPENDENCIES_SHOWN_MAX) {
        groups.of(Some(extra.trim()));
    }
    for line in requires_dist {
        for (extra, dependency) in read(line.trim()) {
            match left.checked_sub(1) {
                Some(rest) => {
                    left = rest;
                    groups.of(extra.as_deref()).dependencies.push(dependency);
                }
                None => more += 1,
            }
        }
    }
    let is_shown = |group: &Group| group.extra.is_some() || !group.dependencies.is_empty();
    Dependencies { groups: groups.all.into_iter().filter(is_shown).collect(), more }
}

#[derive(Default)]
struct Groups {
    all: Vec<Group>,
    /// By the normalized name (PEP 685), which has the rules of a project's; by the text of what is no name.
    places: HashMap<Option<String>, usize>,
}

impl Groups {
    fn of(&mut self, extra: Option<&str>) -> &mut Group {
        let key = extra.map(|extra| ProjectName::parse(extra).map_or_else(|_| extra.to_owned(), |name| name.to_string()));
        let place = *self.places.entry(key).or_insert(self.all.len());
        if place == self.all.len() {
            self.all.push(Group { extra: extra.map(str::to_owned), dependencies: Vec::new() });
        }
        &mut self.all[place]
    }
}

/// A line as (extra, dependency): once for each extra that it belongs to.
fn read(line: &str) -> Vec<(Option<String>, Dependency)> {
    let read = (line.len() <= DEPENDENCY_BYTES_MAX).then(|| requirement(line)).flatten();
    let Some((requirement, marker)) = read else {
        return vec![(None, Dependency::Text(super::legible(line, DEPENDENCY_BYTES_MAX)))];
    };
    let cases = marker.map_or_else(|| vec![Case::default()], |marker| cases(&marker));
    let one = |case: Case| (case.extra, Dependency::On(Requirement { marker: case.rest, ..requirement.clone() }));
    cases.into_iter().map(one).collect()
}

/// Everything of a line but its marker, which comes beside it.
fn requirement(line: &str) -> Option<(Requirement, Option<Marker<'_>>)> {
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.')).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let project = ProjectName::parse(name).ok()?;
    let (extras, rest) = extras(rest.trim_start())?;
    let (wanted, marker) = match rest.strip_prefix('@') {
        Some(rest) => address(rest.trim_start())?,
        None => {
            let (versions, marker) = rest.split_once(';').map_or((rest, None), |(versions, marker)| (versions, Some(marker)));
            (specifiers(versions)?, marker)
        }
    };
    let marker = match marker.map(str::trim) {
        None | Some("") => None,
        Some(text) => Some(marker_of(text)?),
    };
    Some((Requirement { name: name.to_owned(), project, extras, wanted, marker: None }, marker))
}

/// `[a, b] rest` as the names and the rest.
fn extras(text: &str) -> Option<(Vec<String>, &str)> {
    let Some(inner) = text.strip_prefix('[') else { return Some((Vec::new(), text)) };
    let (names, rest) = inner.split_once(']')?;
    let names: Vec<&str> = names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let all_are_names = names.iter().all(|name| ProjectName::parse(name).is_ok());
    all_are_names.then(|| (names.into_iter().map(str::to_owned).collect(), rest.trim_start()))
}

/// `address ; marker`. An address may have `;` in it; white space ends it.
fn address(text: &str) -> Option<(Wanted, Option<&str>)> {
    let (address, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let marker = match rest.trim_start() {
        "" => None,
        rest => Some(rest.strip_prefix(';')?),
    };
    (!address.is_empty()).then(|| (Wanted::At(address.to_owned()), marker))
}

/// `>=1,<2`, `(>= 1, < 2)`, and `(1.0)` of PEP 345.
fn specifiers(text: &str) -> Option<Wanted> {
    let text = text.trim();
    let (text, is_old) = match text.strip_prefix('(') {
        Some(inner) => (inner.strip_suffix(')')?, true),
        None => (text, false),
    };
    let accepted = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "<>=!~,.*+-_".contains(c);
    if !text.chars().all(accepted) {
        return None;
    }
    let compact = |one: &str| one.split_ascii_whitespace().collect::<String>();
    let all: Vec<String> = text.split(',').map(compact).filter(|one| !one.is_empty()).collect();
    let is_specifier = |one: &String| {
        let version = one.trim_start_matches(|c| "<>=!~".contains(c));
        !version.is_empty() && (version.len() < one.len() || is_old)
    };
    match all.is_empty() {
        true => Some(Wanted::Any),
        false => all.iter().all(is_specifier).then(|| Wanted::Versions(all.join(", "))),
    }
}

/// A marker, as a tree whose leaves are comparisons.
#[derive(Debug)]
enum Marker<'a> {
    Or(Vec<Marker<'a>>),
    And(Vec<Marker<'a>>),
    /// `python_version < "3.8"`, as it stands.
    Compared(&'a str),
    /// `extra == "x"`: the extra.
    Extra(&'a str),
}

/// One way in which a marker can be true.
#[derive(Debug, Default)]
struct Case {
    extra: Option<String>,
    rest: Option<String>,
}

/// The ways in which a marker can be true, apart by extra: `(extra == "a" or extra == "b") and X` is `X` for a and `X` for b.
fn cases(marker: &Marker<'_>) -> Vec<Case> {
    if !names_extra(marker) {
        return vec![Case { extra: None, rest: Some(text(marker)) }];
    }
    match marker {
        Marker::Or(all) => all.iter().flat_map(cases).collect(),
        Marker::And(all) => {
            let Some(at) = all.iter().position(names_extra) else { return Vec::new() };
            let others = all.iter().enumerate().filter(|(place, _)| *place != at).map(|(_, one)| text_inside(one));
            let others: Vec<String> = others.collect();
            let joined = |case: Case| Case {
                rest: case.rest.into_iter().chain(others.iter().cloned()).reduce(|one, more| format!("{one} and {more}")),
                ..case
            };
            cases(&all[at]).into_iter().map(joined).collect()
        }
        Marker::Extra(extra) => vec![Case { extra: Some((*extra).to_owned()), rest: None }],
        Marker::Compared(_) => Vec::new(),
    }
}

fn names_extra(marker: &Marker<'_>) -> bool {
    match marker {
        Marker::Or(all) | Marker::And(all) => all.iter().any(names_extra),
        Marker::Extra(_) => true,
        Marker::Compared(_) => false,
    }
}

fn text(marker: &Marker<'_>) -> String {
    let joined = |all: &[Marker<'_>], word: &str| all.iter().map(text_inside).collect::<Vec<_>>().join(word);
    match marker {
        Marker::Or(all) => joined(all, " or "),
        Marker::And(all) => joined(all, " and "),
        Marker::Compared(text) => (*text).to_owned(),
        Marker::Extra(extra) => format!("extra == \"{extra}\""),
    }
}

fn text_inside(marker: &Marker<'_>) -> String {
    match marker {
        Marker::Or(_) => format!("({})", text(marker)),
        _ => text(marker),
    }
}

/// How deep parentheses may be nested. Tools write two or three.
const DEPTH_MAX: usize = 16;

fn marker_of(source: &str) -> Option<Marker<'_>> {
    let tokens = tokens(source)?;
    let mut reader = Reader { source, tokens: &tokens };
    let marker = reader.or(DEPTH_MAX)?;
    reader.tokens.is_empty().then_some(marker)
}

/// A piece of a marker, with where it begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
    start: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    /// A variable or one of the words `and`, `or`, `in`, `not`.
    Word,
    /// Text in quotes; `text` is without them.
    Quoted,
    Operator,
}

impl Token<'_> {
    fn end(&self) -> usize {
        self.start + self.text.len() + if self.kind == Kind::Quoted { 2 } else { 0 }
    }
}

fn tokens(source: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(c) = source[start..].chars().next() {
        let rest = &source[start..];
        let run = |of: &dyn Fn(char) -> bool| &rest[..rest.find(|c: char| !of(c)).unwrap_or(rest.len())];
        let (kind, text) = match c {
            c if c.is_whitespace() => {
                start += c.len_utf8();
                continue;
            }
            '(' => (Kind::Open, &rest[..1]),
            ')' => (Kind::Close, &rest[..1]),
            '\'' | '"' => (Kind::Quoted, rest[1..].split_once(c)?.0),
            '<' | '>' | '=' | '!' | '~' => (Kind::Operator, run(&|c| "<>=!~".contains(c))),
            c if c.is_ascii_alphabetic() => (Kind::Word, run(&|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))),
            _ => return None,
        };
        let token = Token { kind, text, start };
        start = token.end();
        tokens.push(token);
    }
    Some(tokens)
}

struct Reader<'a, 't> {
    source: &'a str,
    tokens: &'t [Token<'a>],
}

impl<'a> Reader<'a, '_> {
    fn next(&mut self) -> Option<Token<'a>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(*first)
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.tokens.first().is_some_and(|token| token.kind == Kind::Word && token.text == word);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn or(&mut self, depth: usize) -> Option<Marker<'a>> {
        let mut all = vec![self.and(depth)?];
        while self.takes("or") {
            all.push(self.and(depth)?);
        }
        if all.len() == 1 { all.pop() } else { Some(Marker::Or(all)) }
    }

    fn and(&mut self, depth: usize) -> Option<Marker<'a>> {
        let mut all = vec![self.one(depth)?];
        while self.takes("and") {
            all.push(self.one(depth)?);
        }
        if all.len() == 1 { all.pop() } else { Some(Marker::And(all)) }
    }

    fn one(&mut self, depth: usize) -> Option<Marker<'a>> {
        if self.tokens.first()?.kind == Kind::Open {
            self.tokens = &self.tokens[1..];
            let inner = self.or(depth.checked_sub(1)?)?;
            return (self.next()?.kind == Kind::Close).then_some(inner);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Option<Marker<'a>> {
        let is_value = |token: &Token<'_>| matches!(token.kind, Kind::Word | Kind::Quoted);
        let left = self.next().filter(is_value)?;
        let operator = self.next()?;
        let compares = match (operator.kind, operator.text) {
            (Kind::Operator, _) | (Kind::Word, "in") => true,
            (Kind::Word, "not") => self.takes("in"),
            _ => false,
        };
        let right = self.next().filter(is_value).filter(|_| compares)?;
        let is_extra = |token: Token<'_>| token.kind == Kind::Word && token.text == "extra";
        match (left, right) {
            (word, value) | (value, word) if is_extra(word) && value.kind == Kind::Quoted && operator.text == "==" => {
                Some(Marker::Extra(value.text))
            }
            _ => Some(Marker::Compared(&self.source[left.start..right.end()])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write;

    /// One dependency a line, as a page would show it.
    fn shown(dependencies: &Dependencies) -> String {
        let mut out = String::new();
        for group in &dependencies.groups {
            writeln!(out, "{}:", group.extra.as_deref().unwrap_or("everybody")).unwrap();
            for dependency in &group.dependencies {
                match dependency {
                    Dependency::On(Requirement { name, project, extras, wanted, marker }) => {
                        writeln!(out, "  {name} ({project}) {extras:?} {wanted:?} {}", marker.as_deref().unwrap_or("always"))
                            .unwrap();
                    }
                    Dependency::Text(text) => writeln!(out, "  ? {text}").unwrap(),
                }
            }
        }
        out
    }

    #[test]
    fn lines_of_all_ages_and_tools() {
        let lines = [
            "requests",
            "Zope.Interface (>=3.5.0)",
            "foo (1.0)",
            "requests [security,tests] >= 2.8.1, == 2.8.* ; python_version < \"2.7\"",
            "pip @ https://files.example/pip.zip#sha1=da9234ee ; os_name == 'nt'",
            "odd @ https://files.example/a;b.zip",
            "colorama; sys_platform == 'win32'",
            "a~=1.0;python_version>='3.8' and platform_machine in 'x86_64 arm64'",
            "b ; (python_version < '3' or os_name == 'nt') and implementation_name not in \"pypy\"",
            "c>=1 ; extra == 'Dev_Tools'",
            "d ; 'dev-tools' == extra and python_version < '3'",
            "e ; extra == 'a' or extra == 'b'",
            "f ; (python_version < '3.8') and (extra == 'a' or extra == 'b')",
            "g ; os_name == 'nt' or extra == 'a'",
            "h ; extra != 'a'",
            "i ===1.0-odd",
            "j >=1,",
            "k ;",
            "",
            "not a requirement",
            "l >= ",
            "m ; python_version",
            "n ; python_version < '3",
            "o ; (python_version < '3'",
            "-e .",
            "p [x",
            "q @ ",
            "<script>alert(1)</script>",
            "r ; extra == '<b>'",
        ];
        insta::assert_snapshot!(shown(&dependencies(lines, ["dev-tools", "none", "a"])));
    }

    #[test]
    fn nothing_required_is_nothing_shown() {
        assert_eq!(dependencies([], []), Dependencies::default());
    }

    #[test]
    fn no_page_grows_without_end() {
        let lines: Vec<String> = (0..DEPENDENCIES_SHOWN_MAX + 3).map(|n| format!("p{n}")).collect();
        let all = dependencies(lines.iter().map(String::as_str), []);
        assert_eq!((all.groups[0].dependencies.len(), all.more), (DEPENDENCIES_SHOWN_MAX, 3));
        let long = format!("a; {}python_version < '3'", "(".repeat(200_000));
        let [Group { dependencies: text, .. }] = &dependencies([long.as_str()], []).groups[..] else { panic!() };
        assert!(matches!(&text[..], [Dependency::Text(text)] if text.len() < DEPENDENCY_BYTES_MAX + 5));
    }

    #[test]
    fn what_is_nested_too_deep_is_text() {
        let nested = |depth: usize| format!("a; {}os_name == 'nt'{}", "(".repeat(depth), ")".repeat(depth));
        for (depth, is_read) in [(DEPTH_MAX, true), (DEPTH_MAX + 1, false)] {
            let line = nested(depth);
            let found = dependencies([line.as_str()], []);
            assert_eq!(matches!(found.groups[0].dependencies[0], Dependency::On(_)), is_read, "{depth}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,60}", marker in "[a-z ()'\"=<and or extra]{0,40}") {
            let all = dependencies([text.as_str(), &format!("a;{marker}"), &format!("b [{text}] {text}")], [text.as_str()]);
            let count: usize = all.groups.iter().map(|group| group.dependencies.len()).sum();
            prop_assert!(count >= 3);
        }
    }
}
