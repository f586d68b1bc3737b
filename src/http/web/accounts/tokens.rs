//! `/_/users/{user}/tokens`: a user's tokens, a form for a new one, and the one page that shows its secret.

use super::token_list::{self, List};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::http::web::filled::Filled;
use crate::http::web::forms::{Form, day};
use crate::http::web::setup::{self, Facts, Guide};
use crate::http::web::shell::Shell;
use crate::http::web::visit::Visit;
use crate::http::web::words::Moment;
use crate::http::web::{home, rights};
use crate::index::access::{Action, Caller, Grant, Scope, User, may};
use crate::index::tree::{Place, Tree};
use crate::index::{account, devpi_tokens};
use crate::limits;
use crate::names::IndexPath;
use crate::pypi::ProjectName;
use crate::urls::{encode_index, encode_segment};
use askama::Template;
use axum::body::Body;
use std::time::Duration;

/// What a token can allow, as the form offers it: the word of the rules, and what people read.
const ALLOW: [(&str, &str, &str); 5] = [
    ("read", "Read", "install from indexes that are not for everybody"),
    ("upload", "Upload", "files and documentation"),
    ("results", "Attach test results", ""),
    ("remove", "Delete and yank", "files, releases and projects"),
    ("configure", "Manage indexes", "make, change and delete them"),
];
/// Days for which a token can be made to last by one click.
const SPANS: [u64; 3] = [30, 90, 365];
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Template)]
#[template(path = "tokens.html")]
struct Page<'a> {
    shell: &'a Shell,
    form: &'a Filled,
    name: &'a str,
    link: &'a str,
    own: bool,
    list: List,
    /// Every index that the owner may read; none if they are too many for boxes.
    indexes: Option<Vec<String>>,
    allow: &'static [(&'static str, &'static str, &'static str)],
}

#[derive(Template)]
#[template(path = "token_made.html")]
struct Made<'a> {
    shell: &'a Shell,
    name: &'a str,
    link: &'a str,
    token: &'a str,
    secret: &'a str,
    ends: Option<Moment>,
    /// The index that the texts are about.
    index: Option<(String, String)>,
    guides: Vec<Guide>,
}

/// The page. `?index=` and `?allow=` fill the form.
pub async fn show(visit: &Visit<'_>, owner: &str) -> Result<Reply> {
    let (index, allow) = (visit.query("index"), visit.query("allow"));
    let mut fields = vec![("expiry", "90".to_owned()), ("reach", if index.is_empty() { "all" } else { "some" }.to_owned())];
    fields.extend(Some(index).filter(|index| !index.is_empty()).map(|index| ("index", index)));
    let words = if allow.is_empty() { "read,upload" } else { allow.as_str() };
    fields.extend(words.split(',').map(|word| ("allow", word.to_owned())));
    page(visit, owner, &Filled::with(fields)).await
}

/// The owner as they would call themselves, without a token.
async fn owner_as_caller(visit: &Visit<'_>, owner: &str) -> Result<Caller> {
    if !visit.caller().may_manage_user(owner) {
        return Err(rights::refused(visit, "Only this user and administrators see and make these tokens."));
    }
    let user = account::find_user(visit.core(), owner).await?;
    Ok(Caller { user: Some(User { name: user.name, admin: user.admin }), token: None })
}

async fn page(visit: &Visit<'_>, owner: &str, form: &Filled) -> Result<Reply> {
    let caller = owner_as_caller(visit, owner).await?;
    let list = token_list::of(visit, owner).await?;
    let tree = visit.core().tree.load();
    let readable: Vec<String> = readable(&tree, &caller).map(|place| place.index.path.to_string()).collect();
    let page = Page {
        shell: &visit.shell,
        form,
        name: owner,
        link: &encode_segment(owner),
        own: visit.caller().user == caller.user,
        list,
        indexes: Some(readable).filter(|paths| paths.len() <= limits::WEB_CHOICES_MAX),
        allow: &ALLOW,
    };
    visit.page_as(form.status(), &page)
}

fn readable<'a>(tree: &'a Tree, caller: &'a Caller) -> impl Iterator<Item = &'a Place> {
    tree.all().into_iter().filter(|place| may(caller, Action::Read, &place.index, None))
}

/// The form, sent. The answer is the page with the secret itself: nothing keeps it, so there is nowhere to lead to.
pub async fn create(visit: &Visit<'_>, owner: &str, body: Body) -> Result<Reply> {
    let caller = owner_as_caller(visit, owner).await?;
    let mut form = Filled::sent(Form::read(body).await?);
    let name = form.form.text("name").to_owned();
    if name.is_empty() {
        form.wrong("name", "Give the token a name, by which you will know it in the list.");
    }
    let scope = scope(visit, &caller, &mut form);
    let ends = expiry(&mut form, visit.core().clock.now());
    if !form.is_good() {
        return page(visit, owner, &form).await;
    }
    match account::create_token(visit.core(), visit.caller(), owner, &name, scope.clone(), ends).await {
        Ok(secret) => made(visit, owner, &name, &secret, &scope, ends),
        Err(error @ (Error::Conflict(_) | Error::BadRequest(_))) => {
            form.refuse_field("name", error)?;
            page(visit, owner, &form).await
        }
        Err(error) => {
            form.refuse(error)?;
            page(visit, owner, &form).await
        }
    }
}

fn scope(visit: &Visit<'_>, owner: &Caller, form: &mut Filled) -> Scope {
    let (mut allow, mut mistakes) = (Vec::new(), Vec::new());
    for word in form.form.all("allow") {
        match Grant::parse(word) {
            Ok(grant) => allow.push(grant),
            Err(why) => mistakes.push(("allow", why)),
        }
    }
    if allow.is_empty() && mistakes.is_empty() {
        mistakes.push(("allow", "Choose what the token may be used for.".into()));
    }
    let tree = visit.core().tree.load();
    let mut indexes = Vec::new();
    if form.is("reach", "some") {
        for text in form.form.items("index") {
            let there = IndexPath::parse(text).ok().and_then(|path| tree.at(&path));
            match there.filter(|place| may(owner, Action::Read, &place.index, None)) {
                Some(place) => indexes.push(place.index.path.to_string()),
                None => mistakes.push(("index", format!("There is no index {text} that this user may read."))),
            }
        }
        if indexes.is_empty() && !mistakes.iter().any(|(field, _)| *field == "index") {
            mistakes.push(("index", "Choose an index, or let the token work in every index.".into()));
        }
    }
    let mut projects = Vec::new();
    for text in form.form.items("projects") {
        match ProjectName::parse(text) {
            Ok(name) => projects.push(name),
            Err(why) => mistakes.push(("projects", why.to_string())),
        }
    }
    for (field, why) in mistakes {
        form.wrong(field, why);
    }
    Scope::of(allow, indexes, projects)
}

/// From when on the token is refused.
fn expiry(form: &mut Filled, now: Timestamp) -> Option<Timestamp> {
    let chosen = form.form.text("expiry").to_owned();
    if chosen == "never" {
        return None;
    }
    if let Some(days) = SPANS.iter().find(|days| days.to_string() == chosen) {
        return Some(now.plus(DAY * u32::try_from(*days).unwrap_or_default()));
    }
    if chosen != "date" {
        form.wrong("expiry", "Choose when the token ends.");
        return None;
    }
    match day(form.form.text("until")) {
        None => form.wrong("until", "Give the last day as year-month-day, such as 2030-12-31."),
        Some(begin) if begin.plus(DAY) <= now => form.wrong("until", "That day is over."),
        // Through that day, by the clock of nobody in particular.
        Some(begin) => return Some(begin.plus(DAY)),
    }
    None
}

fn made(visit: &Visit<'_>, owner: &str, token: &str, secret: &str, scope: &Scope, ends: Option<Timestamp>) -> Result<Reply> {
    let tree = visit.core().tree.load();
    let only = scope.indexes.as_deref().and_then(|paths| IndexPath::parse(paths.first()?).ok());
    let place = only.or_else(|| tree.default.clone()).and_then(|path| tree.at(&path).cloned());
    let guides = place.as_ref().map(|place| {
        let path = place.index.path.to_string();
        let address = format!("{}/{}", visit.shell.base, encode_index(&place.index.path));
        let facts = home::facts(place, &address, &path, owner);
        setup::with_secret(Facts { uploads: facts.uploads && scope.allow.contains(&Grant::Upload), token: secret, ..facts })
    });
    let index = place.map(|place| (place.index.path.to_string(), encode_index(&place.index.path)));
    visit.page(&Made {
        shell: &visit.shell,
        name: owner,
        link: &encode_segment(owner),
        token,
        secret,
        ends: ends.map(Moment),
        index,
        guides: guides.unwrap_or_default(),
    })
}

/// A button beside a token, pressed. `kind` says which sort it is.
pub async fn revoke(visit: &Visit<'_>, owner: &str, body: Body) -> Result<Reply> {
    owner_as_caller(visit, owner).await?;
    let form = Form::read(body).await?;
    let (core, caller, name) = (visit.core(), visit.caller(), form.raw("token"));
    match form.text("kind") {
        "devpi" => devpi_tokens::remove(core, caller, owner, name).await,
        _ => account::remove_token(core, caller, owner, name).await,
    }
    .map_err(|error| match error {
        // Pressed twice, or revoked from elsewhere meanwhile.
        Error::NotFound(_) => Error::NotFound(format!("There is no token '{name}' any more.")),
        other => other,
    })?;
    let back = format!("/_/users/{}/tokens", encode_segment(owner));
    Ok(visit.to(&back, Some(&format!("The token {name} is revoked. It is refused from now on."))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(fields: &[(&'static str, &str)]) -> (Option<i64>, bool) {
        let mut form = Filled::with(fields.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let now = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
        (expiry(&mut form, now).map(|end| (end.seconds() - now.seconds()) / 3600), form.is_good())
    }

    #[test]
    fn a_token_ends_when_it_is_said() {
        assert_eq!(ends(&[("expiry", "30")]), (Some(720), true));
        assert_eq!(ends(&[("expiry", "never")]), (None, true));
        assert_eq!(ends(&[("expiry", "date"), ("until", "2026-03-01")]), (Some(12), true), "through today");
        assert_eq!(ends(&[("expiry", "date"), ("until", "2026-02-28")]), (None, false));
        for wrong in ["", "soon", "2026-02-30", "2026-3-1", "+2026-03-1", "20260301T1"] {
            assert_eq!(ends(&[("expiry", "date"), ("until", wrong)]), (None, false), "{wrong}");
        }
        assert_eq!(ends(&[("expiry", "31")]), (None, false));
        assert_eq!(ends(&[]), (None, false));
    }
}
