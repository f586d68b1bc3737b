//! METADATA of mirrored files (PEP 658): what a page promises is delivered, whatever upstream offers.

use super::support::dist::sha256;
use super::support::shop::Options;
use super::support::upstream::{Metadata, file_path, metadata_path};
use super::support::{Dist, Engine, FakeUpstream, Item, Mode, Shop, both};
use futures_util::future::join_all;

/// A wheel so large that reading it whole would show.
const SIZE: usize = 600_000;

async fn mirrored(engine: Engine, change: impl FnOnce(&mut Item)) -> (Shop, FakeUpstream, Dist) {
    let (shop, upstream) = (Shop::with(engine, Options::impatient()).await, FakeUpstream::start().await);
    shop.mirror("root/pypi", &upstream, &[]).await;
    let wheel = Dist::large_wheel("app", "1.0", SIZE);
    let mut item = Item::new(&wheel);
    change(&mut item);
    upstream.add(item);
    (shop, upstream, wheel)
}

async fn promise(shop: &Shop, file: &Dist) -> Option<String> {
    shop.page("root/pypi", "app").await.link(&file.filename).metadata
}

/// Follows the promise on the page as an installer does.
async fn follow(shop: &Shop, wheel: &Dist) {
    let link = shop.page("root/pypi", "app").await.link(&wheel.filename);
    let promise = link.metadata.expect("a wheel's metadata is promised");
    let metadata = shop.get(&format!("{}.metadata", link.path)).await.is(200);
    assert_eq!(metadata.body, wheel.metadata);
    assert_eq!(metadata.header("etag"), format!("\"{}\"", sha256(&wheel.metadata)));
    if let Some(hash) = promise.strip_prefix("sha256=") {
        assert_eq!(hash, sha256(&metadata.body), "the hash that the page promised");
    }
}

/// How often the wheel itself was read whole, and in parts.
fn reads(upstream: &FakeUpstream, wheel: &Dist) -> (usize, usize) {
    let seen = upstream.seen(&file_path(wheel));
    let parts = seen.iter().filter(|seen| seen.headers.contains_key("range")).count();
    (seen.len() - parts, parts)
}

both! {
    async fn upstream_s_own_is_used(engine: Engine) {
        for kind in [Metadata::Right, Metadata::Unhashed] {
            let (shop, upstream, wheel) = mirrored(engine, |item| item.metadata = kind).await;
            for _ in 0..3 {
                follow(&shop, &wheel).await;
            }
            assert_eq!((upstream.asked(&metadata_path(&wheel)), reads(&upstream, &wheel)), (1, (0, 0)), "{kind:?}");
        }
    }

    async fn a_wheel_without_any_is_read_in_parts(engine: Engine) {
        let (shop, upstream, wheel) = mirrored(engine, |item| item.metadata = Metadata::None).await;
        assert_eq!(promise(&shop, &wheel).await.as_deref(), Some("true"));
        follow(&shop, &wheel).await;
        follow(&shop, &wheel).await;
        let (whole, parts) = reads(&upstream, &wheel);
        assert!(whole == 0 && (1..=3).contains(&parts), "{whole} {parts}");
    }

    async fn a_hash_is_promised_once_it_is_known(engine: Engine) {
        let (shop, _upstream, wheel) = mirrored(engine, |item| item.metadata = Metadata::None).await;
        follow(&shop, &wheel).await;
        let shop = shop.restarted(Options::default()).await;
        assert_eq!(promise(&shop, &wheel).await, Some(format!("sha256={}", sha256(&wheel.metadata))));
        follow(&shop, &wheel).await;
    }

    async fn metadata_that_is_not_what_was_announced_is_not_passed_on(engine: Engine) {
        let (shop, upstream, wheel) = mirrored(engine, |_| {}).await;
        upstream.set_mode(&metadata_path(&wheel), Mode::Lie(b"Metadata-Version: 2.1\nName: app\nVersion: 1.0\nRequires-Dist: evil\n".to_vec()));
        follow(&shop, &wheel).await;
        assert_eq!(reads(&upstream, &wheel).0, 0);
    }

    /// Upstream's page lies about the hash. What is served is what the wheel holds, and our page says so from then on.
    async fn a_wrong_hash_on_upstream_s_page_is_put_right(engine: Engine) {
        let (shop, _upstream, wheel) = mirrored(engine, |item| item.metadata = Metadata::WrongHash).await;
        let link = shop.page("root/pypi", "app").await.link(&wheel.filename);
        let metadata = shop.get(&format!("{}.metadata", link.path)).await.is(200);
        assert_eq!(metadata.body, wheel.metadata);
        follow(&shop, &wheel).await;
        follow(&shop.another().await, &wheel).await;
    }

    async fn a_page_that_is_not_metadata_is_not_taken_for_it(engine: Engine) {
        let pages: [&[u8]; 4] = [b"<html>Sign in</html>", b"", b"Metadata-Version: 2.1\nName: other\nVersion: 1.0\n", b"Metadata-Version: 2.1\nName: app\nVersion: 2\n"];
        for page in pages {
            let (shop, upstream, wheel) = mirrored(engine, |item| item.metadata = Metadata::Unhashed).await;
            upstream.set_mode(&metadata_path(&wheel), Mode::Lie(page.to_vec()));
            follow(&shop, &wheel).await;
        }
    }

    async fn a_broken_promise_is_kept_by_us(engine: Engine) {
        let (shop, upstream, wheel) = mirrored(engine, |item| item.metadata = Metadata::Broken).await;
        follow(&shop, &wheel).await;
        assert_eq!(reads(&upstream, &wheel).0, 0);
        for mode in [Mode::Status(500), Mode::Status(403), Mode::Stall, Mode::Cut(5)] {
            let (shop, upstream, wheel) = mirrored(engine, |_| {}).await;
            upstream.set_mode(&metadata_path(&wheel), mode);
            follow(&shop, &wheel).await;
        }
    }

    async fn without_ranges_the_whole_wheel_is_read_and_kept(engine: Engine) {
        let (shop, upstream, wheel) = mirrored(engine, |item| item.metadata = Metadata::None).await;
        upstream.ignore_ranges();
        follow(&shop, &wheel).await;
        let asked = upstream.asked(&file_path(&wheel));
        assert_eq!(shop.get(&wheel.path("root/pypi")).await.is(200).body, wheel.bytes);
        assert_eq!(upstream.asked(&file_path(&wheel)), asked, "it was kept on the way");
    }

    async fn a_kept_wheel_needs_no_question(engine: Engine) {
        let (shop, upstream, wheel) = mirrored(engine, |item| item.metadata = Metadata::None).await;
        shop.get(&wheel.path("root/pypi")).await.is(200);
        shop.settled().await;
        upstream.forget_seen();
        follow(&shop, &wheel).await;
        assert!(upstream.all_seen().is_empty(), "{:?}", upstream.all_seen());
    }

    async fn a_wheel_that_has_none_is_no_longer_promised(engine: Engine) {
        let (shop, upstream, _) = mirrored(engine, |_| {}).await;
        let broken = Dist::wheel_without_metadata("app", "2.0");
        upstream.add(Item { metadata: Metadata::None, ..Item::new(&broken) });
        assert_eq!(promise(&shop, &broken).await.as_deref(), Some("true"));
        let path = format!("{}.metadata", broken.path("root/pypi"));
        shop.get(&path).await.is(404);
        assert_eq!(promise(&shop, &broken).await, None);
        let asked = upstream.all_seen().len();
        shop.get(&path).await.is(404);
        assert_eq!(upstream.all_seen().len(), asked, "it is remembered");
        let shop = shop.restarted(Options::default()).await;
        assert_eq!(promise(&shop, &broken).await, None);
        shop.get(&broken.path("root/pypi")).await.is(200);
    }

    async fn a_source_distribution_has_what_upstream_has(engine: Engine) {
        let (shop, upstream, _) = mirrored(engine, |_| {}).await;
        let (plain, promised) = (Dist::sdist("app", "2.0"), Dist::sdist("app", "3.0"));
        upstream.add(Item::new(&plain));
        upstream.add(Item { metadata: Metadata::Right, ..Item::new(&promised) });
        assert_eq!(promise(&shop, &plain).await, None);
        shop.get(&format!("{}.metadata", plain.path("root/pypi"))).await.is(404);
        assert_eq!(upstream.asked(&file_path(&plain)), 0);
        let metadata = shop.get(&format!("{}.metadata", promised.path("root/pypi"))).await.is(200);
        assert_eq!(metadata.body, promised.metadata);
    }

    /// A passing fault is not remembered as if the wheel had no metadata.
    async fn trouble_is_not_an_answer(engine: Engine) {
        let (shop, upstream, wheel) = mirrored(engine, |item| item.metadata = Metadata::None).await;
        let path = format!("{}.metadata", wheel.path("root/pypi"));
        for mode in [Mode::Status(500), Mode::Stall, Mode::Cut(100)] {
            upstream.set_mode(&file_path(&wheel), mode.clone());
            let answer = shop.get(&path).await;
            assert_eq!(answer.status, 502, "{mode:?}: {}", answer.text());
            assert_eq!(promise(&shop, &wheel).await.as_deref(), Some("true"));
        }
        upstream.heal(&file_path(&wheel));
        follow(&shop, &wheel).await;
    }

    async fn many_clients_are_one_look(engine: Engine) {
        let (shop, upstream, wheel) = mirrored(engine, |item| item.metadata = Metadata::None).await;
        let path = format!("{}.metadata", wheel.path("root/pypi"));
        let answers = join_all((0..50).map(|_| shop.get(&path).into_future())).await;
        assert!(answers.into_iter().all(|answer| answer.is(200).body == wheel.metadata));
        let (whole, parts) = reads(&upstream, &wheel);
        assert!(whole == 0 && parts <= 3, "{whole} {parts}");
    }
}
