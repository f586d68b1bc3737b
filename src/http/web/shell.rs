//! What every page shares: who looks at it, where the server's root is, and the frame around the content.

use super::assets;
use crate::names::UserName;
use crate::urls::encode_query;

/// The frame's values. Templates call it `shell`.
#[derive(Debug)]
pub struct Shell {
    /// The path of the server's root, without a slash at its end: empty unless people reach it below a prefix.
    pub root: String,
    /// The whole address of the server's root, without a slash at its end.
    pub base: String,
    /// Who is signed in.
    pub user: Option<UserName>,
    /// Whether that is an administrator.
    pub admin: bool,
    /// The path and query of this page below the root, to come back to after signing in.
    pub here: String,
    /// What the form before this page did.
    pub note: Option<String>,
    /// What stands in the search field.
    pub query: String,
    /// Of this program.
    pub version: &'static str,
}

impl Shell {
    /// The address of a file in `static/`.
    pub fn asset(&self, name: &str) -> String {
        format!("{}{}", self.root, assets::path(name))
    }

    /// Its digest, for `integrity`.
    pub fn integrity(&self, name: &str) -> String {
        assets::integrity(name)
    }

    /// The address of the form to sign in, which leads back here.
    pub fn sign_in(&self) -> String {
        format!("{}/_/login?next={}", self.root, encode_query(&self.here))
    }

    /// Whether the page is for this user, or for an administrator.
    pub fn is_for(&self, name: &str) -> bool {
        self.admin || self.user.as_ref().is_some_and(|user| user.as_str() == name)
    }
}
