//! All indexes in memory: who inherits from whom, in which order, and whether everybody may read along.
//!
//! Pure look-ups on a value that is replaced as a whole after each change (`follow`). No I/O.

use super::settings::{Kind, Principal, Settings};
use crate::clock::Timestamp;
use crate::db;
use crate::db::IndexId;
use crate::names::{IndexName, IndexPath, UserName};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// One index as the rules see it.
#[derive(Debug)]
pub struct Index {
    /// Key.
    pub id: IndexId,
    /// Name.
    pub path: IndexPath,
    /// Stage or mirror.
    pub kind: Kind,
    /// Hidden while an import fills it.
    pub importing: bool,
    /// Options.
    pub settings: Settings,
    /// Bases as set, whether they exist or not.
    pub bases: Vec<IndexPath>,
    /// When it was made.
    pub created: Timestamp,
}

impl Index {
    /// Whether everybody may read it.
    pub fn is_public(&self) -> bool {
        self.settings.acl_read.contains(&Principal::Anonymous)
    }
}

/// An index with its resolution order.
#[derive(Debug, Clone)]
pub struct Place {
    /// The index.
    pub index: Arc<Index>,
    /// The indexes a look-up walks, this one first and all mirrors last (devpi's order: breadth first over the bases).
    pub order: Arc<[Arc<Index>]>,
    /// Whether everybody may read every index of the order: then nobody's rights need be looked at.
    pub all_public: bool,
}

/// Every index of the server.
#[derive(Debug, Default)]
pub struct Tree {
    places: HashMap<UserName, HashMap<IndexName, Place>>,
    by_id: HashMap<IndexId, Arc<Index>>,
    /// The index that `/simple/` and `/legacy/` stand for.
    pub default: Option<IndexPath>,
    /// Whether any index is not for everybody: only then is it worth asking an anonymous caller to sign in.
    pub any_private: bool,
}

impl Tree {
    /// Builds the tree from the rows of the database.
    pub fn build(rows: Vec<db::indexes::Index>, bases: Vec<(IndexId, String)>, default: Option<IndexPath>) -> Self {
        let mut bases_of: HashMap<IndexId, Vec<IndexPath>> = HashMap::new();
        for (index, base) in bases {
            bases_of.entry(index).or_default().extend(IndexPath::parse(&base));
        }
        let indexes: Vec<Arc<Index>> = rows
            .into_iter()
            .map(|row| {
                let bases = bases_of.remove(&row.id).unwrap_or_default();
                Arc::new(Index::from_row(row, bases))
            })
            .collect();
        let by_path: HashMap<&IndexPath, &Arc<Index>> = indexes.iter().map(|i| (&i.path, i)).collect();
        let mut places: HashMap<UserName, HashMap<IndexName, Place>> = HashMap::new();
        for index in &indexes {
            let order = resolution_order(index, |path| by_path.get(path).copied());
            let all_public = order.iter().all(|i| i.is_public());
            let place = Place { index: index.clone(), order: order.into(), all_public };
            places.entry(index.path.user.clone()).or_default().insert(index.path.index.clone(), place);
        }
        let any_private = indexes.iter().any(|i| !i.is_public());
        Self { places, by_id: indexes.iter().map(|i| (i.id, i.clone())).collect(), default, any_private }
    }

    /// The index at `user/index`; none while an import fills it.
    pub fn find(&self, user: &str, index: &str) -> Option<&Place> {
        self.places.get(user)?.get(index).filter(|place| !place.index.importing)
    }

    /// The same by path.
    pub fn at(&self, path: &IndexPath) -> Option<&Place> {
        self.places.get(&path.user)?.get(&path.index).filter(|place| !place.index.importing)
    }

    /// The index with this key.
    pub fn by_id(&self, id: IndexId) -> Option<&Arc<Index>> {
        self.by_id.get(&id)
    }

    /// A user's indexes, by name.
    pub fn of_user(&self, user: &str) -> Vec<&Place> {
        let mut found: Vec<&Place> = self.places.get(user).map(|m| m.values().collect()).unwrap_or_default();
        found.retain(|place| !place.index.importing);
        found.sort_by(|a, b| a.index.path.cmp(&b.index.path));
        found
    }

    /// Every index, by path.
    pub fn all(&self) -> Vec<&Place> {
        let mut found: Vec<&Place> = self.places.values().flat_map(HashMap::values).collect();
        found.retain(|place| !place.index.importing);
        found.sort_by(|a, b| a.index.path.cmp(&b.index.path));
        found
    }
}

impl Index {
    fn from_row(row: db::indexes::Index, bases: Vec<IndexPath>) -> Self {
        let kind = if row.kind == Kind::Mirror.word() { Kind::Mirror } else { Kind::Stage };
        Self {
            id: row.id,
            path: IndexPath { user: row.user_name, index: row.name },
            kind,
            importing: row.state == "importing",
            settings: Settings::read(row.settings.0),
            bases: if kind == Kind::Stage { bases } else { Vec::new() },
            created: row.created,
        }
    }
}

/// Breadth first over the bases as listed, each index once, mirrors after all others in the order they were found in; bases
/// that do not exist are passed over and cycles end by themselves.
fn resolution_order<'a>(start: &'a Arc<Index>, find: impl Fn(&IndexPath) -> Option<&'a Arc<Index>>) -> Vec<Arc<Index>> {
    let (mut stages, mut mirrors) = (Vec::new(), Vec::new());
    let mut seen = HashSet::from([start.id]);
    let mut queue = VecDeque::from([start]);
    while let Some(index) = queue.pop_front() {
        match index.kind {
            Kind::Stage => stages.push(index.clone()),
            Kind::Mirror => mirrors.push(index.clone()),
        }
        queue.extend(index.bases.iter().filter_map(&find).filter(|base| !base.importing && seen.insert(base.id)));
    }
    stages.append(&mut mirrors);
    stages
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    /// A tree from (path, is it a mirror, bases, more options).
    pub(crate) fn tree(indexes: &[(&str, bool, &[&str], Value)]) -> Tree {
        let mut rows = Vec::new();
        let mut bases = Vec::new();
        for (number, (path, mirror, its_bases, options)) in (1..).zip(indexes) {
            let path = IndexPath::parse(path).unwrap();
            let settings: Map<String, Value> = options.as_object().cloned().unwrap_or_default();
            rows.push(db::indexes::Index {
                id: IndexId(number),
                user_name: path.user,
                name: path.index,
                kind: if *mirror { "mirror" } else { "stage" }.into(),
                state: "ready".into(),
                settings: sqlx::types::Json(settings),
                created: Timestamp(0),
            });
            bases.extend(its_bases.iter().map(|base| (IndexId(number), base.to_string())));
        }
        Tree::build(rows, bases, None)
    }

    fn order(tree: &Tree, path: &str) -> Vec<String> {
        let place = tree.at(&IndexPath::parse(path).unwrap()).unwrap();
        place.order.iter().map(|i| i.path.to_string()).collect()
    }

    #[test]
    fn bases_are_walked_breadth_first_and_mirrors_come_last() {
        let t = tree(&[
            ("a/top", false, &["a/left", "a/pypi", "a/right"], json!({})),
            ("a/left", false, &["a/deep"], json!({})),
            ("a/right", false, &["a/deep", "a/other"], json!({})),
            ("a/deep", false, &[], json!({})),
            ("a/pypi", true, &[], json!({})),
            ("a/other", true, &[], json!({})),
        ]);
        assert_eq!(order(&t, "a/top"), ["a/top", "a/left", "a/right", "a/deep", "a/pypi", "a/other"]);
    }

    #[test]
    fn cycles_and_missing_bases_do_no_harm() {
        let t = tree(&[("a/x", false, &["a/y", "a/gone"], json!({})), ("a/y", false, &["a/x", "a/y"], json!({}))]);
        assert_eq!(order(&t, "a/x"), ["a/x", "a/y"]);
        assert_eq!(order(&t, "a/y"), ["a/y", "a/x"]);
    }

    #[test]
    fn one_private_index_makes_the_order_private() {
        let t = tree(&[("a/open", false, &["a/shut"], json!({})), ("a/shut", false, &[], json!({"acl_read": ["a"]}))]);
        assert!(t.any_private && !t.find("a", "open").unwrap().all_public && !t.find("a", "shut").unwrap().all_public);
    }

    proptest! {
        /// Whatever the bases, an order begins with its index, holds nothing twice and has no stage behind a mirror.
        #[test]
        fn orders_are_sound(edges in proptest::collection::vec((0..8_usize, 0..8_usize), 0..40), mirrors in any::<u8>()) {
            let paths: Vec<String> = (0..8).map(|n| format!("u/i{n}")).collect();
            let bases: Vec<Vec<&str>> =
                (0..8).map(|n| edges.iter().filter(|(from, _)| *from == n).map(|(_, to)| paths[*to].as_str()).collect()).collect();
            let rows: Vec<_> = (0..8).map(|n| (paths[n].as_str(), mirrors >> n & 1 == 1, bases[n].as_slice(), json!({}))).collect();
            let t = tree(&rows);
            for path in &paths {
                let place = t.at(&IndexPath::parse(path).unwrap()).unwrap();
                let ids: HashSet<_> = place.order.iter().map(|i| i.id).collect();
                prop_assert_eq!(ids.len(), place.order.len());
                prop_assert!(ids.contains(&place.index.id));
                let first_mirror = place.order.iter().position(|i| i.kind == Kind::Mirror).unwrap_or(place.order.len());
                prop_assert!(place.order[first_mirror..].iter().all(|i| i.kind == Kind::Mirror));
                if place.index.kind == Kind::Stage {
                    prop_assert_eq!(place.order[0].id, place.index.id);
                }
            }
        }
    }
}
