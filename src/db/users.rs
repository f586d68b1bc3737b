//! Users: who may sign in.

use super::{Conn, Result, UserId};
use crate::clock::Timestamp;
use crate::names::UserName;
use crate::{on, sql};
use sqlx::types::Json;
use sqlx::{FromRow, query, query_as, query_scalar};

/// One user.
#[derive(Debug, Clone, FromRow)]
pub struct User {
    /// Key.
    pub id: UserId,
    /// Sign-in name.
    pub name: UserName,
    /// Free text.
    pub email: Option<String>,
    /// Free text.
    pub title: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Any JSON that devpi's clients keep here.
    pub custom_data: Option<Json<serde_json::Value>>,
    /// Argon2 as a PHC string; `None`: no password opens this account.
    pub password_hash: Option<String>,
    /// May do everything.
    pub admin: bool,
    /// When the row was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Option<Timestamp>,
    /// Since when it may not sign in.
    pub disabled: Option<Timestamp>,
}

/// What a person may change about a user, the password aside.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// Free text.
    pub email: Option<String>,
    /// Free text.
    pub title: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Any JSON.
    pub custom_data: Option<serde_json::Value>,
}

/// Adds a user; `None` if the name is taken.
pub async fn add(
    c: &mut Conn,
    name: &UserName,
    profile: &Profile,
    password_hash: Option<&str>,
    admin: bool,
    now: Timestamp,
) -> Result<Option<UserId>> {
    on!(c, c => query_scalar(sql!(
        "INSERT INTO users (name, email, title, description, custom_data, password_hash, admin, created)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING RETURNING id"
    ))
    .bind(name).bind(&profile.email).bind(&profile.title).bind(&profile.description)
    .bind(profile.custom_data.as_ref().map(Json)).bind(password_hash).bind(admin).bind(now)
    .fetch_optional(c).await)
}

/// Stores a user as a dump has it, over one of the same name; its tokens, sessions and indexes stay. Whoever calls this checks
/// that the hash is one that can be verified.
pub async fn restore(
    c: &mut Conn,
    name: &UserName,
    profile: &Profile,
    password_hash: Option<&str>,
    admin: bool,
    (created, modified): (Timestamp, Option<Timestamp>),
) -> Result<UserId> {
    on!(c, c => query_scalar(sql!(
        "INSERT INTO users (name, email, title, description, custom_data, password_hash, admin, created, modified)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (name) DO UPDATE SET email = excluded.email, title = excluded.title, description = excluded.description,
             custom_data = excluded.custom_data, password_hash = excluded.password_hash, admin = excluded.admin,
             created = excluded.created, modified = excluded.modified
         RETURNING id"
    ))
    .bind(name).bind(&profile.email).bind(&profile.title).bind(&profile.description)
    .bind(profile.custom_data.as_ref().map(Json)).bind(password_hash).bind(admin).bind(created).bind(modified)
    .fetch_one(c).await)
}

/// The user of this name.
pub async fn by_name(c: &mut Conn, name: &str) -> Result<Option<User>> {
    on!(c, c => query_as(sql!(
        "SELECT id, name, email, title, description, custom_data, password_hash, admin, created, modified, disabled
         FROM users WHERE name = $1"
    )).bind(name).fetch_optional(c).await)
}

/// The user, whom nobody else changes before this transaction ends; `None` if it is gone.
pub async fn lock(c: &mut Conn, id: UserId) -> Result<Option<User>> {
    on!(c, c => query_as(sql!(
        "UPDATE users SET modified = modified WHERE id = $1
         RETURNING id, name, email, title, description, custom_data, password_hash, admin, created, modified, disabled"
    )).bind(id).fetch_optional(c).await)
}

/// Every user, by name.
pub async fn all(c: &mut Conn) -> Result<Vec<User>> {
    on!(c, c => query_as(sql!(
        "SELECT id, name, email, title, description, custom_data, password_hash, admin, created, modified, disabled
         FROM users ORDER BY name"
    )).fetch_all(c).await)
}

/// At most `count` users whose names come after `after`, by name. Of those only whose name, title or email holds `text`, which may be
/// empty; capitals do not matter where they are ASCII.
pub async fn page(c: &mut Conn, after: &str, text: &str, count: i64) -> Result<Vec<User>> {
    let pattern = format!("%{}%", super::literally(text));
    on!(c, c => query_as(sql!(
        "SELECT id, name, email, title, description, custom_data, password_hash, admin, created, modified, disabled
         FROM users WHERE name > $1 AND (LOWER(name) LIKE LOWER($2) ESCAPE '!' OR LOWER(COALESCE(email, '')) LIKE LOWER($2) ESCAPE '!'
            OR LOWER(COALESCE(title, '')) LIKE LOWER($2) ESCAPE '!')
         ORDER BY name LIMIT $3"
    )).bind(after).bind(pattern).bind(count).fetch_all(c).await)
}

/// How many users there are.
pub async fn count(c: &mut Conn) -> Result<i64> {
    on!(c, c => query_scalar(sql!("SELECT COUNT(*) FROM users")).fetch_one(c).await)
}

/// Whether there is any user at all; the first start makes `root` when there is none.
pub async fn any(c: &mut Conn) -> Result<bool> {
    on!(c, c => query_scalar(sql!("SELECT EXISTS (SELECT 1 FROM users)")).fetch_one(c).await)
}

/// Replaces what people may change.
pub async fn set_profile(c: &mut Conn, id: UserId, profile: &Profile, now: Timestamp) -> Result<()> {
    on!(c, c => query(sql!(
        "UPDATE users SET email = $2, title = $3, description = $4, custom_data = $5, modified = $6 WHERE id = $1"
    ))
    .bind(id).bind(&profile.email).bind(&profile.title).bind(&profile.description)
    .bind(profile.custom_data.as_ref().map(Json)).bind(now)
    .execute(c).await.map(drop))
}

/// Replaces the password; with `None` no password opens the account.
pub async fn set_password(c: &mut Conn, id: UserId, password_hash: Option<&str>, now: Timestamp) -> Result<()> {
    on!(c, c => query(sql!("UPDATE users SET password_hash = $2, modified = $3 WHERE id = $1"))
        .bind(id).bind(password_hash).bind(now).execute(c).await.map(drop))
}

/// Puts another hash of the same password in the place of this one; if the password was changed meanwhile, nothing happens.
pub async fn renew_hash(c: &mut Conn, id: UserId, old: &str, new: &str) -> Result<()> {
    on!(c, c => query(sql!("UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2"))
        .bind(id).bind(old).bind(new).execute(c).await.map(drop))
}

/// Removes a user with tokens, sessions, indexes and all they hold.
pub async fn remove(c: &mut Conn, id: UserId) -> Result<()> {
    on!(c, c => query(sql!("DELETE FROM users WHERE id = $1")).bind(id).execute(c).await.map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both;

    both! {
        async fn users_are_found_by_any_part_of_what_is_written_of_them(db: Db) {
            let mut c = db.begin().await.unwrap();
            for (name, title, email) in [("a_b", None, None), ("axb", Some("100% Anna"), None), ("carol", None, Some("C@shop.example"))] {
                let profile = Profile { title: title.map(str::to_owned), email: email.map(str::to_owned), ..Profile::default() };
                add(&mut c, &UserName::parse(name).unwrap(), &profile, None, false, Timestamp(1)).await.unwrap();
            }
            for (after, text, found) in [
                ("", "", &["a_b", "axb", "carol"][..]),
                ("a_b", "", &["axb", "carol"]),
                ("", "_", &["a_b"]),
                ("", "0%", &["axb"]),
                ("", "anna", &["axb"]),
                ("", "c@SHOP", &["carol"]),
                ("", "!", &[]),
            ] {
                let page = page(&mut c, after, text, 9).await.unwrap();
                assert_eq!(page.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), found, "{after} {text}");
            }
            assert_eq!((page(&mut c, "", "", 2).await.unwrap().len(), count(&mut c).await.unwrap()), (2, 3));
        }
    }
}
