//! `/_/users/{user}`: what is written of a user, the password, and where the user is signed in. For the user and those who may change users.

use super::password_fields::{self, Empty};
use super::users;
use crate::db;
use crate::db::users::User;
use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::http::web::filled::Filled;
use crate::http::web::forms::Form;
use crate::http::web::rights;
use crate::http::web::session;
use crate::http::web::shell::Shell;
use crate::http::web::visit::Visit;
use crate::http::web::words::{self, Day};
use crate::index::account::{self, UserPatch};
use crate::index::passwords::NewPassword;
use crate::urls::encode_segment;
use askama::Template;
use axum::body::Body;

#[derive(Template)]
#[template(path = "profile.html")]
struct Page<'a> {
    shell: &'a Shell,
    form: &'a Filled,
    name: &'a str,
    link: &'a str,
    admin: bool,
    disabled: bool,
    shut: bool,
    created: Day,
    modified: Option<Day>,
    sessions: usize,
    indexes: usize,
    /// Whether it is the reader's own.
    own: bool,
    may: May,
}

/// What the reader may do here.
#[derive(Debug, Clone, Copy)]
struct May {
    see_all: bool,
    change: bool,
    password: bool,
    tokens: bool,
    delete: bool,
}

impl May {
    fn of(visit: &Visit<'_>, name: &str) -> Self {
        let (core, caller) = (visit.core(), visit.caller());
        let manages = caller.may_manage_user(name);
        let change = account::may_modify_user(core, caller, name);
        Self {
            see_all: account::may_modify_others(core, caller),
            change,
            password: change || manages,
            tokens: manages,
            delete: account::may_delete_user(core, caller, name),
        }
    }
}

/// Insists that the reader may see this user's profile.
fn may(visit: &Visit<'_>, name: &str) -> Result<May> {
    let may = May::of(visit, name);
    match may.password {
        true => Ok(may),
        false => Err(rights::refused(visit, "Only this user and administrators see this page.")),
    }
}

/// The page.
pub async fn show(visit: &Visit<'_>, name: &str) -> Result<Reply> {
    may(visit, name)?;
    page(visit, name, Filled::default()).await
}

async fn page(visit: &Visit<'_>, name: &str, mut form: Filled) -> Result<Reply> {
    let may = may(visit, name)?;
    let core = visit.core();
    let user = account::find_user(core, name).await?;
    let sessions = db::sessions::count_of_user(&mut core.db.read().await?, user.id, core.clock.now()).await?;
    // What another form of the page sent does not hide what is stored.
    if !form.form.has("title") {
        form.form.extend(written(&user));
    }
    visit.page_as(
        form.status(),
        &Page {
            shell: &visit.shell,
            form: &form,
            name: user.name.as_str(),
            link: &encode_segment(user.name.as_str()),
            admin: user.admin,
            disabled: user.disabled.is_some(),
            shut: user.password_hash.is_none(),
            created: Day(user.created),
            modified: user.modified.map(Day),
            sessions: usize::try_from(sessions).unwrap_or_default(),
            indexes: core.tree.load().of_user(name).len(),
            own: is_own(visit, name),
            may,
        },
    )
}

fn is_own(visit: &Visit<'_>, name: &str) -> bool {
    visit.caller().user.as_ref().is_some_and(|user| user.name.as_str() == name)
}

fn written(user: &User) -> [(&'static str, String); 3] {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    [("title", text(&user.title)), ("description", text(&user.description)), ("email", text(&user.email))]
}

/// One of the forms, sent: `act` says which.
pub async fn change(visit: &Visit<'_>, name: &str, body: Body) -> Result<Reply> {
    may(visit, name)?;
    let mut form = Filled::sent(Form::read(body).await?);
    let done = match form.form.text("act") {
        "profile" => profile(visit, name, &mut form).await?,
        "password" => password(visit, name, &mut form).await?,
        "sessions" => sessions(visit, name, &mut form).await?,
        _ => return Err(Error::BadRequest("The form does not say what is to be done.".into())),
    };
    match done {
        Some(note) => Ok(visit.to(&format!("/_/users/{}", encode_segment(name)), Some(&note))),
        None => page(visit, name, form).await,
    }
}

async fn profile(visit: &Visit<'_>, name: &str, form: &mut Filled) -> Result<Option<String>> {
    let profile = users::profile(form);
    if !form.is_good() {
        return Ok(None);
    }
    // Empty takes a text away.
    let patch = UserPatch {
        email: Some(profile.email.unwrap_or_default()),
        title: Some(profile.title.unwrap_or_default()),
        description: Some(profile.description.unwrap_or_default()),
        ..UserPatch::default()
    };
    match account::modify_user(visit.core(), visit.caller(), name, patch).await {
        Ok(()) => Ok(Some("The profile is saved.".into())),
        Err(error) => form.refuse(error).map(|()| None),
    }
}

/// A new password. Whoever sets their own proves that they know the present one: the browser may have been left open.
async fn password(visit: &Visit<'_>, name: &str, form: &mut Filled) -> Result<Option<String>> {
    let password = password_fields::read(form, Empty::IsWrong);
    if form.is_good() && is_own(visit, name) {
        match account::confirm_password(visit.core(), name, form.text("present"), visit.client()).await {
            Ok(()) => {}
            Err(Error::Unauthorized(_)) => form.wrong("present", "That is not your present password."),
            Err(error) => form.refuse(error)?,
        }
    }
    match form.is_good() {
        true => set_password(visit, name, password, form).await,
        false => Ok(None),
    }
}

async fn set_password(visit: &Visit<'_>, name: &str, password: NewPassword, form: &mut Filled) -> Result<Option<String>> {
    let session = session::key(visit.call.headers);
    let patch = UserPatch { password: Some(password), session, ..UserPatch::default() };
    match account::modify_user(visit.core(), visit.caller(), name, patch).await {
        Ok(()) if is_own(visit, name) => Ok(Some("The password is changed. You are signed in here only.".into())),
        Ok(()) => Ok(Some(format!("The password of {name} is changed, and every session of {name} has ended."))),
        Err(error @ Error::BadRequest(_)) => form.refuse_field("password", error).map(|()| None),
        Err(error) => form.refuse(error).map(|()| None),
    }
}

async fn sessions(visit: &Visit<'_>, name: &str, form: &mut Filled) -> Result<Option<String>> {
    let but = session::key(visit.call.headers).filter(|_| is_own(visit, name));
    match account::end_sessions(visit.core(), visit.caller(), name, but).await {
        Ok(()) if is_own(visit, name) => Ok(Some("You are signed in here only.".into())),
        Ok(()) => Ok(Some(format!("Every session of {name} has ended."))),
        Err(error) => form.refuse(error).map(|()| None),
    }
}
