//! Many project names in little memory: a public index has some 900,000. Pure.

use super::ProjectName;

/// Names, sorted, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameList {
    /// One a line.
    text: String,
}

impl NameList {
    /// What [`Self::as_text`] gave.
    pub fn of_text(text: String) -> Self {
        Self { text }
    }

    /// The names, one a line; each line ends.
    pub fn as_text(&self) -> &str {
        &self.text
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }
}

impl<'a> FromIterator<&'a ProjectName> for NameList {
    fn from_iter<I: IntoIterator<Item = &'a ProjectName>>(names: I) -> Self {
        let mut gathered = Gathered::default();
        names.into_iter().for_each(|name| gathered.add(name));
        gathered.sorted()
    }
}

/// Names as they come.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    text: String,
}

impl Gathered {
    /// One more, whether or not it was there before.
    pub fn add(&mut self, name: &ProjectName) {
        self.text.push_str(name.as_str());
        self.text.push('\n');
    }

    /// All of them in order.
    pub fn sorted(self) -> NameList {
        let mut names: Vec<&str> = self.text.lines().collect();
        // Other servers send them in order as a rule.
        if names.is_sorted_by(|one, next| one < next) {
            return NameList { text: self.text };
        }
        names.sort_unstable();
        names.dedup();
        let mut text = String::with_capacity(self.text.len());
        for name in names {
            text.push_str(name);
            text.push('\n');
        }
        NameList { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_out_in_order_and_once() {
        let parse = |names: &[&str]| -> NameList {
            let names: Vec<_> = names.iter().map(|name| ProjectName::parse(name).unwrap()).collect();
            names.iter().collect()
        };
        let sorted = parse(&["bar", "foo", "foo-bar"]);
        assert_eq!(sorted.iter().collect::<Vec<_>>(), ["bar", "foo", "foo-bar"]);
        for other in [parse(&["foo", "bar", "foo-bar", "bar"]), parse(&["bar", "bar", "foo", "foo-bar"])] {
            assert_eq!(other, sorted);
        }
        assert_eq!(NameList::of_text(sorted.as_text().to_owned()), sorted);
        assert_eq!((parse(&[]).as_text(), parse(&[]).iter().count()), ("", 0));
    }
}
