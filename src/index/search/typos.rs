//! Names that are the wanted one but for typing errors. Pure.
//!
//! Typing errors are counted as optimal string alignment: a character that is wrong, missing or too much is one, and so are two
//! neighbours in the wrong order. Computed for all positions of the wanted name at once, in the bits of one number (H. Hyyrö,
//! "A Bit-Vector Algorithm for Computing Levenshtein and Damerau Edit Distances", 2003), so that hundreds of thousands of names are
//! compared in the time of a search.

/// What a name is compared with.
#[derive(Debug)]
pub struct Typos {
    /// For each character, where the wanted name has it.
    places: [u64; 128],
    length: usize,
    /// Errors that are forgiven.
    allowed: u32,
    /// Whether names that begin so are meant too.
    begins: bool,
}

impl Typos {
    /// Characters of the shortest name in which an error is forgiven: of fewer, any other name is one error away.
    const SHORTEST: usize = 4;
    /// From this length on names that only begin so, but for one error, are meant too.
    const BEGINS: usize = 6;
    /// From this length on two errors are forgiven.
    const TWO_ERRORS: usize = 8;
    /// Bits of a number.
    const LONGEST: usize = 64;

    /// `None` if no typing error is forgiven in such a name.
    pub fn of(name: &str) -> Option<Self> {
        if !name.is_ascii() || !(Self::SHORTEST..=Self::LONGEST).contains(&name.len()) {
            return None;
        }
        let mut places = [0; 128];
        for (at, byte) in name.bytes().enumerate() {
            places[usize::from(byte)] |= 1 << at;
        }
        let allowed = if name.len() >= Self::TWO_ERRORS { 2 } else { 1 };
        Some(Self { places, length: name.len(), allowed, begins: name.len() >= Self::BEGINS })
    }

    /// Errors that are forgiven.
    pub fn allowed(&self) -> u32 {
        self.allowed
    }

    /// How far `name` is from the wanted one, in errors; one that only begins so counts as one error farther. `None`: too far.
    pub fn distance(&self, name: &str) -> Option<u32> {
        let (whole, beginning) = self.distances(name.as_bytes());
        let whole = whole.filter(|errors| *errors <= self.allowed);
        // Two errors and any end: that would be half of all names.
        let beginning = Some(beginning).filter(|errors| self.begins && *errors <= 1);
        whole.or(beginning.map(|errors| errors + 1))
    }

    /// The distance of the whole name, if its length leaves that open, and the least of any of its beginnings.
    fn distances(&self, name: &[u8]) -> (Option<u32>, u32) {
        let last = 1_u64 << (self.length - 1);
        let mut distance = u32::try_from(self.length).unwrap_or(u32::MAX);
        let mut least = distance;
        let (mut vertical_plus, mut vertical_minus, mut diagonal, mut before) = (u64::MAX, 0_u64, 0_u64, 0_u64);
        let longest = self.length + self.allowed as usize;
        for byte in name.iter().take(longest) {
            let here = self.places.get(usize::from(*byte)).copied().unwrap_or_default();
            let swapped = ((!diagonal & here) << 1) & before;
            diagonal = ((here & vertical_plus).wrapping_add(vertical_plus) ^ vertical_plus) | here | vertical_minus | swapped;
            let (plus, minus) = (vertical_minus | !(diagonal | vertical_plus), diagonal & vertical_plus);
            distance += u32::from(plus & last != 0);
            distance -= u32::from(minus & last != 0);
            least = least.min(distance);
            let plus = plus << 1 | 1;
            vertical_plus = (minus << 1) | !(diagonal | plus);
            vertical_minus = plus & diagonal;
            before = here;
        }
        (Some(distance).filter(|_| name.len() <= longest), least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn distance(wanted: &str, name: &str) -> Option<u32> {
        Typos::of(wanted)?.distance(name)
    }

    #[test]
    fn typing_errors_are_forgiven() {
        for (wanted, name, expected) in [
            ("reqeusts", "requests", Some(1)),
            ("djagno", "django", Some(1)),
            ("djnago", "django", Some(1)),
            ("numpi", "numpy", Some(1)),
            ("flsk", "flask", Some(1)),
            ("configuraton-managment", "configuration-management", Some(2)),
            ("djagno", "django-rest-framework", Some(2)),
            ("pyramids", "pyramid", Some(1)),
            ("ruff", "rust", None),
            ("abc", "abd", None),
            ("flsk", "flask-login", None),
            ("käse", "kase", None),
            ("", "a", None),
        ] {
            assert_eq!(distance(wanted, name), expected, "{wanted} {name}");
        }
        assert!(distance(&"a".repeat(64), &"a".repeat(63)).is_some() && Typos::of(&"a".repeat(65)).is_none());
    }

    proptest! {
        /// Against the textbook's table.
        #[test]
        fn the_distance_is_the_one_of_the_textbook(wanted in "[ab-]{4,12}", name in "[ab-]{1,14}") {
            let typos = Typos::of(&wanted).unwrap();
            let (whole, least) = typos.distances(name.as_bytes());
            let expected = strsim::osa_distance(&wanted, &name);
            match whole {
                Some(errors) => prop_assert_eq!(errors as usize, expected),
                None => prop_assert!(expected > typos.allowed as usize),
            }
            let nearest = (0..=name.len()).map(|end| strsim::osa_distance(&wanted, &name[..end])).min().unwrap();
            prop_assert!(nearest <= least as usize);
            if nearest <= typos.allowed as usize {
                prop_assert_eq!(nearest, least as usize);
            }
        }
    }
}
