//! Many names in memory, packed, to be looked through as a whole: a mirror's list has hundreds of thousands, and typing errors leave
//! no index to look them up by. Pure.

use super::query::{Matched, Query};
use super::typos::Typos;

/// Names, sorted, each once.
#[derive(Debug, Default)]
pub struct Names {
    /// All of them, one behind the other.
    text: Box<str>,
    /// Where each ends.
    ends: Box<[u32]>,
    /// Which characters each has: most names are passed over at the sight of this.
    letters: Box<[u64]>,
}

/// A name that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitting {
    /// It.
    pub name: String,
    /// How.
    pub matched: Matched,
    /// Typing errors.
    pub errors: u32,
}

/// A bit for each character that names have, and one for all others.
fn letters(text: &str) -> u64 {
    let bit = |byte: u8| match byte {
        b'a'..=b'z' => byte - b'a',
        b'0'..=b'9' => byte - b'0' + 26,
        b'-' => 36,
        _ => 37,
    };
    text.bytes().fold(0, |all, byte| all | 1 << bit(byte))
}

impl Names {
    /// Packs names in any order.
    pub fn of(mut names: Vec<&str>) -> Self {
        names.sort_unstable();
        names.dedup();
        let mut text = String::with_capacity(names.iter().map(|name| name.len()).sum());
        let mut ends = Vec::with_capacity(names.len());
        for name in &names {
            text.push_str(name);
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        let letters = names.iter().map(|name| letters(name)).collect();
        Self { text: text.into(), ends: ends.into(), letters }
    }

    /// About how many bytes they take.
    pub fn bytes(&self) -> usize {
        self.text.len() + self.ends.len() * (size_of::<u32>() + size_of::<u64>())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, at: usize) -> &str {
        let begin = if at == 0 { 0 } else { self.ends[at - 1] };
        self.text.get(begin as usize..self.ends[at] as usize).unwrap_or_default()
    }

    /// Whether this name is among them.
    pub fn contains(&self, name: &str) -> bool {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        false
    }

    /// The names that fit; those that do but for typing errors only if there are no others. The best `most` of them, the best first: of
    /// equals the shorter one.
    pub fn find(&self, query: &Query, most: usize) -> Vec<Fitting> {
        let fitting = |at: usize| Some((query.fits(self.get(at))?, 0, at));
        let needed = letters(&query.name_words.concat());
        let has_all = |at: &usize| needed & !self.letters[*at] == 0;
        let found: Vec<_> = (0..self.count()).filter(has_all).filter_map(fitting).collect();
        match found.is_empty() {
            true => self.find_similar(query, most),
            false => self.best(found, most),
        }
    }

    /// The names that fit but for typing errors.
    pub fn find_similar(&self, query: &Query, most: usize) -> Vec<Fitting> {
        let Some(typos) = Typos::of(&query.name) else { return Vec::new() };
        let wanted = letters(&query.name);
        // Each error takes away one character of the wanted name at the most.
        let is_near = |at: &usize| (wanted & !self.letters[*at]).count_ones() <= typos.allowed();
        let similar = |at: usize| Some((Matched::Similar, typos.distance(self.get(at))?, at));
        self.best((0..self.count()).filter(is_near).filter_map(similar).collect(), most)
    }

    fn best(&self, mut found: Vec<(Matched, u32, usize)>, most: usize) -> Vec<Fitting> {
        let key = |(matched, errors, at): &(Matched, u32, usize)| (*matched, *errors, self.get(*at).len(), *at);
        if found.len() > most {
            found.select_nth_unstable_by_key(most, key);
            found.truncate(most);
        }
        found.sort_unstable_by_key(key);
        let fitting = |(matched, errors, at)| Fitting { name: self.get(at).to_owned(), matched, errors };
        found.into_iter().map(fitting).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(names: &[&str], text: &str, most: usize) -> Vec<(String, Matched)> {
        let found = Names::of(names.to_vec()).find(&Query::parse(text).unwrap(), most);
        found.into_iter().map(|one| (one.name, one.matched)).collect()
    }

    #[test]
    fn the_best_names_come_first() {
        use Matched::{Exact, Part, Prefix, Similar};
        let names =
            ["requests-oauthlib", "my-requests", "requests", "types-requests", "requests-x", "request", "rest", "requests"];
        let of = |list: &[(&str, Matched)]| list.iter().map(|(name, matched)| ((*name).to_owned(), *matched)).collect::<Vec<_>>();
        let all = [
            ("requests", Exact),
            ("requests-x", Prefix),
            ("requests-oauthlib", Prefix),
            ("my-requests", Part),
            ("types-requests", Part),
        ];
        assert_eq!(found(&names, "Requests", 10), of(&all));
        assert_eq!(found(&names, "requests", 2), of(&all[..2]));
        assert_eq!(found(&names, "reqeusts", 2), of(&[("requests", Similar), ("request", Similar)]));
        assert_eq!(found(&names, "re", 10).len(), 5, "what begins so");
        assert_eq!(found(&names, "es", 10), of(&[]), "two characters are looked for at the beginning only");
        assert_eq!((found(&names, "-", 10), found(&names, "käse", 10), found(&[], "requests", 10)), (vec![], vec![], vec![]));
    }

    #[test]
    fn names_take_little_more_than_their_letters() {
        let names: Vec<String> = (0..1000).map(|n| format!("name-{n:04}")).collect();
        let packed = Names::of(names.iter().map(String::as_str).collect());
        assert_eq!((packed.count(), packed.bytes()), (1000, 1000 * (9 + 12)));
        assert!(names.iter().all(|name| packed.contains(name)) && !packed.contains("name-1000") && !packed.contains(""));
    }

    proptest! {
        /// Passing names over by their letters loses none.
        #[test]
        fn no_name_is_passed_over(names in proptest::collection::vec("[a-d-]{1,9}", 1..40), text in "[a-d -]{1,9}") {
            let query = Query::parse(&text).unwrap();
            let packed = Names::of(names.iter().map(String::as_str).collect());
            let mut expected: Vec<&String> = names.iter().filter(|name| query.fits(name).is_some()).collect();
            if expected.is_empty() {
                let typos = Typos::of(&query.name);
                expected = names.iter().filter(|name| typos.as_ref().is_some_and(|typos| typos.distance(name).is_some())).collect();
            }
            expected.sort();
            expected.dedup();
            let mut found: Vec<String> = packed.find(&query, 1000).into_iter().map(|one| one.name).collect();
            found.sort();
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected);
        }
    }
}
