//! Whether what this node holds in memory is current enough to answer from, and what it may still answer if not.
//!
//! A node that has not been able to look at the journal for some seconds does not know what the others have changed. It tries once
//! more, then says so: what everybody may read is served as it was, marked; everything else has to wait.

use super::core::Core;
use super::follow;
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::limits;
use std::time::Duration;
use tokio::time::timeout;

/// How long ago the journal was last looked at, if that is too long. While all is well this is a look at the clock.
pub fn age(core: &Core) -> Option<Duration> {
    let age = core.clock.uptime().saturating_sub(core.changes.looked());
    (age > limits::CUT_OFF_AFTER).then_some(age)
}

/// The same after one more try, if one is due: asked before each request. One tries for all who wait.
pub async fn lasting(core: &Core) -> Option<Duration> {
    age(core)?;
    Box::pin(try_again(core)).await
}

async fn try_again(core: &Core) -> Option<Duration> {
    let mut tried = core.changes.tried.lock().await;
    let age_now = age(core)?;
    if tried.is_some_and(|at| core.clock.uptime().saturating_sub(at) < limits::CUT_OFF_PAUSE) {
        return Some(age_now);
    }
    let outcome = timeout(limits::CUT_OFF_LOOK_WAIT, follow::catch_up(core)).await;
    *tried = Some(core.clock.uptime());
    if let Ok(Err(error)) = outcome {
        tracing::debug!(%error, "still cut off from the database");
    }
    age(core)
}

/// Refuses what only the database could tell, instead of waiting for it.
pub fn refuse(core: &Core) -> Result<()> {
    age(core).map_or(Ok(()), |age| Err(error(age)))
}

/// The 503.
pub fn error(age: Duration) -> Error {
    Error::Unavailable {
        message: format!("this server has been cut off from its database for {} s; try again", age.as_secs()),
        retry_after: limits::CUT_OFF_RETRY,
    }
}

/// Whether an index may be served from memory. Credentials cannot be verified, and a remembered verification may have been revoked:
/// so only what everybody may read. Who brings credentials may see more than everybody through a base, and must not be told
/// that it does not exist.
pub fn may_serve(tree: &Tree, user: &str, index: &str, with_credentials: bool) -> bool {
    tree.find(user, index).is_some_and(|place| place.all_public || place.index.is_public() && !with_credentials)
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::tree;
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_everybody_may_read_is_served_without_a_database() {
        let private = json!({"acl_read": ["a"]});
        let t = tree(&[
            ("a/open", false, &[], json!({})),
            ("a/shut", false, &[], private),
            ("a/mixed", false, &["a/shut", "a/open"], json!({})),
        ]);
        let served = |index: &str| [false, true].map(|with_credentials| may_serve(&t, "a", index, with_credentials));
        assert_eq!(served("open"), [true, true]);
        assert_eq!(served("shut"), [false, false]);
        assert_eq!(served("mixed"), [true, false], "credentials may show what lies behind the private base");
        assert_eq!(served("unknown"), [false, false], "it may have been made meanwhile");
    }
}
