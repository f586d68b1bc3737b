//! What somebody looks for, taken apart; and the one way in which texts and words are made comparable. Pure.

use crate::error::{Error, Result};
use crate::limits;
use crate::pypi::name;

/// What somebody looks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// All of it, written as project names are.
    pub name: String,
    /// Its words, folded.
    pub words: Vec<String>,
    /// Its words, written as parts of project names are; those that cannot be such parts find no name.
    pub name_words: Vec<String>,
}

/// How a name fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Matched {
    /// It is this name.
    Exact,
    /// The name begins so.
    Prefix,
    /// The name has all of the words.
    Part,
    /// The name is this one but for a typing error or two.
    Similar,
    /// Name and summary have all of the words.
    Summary,
    /// The keywords have what is missing there.
    Keywords,
    /// The description does.
    Description,
}

/// Characters of the shortest word that is looked for anywhere: a trigram.
const ANYWHERE: usize = 3;

impl Query {
    /// Takes it apart. 400 if there is more of it than anybody looks for.
    pub fn parse(text: &str) -> Result<Self> {
        if text.chars().nth(limits::SEARCH_QUERY_CHARS_MAX).is_some() {
            let most = limits::SEARCH_QUERY_CHARS_MAX;
            return Err(Error::BadRequest(format!("a search has {most} characters at the most: leave some words out")));
        }
        let text = fold(text);
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        if words.len() > limits::SEARCH_WORDS_MAX {
            let most = limits::SEARCH_WORDS_MAX;
            return Err(Error::BadRequest(format!("a search has {most} words at the most: leave some out")));
        }
        let name_words = words.iter().map(|word| name::like(word)).filter(|word| !word.is_empty()).collect();
        Ok(Self { name: name::like(&words.join("-")), words, name_words })
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The words that can be looked for anywhere in a text. The others do not narrow a search.
    pub fn long_words(&self) -> Vec<String> {
        long(&self.words)
    }

    /// The same for names.
    pub fn long_name_words(&self) -> Vec<String> {
        long(&self.name_words)
    }

    /// How a normalized name fits, typing errors aside.
    pub fn fits(&self, name: &str) -> Option<Matched> {
        let has_all = || self.name_words.iter().all(|word| name.contains(word)) && !self.long_name_words().is_empty();
        if self.name.is_empty() {
            None
        } else if name == self.name {
            Some(Matched::Exact)
        } else if name.starts_with(&self.name) {
            Some(Matched::Prefix)
        } else {
            has_all().then_some(Matched::Part)
        }
    }

    /// Whether a text, given in folded pieces, has all of the long words.
    pub fn is_in(&self, pieces: &[&str]) -> bool {
        let anywhere = |word: &String| is_long(word) && !pieces.iter().any(|piece| piece.contains(word.as_str()));
        !self.words.iter().any(anywhere)
    }
}

fn is_long(word: &str) -> bool {
    word.chars().nth(ANYWHERE - 1).is_some()
}

fn long(words: &[String]) -> Vec<String> {
    words.iter().filter(|word| is_long(word)).cloned().collect()
}

/// Makes a text comparable: lower case, and a space for each character that no text needs. Among those is the range that the
/// database gives a meaning of its own.
pub fn fold(text: &str) -> String {
    let plain = |c: char| if c.is_control() || matches!(c, '\u{E000}'..='\u{F8FF}') { ' ' } else { c };
    text.chars().map(plain).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn query(text: &str) -> Query {
        Query::parse(text).unwrap()
    }

    #[test]
    fn a_query_is_words_and_a_name() {
        let q = query("  Zope.Interface  Käse\tC++ ");
        assert_eq!(q.words, ["zope.interface", "käse", "c++"]);
        assert_eq!(q.name_words, ["zope-interface", "käse", "c++"]);
        assert_eq!(q.name, "zope-interface-käse-c++");
        assert_eq!(query("_foo-").name, "foo");
        assert!(query(" \u{1f}\n\u{E000} ").is_empty() && query("").is_empty() && !query("-").is_empty());
    }

    #[test]
    fn too_much_is_refused() {
        assert!(Query::parse(&"ß".repeat(limits::SEARCH_QUERY_CHARS_MAX)).is_ok());
        assert!(matches!(Query::parse(&"x".repeat(limits::SEARCH_QUERY_CHARS_MAX + 1)), Err(Error::BadRequest(_))));
        assert!(Query::parse(&"x ".repeat(limits::SEARCH_WORDS_MAX)).is_ok());
        assert!(matches!(Query::parse(&"x ".repeat(limits::SEARCH_WORDS_MAX + 1)), Err(Error::BadRequest(_))));
    }

    #[test]
    fn names_fit_whole_at_their_beginning_or_by_their_words() {
        for (text, name, expected) in [
            ("Foo_Bar", "foo-bar", Some(Matched::Exact)),
            ("foo bar", "foo-bar", Some(Matched::Exact)),
            ("foo b", "foo-bar", Some(Matched::Prefix)),
            ("f", "foo-bar", Some(Matched::Prefix)),
            ("bar", "foo-bar", Some(Matched::Part)),
            ("bar foo", "foo-bar", Some(Matched::Part)),
            ("bar f", "foo-bar", Some(Matched::Part)),
            ("bar x", "foo-bar", None),
            ("ar", "foo-bar", None),
            ("ar oo", "foo-bar", None),
            ("-", "foo-bar", None),
        ] {
            assert_eq!(query(text).fits(name), expected, "{text} in {name}");
        }
    }

    #[test]
    fn short_words_do_not_narrow_a_text() {
        assert!(query("is milk").is_in(&["cow", "milk"]));
        assert!(!query("sour milk").is_in(&["cow", "milk"]));
        assert!(query("äöü").is_in(&["die äöüß"]) && !query("äöü").is_in(&["aou"]));
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_without_panic(text in ".{0,60}", name in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?") {
            if let Ok(query) = Query::parse(&text) {
                let _ = query.fits(&name);
                prop_assert!(query.words.iter().all(|word| !word.contains(char::is_whitespace) && !word.contains(char::is_control)));
            }
        }

        #[test]
        fn folding_twice_changes_nothing(text in ".*") {
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }
    }
}
