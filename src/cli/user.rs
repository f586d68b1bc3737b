//! `cheeseshop user`: makes, changes, lists and removes users.

use super::password::PasswordSource;
use super::{close, open, out};
use crate::config::Place;
use crate::db::users::{Profile, User as Row};
use crate::error::Result;
use crate::index::Core;
use crate::index::access::Caller;
use crate::index::account::{self, UserPatch};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::sync::Arc;

/// Make, change, list and remove users.
#[derive(Debug, Args)]
pub struct User {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a user.
    Add {
        /// The name.
        name: String,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        profile: ProfileOptions,
    },
    /// Change what is known of a user; an empty text clears it.
    Set {
        /// The name.
        name: String,
        #[command(flatten)]
        profile: ProfileOptions,
    },
    /// Change a user's password; this ends the user's sessions.
    Passwd {
        /// The name.
        name: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// List the users.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show a user.
    Show {
        /// The name.
        name: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove a user with all indexes, tokens and files.
    Remove {
        /// The name.
        name: String,
    },
}

#[derive(Debug, Args)]
struct ProfileOptions {
    /// The mail address.
    #[arg(long)]
    email: Option<String>,
    /// A line about the user.
    #[arg(long)]
    title: Option<String>,
    /// More about the user.
    #[arg(long)]
    description: Option<String>,
}

impl User {
    /// Carries it out.
    pub async fn run(self) -> anyhow::Result<()> {
        // A person is asked before the database is opened: nobody should wait for somebody who thinks.
        let password = match &self.action {
            Action::Add { name, password, .. } | Action::Passwd { name, password } => Some(password.read(name)?),
            _ => None,
        };
        let core = open(&self.place).await?;
        let password = password.as_ref().map(|secret| secret.reveal()).unwrap_or_default();
        let done = act(&core, self.action, password).await;
        close(&core, done).await
    }
}

async fn act(core: &Arc<Core>, action: Action, password: &str) -> Result<()> {
    let caller = Caller::system();
    match action {
        Action::Add { name, profile, .. } => {
            account::create_user(core, &caller, &name, password, profile.new_profile()).await?;
            out::line(&format!("made user {name}"));
        }
        Action::Set { name, profile } => {
            account::modify_user(core, &caller, &name, profile.patch()).await?;
            out::line(&format!("changed user {name}"));
        }
        Action::Passwd { name, .. } => {
            let patch = UserPatch { password: Some(password.into()), ..UserPatch::default() };
            account::modify_user(core, &caller, &name, patch).await?;
            out::line(&format!("changed the password of {name}"));
        }
        Action::List { json } => list(core, json).await?,
        Action::Show { name, json } => show(&account::find_user(core, &name).await?, json),
        Action::Remove { name } => {
            account::delete_user(core, &caller, &name).await?;
            out::line(&format!("removed user {name}"));
        }
    }
    Ok(())
}

async fn list(core: &Core, json: bool) -> Result<()> {
    let users = crate::db::users::all(&mut core.db.read().await?).await?;
    if json {
        out::json(&users.iter().map(shown).collect());
        return Ok(());
    }
    let row =
        |user: &Row| vec![user.name.to_string(), user.email.clone().unwrap_or_default(), user.title.clone().unwrap_or_default()];
    out::table(&users.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

fn show(user: &Row, json: bool) {
    match json {
        true => out::json(&shown(user)),
        false => out::fields(&shown(user)),
    }
}

/// What may be seen of a user: everything but the password's hash.
fn shown(user: &Row) -> Value {
    json!({
        "name": user.name,
        "email": user.email,
        "title": user.title,
        "description": user.description,
        "admin": user.admin,
        "created": user.created.iso_seconds(),
        "modified": user.modified.map(|at| at.iso_seconds()),
    })
}

impl ProfileOptions {
    fn new_profile(self) -> Profile {
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        Profile { email: text(self.email), title: text(self.title), description: text(self.description), custom_data: None }
    }

    fn patch(self) -> UserPatch {
        UserPatch { email: self.email, title: self.title, description: self.description, ..UserPatch::default() }
    }
}
