//! The log of a file as devpi keeps and shows it: who uploaded, pushed and overwrote it, and when. Pure.
//!
//! It is stored only where it tells more than the file's row does; for a plain upload it is made from the row.

use crate::clock::Timestamp;
use crate::names::IndexPath;
use serde_json::{Value, json};

/// The log of a file, the stored one or what its row tells.
pub fn of(stored: Option<&Value>, uploaded_by: Option<&str>, uploaded: Timestamp, index: &IndexPath) -> Value {
    stored.cloned().unwrap_or_else(|| json!([upload(uploaded_by, uploaded, index)]))
}

/// The log after a push: what happened before, overwriting aside, which was the source's business, and the push.
pub fn pushed(before: &Value, actor: &str, at: Timestamp, from: &IndexPath, to: &IndexPath) -> Value {
    let kept = entries(before).filter(|entry| entry["what"] != "overwrite").cloned();
    let push = json!({"what": "push", "who": user_of(actor), "when": when(at), "src": from.to_string(), "dst": to.to_string()});
    Value::Array(kept.chain([push]).collect())
}

/// The log of a file that takes the place of one whose log was `old`: how often that has happened comes first.
pub fn overwritten(old: Option<&Value>, new: Value, at: Timestamp) -> Value {
    let overwrites = old.into_iter().flat_map(entries).filter(|entry| entry["what"] == "overwrite");
    let count: u64 = overwrites.filter_map(|entry| entry["count"].as_u64()).sum();
    let overwrite = json!({"what": "overwrite", "who": null, "when": when(at), "count": count + 1});
    Value::Array([overwrite].into_iter().chain(entries(&new).cloned()).collect())
}

/// Year, month, day, hour, minute, second in UTC: the form in which devpi 6 writes times of its log.
pub fn when(time: Timestamp) -> Vec<u32> {
    time.iso_seconds().split(['-', 'T', ':', 'Z']).filter_map(|part| part.parse().ok()).collect()
}

fn upload(actor: Option<&str>, at: Timestamp, index: &IndexPath) -> Value {
    json!({"what": "upload", "who": actor.and_then(user_of), "when": when(at), "dst": index.to_string()})
}

fn entries(log: &Value) -> impl Iterator<Item = &Value> {
    log.as_array().into_iter().flatten()
}

/// The user behind an actor of the journal: `user:alice` and `token:alice/ci` are alice's.
fn user_of(actor: &str) -> Option<&str> {
    let (kind, name) = actor.split_once(':')?;
    match kind {
        "user" => Some(name),
        "token" => name.split('/').next(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_of_a_file() {
        let path = |text| IndexPath::parse(text).unwrap();
        let at = Timestamp(1_700_000_000_000_000);
        let first = of(None, Some("token:alice/ci"), at, &path("alice/dev"));
        assert_eq!(first, json!([{"what": "upload", "who": "alice", "when": [2023, 11, 14, 22, 13, 20], "dst": "alice/dev"}]));
        let second = overwritten(None, first.clone(), at);
        let third = overwritten(Some(&second), first.clone(), at);
        assert_eq!(third[0], json!({"what": "overwrite", "who": null, "when": [2023, 11, 14, 22, 13, 20], "count": 2}));
        assert_eq!((third.as_array().unwrap().len(), &third[1]), (2, &first[0]));
        let pushed = pushed(&third, "user:bob", at, &path("alice/dev"), &path("alice/prod"));
        let push = json!({"what": "push", "who": "bob", "when": when(at), "src": "alice/dev", "dst": "alice/prod"});
        assert_eq!(pushed, json!([first[0], push]));
    }

    #[test]
    fn what_no_user_did_has_no_who() {
        let log = of(None, Some("anonymous"), Timestamp(0), &IndexPath::parse("a/b").unwrap());
        assert_eq!((&log[0]["who"], log[0]["when"][0].as_u64()), (&Value::Null, Some(1970)));
    }
}
