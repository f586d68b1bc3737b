//! `cheeseshop user …`

use super::out;
use super::password::PasswordArgs;
use crate::config::DataArgs;
use crate::db;
use crate::db::users::Profile;
use crate::index::access::Caller;
use crate::index::account::{self, UserPatch};
use clap::{Args, Subcommand};
use serde_json::json;

/// What to do with users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user
    Add {
        /// Name
        name: String,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        profile: ProfileArgs,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Change what is known of a user
    Set {
        /// Name
        name: String,
        #[command(flatten)]
        profile: ProfileArgs,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Change a user's password; sessions end at once
    Passwd {
        /// Name
        name: String,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        data: DataArgs,
    },
    /// List all users
    List {
        #[command(flatten)]
        data: DataArgs,
    },
    /// Show a user as JSON
    Show {
        /// Name
        name: String,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Remove a user with indexes and tokens
    Remove {
        /// Name
        name: String,
        #[command(flatten)]
        data: DataArgs,
    },
}

/// What may be known of a user. An empty text takes it away.
#[derive(Debug, Clone, Args)]
pub struct ProfileArgs {
    /// E-mail address
    #[arg(long)]
    email: Option<String>,
    /// A line for people
    #[arg(long)]
    title: Option<String>,
    /// Text for people
    #[arg(long)]
    description: Option<String>,
}

/// Runs the command.
pub async fn run(command: UserCommand) -> anyhow::Result<()> {
    let system = Caller::system();
    match command {
        UserCommand::Add { name, password, profile, data } => {
            let core = super::open_existing(&data).await?;
            let password = password.read()?;
            let profile =
                Profile { email: profile.email, title: profile.title, description: profile.description, custom_data: None };
            account::create_user(&core, &system, &name, &password, profile).await?;
            out::line(&format!("made user {name}"));
        }
        UserCommand::Set { name, profile, data } => {
            let core = super::open_existing(&data).await?;
            let ProfileArgs { email, title, description } = profile;
            let patch = UserPatch { email, title, description, ..UserPatch::default() };
            account::modify_user(&core, &system, &name, patch).await?;
            out::line(&format!("changed user {name}"));
        }
        UserCommand::Passwd { name, password, data } => {
            let core = super::open_existing(&data).await?;
            let patch = UserPatch { password: Some(password.read()?), ..UserPatch::default() };
            account::modify_user(&core, &system, &name, patch).await?;
            out::line(&format!("changed the password of {name}"));
        }
        UserCommand::List { data } => {
            let core = super::open_existing(&data).await?;
            for user in db::users::all(&mut core.db.read().await?).await? {
                let admin = if user.admin { "  administrator" } else { "" };
                out::line(&format!("{}{}{admin}", user.name, user.email.map(|e| format!("  {e}")).unwrap_or_default()));
            }
        }
        UserCommand::Show { name, data } => {
            let core = super::open_existing(&data).await?;
            let user = account::find_user(&core, &name).await?;
            let indexes: Vec<String> = core.tree.load().of_user(&name).iter().map(|place| place.index.path.to_string()).collect();
            let shown = json!({
                "name": user.name, "admin": user.admin, "email": user.email, "title": user.title, "description": user.description,
                "created": user.created.iso_seconds(), "modified": user.modified.map(|t| t.iso_seconds()), "indexes": indexes,
            });
            out::line(&format!("{shown:#}"));
        }
        UserCommand::Remove { name, data } => {
            let core = super::open_existing(&data).await?;
            account::delete_user(&core, &system, &name).await?;
            out::line(&format!("removed user {name}"));
        }
    }
    Ok(())
}
