//! The harness: a shop to ask, distributions to put into it, and an upstream that can be told to misbehave.

pub mod ask;
pub mod browser;
pub mod dist;
pub mod dump;
pub mod engine;
#[allow(dead_code, reason = "the unit tests use what is not used here")]
#[path = "../../../src/blobs/testing.rs"]
pub mod flaky;
pub mod form;
pub mod full;
pub mod page;
pub mod proxy;
pub mod shop;
pub mod upstream;

pub use ask::{Answer, Ask, HTML, JSON};
pub use browser::{Browser, Page};
pub use dist::Dist;
pub use dump::Dump;
pub use engine::Engine;
pub(crate) use engine::both;
pub use flaky::{FlakyStore, Op, Trouble};
pub use form::Form;
pub use proxy::{Proxy, Way};
pub use shop::Shop;
pub use upstream::{FakeUpstream, Item, Mode};

use std::time::Duration;

/// Longer than anything here may take: what waits so long hangs.
pub const LONG: Duration = Duration::from_secs(20);

/// Waits for something that another task brings about.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(LONG, waiting).await.is_err() {
        panic!("it never happened: {what}");
    }
}
