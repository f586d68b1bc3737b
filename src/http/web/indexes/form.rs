//! `/_/indexes/new` and `/_/indexes/{user}/{index}/settings`: one form that explains each option.
//!
//! It carries along what it showed, so that only what somebody touched is changed, and what somebody else has changed meanwhile is
//! neither undone nor overwritten unseen.

use super::fields::{self, changes, with_hidden};
use crate::db;
use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::http::web::filled::Filled;
use crate::http::web::forms::Form;
use crate::http::web::rights;
use crate::http::web::shell::Shell;
use crate::http::web::visit::Visit;
use crate::index::access::{Action, may};
use crate::index::admin::{self, Owners};
use crate::index::settings::{Edit, Kind, defaults};
use crate::index::tree::{Index, Tree};
use crate::limits;
use crate::names::{IndexPath, UserName};
use crate::urls::{encode_index, encode_query};
use askama::Template;
use axum::body::Body;
use serde_json::{Map, Value, json};

#[derive(Template)]
#[template(path = "index_form.html")]
struct Page<'a> {
    shell: &'a Shell,
    form: &'a Filled,
    /// The index that is changed; none while one is made.
    index: Option<Existing>,
    mirror: bool,
    /// Whether somebody else's index may be made.
    choose_owner: bool,
    owner: &'a str,
    /// What the form showed: name and value.
    was: &'a [(&'static str, String)],
    /// Indexes that can be bases.
    readable: Vec<String>,
    /// Bases that the reader may not know of.
    hidden: usize,
    has_credentials: bool,
    may_be_private: bool,
}

struct Existing {
    path: String,
    link: String,
    may_delete: bool,
}

/// What a form is about.
struct Subject {
    index: Option<std::sync::Arc<Index>>,
    kind: Kind,
    /// Options as they are, or as a new index begins.
    stored: Map<String, Value>,
    owner: String,
    choose_owner: bool,
}

impl Subject {
    /// An index that is there.
    fn existing(visit: &Visit<'_>, user: &str, index: &str) -> Result<Self> {
        rights::somebody(visit)?;
        let path = IndexPath::parse(&format!("{user}/{index}")).map_err(|_| Error::no_index(format_args!("{user}/{index}")))?;
        let index = admin::administered(visit.core(), visit.caller(), &path, Action::Configure)?;
        let stored = admin::config(&index);
        Ok(Self { kind: index.kind, stored, owner: path.user.to_string(), choose_owner: false, index: Some(index) })
    }

    /// One that is to be made, for `owner` if one is named; whether they may is decided when it is made.
    fn new(visit: &Visit<'_>, kind: &str, owner: &str, choose_owner: bool) -> Result<Self> {
        let reader = rights::somebody(visit)?.name.to_string();
        let kind = if kind == Kind::Mirror.word() { Kind::Mirror } else { Kind::Stage };
        let owner = if owner.is_empty() { reader } else { owner.to_owned() };
        let stored = defaults(kind, &owner, visit.core().rules.upload_checks);
        Ok(Self { index: None, kind, stored, owner, choose_owner })
    }

    fn values(&self, visit: &Visit<'_>) -> Vec<(&'static str, String)> {
        let tree = visit.core().tree.load();
        fields::values(self.kind, &self.stored, |base| !is_hidden(visit, &tree, base))
    }

    fn bases(&self) -> Vec<String> {
        let listed = self.stored.get("bases").and_then(Value::as_array).into_iter().flatten();
        listed.filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// Whether this base must not be named to the reader. One that does not exist may.
fn is_hidden(visit: &Visit<'_>, tree: &Tree, base: &str) -> bool {
    let place = IndexPath::parse(base).ok().and_then(|path| tree.at(&path));
    place.is_some_and(|place| !may(visit.caller(), Action::Read, &place.index, None))
}

/// Whether the caller may choose the owner of an index that is to be made; an error if they may make none.
fn chooses_owner(visit: &Visit<'_>) -> Result<bool> {
    rights::somebody(visit)?;
    match admin::owners(visit.core(), visit.caller()) {
        Owners::Anybody => Ok(true),
        Owners::Themselves => Ok(false),
        Owners::Nobody => Err(Error::Forbidden("Making indexes is for administrators on this server.".into())),
    }
}

/// The form for a new index. `?kind=mirror` makes it one for a mirror, `?user=` names the owner.
pub fn show_new(visit: &Visit<'_>) -> Result<Reply> {
    let chooses = chooses_owner(visit)?;
    let owner = if chooses { visit.query("user") } else { String::new() };
    let subject = Subject::new(visit, &visit.query("kind"), &owner, chooses)?;
    let values = subject.values(visit);
    let mut form = Filled::with(values.iter().cloned());
    form.form.extend([("owner", subject.owner.clone())]);
    page(visit, &subject, &form, &values)
}

/// The form for the options of an index.
pub fn show(visit: &Visit<'_>, user: &str, index: &str) -> Result<Reply> {
    let subject = Subject::existing(visit, user, index)?;
    let values = subject.values(visit);
    page(visit, &subject, &Filled::with(values.iter().cloned()), &values)
}

fn page(visit: &Visit<'_>, subject: &Subject, form: &Filled, was: &[(&'static str, String)]) -> Result<Reply> {
    let tree = visit.core().tree.load();
    let path = subject.index.as_ref().map(|index| &index.path);
    let others = tree.all().into_iter().filter(|place| Some(&place.index.path) != path);
    let readable = others.filter(|place| may(visit.caller(), Action::Read, &place.index, None));
    let address = subject.stored.get("mirror_url").and_then(Value::as_str).and_then(|text| url::Url::parse(text).ok());
    let existing = subject.index.as_ref().map(|index| Existing {
        path: index.path.to_string(),
        link: encode_index(&index.path),
        may_delete: admin::administered(visit.core(), visit.caller(), &index.path, Action::Delete).is_ok(),
    });
    let page = Page {
        shell: &visit.shell,
        form,
        index: existing,
        mirror: subject.kind == Kind::Mirror,
        choose_owner: subject.choose_owner,
        owner: &subject.owner,
        was,
        readable: readable.map(|place| place.index.path.to_string()).take(limits::WEB_CHOICES_MAX).collect(),
        hidden: subject.bases().iter().filter(|base| is_hidden(visit, &tree, base)).count(),
        has_credentials: address.is_some_and(|url| fields::has_credentials(&url)),
        may_be_private: visit.caller().is_admin() || visit.core().rules.private_mirrors,
    };
    visit.page_as(form.status(), &page)
}

/// What the form showed when it was filled in, as it says itself: that decides what was touched, and nothing else.
fn shown(form: &Form, now: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    let then = |name: &str| {
        let key = format!("was-{name}");
        form.has(&key).then(|| form.raw(&key).to_owned())
    };
    now.iter().map(|(name, value)| (*name, then(name).unwrap_or_else(|| value.clone()))).collect()
}

/// The changes that the form asks for; what is wrong with them is noted.
async fn edits(visit: &Visit<'_>, subject: &Subject, form: &mut Filled, was: &[(&'static str, String)]) -> Result<Vec<Edit>> {
    let mut edits = Vec::new();
    for (field, edit) in changes(subject.kind, &subject.stored, &Form::of(was.iter().cloned()), form) {
        match edit {
            Edit::Set(key, list) if key == "bases" => edits.push(bases(visit, subject, form, &list)),
            Edit::Set(key, list) if key.starts_with("acl_") => {
                unknown_users(visit, subject, form, field, &list).await?;
                edits.push(Edit::Set(key, list));
            }
            other => edits.push(other),
        }
    }
    Ok(edits)
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn bases(visit: &Visit<'_>, subject: &Subject, form: &mut Filled, wanted: &Value) -> Edit {
    let (tree, stored, wanted) = (visit.core().tree.load(), subject.bases(), strings(wanted));
    let there = |base: &str| {
        let place = IndexPath::parse(base).ok().and_then(|path| tree.at(&path));
        place.is_some_and(|place| may(visit.caller(), Action::Read, &place.index, None))
    };
    for base in wanted.iter().filter(|base| !there(base) && !stored.contains(base)) {
        form.wrong("bases", format!("There is no index {base} that you may read."));
    }
    Edit::Set("bases".into(), json!(with_hidden(&stored, &wanted, |base| is_hidden(visit, &tree, base))))
}

/// A name that nobody has would give its rights to whoever takes it later.
async fn unknown_users(visit: &Visit<'_>, subject: &Subject, form: &mut Filled, field: &'static str, list: &Value) -> Result<()> {
    let before = subject.stored.get(field).map(strings).unwrap_or_default();
    let new: Vec<String> = strings(list).into_iter().filter(|name| !before.contains(name) && !name.starts_with(":A")).collect();
    if new.len() > limits::WEB_CHOICES_MAX {
        form.wrong(field, format!("Add at most {} users at once.", limits::WEB_CHOICES_MAX));
        return Ok(());
    }
    let mut c = visit.core().db.read().await?;
    for name in new {
        if db::users::by_name(&mut c, &name).await?.is_none() {
            form.wrong(field, format!("There is no user “{name}”."));
        }
    }
    Ok(())
}

/// The form for a new index, sent.
pub async fn create(visit: &Visit<'_>, body: Body) -> Result<Reply> {
    let mut form = Filled::sent(Form::read(body).await?);
    let subject = Subject::new(visit, form.form.text("kind"), form.form.text("owner"), chooses_owner(visit)?)?;
    let was = shown(&form.form, &subject.values(visit));
    let path = new_path(visit, &subject, &mut form).await?;
    let edits = edits(visit, &subject, &mut form, &was).await?;
    let Some(path) = path.filter(|_| form.is_good()) else { return page(visit, &subject, &form, &was) };
    match admin::create(visit.core(), visit.caller(), &path, subject.kind, edits).await {
        Ok(index) => Ok(visit.to(&format!("/{}", encode_index(&index.path)), Some(&format!("The index {path} is made.")))),
        Err(error) => {
            match error {
                error @ Error::Conflict(_) => form.refuse_field("name", error)?,
                error => form.refuse(error)?,
            }
            page(visit, &subject, &form, &was)
        }
    }
}

async fn new_path(visit: &Visit<'_>, subject: &Subject, form: &mut Filled) -> Result<Option<IndexPath>> {
    let name = form.form.text("name").to_owned();
    if name.is_empty() {
        form.wrong("name", "An index needs a name.");
        return Ok(None);
    }
    let owner = UserName::parse(&subject.owner).ok();
    if owner.is_none() || db::users::by_name(&mut visit.core().db.read().await?, &subject.owner).await?.is_none() {
        form.wrong("owner", format!("There is no user “{}”.", subject.owner));
        return Ok(None);
    }
    match IndexPath::parse(&format!("{}/{name}", subject.owner)) {
        Ok(path) => Ok(Some(path)),
        Err(why) => {
            form.wrong("name", why.to_string());
            Ok(None)
        }
    }
}

/// The form for the options of an index, sent.
pub async fn change(visit: &Visit<'_>, user: &str, index: &str, form: Form) -> Result<Reply> {
    let mut form = Filled::sent(form);
    let subject = Subject::existing(visit, user, index)?;
    let now = subject.values(visit);
    let mut was = shown(&form.form, &now);
    if overtaken(&mut form, &mut was, &now) {
        form.refuse(Error::Conflict(
            "somebody else has changed what you changed too: see below. Save again to have it your way".into(),
        ))?;
        return page(visit, &subject, &form, &was);
    }
    let edits = edits(visit, &subject, &mut form, &was).await?;
    let Some(path) = subject.index.as_ref().map(|index| index.path.clone()).filter(|_| form.is_good()) else {
        return page(visit, &subject, &form, &was);
    };
    let note = if edits.is_empty() { "Nothing was changed." } else { "The settings are saved." };
    match admin::modify(visit.core(), visit.caller(), &path, edits, false).await {
        Ok(index) => Ok(visit.to(&format!("/{}", encode_index(&index.path)), Some(note))),
        Err(error) => {
            form.refuse(error)?;
            page(visit, &subject, &form, &was)
        }
    }
}

/// Whether somebody else has changed a field that was changed here too, to something else; each is noted, and shown from now on as it is.
fn overtaken(form: &mut Filled, was: &mut [(&'static str, String)], now: &[(&'static str, String)]) -> bool {
    let mut overtaken = false;
    for ((name, then), (_, present)) in was.iter_mut().zip(now) {
        let typed = form.form.text(name).to_owned();
        if then.trim() != present.trim() && typed != then.trim() && typed != present.trim() {
            let present_words = present.split_whitespace().collect::<Vec<_>>().join(" ");
            form.wrong(name, format!("This was changed meanwhile, and is now: {present_words}"));
            *then = present.clone();
            overtaken = true;
        }
    }
    overtaken
}

/// What stands behind `?` in the address of the form for the other kind.
fn other_kind(mirror: bool, owner: &str) -> String {
    let kind = if mirror { Kind::Mirror } else { Kind::Stage };
    format!("kind={}&user={}", kind.word(), encode_query(owner))
}
