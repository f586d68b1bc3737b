//! devpi 7's words for what devpi 6 and this program call otherwise. They are understood wherever options come in; what goes
//! out is said in devpi 6's words. Pure.

use super::Edit;
use serde_json::{Value, json};

/// devpi 7's names of options, with ours. `remote_refresh_delay` is seconds, as before.
const RENAMED: &[(&str, &str)] = &[
    ("remote_url", "mirror_url"),
    ("remote_refresh_delay", "mirror_cache_expiry"),
    ("remote_web_url_fmt", "mirror_web_url_fmt"),
    ("remote_no_project_list", "mirror_no_project_list"),
    ("remote_use_external_urls", "mirror_use_external_urls"),
];

/// devpi 7's default rule: a name that a stage of the order has is not looked up in mirrors.
const BLOCK: &str = "block type:remote if local_exists";
/// devpi 7's other rule: mirrors may add to every name.
const ALLOW: &str = "allow all";

/// `stage` for `local`, `mirror` for `remote`; other words as they are.
pub fn kind(word: &str) -> &str {
    match word {
        "local" => "stage",
        "remote" => "mirror",
        other => other,
    }
}

/// The edit in our words; an error tells what the rule should have been.
pub fn translated(edit: &Edit) -> Result<Edit, String> {
    Ok(match edit {
        Edit::Set(key, value) if key == "project_inheritance_rules" => match rule(value)? {
            Rule::Allow => Edit::Append("mirror_whitelist".into(), "*".into()),
            Rule::Block => Edit::Without("mirror_whitelist".into(), "*".into()),
        },
        Edit::Drop(key) if key == "project_inheritance_rules" => Edit::Without("mirror_whitelist".into(), "*".into()),
        Edit::Set(key, value) if key == "trust_inheritance_rules_from" => {
            Edit::Set("mirror_whitelist_inheritance".into(), json!(trust(value)?))
        }
        Edit::Drop(key) if key == "trust_inheritance_rules_from" => {
            Edit::Set("mirror_whitelist_inheritance".into(), json!("intersection"))
        }
        Edit::Set(key, value) => Edit::Set(renamed(key), value.clone()),
        Edit::Append(key, item) => Edit::Append(renamed(key), item.clone()),
        Edit::Remove(key, item) => Edit::Remove(renamed(key), item.clone()),
        Edit::Without(key, item) => Edit::Without(renamed(key), item.clone()),
        Edit::Drop(key) => Edit::Drop(renamed(key)),
    })
}

/// What a list of one rule says of names that a stage has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Mirrors may add to them.
    Allow,
    /// They may not.
    Block,
}

/// Reads `project_inheritance_rules` of an index, or `inheritance_rules` of a project.
pub fn rule(value: &Value) -> Result<Rule, String> {
    let rules: Vec<String> = super::strings(value).into_iter().map(|rule| words(&rule)).collect();
    match rules.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | [BLOCK] => Ok(Rule::Block),
        [ALLOW] => Ok(Rule::Allow),
        _ => Err(format!("the inheritance rules can be '{BLOCK}' or '{ALLOW}', and nothing else")),
    }
}

/// One space between words.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn trust(value: &Value) -> Result<&'static str, String> {
    match value.as_str().map(words).as_deref() {
        Some("none" | "") => Ok("intersection"),
        Some("type:not remote") => Ok("union"),
        _ => Err("'trust_inheritance_rules_from' can be 'none' or 'type:not remote'".into()),
    }
}

fn renamed(key: &str) -> String {
    RENAMED.iter().find(|(seven, _)| *seven == key).map_or(key, |(_, six)| six).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, UploadChecks, apply, defaults};
    use super::*;

    fn after(kind: Kind, edits: &[&str]) -> Result<Value, String> {
        let edits: Vec<Edit> = edits.iter().map(|text| Edit::parse(text)).collect();
        apply(kind, &defaults(kind, "alice", UploadChecks::Strict), &edits).map(Value::Object)
    }

    #[test]
    fn a_remote_is_a_mirror() {
        assert_eq!((Kind::parse("local"), Kind::parse("remote")), (Ok(Kind::Stage), Ok(Kind::Mirror)));
        let mirror =
            after(Kind::Mirror, &["remote_url=https://index.example/", "remote_refresh_delay=60", "remote_no_project_list=yes"]);
        assert_eq!(
            mirror.unwrap(),
            json!({"volatile": true, "mirror_url": "https://index.example/", "mirror_cache_expiry": 60, "mirror_no_project_list": true})
        );
        assert_eq!(after(Kind::Mirror, &["remote_url=x"]).unwrap_err(), "'mirror_url' option must be a URL.");
    }

    #[test]
    fn rules_are_whitelists() {
        let whitelist = |edits: &[&str]| after(Kind::Stage, edits).map(|options| options["mirror_whitelist"].clone());
        assert_eq!(whitelist(&["project_inheritance_rules=allow all"]).unwrap(), json!(["*"]));
        let back = [
            "mirror_whitelist=app",
            "project_inheritance_rules=allow  all",
            "project_inheritance_rules=block type:remote if local_exists",
        ];
        assert_eq!(whitelist(&back).unwrap(), json!(["app"]));
        assert_eq!(whitelist(&["mirror_whitelist=*", "project_inheritance_rules-="]).unwrap(), json!([]));
        assert!(whitelist(&["project_inheritance_rules=allow some"]).unwrap_err().contains("allow all"));
        let trust = |edit: &str| after(Kind::Stage, &[edit]).map(|options| options["mirror_whitelist_inheritance"].clone());
        assert_eq!(trust("trust_inheritance_rules_from=type:not remote").unwrap(), "union");
        assert_eq!(trust("trust_inheritance_rules_from=none").unwrap(), "intersection");
        assert!(trust("trust_inheritance_rules_from=all").is_err());
    }
}
