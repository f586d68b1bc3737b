//! Where devpi 7, which walks bases depth first, would look into indexes in another order than this server, which walks them
//! breadth first as devpi up to 6 does. Pure.

use crate::names::IndexPath;
use std::collections::{BTreeMap, HashSet, VecDeque};

/// What the order depends on: whether an index is a mirror, and its bases.
pub type Bases<'a> = BTreeMap<&'a IndexPath, (bool, &'a [IndexPath])>;

/// The two orders of every index for which they differ.
pub fn differing<'a>(all: &Bases<'a>) -> Vec<(&'a IndexPath, Vec<&'a IndexPath>, Vec<&'a IndexPath>)> {
    let orders = all.keys().map(|index| (*index, breadth_first(all, index), depth_first(all, index)));
    orders.filter(|(_, broad, deep)| broad != deep).collect()
}

/// This server's order, mirrors last.
fn breadth_first<'a>(all: &Bases<'a>, start: &'a IndexPath) -> Vec<&'a IndexPath> {
    let (mut order, mut seen, mut queue) = (Vec::new(), HashSet::from([start]), VecDeque::from([start]));
    while let Some(index) = queue.pop_front() {
        let Some((_, bases)) = all.get(index) else { continue };
        order.push(index);
        queue.extend(bases.iter().filter(|base| seen.insert(base)));
    }
    mirrors_last(all, order)
}

/// devpi 7's order: it walks down before it goes on, and puts mirrors off to the end.
fn depth_first<'a>(all: &Bases<'a>, start: &'a IndexPath) -> Vec<&'a IndexPath> {
    let (mut order, mut seen, mut stack) = (Vec::new(), HashSet::new(), vec![start]);
    while let Some(index) = stack.pop() {
        if let Some((_, bases)) = all.get(index)
            && seen.insert(index)
        {
            order.push(index);
            stack.extend(bases.iter().rev());
        }
    }
    mirrors_last(all, order)
}

fn mirrors_last<'a>(all: &Bases<'a>, order: Vec<&'a IndexPath>) -> Vec<&'a IndexPath> {
    let (mirrors, stages): (Vec<_>, Vec<_>) =
        order.into_iter().partition(|index| all.get(index).is_some_and(|(mirror, _)| *mirror));
    stages.into_iter().chain(mirrors).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differing_of(indexes: &[(&str, bool, &[&str])]) -> Vec<String> {
        let path = |text: &str| IndexPath::parse(text).unwrap();
        let owned: Vec<(IndexPath, bool, Vec<IndexPath>)> = indexes
            .iter()
            .map(|(name, mirror, bases)| (path(name), *mirror, bases.iter().map(|base| path(base)).collect()))
            .collect();
        let all: Bases<'_> = owned.iter().map(|(name, mirror, bases)| (name, (*mirror, bases.as_slice()))).collect();
        let shown = |order: Vec<&IndexPath>| order.iter().map(|index| index.index.as_str()).collect::<Vec<_>>().join(" ");
        differing(&all).into_iter().map(|(index, broad, deep)| format!("{index}: {} / {}", shown(broad), shown(deep))).collect()
    }

    #[test]
    fn a_deep_first_base_makes_the_difference() {
        let two_levels: &[(&str, bool, &[&str])] = &[
            ("a/top", false, &["a/left", "a/right"]),
            ("a/left", false, &["a/deep"]),
            ("a/right", false, &[]),
            ("a/deep", false, &[]),
        ];
        assert_eq!(differing_of(two_levels), ["a/top: top left right deep / top left deep right"]);
    }

    #[test]
    fn mirrors_and_plain_chains_make_none() {
        let chain: &[(&str, bool, &[&str])] = &[
            ("a/top", false, &["a/left", "a/pypi", "a/gone"]),
            ("a/left", false, &["a/deep", "a/top"]),
            ("a/deep", false, &["a/pypi"]),
            ("a/pypi", true, &[]),
        ];
        assert!(differing_of(chain).is_empty());
    }
}
