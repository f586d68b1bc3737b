//! A user's page: who they are, and their indexes.

use super::home::Card;
use super::shell::Shell;
use super::visit::Visit;
use super::words::Day;
use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::index::access::{Action, may};
use crate::index::account;
use askama::Template;

#[derive(Template)]
#[template(path = "user.html")]
struct UserPage<'a> {
    shell: &'a Shell,
    name: &'a str,
    title: Option<String>,
    description: Option<String>,
    email: Option<String>,
    created: Option<Day>,
    own: bool,
    cards: Vec<Card>,
}

/// Answers `/{user}`. Names of users are no secret here, as in devpi; what else is known of them is for those who sign in.
pub async fn show(visit: &Visit<'_>, name: &str) -> Result<Reply> {
    let (tree, caller) = (visit.core().tree.load(), visit.caller());
    let user = account::find_user(visit.core(), name).await.map_err(|error| match error {
        Error::NotFound(_) => Error::NotFound(format!("There is no user '{name}', and no index or project at this address.")),
        other => other,
    })?;
    let places = tree.of_user(name);
    let readable = places.into_iter().filter(|place| may(caller, Action::Read, &place.index, caller.one_project()));
    let known = caller.user.is_some();
    visit.page(&UserPage {
        shell: &visit.shell,
        name: user.name.as_str(),
        title: user.title,
        description: user.description,
        email: user.email.filter(|_| known),
        created: known.then_some(Day(user.created)),
        own: visit.shell.is_for(name) && caller.token.is_none(),
        cards: readable.map(|place| Card::of(&tree, caller, place)).collect(),
    })
}
