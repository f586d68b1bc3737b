//! `/_/users`: all users, for those who may change them, and the form for a new one. With `--open-signup` that form is everybody's.

use super::password_fields::{self, Empty};
use crate::db;
use crate::db::users::{Profile, User};
use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::http::web::filled::Filled;
use crate::http::web::forms::Form;
use crate::http::web::rights;
use crate::http::web::shell::Shell;
use crate::http::web::visit::Visit;
use crate::http::web::words::{self, Day};
use crate::index::account;
use crate::index::tree::Tree;
use crate::limits;
use crate::names::UserName;
use crate::urls::{encode_query, encode_segment};
use askama::Template;
use axum::body::Body;

#[derive(Template)]
#[template(path = "users.html")]
struct Page<'a> {
    shell: &'a Shell,
    form: &'a Filled,
    list: Option<List>,
    may_make: bool,
    password_hint: &'static str,
}

/// The users that are shown.
struct List {
    query: String,
    total: usize,
    rows: Vec<Row>,
    /// Whether this is not the first page.
    later: bool,
    /// The address of the next one.
    next: Option<String>,
}

struct Row {
    name: String,
    link: String,
    title: String,
    email: String,
    admin: bool,
    disabled: bool,
    shut: bool,
    indexes: usize,
    created: Day,
}

/// The page.
pub async fn show(visit: &Visit<'_>) -> Result<Reply> {
    page(visit, &Filled::default()).await
}

async fn page(visit: &Visit<'_>, form: &Filled) -> Result<Reply> {
    let (core, caller) = (visit.core(), visit.caller());
    let (may_see, may_make) = (account::may_modify_others(core, caller), account::may_make_users(core, caller));
    if !may_see && !may_make {
        return Err(rights::refused(visit, "Only administrators see and make users."));
    }
    let list = if may_see { Some(list(visit).await?) } else { None };
    let password_hint = match caller.is_anonymous() {
        true => "",
        false => "Left empty, no password opens the account until one is set.",
    };
    visit.page_as(form.status(), &Page { shell: &visit.shell, form, list, may_make, password_hint })
}

async fn list(visit: &Visit<'_>) -> Result<List> {
    let (query, after) = (visit.query("q").trim().to_owned(), visit.query("after"));
    let wanted = limits::WEB_USERS_PER_PAGE;
    let mut c = visit.core().db.read().await?;
    let mut users = db::users::page(&mut c, &after, &query, wanted + 1).await?;
    let total = db::users::count(&mut c).await?;
    let more = users.len() as i64 > wanted;
    users.truncate(wanted as usize);
    let next = users.last().filter(|_| more).map(|last| {
        let after = encode_query(last.name.as_str());
        format!("_/users?q={}&after={after}", encode_query(&query))
    });
    let tree = visit.core().tree.load();
    let rows = users.into_iter().map(|user| row(&tree, user)).collect();
    Ok(List { query, total: usize::try_from(total).unwrap_or_default(), rows, later: !after.is_empty(), next })
}

fn row(tree: &Tree, user: User) -> Row {
    Row {
        link: format!("_/users/{}", encode_segment(user.name.as_str())),
        indexes: tree.of_user(user.name.as_str()).len(),
        title: user.title.unwrap_or_default(),
        email: user.email.unwrap_or_default(),
        admin: user.admin,
        disabled: user.disabled.is_some(),
        shut: user.password_hash.is_none(),
        created: Day(user.created),
        name: user.name.to_string(),
    }
}

/// The form for a new user, sent.
pub async fn create(visit: &Visit<'_>, body: Body) -> Result<Reply> {
    let mut form = Filled::sent(Form::read(body).await?);
    match attempt(visit, &mut form).await? {
        Some(reply) => Ok(reply),
        None => page(visit, &form).await,
    }
}

/// `None`: something is wrong, and noted.
async fn attempt(visit: &Visit<'_>, form: &mut Filled) -> Result<Option<Reply>> {
    let (core, caller) = (visit.core(), visit.caller());
    let name = form.form.text("name").to_owned();
    match name.as_str() {
        "" => form.wrong("name", "A user needs a name."),
        other => {
            if let Err(why) = UserName::parse(other) {
                form.wrong("name", why.to_string());
            }
        }
    }
    // Whoever makes an account for somebody may leave it shut; who makes their own wants to get in.
    let empty = if caller.is_anonymous() { Empty::IsWrong } else { Empty::ShutsTheAccount };
    let password = password_fields::read(form, empty);
    let profile = profile(form);
    if !form.is_good() {
        return Ok(None);
    }
    match account::create_user(core, caller, &name, password, profile).await {
        Ok(user) if caller.is_anonymous() => {
            Ok(Some(visit.to("/_/login", Some(&format!("Your account {} is made. Sign in with it.", user.name)))))
        }
        Ok(user) => {
            let link = format!("/_/users/{}", encode_segment(user.name.as_str()));
            Ok(Some(visit.to(&link, Some(&format!("The user {} is made.", user.name)))))
        }
        Err(error @ Error::Conflict(_)) => form.refuse_field("name", error).map(|()| None),
        // The name was looked at already.
        Err(error @ Error::BadRequest(_)) => form.refuse_field("password", error).map(|()| None),
        Err(error) => form.refuse(error).map(|()| None),
    }
}

/// The fields that people write about themselves.
pub fn profile(form: &mut Filled) -> Profile {
    let email = form.form.text("email").to_owned();
    if !email.is_empty() && (!email.contains('@') || email.contains(char::is_whitespace)) {
        form.wrong("email", "That is no address: it has the form name@host.");
    }
    let text = |name: &str| Some(form.form.text(name).to_owned()).filter(|text| !text.is_empty());
    Profile { email: text("email"), title: text("title"), description: text("description"), custom_data: None }
}
