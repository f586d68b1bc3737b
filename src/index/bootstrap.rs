//! Declared users, indexes and tokens: made if they are missing, adjusted if they differ, at every start.
//!
//! Declared keys win, what is not declared stays, nothing is ever deleted, and a password is set only when its user is made.
//! A declaration that is met already writes nothing.

use super::access::{Caller, Scope};
use super::core::Core;
use super::settings::{Edit, Kind};
use super::{account, admin, follow};
use crate::clock::Timestamp;
use crate::db;
use crate::db::journal::Action;
use crate::db::users::Profile;
use crate::error::{Error, Result};
use crate::names::IndexPath;
use crate::pypi::Sha256;
use serde_json::json;
use std::sync::Arc;

/// Everything that is declared, checked as far as it can be without the database.
#[derive(Debug, Default)]
pub struct Declared {
    /// Users.
    pub users: Vec<DeclaredUser>,
    /// Indexes.
    pub indexes: Vec<DeclaredIndex>,
    /// Tokens.
    pub tokens: Vec<DeclaredToken>,
}

/// A declared user.
#[derive(Debug)]
pub struct DeclaredUser {
    /// Name.
    pub name: String,
    /// Password for when the user is made.
    pub password: String,
    /// What is known of the user, when the user is made.
    pub profile: Profile,
}

/// A declared index.
#[derive(Debug)]
pub struct DeclaredIndex {
    /// Name.
    pub path: IndexPath,
    /// Stage or mirror.
    pub kind: Kind,
    /// Options but the bases.
    pub options: Vec<Edit>,
    /// Bases, set when every declared index exists.
    pub bases: Option<Edit>,
}

/// A declared token.
#[derive(Debug)]
pub struct DeclaredToken {
    /// Owner.
    pub user: String,
    /// Name.
    pub name: String,
    /// SHA-256 of the secret.
    pub hash: Sha256,
    /// Bounds.
    pub scope: Scope,
    /// End.
    pub expires: Option<Timestamp>,
}

/// Makes the installation meet the declaration.
pub async fn apply(core: &Arc<Core>, declared: &Declared) -> Result<()> {
    let system = Caller::system();
    for user in &declared.users {
        match account::find_user(core, &user.name).await {
            Ok(_) => {}
            Err(Error::NotFound(_)) => {
                account::create_user(core, &system, &user.name, &user.password, user.profile.clone()).await?;
            }
            Err(error) => return Err(error),
        }
    }
    for index in &declared.indexes {
        apply_options(core, &system, index).await?;
    }
    for index in &declared.indexes {
        if let Some(bases) = &index.bases {
            admin::modify(core, &system, &index.path, vec![bases.clone()], false).await?;
        }
    }
    for token in &declared.tokens {
        apply_token(core, token).await?;
    }
    Ok(())
}

async fn apply_options(core: &Arc<Core>, system: &Caller, index: &DeclaredIndex) -> Result<()> {
    let existing = core.tree.load().at(&index.path).map(|place| place.index.clone());
    match existing {
        None => admin::create(core, system, &index.path, index.kind, index.options.clone()).await.map(drop),
        Some(known) if known.kind != index.kind => {
            Err(Error::BadRequest(format!("{} is a {}, not a {}", index.path, known.kind.word(), index.kind.word())))
        }
        Some(_) => admin::modify(core, system, &index.path, index.options.clone(), false).await.map(drop),
    }
}

async fn apply_token(core: &Arc<Core>, token: &DeclaredToken) -> Result<()> {
    let user = account::find_user(core, &token.user).await?;
    let scope = serde_json::to_value(&token.scope).map_err(|e| Error::Internal(e.into()))?;
    if let Some(known) = db::tokens::by_hash(&mut core.db.read().await?, &token.hash).await? {
        let met =
            known.user_id == user.id && known.name == token.name && known.scope.0 == scope && known.expires == token.expires;
        if met {
            return Ok(());
        }
        if known.user_id != user.id || known.name != token.name {
            return Err(Error::BadRequest(format!("the secret of token '{}' is that of another token", token.name)));
        }
    }
    let (task, name, hash, expires) = (core.clone(), token.name.clone(), token.hash, token.expires);
    follow::change(core, async move {
        let now = task.clock.now();
        let new = db::tokens::NewToken { user_id: user.id, name: &name, hash, scope: &scope, expires };
        let mut c = task.db.begin().await?;
        db::tokens::put(&mut c, &new, now).await?;
        account::note(&mut c, "system", Action::TokenAdd, json!({"user": user.name, "token": name, "declared": true}), now)
            .await?;
        c.commit().await?;
        Ok(())
    })
    .await
}
