//! Walks through `dataindex.json`, one item at a time. The file may have hundreds of MB; what is held of it at any moment is one
//! user, one index's options, one project's versions or one file's entry. Whoever needs things in another order walks again.

use super::dump::Extent;
use crate::limits;
use anyhow::{Context, Result};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// One item of a dump.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// The `dumpversion`.
    Version(Value),
    /// A user: name and record.
    User(String, Value),
    /// An index: `user/index` and its options.
    Config(String, Value),
    /// A project: index, name, versions.
    Project(String, String, Value),
    /// A file: index and entry.
    File(String, Value),
}

/// Which items are handed out; the others are only checked to be JSON, and counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Users.
    pub users: bool,
    /// Options of indexes.
    pub configs: bool,
    /// Projects.
    pub projects: bool,
    /// Files.
    pub files: bool,
}

/// The items of one walk, as they come.
#[derive(Debug)]
pub struct Items {
    items: mpsc::Receiver<Item>,
    walk: Option<JoinHandle<Result<Extent>>>,
}

impl Items {
    /// Begins a walk through the file at `path`, on the blocking pool.
    pub fn of(path: &Path, wanted: Wanted) -> Self {
        let (sender, items) = mpsc::channel(limits::DUMP_ITEMS_AHEAD);
        let path = path.to_owned();
        let walk = tokio::task::spawn_blocking(move || walk(&path, wanted, |item| sender.blocking_send(item).is_ok()));
        Self { items, walk: Some(walk) }
    }

    /// The next item; `None` at the end. An error if the file is broken from here on.
    pub async fn next(&mut self) -> Result<Option<Item>> {
        if let Some(item) = self.items.recv().await {
            return Ok(Some(item));
        }
        match self.walk.take() {
            Some(walk) => walk.await?.map(|_| None),
            None => Ok(None),
        }
    }
}

/// Walks through the file; `visit` returns whether it wants more. Blocks.
///
/// The whole file is read and must be JSON of the form of a dump.
pub fn walk(path: &Path, wanted: Wanted, visit: impl FnMut(Item) -> bool) -> Result<Extent> {
    let file = File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
    let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(limits::DUMP_READ_BYTES, file));
    let mut walk = Walk { wanted, visit, extent: Extent::default() };
    let walked = Top(&mut walk).deserialize(&mut json).and_then(|()| json.end());
    walked.with_context(|| format!("{} is broken: it is not what devpi-export writes", path.display()))?;
    Ok(walk.extent)
}

struct Walk<V> {
    wanted: Wanted,
    visit: V,
    extent: Extent,
}

impl<V: FnMut(Item) -> bool> Walk<V> {
    fn hand_out<E: serde::de::Error>(&mut self, mut item: Item) -> Result<(), E> {
        match &mut item {
            Item::Version(value) | Item::User(_, value) | Item::Config(_, value) => clean(value),
            Item::Project(_, _, value) | Item::File(_, value) => clean(value),
        }
        if (self.visit)(item) { Ok(()) } else { Err(E::custom("the walk was given up")) }
    }
}

/// Replaces NUL, which PostgreSQL does not store, as forms do: one such letter must not end the whole import.
fn clean(value: &mut Value) {
    let replaced = |text: &str| text.replace('\0', "\u{fffd}");
    match value {
        Value::String(text) if text.contains('\0') => *text = replaced(text),
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::Object(fields) => {
            fields.values_mut().for_each(clean);
            let bad: Vec<String> = fields.keys().filter(|key| key.contains('\0')).cloned().collect();
            for key in bad {
                if let Some(value) = fields.remove(&key) {
                    fields.insert(replaced(&key), value);
                }
            }
        }
        _ => {}
    }
}

/// An object whose values are taken one after the other.
macro_rules! object {
    ($seed:ident $(, $field:ident: $type:ty)? => |$walk:ident, $map:ident, $key:ident $(, $bound:ident)?| $body:expr) => {
        struct $seed<'w, V>(&'w mut Walk<V> $(, $type)?);

        impl<'de, V: FnMut(Item) -> bool> DeserializeSeed<'de> for $seed<'_, V> {
            type Value = ();
            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_map(self)
            }
        }

        impl<'de, V: FnMut(Item) -> bool> Visitor<'de> for $seed<'_, V> {
            type Value = ();
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut $map: A) -> Result<(), A::Error> {
                let Self($walk $(, $bound)?) = self;
                while let Some($key) = $map.next_key::<String>()? {
                    $body
                }
                Ok(())
            }
        }
    };
}

object!(Top => |walk, map, key| match key.as_str() {
    "dumpversion" => {
        let version = map.next_value()?;
        walk.hand_out(Item::Version(version))?;
    }
    "users" => map.next_value_seed(Users(walk))?,
    "indexes" => map.next_value_seed(Indexes(walk))?,
    _ => drop(map.next_value::<IgnoredAny>()?),
});

object!(Users => |walk, map, name| match walk.wanted.users {
    true => {
        let user = map.next_value()?;
        walk.hand_out(Item::User(name, user))?;
    }
    false => drop(map.next_value::<IgnoredAny>()?),
});

object!(Indexes => |walk, map, path| map.next_value_seed(Index(walk, &path))?);

object!(Index, path: &'w str => |walk, map, key, path| match key.as_str() {
    "indexconfig" if walk.wanted.configs => {
        let config = map.next_value()?;
        walk.hand_out(Item::Config(path.to_owned(), config))?;
    }
    "projects" => map.next_value_seed(Projects(walk, path))?,
    "files" => map.next_value_seed(Files(walk, path))?,
    _ => drop(map.next_value::<IgnoredAny>()?),
});

object!(Projects, path: &'w str => |walk, map, name, path| {
    walk.extent.projects += 1;
    match walk.wanted.projects {
        true => {
            let versions = map.next_value()?;
            walk.hand_out(Item::Project(path.to_owned(), name, versions))?;
        }
        false => drop(map.next_value::<IgnoredAny>()?),
    }
});

struct Files<'w, V>(&'w mut Walk<V>, &'w str);

impl<'de, V: FnMut(Item) -> bool> DeserializeSeed<'de> for Files<'_, V> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, V: FnMut(Item) -> bool> Visitor<'de> for Files<'_, V> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self(walk, path) = self;
        loop {
            let found = match walk.wanted.files {
                true => match list.next_element()? {
                    Some(entry) => walk.hand_out::<A::Error>(Item::File(path.to_owned(), entry)).map(|()| true)?,
                    None => false,
                },
                false => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !found {
                return Ok(());
            }
            walk.extent.files += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DUMP: &str = r#"{"indexes": {"a/b": {"files": [{"type": "x"}, 7], "projects": {"p": {"1": {}}}, "indexconfig": {"type": "stage"}},
        "a/m": {"indexconfig": {"type": "mirror"}}}, "users": {"a": {"pwhash": "h"}}, "more": [1, {"x": 2}], "dumpversion": "2"}"#;

    fn walked(text: &str, wanted: Wanted) -> Result<(Vec<Item>, Extent)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dataindex.json");
        std::fs::write(&path, text).unwrap();
        let mut items = Vec::new();
        let extent = walk(&path, wanted, |item| {
            items.push(item);
            true
        })?;
        Ok((items, extent))
    }

    #[test]
    fn items_come_as_they_stand_and_only_those_wanted() {
        let all = Wanted { users: true, configs: true, projects: true, files: true };
        let (items, extent) = walked(DUMP, all).unwrap();
        let expected = [
            Item::File("a/b".into(), json!({"type": "x"})),
            Item::File("a/b".into(), json!(7)),
            Item::Project("a/b".into(), "p".into(), json!({"1": {}})),
            Item::Config("a/b".into(), json!({"type": "stage"})),
            Item::Config("a/m".into(), json!({"type": "mirror"})),
            Item::User("a".into(), json!({"pwhash": "h"})),
            Item::Version(json!("2")),
        ];
        assert_eq!(items, expected);
        let counted = Extent { projects: 1, files: 2 };
        assert_eq!(extent, counted);
        assert_eq!(walked(DUMP, Wanted::default()).unwrap(), (vec![Item::Version(json!("2"))], counted));
    }

    #[test]
    fn broken_files_are_told_with_the_place() {
        for (text, place) in [
            (&DUMP[..DUMP.len() - 1], "EOF"),
            (&format!("{DUMP} x"), "trailing characters"),
            ("[]", "expected an object"),
            (r#"{"indexes": {"a/b": {"files": {}}}}"#, "expected a list"),
            ("", "EOF"),
        ] {
            let error = format!("{:#}", walked(text, Wanted::default()).unwrap_err());
            assert!(error.contains(place) && error.contains("line"), "{error}");
        }
    }

    #[tokio::test]
    async fn whoever_stops_asking_stops_the_walk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dataindex.json");
        let many: Vec<Value> = (0..1000).map(|n| json!({"n": n})).collect();
        std::fs::write(&path, json!({"indexes": {"a/b": {"files": many}}}).to_string()).unwrap();
        let mut items = Items::of(&path, Wanted { files: true, ..Wanted::default() });
        assert_eq!(items.next().await.unwrap(), Some(Item::File("a/b".into(), json!({"n": 0}))));
        let walk = items.walk.take().unwrap();
        drop(items);
        assert!(walk.await.unwrap().is_err());
    }
}
