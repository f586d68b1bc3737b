//! Each answer names its request: as a trusted proxy does, if one does so in a sane way, else by a name of ours.

use super::support::Engine;
use super::support::shop::{Options, Shop};

const NAME: &str = "x-request-id";

async fn named(shop: &Shop, given: &str) -> String {
    shop.get("/health").header(NAME, given).await.is(200).header(NAME).to_owned()
}

#[tokio::test]
async fn every_answer_has_a_name_of_its_own() {
    let shop = Shop::start(Engine::Sqlite).await;
    let mut names = Vec::new();
    for (path, status) in [("/health", 200), ("/simple/x/", 404), ("/%ff", 400), ("/metrics", 200), ("/root/none/", 404)] {
        names.push(shop.get(path).await.is(status).header(NAME).to_owned());
    }
    names.push(shop.head("/health").await.header(NAME).to_owned());
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "{names:?}");
    assert_ne!(named(&shop, "chosen-by-anybody").await, "chosen-by-anybody");
}

#[tokio::test]
async fn a_trusted_proxy_names_requests_if_it_does_so_sanely() {
    let proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let shop = Shop::with(Engine::Sqlite, Options { trusted_proxies: proxies, ..Options::default() }).await;
    assert_eq!(named(&shop, "7f3e-42").await, "7f3e-42");
    for odd in ["", "two words", "{\"a\":1}", &"x".repeat(129)] {
        assert_ne!(named(&shop, odd).await, odd);
    }
    assert!(shop.get("/health").await.header(NAME).len() > 8, "none was given");
}
