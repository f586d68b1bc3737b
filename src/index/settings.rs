//! The options of an index: one table of what exists, one parser for what people send, one typed view for the rules.
//!
//! Pure. The words, the defaults and the messages are devpi's (its clients send strings as typed on a command line), plus
//! `acl_read` and `page_max_age`, which are ours.

mod vocabulary;

use crate::names::IndexPath;
use crate::pypi::ProjectName;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What an index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Holds its own files and may have bases.
    Stage,
    /// Shows another server's files.
    Mirror,
}

impl Kind {
    /// `stage` or `mirror`, as devpi 6 says it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Stage => "stage",
            Kind::Mirror => "mirror",
        }
    }

    /// Reads the word, also devpi 7's `local` and `remote`.
    pub fn parse(word: &str) -> Result<Self, String> {
        match vocabulary::kind(word) {
            "stage" => Ok(Kind::Stage),
            "mirror" => Ok(Kind::Mirror),
            other => Err(format!("unknown index type '{other}'")),
        }
    }
}

/// What an upload must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum UploadChecks {
    /// A sound wheel or source distribution, whose own metadata are believed.
    #[default]
    Strict,
    /// Any bytes under a distribution's file name; the form says what the archive does not, as with devpi.
    Lenient,
}

impl UploadChecks {
    /// `strict` or `lenient`.
    pub fn word(self) -> &'static str {
        match self {
            UploadChecks::Strict => "strict",
            UploadChecks::Lenient => "lenient",
        }
    }

    /// Reads the word, in any case.
    pub fn parse(word: &str) -> Result<Self, String> {
        match word.to_lowercase().as_str() {
            "strict" => Ok(UploadChecks::Strict),
            "lenient" => Ok(UploadChecks::Lenient),
            other => Err(format!("'{other}' is not a way to check uploads: use strict or lenient")),
        }
    }
}

/// The form of an option's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// true, false, or yes, no as text.
    Flag,
    /// Seconds, zero or more.
    Seconds,
    /// A whole number, zero or more; none at all takes the option away.
    Number,
    /// Any text.
    Text,
    /// An http or https address.
    Address,
    /// User names, `:ANONYMOUS:`, `:AUTHENTICATED:`.
    Principals,
    /// Project names, or `*`.
    Projects,
    /// `user/index`, each.
    Paths,
    /// `intersection` or `union`.
    Inheritance,
    /// `strict` or `lenient`.
    Checks,
    /// Any JSON.
    Any,
}

/// One option: its name, its form, which kinds have it, what it means. `docs/configuration.md` repeats this table; a test
/// compares the two.
pub struct OptionInfo {
    /// The key.
    pub name: &'static str,
    form: Form,
    stage: bool,
    mirror: bool,
    /// One line for people.
    pub help: &'static str,
}

const fn option(name: &'static str, form: Form, kinds: (bool, bool), help: &'static str) -> OptionInfo {
    OptionInfo { name, form, stage: kinds.0, mirror: kinds.1, help }
}

const BOTH: (bool, bool) = (true, true);
const STAGE: (bool, bool) = (true, false);
const MIRROR: (bool, bool) = (false, true);

/// Every option but `type`.
pub const OPTIONS: &[OptionInfo] = &[
    option("volatile", Form::Flag, BOTH, "files may be replaced and removed, and the index deleted; default true"),
    option("bases", Form::Paths, STAGE, "indexes whose files this one shows too, in this order; default none"),
    option(
        "acl_read",
        Form::Principals,
        BOTH,
        "who may read; default :ANONYMOUS:, which is everybody; the owner and root always may",
    ),
    option("acl_upload", Form::Principals, STAGE, "who may upload; default the owner"),
    option("acl_toxresult_upload", Form::Principals, STAGE, "who may attach test results; default :ANONYMOUS:"),
    option(
        "mirror_whitelist",
        Form::Projects,
        STAGE,
        "projects of this order that mirrors may add files to although an index has them; * for all",
    ),
    option(
        "mirror_whitelist_inheritance",
        Form::Inheritance,
        STAGE,
        "how whitelists of bases combine: intersection (default) or union",
    ),
    option(
        "upload_checks",
        Form::Checks,
        STAGE,
        "strict (default): uploads must be sound wheels or source distributions; lenient: any file with a distribution's name, \
         as devpi takes it",
    ),
    option(
        "keep_dev_releases",
        Form::Number,
        STAGE,
        "development releases (versions with .devN) that gc leaves each project, the newest; default all",
    ),
    option(
        "keep_dev_days",
        Form::Number,
        STAGE,
        "days for which gc leaves development releases; default for ever; with keep_dev_releases a release goes only if both say so",
    ),
    option("page_max_age", Form::Seconds, BOTH, "seconds for which clients may use a page without asking again; default 0"),
    option("title", Form::Text, BOTH, "a line for people"),
    option("description", Form::Text, BOTH, "text for people"),
    option("custom_data", Form::Any, BOTH, "any JSON that tools keep here"),
    option("mirror_url", Form::Address, MIRROR, "the simple index to mirror; may carry user:password@, which is never shown"),
    option("mirror_cache_expiry", Form::Seconds, MIRROR, "seconds after which a page is asked for again; default 1800"),
    option("mirror_web_url_fmt", Form::Text, MIRROR, "address of a project's page for people, with {name}"),
    option("mirror_no_project_list", Form::Flag, MIRROR, "never ask upstream for the list of all its projects; default false"),
    option("mirror_use_external_urls", Form::Flag, MIRROR, "send clients to upstream for files that are not kept; default false"),
    option("mirror_provides_core_metadata", Form::Flag, MIRROR, "accepted for devpi's sake; metadata is always offered here"),
    option("mirror_ignore_serial_header", Form::Flag, MIRROR, "accepted for devpi's sake; upstream's serial is not used here"),
];

/// Options that devpi stores for every stage, so that they cannot be dropped.
const ALWAYS: &[&str] =
    &["volatile", "acl_upload", "acl_toxresult_upload", "acl_read", "bases", "mirror_whitelist", "mirror_whitelist_inheritance"];

/// The key under which it is kept that `mirror_url` was set by somebody who may name a private address. Keys with this
/// beginning are ours: people neither set nor see them.
const PRIVATE_ALLOWED: &str = "_private_allowed";

/// Notes whether the mirror may ask its own host at a private address.
pub fn allow_private(options: &mut Map<String, Value>, allowed: bool) {
    options.insert(PRIVATE_ALLOWED.into(), json!(allowed));
}

/// One wanted change of one option.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// `key=value`
    Set(String, Value),
    /// `key+=value`
    Append(String, String),
    /// `key-=value`; the value must be there.
    Remove(String, String),
    /// The same, whether or not the value is there.
    Without(String, String),
    /// `key-=`
    Drop(String),
}

impl Edit {
    /// Reads `key=value`, `key+=value`, `key-=value`, `key-=`; without `=` the value is empty.
    pub fn parse(text: &str) -> Edit {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if let Some(key) = key.strip_suffix('+') {
            return Edit::Append(key.into(), value.into());
        }
        match key.strip_suffix('-') {
            Some(key) if value.is_empty() => Edit::Drop(key.into()),
            Some(key) => Edit::Remove(key.into(), value.into()),
            None => Edit::Set(key.into(), Value::String(value.into())),
        }
    }
}

/// devpi 7's `inheritance_rules` of one project as a change of its index's options.
pub fn project_rule(project: &ProjectName, rules: &Value) -> Result<Edit, String> {
    let (option, name) = ("mirror_whitelist".to_owned(), project.to_string());
    Ok(match vocabulary::rule(rules)? {
        vocabulary::Rule::Allow => Edit::Append(option, name),
        vocabulary::Rule::Block => Edit::Without(option, name),
    })
}

/// What a new index starts from, on a server that checks the uploads to new indexes so.
pub fn defaults(kind: Kind, owner: &str, checks: UploadChecks) -> Map<String, Value> {
    let mut fields = match kind {
        Kind::Mirror => json!({"volatile": true}),
        Kind::Stage => json!({
            "volatile": true,
            "bases": [],
            "acl_upload": [owner],
            "acl_toxresult_upload": [":ANONYMOUS:"],
            "mirror_whitelist": [],
            "mirror_whitelist_inheritance": "intersection",
        }),
    };
    if kind == Kind::Stage && checks != UploadChecks::default() {
        fields["upload_checks"] = json!(checks.word());
    }
    match fields {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Applies `edits` to `current`. Every mistake is reported, joined by ", ", and then nothing is applied.
pub fn apply(kind: Kind, current: &Map<String, Value>, edits: &[Edit]) -> Result<Map<String, Value>, String> {
    let mut next = current.clone();
    let mut mistakes = Vec::new();
    let mut unknown = Vec::new();
    for edit in edits {
        match apply_one(kind, &mut next, edit) {
            Ok(()) => {}
            Err(Mistake::Unknown(text)) => unknown.push(text),
            Err(Mistake::Invalid(text)) => mistakes.push(text),
        }
    }
    if !unknown.is_empty() {
        unknown.sort();
        mistakes.push(format!("indexconfig got unexpected keyword arguments: {}", unknown.join(", ")));
    }
    match mistakes.is_empty() {
        true => Ok(next),
        false => Err(mistakes.join(", ")),
    }
}

enum Mistake {
    Unknown(String),
    Invalid(String),
}

fn apply_one(kind: Kind, options: &mut Map<String, Value>, edit: &Edit) -> Result<(), Mistake> {
    match &vocabulary::translated(edit).map_err(Mistake::Invalid)? {
        Edit::Set(key, value) => set(kind, options, key, value),
        Edit::Append(key, item) => {
            let mut items = list(options, key)?;
            if !items.contains(item) {
                items.push(item.clone());
            }
            set(kind, options, key, &json!(items))
        }
        Edit::Remove(key, item) => {
            let mut items = list(options, key)?;
            let before = items.len();
            items.retain(|have| have != item);
            if items.len() == before {
                return Err(Mistake::Invalid(format!("The '{key}' setting doesn't have value '{item}'")));
            }
            set(kind, options, key, &json!(items))
        }
        Edit::Without(key, item) => {
            let mut items = list(options, key)?;
            items.retain(|have| have != item);
            set(kind, options, key, &json!(items))
        }
        Edit::Drop(key) if ALWAYS.contains(&key.as_str()) && kind == Kind::Stage || key == "volatile" => {
            Err(Mistake::Invalid("Default values can't be removed.".into()))
        }
        Edit::Drop(key) => match (options.remove(key.as_str()), OPTIONS.iter().any(|info| info.name == key)) {
            (Some(_), _) | (None, true) => Ok(()),
            (None, false) => Err(Mistake::Invalid(format!("The '{key}' setting is not set"))),
        },
    }
}

/// The present items of a list option, so that one can be added or taken away.
fn list(options: &Map<String, Value>, key: &str) -> Result<Vec<String>, Mistake> {
    let is_list = OPTIONS.iter().any(|o| o.name == key && matches!(o.form, Form::Principals | Form::Projects | Form::Paths));
    if !is_list {
        return Err(Mistake::Invalid(format!("The '{key}' setting is not a list")));
    }
    Ok(options.get(key).map(strings).unwrap_or_default())
}

fn set(kind: Kind, options: &mut Map<String, Value>, key: &str, value: &Value) -> Result<(), Mistake> {
    // `projects` is part of what devpi answers and comes back in patches; `pypi_whitelist` is devpi 2's.
    if matches!(key, "projects" | "type" | "pypi_whitelist") {
        return Ok(());
    }
    let Some(info) = OPTIONS.iter().find(|o| o.name == key) else {
        return Err(Mistake::Unknown(format!("{key}={}", plain(value))));
    };
    let applies = match kind {
        Kind::Stage => info.stage,
        Kind::Mirror => info.mirror,
    };
    match (applies, kind) {
        (true, _) => {}
        // devpi ignores what stages have and mirrors lack, so its clients send it.
        (false, Kind::Mirror) => return Ok(()),
        (false, Kind::Stage) => return Err(Mistake::Unknown(format!("{key}={}", plain(value)))),
    }
    match canonical(info, value).map_err(Mistake::Invalid)? {
        Some(value) => options.insert(key.into(), value),
        None => options.remove(key),
    };
    Ok(())
}

/// The value in the form in which it is stored and shown; `None` takes the option away.
fn canonical(info: &OptionInfo, value: &Value) -> Result<Option<Value>, String> {
    Ok(Some(match info.form {
        Form::Flag => json!(flag(value)?),
        Form::Seconds => json!(number(info.name, value)?),
        Form::Number if value.is_null() || *value == "" => return Ok(None),
        Form::Number => json!(number(info.name, value)?),
        Form::Text | Form::Address if value.is_null() => return Ok(None),
        Form::Text => json!(text(info.name, value)?),
        Form::Address => json!(address(info.name, &text(info.name, value)?)?),
        Form::Principals => json!(listed(value)?.into_iter().map(principal).collect::<Vec<_>>()),
        Form::Projects => json!(listed(value)?.iter().map(|name| project(name)).collect::<Result<Vec<_>, _>>()?),
        Form::Paths => json!(listed(value)?.iter().map(|path| base(path)).collect::<Result<Vec<_>, _>>()?),
        Form::Inheritance => json!(inheritance(&text(info.name, value)?)?),
        Form::Checks => json!(UploadChecks::parse(&text(info.name, value)?)?.word()),
        Form::Any if value.is_null() => return Ok(None),
        Form::Any => value.clone(),
    }))
}

fn flag(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(b) => Ok(*b),
        Value::String(s) if ["true", "yes"].contains(&s.to_lowercase().as_str()) => Ok(true),
        Value::String(s) if ["false", "no"].contains(&s.to_lowercase().as_str()) => Ok(false),
        other => Err(format!("Unknown boolean value {}.", as_python_shows(other))),
    }
}

fn number(name: &str, value: &Value) -> Result<u64, String> {
    let number = match value {
        Value::Number(n) => n.as_u64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| format!("'{name}' option must be an integer"))
}

fn text(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(s) => Ok(s.clone()),
        Value::Number(n) => Ok(n.to_string()),
        Value::Bool(b) => Ok(b.to_string()),
        _ => Err(format!("'{name}' option must be text")),
    }
}

fn address(name: &str, text: &str) -> Result<String, String> {
    let ok = url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    match ok {
        true => Ok(text.trim().into()),
        false => Err(format!("'{name}' option must be a URL.")),
    }
}

fn principal(name: String) -> String {
    match name.to_uppercase().as_str() {
        upper @ (":ANONYMOUS:" | ":AUTHENTICATED:") => upper.into(),
        _ => name,
    }
}

fn project(name: &str) -> Result<String, String> {
    match name {
        "*" => Ok("*".into()),
        name => ProjectName::parse(name).map(|n| n.as_str().into()).map_err(|e| e.to_string()),
    }
}

fn base(path: &str) -> Result<String, String> {
    IndexPath::parse(path).map(|p| p.to_string()).map_err(|_| format!("invalid base index spec: '{path}'"))
}

fn inheritance(word: &str) -> Result<String, String> {
    match word.to_lowercase().as_str() {
        known @ ("intersection" | "union") => Ok(known.into()),
        _ => Err(format!("Unknown value '{word}' for mirror_whitelist_inheritance, must be 'intersection' or 'union'.")),
    }
}

/// A list, or text with commas; nothing else is one.
fn listed(value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(_) | Value::String(_) => Ok(strings(value)),
        Value::Null => Ok(Vec::new()),
        other => Err(format!("Unknown list value {}.", as_python_shows(other))),
    }
}

/// Scripts that were written for devpi compare these messages with what Python made of the value.
fn as_python_shows(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}

/// A list, or text with commas; empty items are dropped.
fn strings(value: &Value) -> Vec<String> {
    let items: Vec<String> = match value {
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::String(text) => text.split(',').map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    items.into_iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

/// JSON text without the quotes of a string.
fn plain(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// Somebody an access list names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Everybody.
    Anonymous,
    /// Everybody who has signed in.
    Authenticated,
    /// This user. A name of the form `:group` is kept and matches nobody until groups exist.
    User(String),
}

/// The typed view of stored options; what is absent has its default.
#[derive(Debug, Clone)]
pub struct Settings {
    /// See [`OPTIONS`].
    pub volatile: bool,
    /// See [`OPTIONS`].
    pub acl_read: Vec<Principal>,
    /// See [`OPTIONS`].
    pub acl_upload: Vec<Principal>,
    /// See [`OPTIONS`].
    pub acl_toxresult_upload: Vec<Principal>,
    /// See [`OPTIONS`].
    pub upload_checks: UploadChecks,
    /// See [`OPTIONS`].
    pub mirror_whitelist: Vec<String>,
    /// Whether whitelists of bases are united rather than intersected.
    pub whitelist_union: bool,
    /// See [`OPTIONS`].
    pub keep_dev_releases: Option<u64>,
    /// See [`OPTIONS`].
    pub keep_dev_days: Option<u64>,
    /// See [`OPTIONS`].
    pub page_max_age: u64,
    /// See [`OPTIONS`].
    pub mirror_url: Option<String>,
    /// See [`OPTIONS`].
    pub mirror_cache_expiry: Duration,
    /// See [`OPTIONS`].
    pub mirror_no_project_list: bool,
    /// See [`OPTIONS`].
    pub mirror_use_external_urls: bool,
    /// Whether the mirror may ask its own host at a private address.
    pub mirror_private_allowed: bool,
    /// Everything as stored, for showing.
    pub stored: Map<String, Value>,
}

impl Settings {
    /// Reads stored options; what an older or newer version wrote and this one cannot read counts as absent.
    pub fn read(stored: Map<String, Value>) -> Self {
        let flag_of = |key: &str, default| stored.get(key).and_then(|v| flag(v).ok()).unwrap_or(default);
        let list_of = |key: &str| stored.get(key).map(strings);
        let number_of = |key: &str| stored.get(key).and_then(|v| number(key, v).ok());
        let principals = |key: &str| list_of(key).map(|names| names.into_iter().map(to_principal).collect());
        Self {
            volatile: flag_of("volatile", true),
            acl_read: principals("acl_read").unwrap_or_else(|| vec![Principal::Anonymous]),
            acl_upload: principals("acl_upload").unwrap_or_default(),
            acl_toxresult_upload: principals("acl_toxresult_upload").unwrap_or_else(|| vec![Principal::Anonymous]),
            upload_checks: stored
                .get("upload_checks")
                .and_then(Value::as_str)
                .and_then(|word| UploadChecks::parse(word).ok())
                .unwrap_or_default(),
            mirror_whitelist: list_of("mirror_whitelist").unwrap_or_default(),
            // An index whose data say nothing is an old one, and those were united.
            whitelist_union: stored.get("mirror_whitelist_inheritance").is_none_or(|v| v == "union"),
            keep_dev_releases: number_of("keep_dev_releases"),
            keep_dev_days: number_of("keep_dev_days"),
            page_max_age: number_of("page_max_age").unwrap_or(0),
            mirror_url: stored.get("mirror_url").and_then(Value::as_str).map(str::to_owned),
            mirror_cache_expiry: number_of("mirror_cache_expiry").map_or(crate::limits::MIRROR_CACHE_EXPIRY, Duration::from_secs),
            mirror_no_project_list: flag_of("mirror_no_project_list", false),
            mirror_use_external_urls: flag_of("mirror_use_external_urls", false),
            mirror_private_allowed: flag_of(PRIVATE_ALLOWED, false),
            stored,
        }
    }

    /// The options as anybody may see them: credentials inside addresses are taken out.
    pub fn shown(&self) -> Map<String, Value> {
        let mut shown = self.stored.clone();
        shown.retain(|key, _| !key.starts_with('_'));
        if let Some(Value::String(text)) = shown.get_mut("mirror_url") {
            *text = without_credentials(text);
        }
        shown
    }
}

fn to_principal(name: String) -> Principal {
    match name.as_str() {
        ":ANONYMOUS:" => Principal::Anonymous,
        ":AUTHENTICATED:" => Principal::Authenticated,
        _ => Principal::User(name),
    }
}

/// The address without user and password.
pub fn without_credentials(address: &str) -> String {
    match url::Url::parse(address) {
        Ok(mut url) if !url.username().is_empty() || url.password().is_some() => {
            // Neither can fail on an address that has a host, and one without is not shown.
            match url.set_username("").and_then(|()| url.set_password(None)) {
                Ok(()) => url.to_string(),
                Err(()) => String::new(),
            }
        }
        Ok(_) => address.into(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(texts: &[&str]) -> Vec<Edit> {
        texts.iter().map(|t| Edit::parse(t)).collect()
    }

    #[test]
    fn strings_as_typed_become_values() {
        let made = apply(
            Kind::Stage,
            &defaults(Kind::Stage, "alice", UploadChecks::Strict),
            &edits(&[
                "volatile=False",
                "bases=/root/pypi/,alice/dev",
                "acl_read=alice,:anonymous:",
                "mirror_whitelist=*,Foo_Bar",
                "page_max_age=60",
            ]),
        )
        .unwrap();
        insta::assert_json_snapshot!(Value::Object(made), @r#"
        {
          "acl_read": [
            "alice",
            ":ANONYMOUS:"
          ],
          "acl_toxresult_upload": [
            ":ANONYMOUS:"
          ],
          "acl_upload": [
            "alice"
          ],
          "bases": [
            "root/pypi",
            "alice/dev"
          ],
          "mirror_whitelist": [
            "*",
            "foo-bar"
          ],
          "mirror_whitelist_inheritance": "intersection",
          "page_max_age": 60,
          "volatile": false
        }
        "#);
    }

    #[test]
    fn lists_grow_and_shrink() {
        let start = defaults(Kind::Stage, "alice", UploadChecks::Strict);
        let more = apply(Kind::Stage, &start, &edits(&["acl_upload+=bob", "acl_upload+=bob"])).unwrap();
        assert_eq!(more["acl_upload"], json!(["alice", "bob"]));
        let less = apply(Kind::Stage, &more, &edits(&["acl_upload-=alice"])).unwrap();
        assert_eq!(less["acl_upload"], json!(["bob"]));
        assert_eq!(
            apply(Kind::Stage, &less, &edits(&["acl_upload-=carol"])).unwrap_err(),
            "The 'acl_upload' setting doesn't have value 'carol'"
        );
    }

    #[test]
    fn mistakes_are_named_in_devpis_words() {
        let start = defaults(Kind::Stage, "alice", UploadChecks::Strict);
        for (edit, message) in [
            ("volatile=maybe", "Unknown boolean value 'maybe'."),
            ("bases=nonsense", "invalid base index spec: 'nonsense'"),
            ("foo=bar", "indexconfig got unexpected keyword arguments: foo=bar"),
            ("bases-=", "Default values can't be removed."),
            ("titel-=", "The 'titel' setting is not set"),
            ("volatile=", "Unknown boolean value ''."),
            (
                "mirror_url=http://index.example/",
                "indexconfig got unexpected keyword arguments: mirror_url=http://index.example/",
            ),
        ] {
            assert_eq!(apply(Kind::Stage, &start, &edits(&[edit])).unwrap_err(), message, "{edit}");
        }
        let mirror = defaults(Kind::Mirror, "alice", UploadChecks::Strict);
        for (edit, message) in [
            ("mirror_url=ftp://index.example/", "'mirror_url' option must be a URL."),
            ("mirror_cache_expiry=soon", "'mirror_cache_expiry' option must be an integer"),
        ] {
            assert_eq!(apply(Kind::Mirror, &mirror, &edits(&[edit])).unwrap_err(), message, "{edit}");
        }
    }

    #[test]
    fn a_mirror_ignores_what_only_stages_have() {
        let made =
            apply(Kind::Mirror, &defaults(Kind::Mirror, "alice", UploadChecks::Strict), &edits(&["bases=a/b", "acl_upload=x"]))
                .unwrap();
        assert_eq!(Value::Object(made), json!({"volatile": true}));
    }

    #[test]
    fn credentials_of_a_mirror_are_not_shown() {
        let stored = json!({"mirror_url": "https://me:secret@index.example/simple/"});
        let Value::Object(stored) = stored else { unreachable!() };
        let settings = Settings::read(stored);
        assert_eq!(settings.shown()["mirror_url"], "https://index.example/simple/");
        assert!(settings.mirror_url.unwrap().contains("secret"));
    }
}
