//! What the caveats of a devpi token mean: devpi-tokens' own (`allowed=`, `indexes=`, `projects=`, `expires=`, `not_before=`)
//! and PyPI's JSON, which pypitoken adds. Pure: texts in, bounds out; whether the token is genuine is `macaroon`'s business.
//!
//! All caveats of a token hold at once, so lists are intersected and of two ends the earlier counts: whoever derives a token
//! can only narrow it. A caveat that is not understood bounds the token in a way that nobody here can honour, so the whole
//! token is refused.

use super::access::{Action, Grant, Scope};
use crate::clock::Timestamp;
use crate::pypi::ProjectName;
use serde_json::Value;
use std::collections::BTreeSet;

/// devpi's permissions and what they are here. Those of users (`user_*`) are missing: no token has them.
const PERMISSIONS: &[(&str, Action)] = &[
    ("pkg_read", Action::Read),
    ("upload", Action::Upload),
    ("toxresult_upload", Action::AttachResults),
    ("del_entry", Action::RemoveFile),
    ("del_verdata", Action::RemoveRelease),
    ("del_project", Action::RemoveProject),
    ("index_create", Action::Create),
    ("index_modify", Action::Configure),
    ("index_delete", Action::Delete),
];

/// What all caveats of a token together leave of its owner's rights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Names of permissions.
    allowed: Bound<String>,
    /// `user/index`, each.
    indexes: Bound<String>,
    projects: Bound<ProjectName>,
    /// Seconds since 1970: from when on it is valid.
    not_before: Option<i64>,
    /// Seconds since 1970: from when on it is not.
    expires: Option<i64>,
}

/// `None`: everything.
type Bound<T> = Option<BTreeSet<T>>;

impl Bounds {
    /// Reads all caveats of a token; `None` if there is one that is not understood.
    pub fn read(caveats: &[String]) -> Option<Self> {
        let mut bounds = Self::default();
        for caveat in caveats {
            match serde_json::from_str(caveat) {
                Ok(json) => bounds.add_json(&json)?,
                Err(_) => bounds.add_text(caveat)?,
            }
        }
        Some(bounds)
    }

    /// Whether the token is valid at this moment, as far as its caveats go.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        let reached = |seconds| now.seconds() >= seconds;
        self.not_before.is_none_or(reached) && !self.expires.is_some_and(reached)
    }

    /// From when on the token is refused.
    pub fn end(&self) -> Option<Timestamp> {
        self.expires.map(Timestamp::from_seconds)
    }

    /// What the token may be used for.
    pub fn scope(self) -> Scope {
        let allowed = |name: &str| self.allowed.as_ref().is_none_or(|allowed| allowed.contains(name));
        let allow = PERMISSIONS.iter().filter(|(name, _)| allowed(name)).map(|(_, action)| Grant::Only(*action)).collect();
        let (indexes, projects) = (self.indexes, self.projects);
        Scope {
            allow,
            indexes: indexes.map(|set| set.into_iter().collect()),
            projects: projects.map(|set| set.into_iter().collect()),
        }
    }

    /// devpi-tokens' own: `key=value`.
    fn add_text(&mut self, caveat: &str) -> Option<()> {
        let (key, value) = caveat.split_once('=')?;
        let items = || value.split(',').map(str::trim);
        match key {
            "allowed" => narrow(&mut self.allowed, items().map(str::to_owned)),
            "indexes" => narrow(&mut self.indexes, items().map(str::to_owned)),
            "projects" => narrow(&mut self.projects, projects(items())),
            "expires" if value == "never" => {}
            "expires" => self.end_at(value.parse().ok()?),
            "not_before" => self.begin_at(value.parse().ok()?),
            _ => return None,
        }
        Some(())
    }

    /// PyPI's: `[0, expires, not before]` and `[1, [projects]]`, and the objects that came before them.
    fn add_json(&mut self, caveat: &Value) -> Option<()> {
        match caveat {
            Value::Array(items) => match items.as_slice() {
                [kind, end, beginning] if *kind == 0 => self.add_span(end, beginning),
                [kind, names] if *kind == 1 => self.add_projects(names),
                _ => None,
            },
            Value::Object(fields) => match (fields.get("permissions"), fields.get("exp"), fields.get("nbf")) {
                (None, Some(end), Some(beginning)) if fields.len() == 2 => self.add_span(end, beginning),
                (Some(permissions), None, None) if fields.len() == 2 && fields.get("version")? == 1 => {
                    // "user" is no bound: it says that the token is its user's.
                    if permissions != "user" {
                        self.add_projects(permissions.get("projects")?)?;
                    }
                    Some(())
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn add_span(&mut self, end: &Value, beginning: &Value) -> Option<()> {
        let (end, beginning) = (end.as_i64()?, beginning.as_i64()?);
        self.end_at(end);
        self.begin_at(beginning);
        Some(())
    }

    fn add_projects(&mut self, names: &Value) -> Option<()> {
        let names: Option<Vec<&str>> = names.as_array()?.iter().map(Value::as_str).collect();
        narrow(&mut self.projects, projects(names?.into_iter()));
        Some(())
    }

    fn end_at(&mut self, seconds: i64) {
        self.expires = Some(self.expires.map_or(seconds, |before| before.min(seconds)));
    }

    fn begin_at(&mut self, seconds: i64) {
        self.not_before = Some(self.not_before.map_or(seconds, |before| before.max(seconds)));
    }
}

/// What can be no project's name is no project, so leaving it out keeps the bound as narrow as it was meant.
fn projects<'a>(names: impl Iterator<Item = &'a str>) -> impl Iterator<Item = ProjectName> {
    names.filter_map(|name| ProjectName::parse(name).ok())
}

fn narrow<T: Ord>(bound: &mut Bound<T>, items: impl Iterator<Item = T>) {
    let items: BTreeSet<T> = items.collect();
    *bound = Some(match bound.take() {
        None => items,
        Some(before) => before.into_iter().filter(|item| items.contains(item)).collect(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(caveats: &[&str]) -> Option<Bounds> {
        Bounds::read(&caveats.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    fn scope(caveats: &[&str]) -> Scope {
        read(caveats).unwrap().scope()
    }

    fn names(scope: &Scope) -> Option<Vec<&str>> {
        scope.projects.as_ref().map(|list| list.iter().map(ProjectName::as_str).collect())
    }

    #[test]
    fn no_caveat_leaves_all_that_a_token_may_have() {
        let scope = scope(&["expires=never"]);
        assert_eq!((scope.allow.len(), scope.indexes, scope.projects), (PERMISSIONS.len(), None, None));
    }

    #[test]
    fn several_caveats_leave_what_all_of_them_leave() {
        let scope = scope(&[
            "allowed=pkg_read,upload,del_entry",
            "allowed=del_entry, upload,user_modify",
            "indexes=alice/dev,alice/prod",
            "indexes= alice/prod",
            "projects=App.One,two",
            r#"[1, ["app-one", "three"]]"#,
        ]);
        assert_eq!(scope.allow, [Grant::Only(Action::Upload), Grant::Only(Action::RemoveFile)]);
        assert_eq!(scope.indexes, Some(vec!["alice/prod".into()]));
        assert_eq!(names(&scope), Some(vec!["app-one"]));
    }

    #[test]
    fn what_has_nothing_in_common_leaves_nothing() {
        let shut =
            scope(&["allowed=upload", "allowed=toxresult_upload", "indexes=a/b", "indexes=c/d", "projects=x", r#"[1, ["y"]]"#]);
        assert_eq!((shut.allow, shut.indexes, shut.projects), (vec![], Some(vec![]), Some(vec![])));
        let none = scope(&["allowed=", "indexes=", "projects=-", r#"[1, []]"#]);
        assert_eq!((none.allow, none.projects), (vec![], Some(vec![])));
        assert_eq!(none.indexes, Some(vec![String::new()]), "which is no index");
    }

    #[test]
    fn the_narrowest_span_counts() {
        let at = Timestamp::from_seconds;
        let bounds = read(&["expires=90", "not_before=10", "[0, 100, 20]", r#"{"nbf": 5, "exp": 80}"#, "expires=never"]).unwrap();
        for (seconds, valid) in [(19, false), (20, true), (79, true), (80, false)] {
            assert_eq!(bounds.is_valid_at(at(seconds)), valid, "{seconds}");
        }
        assert_eq!(bounds.end(), Some(at(80)));
        assert_eq!(read(&["expires=never"]).unwrap().end(), None);
        assert!(!read(&["expires=0"]).unwrap().is_valid_at(at(0)));
        assert!(read(&[&format!("expires={}", i64::MAX)]).unwrap().is_valid_at(at(i64::MAX / 2)));
    }

    #[test]
    fn the_objects_that_pypi_had_before() {
        assert_eq!(names(&scope(&[r#"{"version": 1, "permissions": {"projects": ["Foo_Bar"]}}"#])), Some(vec!["foo-bar"]));
        assert_eq!(scope(&[r#"{"version": 1, "permissions": "user"}"#]).projects, None);
    }

    #[test]
    fn what_is_not_understood_refuses_the_token() {
        for caveat in [
            "",
            "colour=blue",
            "allowed",
            "expires=",
            "expires=soon",
            "expires=1.5",
            "not_before=",
            "[]",
            "[0]",
            "[0, 1]",
            "[0, 1, \"x\"]",
            "[0, 1, 2, 3]",
            "[1]",
            "[1, \"x\"]",
            "[1, [5]]",
            "[2, [\"some-id\"]]",
            "[3, \"some-user\"]",
            "[true, []]",
            "{}",
            "{\"nbf\": 1}",
            "{\"nbf\": 1, \"exp\": null}",
            "{\"nbf\": 1, \"exp\": 2, \"and\": 3}",
            "{\"version\": 2, \"permissions\": \"user\"}",
            "{\"version\": 1, \"permissions\": \"root\"}",
            "{\"version\": 1, \"permissions\": {}}",
            "5",
            "null",
        ] {
            assert_eq!(read(&["expires=never", caveat]), None, "{caveat}");
        }
    }
}
