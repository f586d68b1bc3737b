//! `/_/users/{user}/delete`: deleting a user, by typing the name.

use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::http::web::filled::Filled;
use crate::http::web::forms::Form;
use crate::http::web::rights;
use crate::http::web::shell::Shell;
use crate::http::web::visit::Visit;
use crate::http::web::words;
use crate::index::access::{Action, may};
use crate::index::account;
use crate::urls::{encode_index, encode_segment};
use askama::Template;
use axum::body::Body;

#[derive(Template)]
#[template(path = "delete_user.html")]
struct Page<'a> {
    shell: &'a Shell,
    form: &'a Filled,
    name: &'a str,
    link: &'a str,
    label: String,
    own: bool,
    /// Indexes that go too: path and address.
    going: Vec<(String, String)>,
    /// Indexes that are not volatile, and keep the user from being deleted.
    kept: Vec<(String, String)>,
    /// Indexes that the reader may not know of, which go too.
    hidden: usize,
}

/// The form.
pub async fn show(visit: &Visit<'_>, name: &str) -> Result<Reply> {
    page(visit, name, &Filled::default()).await
}

async fn page(visit: &Visit<'_>, name: &str, form: &Filled) -> Result<Reply> {
    let (core, caller) = (visit.core(), visit.caller());
    if !account::may_delete_user(core, caller, name) {
        return Err(rights::refused(visit, "This user is not yours to delete. Nobody may delete root."));
    }
    let user = account::find_user(core, name).await?;
    let tree = core.tree.load();
    let places = tree.of_user(name);
    let (seen, hidden): (Vec<_>, Vec<_>) = places.into_iter().partition(|place| may(caller, Action::Read, &place.index, None));
    let named = |volatile: bool| {
        let wanted = seen.iter().filter(|place| place.index.settings.volatile == volatile);
        wanted.map(|place| (place.index.path.to_string(), encode_index(&place.index.path))).collect()
    };
    visit.page_as(
        form.status(),
        &Page {
            shell: &visit.shell,
            form,
            name: user.name.as_str(),
            link: &encode_segment(user.name.as_str()),
            label: format!("Type {name} to confirm"),
            own: caller.user.as_ref().is_some_and(|caller| caller.name == user.name),
            going: named(true),
            kept: named(false),
            hidden: hidden.len(),
        },
    )
}

/// The form, sent.
pub async fn delete(visit: &Visit<'_>, name: &str, body: Body) -> Result<Reply> {
    let mut form = Filled::sent(Form::read(body).await?);
    if !form.confirms(name) {
        return page(visit, name, &form).await;
    }
    let own = visit.caller().user.as_ref().is_some_and(|caller| caller.name.as_str() == name);
    match account::delete_user(visit.core(), visit.caller(), name).await {
        Ok(()) => Ok(visit.to(if own { "/" } else { "/_/users" }, Some(&format!("The user {name} is deleted.")))),
        // Whoever may not delete it is told so by the page.
        Err(error @ Error::Forbidden(_)) => {
            form.refuse(error)?;
            page(visit, name, &form).await
        }
        Err(error) => Err(error),
    }
}
