//! Words for those whom a page is not for. Who may do what is decided by the rules.

use super::visit::Visit;
use crate::error::{Error, Result};
use crate::index::access::User;

/// The refusal of a page: nobody is asked to sign in, somebody is told why not.
pub fn refused(visit: &Visit<'_>, why: &str) -> Error {
    match visit.caller().is_anonymous() {
        true => Error::Unauthorized("Sign in to see this page"),
        false => Error::Forbidden(why.into()),
    }
}

/// Who is signed in.
pub fn somebody<'a>(visit: &Visit<'a>) -> Result<&'a User> {
    visit.caller().user.as_ref().ok_or(Error::Unauthorized("Sign in to see this page"))
}

/// Insists on an administrator.
pub fn admin(visit: &Visit<'_>) -> Result<()> {
    match visit.caller().is_admin() {
        true => Ok(()),
        false => Err(refused(visit, "This page is for administrators.")),
    }
}
