//! An index's options as the fields of a form, and back: what stands in them, and what was changed. Pure.
//!
//! Only what differs from what was shown becomes a change, because the form shows less than there is: no credentials, no bases that
//! the reader may not read.

use crate::http::web::filled::Filled;
use crate::http::web::forms::Form;
use crate::index::settings::{self, Edit, Kind, without_credentials};
use crate::names::IndexPath;
use crate::pypi::ProjectName;
use crate::urls::encode_query;
use serde_json::{Map, Value, json};
use url::Url;

/// Options that no form shows: tools keep the first, devpi's clients send the others, and nothing here looks at any of them.
#[cfg(test)]
const UNSHOWN: &[&str] = &["custom_data", "mirror_provides_core_metadata", "mirror_ignore_serial_header"];

/// How an option is edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Widget {
    /// A line, or several; empty takes the option away.
    Text,
    /// A whole number; empty takes the option away.
    Number,
    /// Two choices, `yes` and `no`.
    Flag,
    /// One of some words, which are the option's own.
    Word,
    /// Everybody, whoever has signed in, or the users in a second field.
    Access(&'static str),
    /// Names of projects.
    Projects,
    /// Indexes, in order.
    Bases,
    /// An address, with credentials in fields beside it.
    Address,
}

/// A field, which is called as its option.
struct Field {
    option: &'static str,
    widget: Widget,
    stage: bool,
    mirror: bool,
    /// What a new index has if the option is not set.
    unset: &'static str,
}

const fn field(option: &'static str, widget: Widget, (stage, mirror): (bool, bool), unset: &'static str) -> Field {
    Field { option, widget, stage, mirror, unset }
}

const BOTH: (bool, bool) = (true, true);
const STAGE: (bool, bool) = (true, false);
const MIRROR: (bool, bool) = (false, true);

const FIELDS: &[Field] = &[
    field("title", Widget::Text, BOTH, ""),
    field("description", Widget::Text, BOTH, ""),
    field("volatile", Widget::Flag, BOTH, "yes"),
    field("acl_read", Widget::Access("acl_read_users"), BOTH, "all"),
    field("page_max_age", Widget::Number, BOTH, ""),
    field("bases", Widget::Bases, STAGE, ""),
    field("acl_upload", Widget::Access("acl_upload_users"), STAGE, "users"),
    field("acl_toxresult_upload", Widget::Access("acl_toxresult_upload_users"), STAGE, "all"),
    field("upload_checks", Widget::Word, STAGE, "strict"),
    field("mirror_whitelist", Widget::Projects, STAGE, ""),
    field("mirror_whitelist_inheritance", Widget::Word, STAGE, "union"),
    field("keep_dev_releases", Widget::Number, STAGE, ""),
    field("keep_dev_days", Widget::Number, STAGE, ""),
    field("mirror_url", Widget::Address, MIRROR, ""),
    field("mirror_cache_expiry", Widget::Number, MIRROR, ""),
    field("mirror_web_url_fmt", Widget::Text, MIRROR, ""),
    field("mirror_no_project_list", Widget::Flag, MIRROR, "no"),
    field("mirror_use_external_urls", Widget::Flag, MIRROR, "no"),
];

fn fields(kind: Kind) -> impl Iterator<Item = &'static Field> {
    FIELDS.iter().filter(move |field| if kind == Kind::Stage { field.stage } else { field.mirror })
}

/// What stands in the fields for these options. Credentials do not, and of the bases only those that are shown.
pub fn values(kind: Kind, options: &Map<String, Value>, shown: impl Fn(&str) -> bool) -> Vec<(&'static str, String)> {
    let mut values = Vec::new();
    for field in fields(kind) {
        let Some(value) = options.get(field.option) else {
            values.push((field.option, field.unset.to_owned()));
            continue;
        };
        let words: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        match field.widget {
            Widget::Access(users) => values.extend(access(field.option, users, &words)),
            Widget::Flag => values.push((field.option, if value == true { "yes" } else { "no" }.to_owned())),
            Widget::Projects => values.push((field.option, words.join("\n"))),
            Widget::Bases => {
                values.push((field.option, words.into_iter().filter(|base| shown(base)).collect::<Vec<_>>().join("\n")))
            }
            Widget::Address => values.push((field.option, without_credentials(value.as_str().unwrap_or_default()))),
            Widget::Text | Widget::Number | Widget::Word => {
                values.push((field.option, value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
            }
        }
    }
    values
}

fn access(option: &'static str, users: &'static str, list: &[&str]) -> [(&'static str, String); 2] {
    let (word, names) = match list {
        list if list.contains(&":ANONYMOUS:") => ("all", String::new()),
        list if list.contains(&":AUTHENTICATED:") => ("signed", String::new()),
        list => ("users", list.join(", ")),
    };
    [(option, word.to_owned()), (users, names)]
}

/// What was changed from `before`, which the form showed, to what was sent; each change with the field that it is about. Mistakes are
/// noted in `sent`. `stored` are the options as they are.
pub fn changes(kind: Kind, stored: &Map<String, Value>, before: &Form, sent: &mut Filled) -> Vec<(&'static str, Edit)> {
    let mut changes = Vec::new();
    let touched: Vec<&Field> = fields(kind).filter(|field| differs(field, before, &sent.form)).collect();
    for field in touched {
        match read(field, stored, sent) {
            // What the rules' own parser says of it, should that be more.
            Ok(edit) => match settings::apply(kind, stored, std::slice::from_ref(&edit)) {
                Ok(_) => changes.push((field.option, edit)),
                Err(why) => sent.wrong(field.option, why),
            },
            Err((field, why)) => sent.wrong(field, why),
        }
    }
    changes
}

/// What was not sent at all was not touched.
fn differs(field: &Field, before: &Form, sent: &Form) -> bool {
    if !sent.has(field.option) {
        return false;
    }
    let words = |form: &Form, name: &str| form.items(name).map(str::to_owned).collect::<Vec<_>>();
    match field.widget {
        Widget::Access(users) => {
            before.text(field.option) != sent.text(field.option)
                || sent.text(field.option) == "users" && words(before, users) != words(sent, users)
        }
        Widget::Projects | Widget::Bases => words(before, field.option) != words(sent, field.option),
        Widget::Address => {
            before.text(field.option) != sent.text(field.option)
                || ["mirror_user", "mirror_password", "mirror_forget"].iter().any(|name| !sent.raw(name).is_empty())
        }
        Widget::Text | Widget::Number | Widget::Flag | Widget::Word => before.text(field.option) != sent.text(field.option),
    }
}

type Mistake = (&'static str, String);

fn read(field: &Field, stored: &Map<String, Value>, sent: &Filled) -> Result<Edit, Mistake> {
    let (option, text) = (field.option, sent.form.text(field.option));
    let set = |value: Value| Edit::Set(option.to_owned(), value);
    let wrong = |why: &str| Err((option, why.to_owned()));
    match field.widget {
        Widget::Text | Widget::Number if text.is_empty() => Ok(Edit::Drop(option.to_owned())),
        Widget::Text => Ok(set(json!(text))),
        Widget::Number if text.parse::<u64>().is_err() => wrong("A whole number is needed here, 0 or more; or nothing."),
        Widget::Number => Ok(set(json!(text))),
        Widget::Flag => match text {
            "yes" => Ok(set(json!(true))),
            "no" => Ok(set(json!(false))),
            _ => wrong("Choose one of the two."),
        },
        Widget::Word if text.is_empty() => wrong("Choose one of the two."),
        Widget::Word => Ok(set(json!(text))),
        Widget::Access(users) => match text {
            "all" => Ok(set(json!([":ANONYMOUS:"]))),
            "signed" => Ok(set(json!([":AUTHENTICATED:"]))),
            "users" => Ok(set(json!(sent.form.items(users).collect::<Vec<_>>()))),
            _ => wrong("Choose who may."),
        },
        Widget::Projects => {
            let names: Result<Vec<String>, String> = sent.form.items(option).map(project).collect();
            names.map(|names| set(json!(names))).map_err(|why| (option, why))
        }
        Widget::Bases => {
            let parse = |text: &str| {
                let path = IndexPath::parse(text);
                path.map(|path| path.to_string()).map_err(|_| (option, format!("“{text}” is not of the form user/index.")))
            };
            sent.form.items(option).map(parse).collect::<Result<Vec<_>, _>>().map(|paths| set(json!(paths)))
        }
        Widget::Address => {
            let stored = stored.get(option).and_then(Value::as_str);
            Ok(address(stored, &sent.form)?.map_or_else(|| Edit::Drop(option.to_owned()), |address| set(json!(address))))
        }
    }
}

fn project(name: &str) -> Result<String, String> {
    match name {
        "*" => Ok("*".to_owned()),
        name => ProjectName::parse(name).map(|name| name.to_string()).map_err(|why| why.to_string()),
    }
}

/// The address to store: as typed, with the credentials typed beside it. Those that are kept go along only to the server that they
/// are for.
fn address(stored: Option<&str>, sent: &Form) -> Result<Option<String>, Mistake> {
    let typed = sent.text("mirror_url");
    if typed.is_empty() {
        return Ok(None);
    }
    let unreadable = || ("mirror_url", "An address begins with http:// or https:// and names a server.".to_owned());
    let mut url =
        Url::parse(typed).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()).ok_or_else(unreadable)?;
    let kept =
        stored.and_then(|text| Url::parse(text).ok()).filter(|kept| kept.origin() == url.origin() && !sent.has("mirror_forget"));
    let (user, password) = (sent.text("mirror_user"), sent.raw("mirror_password"));
    let (user, password) = match (user, password, kept) {
        ("", "", Some(kept)) if !has_credentials(&url) && has_credentials(&kept) => {
            // As the stored address has them: already escaped.
            return with_userinfo(url, kept.username(), kept.password()).map(Some).ok_or_else(unreadable);
        }
        ("", "", _) => return Ok(Some(typed.to_owned())),
        ("", _, _) => return Err(("mirror_user", "Give the user name that the password belongs to.".to_owned())),
        given => (given.0, given.1),
    };
    // Escaped here, because a per cent sign would be taken for the beginning of an escape.
    let password = Some(encode_query(password)).filter(|text| !text.is_empty());
    let set = url.set_username(&encode_query(user)).and_then(|()| url.set_password(password.as_deref()));
    set.map(|()| Some(url.to_string())).map_err(|()| unreadable())
}

/// Whether an address carries credentials.
pub fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn with_userinfo(mut url: Url, user: &str, password: Option<&str>) -> Option<String> {
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    let (scheme, rest) = url.as_str().split_once("://")?;
    let password = password.map(|password| format!(":{password}")).unwrap_or_default();
    Some(format!("{scheme}://{user}{password}@{rest}"))
}

/// The bases to store: those that were typed, and those that the form did not show, each behind the one that it stood behind.
pub fn with_hidden(stored: &[String], wanted: &[String], is_hidden: impl Fn(&str) -> bool) -> Vec<String> {
    let mut all = wanted.to_vec();
    let mut before: Option<&String> = None;
    for base in stored {
        if is_hidden(base) && !all.contains(base) {
            let at = match before {
                None => 0,
                Some(before) => all.iter().position(|other| other == before).map_or(all.len(), |at| at + 1),
            };
            all.insert(at, base.clone());
        }
        before = Some(base);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::settings::{OPTIONS, UploadChecks, defaults};

    fn form(fields: &[(&'static str, &str)]) -> Form {
        Form::of(fields.iter().map(|(name, value)| (*name, (*value).to_owned())))
    }

    /// What the form does when it is sent as it is shown, apart from `typed`.
    fn sent(kind: Kind, options: &Map<String, Value>, typed: &[(&'static str, &str)]) -> Result<Map<String, Value>, Vec<String>> {
        let shown = values(kind, options, |_| true);
        let unlike = shown.iter().filter(|(name, _)| !typed.iter().any(|(other, _)| other == name)).cloned();
        let mut filled = Filled::with(unlike.chain(typed.iter().map(|(name, value)| (*name, (*value).to_owned()))));
        let edits = changes(kind, options, &Form::of(shown), &mut filled);
        match filled.is_good() {
            true => Ok(settings::apply(kind, options, &edits.into_iter().map(|(_, edit)| edit).collect::<Vec<_>>()).unwrap()),
            false => Err(filled.mistakes().iter().map(|(name, why)| format!("{name}: {why}")).collect()),
        }
    }

    #[test]
    fn every_option_is_in_the_form_or_left_out_on_purpose() {
        for option in OPTIONS {
            let shown = FIELDS.iter().any(|field| field.option == option.name);
            assert!(shown != UNSHOWN.contains(&option.name), "{}", option.name);
        }
    }

    #[test]
    fn what_is_not_touched_stays() {
        for kind in [Kind::Stage, Kind::Mirror] {
            let mut options = defaults(kind, "alice", UploadChecks::Lenient);
            options.insert("acl_read".into(), json!([":AUTHENTICATED:", "bob"]));
            options.insert("acl_upload".into(), json!(["bob", ":group"]));
            options.insert("page_max_age".into(), json!(60));
            options.insert("mirror_url".into(), json!("https://me:secret@index.example"));
            options.insert("custom_data".into(), json!({"a": 1}));
            assert_eq!(sent(kind, &options, &[]).unwrap(), options);
        }
    }

    #[test]
    fn what_is_changed_is_stored_as_any_client_s() {
        let options = defaults(Kind::Stage, "alice", UploadChecks::Strict);
        let after = sent(
            Kind::Stage,
            &options,
            &[
                ("title", "Dev"),
                ("volatile", "no"),
                ("bases", "root/pypi\n\n/bob/dev/"),
                ("acl_read", "signed"),
                ("acl_upload_users", "alice, bob"),
                ("keep_dev_days", "9"),
                ("mirror_whitelist", "Foo_Bar\n*"),
            ],
        );
        let after = Value::Object(after.unwrap());
        assert_eq!((&after["title"], &after["volatile"]), (&json!("Dev"), &json!(false)));
        assert_eq!(after["bases"], json!(["root/pypi", "bob/dev"]));
        assert_eq!(after["acl_read"], json!([":AUTHENTICATED:"]));
        assert_eq!(after["acl_upload"], json!(["alice", "bob"]));
        assert_eq!((&after["keep_dev_days"], &after["mirror_whitelist"]), (&json!(9), &json!(["foo-bar", "*"])));
        let Value::Object(after) = after else { unreachable!() };
        let back = sent(Kind::Stage, &after, &[("title", ""), ("keep_dev_days", ""), ("acl_read", "all")]).unwrap();
        assert!(!back.contains_key("title") && !back.contains_key("keep_dev_days"));
        assert_eq!(back["acl_read"], json!([":ANONYMOUS:"]));
    }

    #[test]
    fn every_mistake_is_at_its_field() {
        let options = defaults(Kind::Stage, "alice", UploadChecks::Strict);
        let typed = [
            ("bases", "nonsense"),
            ("keep_dev_days", "-1"),
            ("mirror_whitelist", "a b"),
            ("volatile", "maybe"),
            ("acl_read", ""),
            ("upload_checks", "lax"),
        ];
        let told = sent(Kind::Stage, &options, &typed).unwrap_err();
        assert_eq!(told.len(), typed.len(), "{told:?}");
        for (name, _) in typed {
            assert!(told.iter().any(|line| line.starts_with(&format!("{name}: "))), "{name} in {told:?}");
        }
        let mirror = defaults(Kind::Mirror, "alice", UploadChecks::Strict);
        let told = sent(Kind::Mirror, &mirror, &[("mirror_url", "ftp://index.example/"), ("mirror_cache_expiry", "soon")]);
        assert_eq!(told.unwrap_err().len(), 2);
    }

    #[test]
    fn credentials_stay_with_their_server() {
        let stored = Some("https://me:s%40cret@index.example/simple/");
        let new = |fields: &[(&'static str, &str)]| address(stored, &form(fields)).map_err(|(field, _)| field);
        let is = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(new(&[("mirror_url", "https://index.example/other/")]), is("https://me:s%40cret@index.example/other/"));
        assert_eq!(new(&[("mirror_url", "https://other.example/simple/")]), is("https://other.example/simple/"));
        assert_eq!(new(&[("mirror_url", "http://index.example/simple/")]), is("http://index.example/simple/"));
        assert_eq!(
            new(&[("mirror_url", "https://index.example/simple/"), ("mirror_forget", "1")]),
            is("https://index.example/simple/")
        );
        let typed = [("mirror_url", "https://index.example/"), ("mirror_user", "you"), ("mirror_password", "p w")];
        assert_eq!(new(&typed), is("https://you:p%20w@index.example/"));
        assert_eq!(new(&[("mirror_url", "https://a:b@index.example/")]), is("https://a:b@index.example/"));
        assert_eq!(new(&[("mirror_url", "https://index.example/"), ("mirror_password", "x")]), Err("mirror_user"));
        assert_eq!(new(&[("mirror_url", " ")]), Ok(None));
        for wrong in ["index.example", "https://", "ftp://index.example/", "javascript:alert(1)"] {
            assert_eq!(new(&[("mirror_url", wrong)]), Err("mirror_url"), "{wrong}");
        }
    }

    #[test]
    fn hidden_bases_keep_their_place() {
        let list = |text: &str| text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let merged =
            |stored: &str, wanted: &str| with_hidden(&list(stored), &list(wanted), |base| base.starts_with("x/")).join(" ");
        assert_eq!(merged("x/1 a/a x/2 x/3 b/b", "b/b a/a c/c"), "x/1 b/b a/a x/2 x/3 c/c");
        assert_eq!(merged("a/a x/1", "b/b"), "b/b x/1", "what it stood behind is gone");
        assert_eq!(merged("a/a b/b", "b/b"), "b/b");
        assert_eq!(merged("a/a x/1", "x/1 a/a"), "x/1 a/a", "typed by somebody who knows it");
    }
}
