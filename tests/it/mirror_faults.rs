//! Files that upstream cuts, stalls or lies about: no client ever takes them for whole, and nothing of them is kept.

use super::support::shop::Options;
use super::support::upstream::{file_path, gate, open};
use super::support::{Dist, Engine, FakeUpstream, Item, Mode, Shop, both};
use http_body_util::BodyExt;
use std::time::Duration;

const SIZE: usize = 600_000;

async fn mirrored(engine: Engine, change: impl FnOnce(&mut Item)) -> (Shop, FakeUpstream, Dist, String) {
    let (shop, upstream) = (Shop::with(engine, Options::impatient()).await, FakeUpstream::start().await);
    shop.mirror("root/pypi", &upstream, &[]).await;
    let wheel = Dist::large_wheel("app", "1.0", SIZE);
    let mut item = Item::new(&wheel);
    change(&mut item);
    upstream.add(item);
    let path = shop.page("root/pypi", "app").await.link(&wheel.filename).path;
    (shop, upstream, wheel, path)
}

/// Asks for a file that upstream gets wrong: the answer is an error, or breaks off before its last byte. Nothing is kept, and
/// when upstream is right again so is the file.
async fn must_not_be_taken_for_whole(shop: Shop, upstream: FakeUpstream, wheel: &Dist, path: &str, what: &str) {
    let before = shop.stored().await;
    let answer = shop.get(path).await;
    match answer.status {
        200 => assert!(answer.broken, "{what}: {} of {} bytes, and a clean end", answer.body.len(), wheel.bytes.len()),
        status => assert_eq!(status, 502, "{what}"),
    }
    if answer.get("content-length").is_some() && answer.broken {
        assert!(answer.body.len() < wheel.bytes.len(), "{what}: as many bytes as announced are a whole file to a client");
    }
    shop.settled().await;
    assert_eq!(shop.stored().await, before, "{what}: something was kept");
    let part = shop.get(path).header("range", "bytes=-100").await;
    assert!(part.status == 502 || part.broken, "{what}: {part:?}");
    shop.settled().await;
    upstream.heal(&file_path(wheel));
    if what.contains("page") {
        return;
    }
    assert_eq!(shop.get(path).await.is(200).body, wheel.bytes, "{what}: and right again");
}

fn other_bytes(wheel: &Dist) -> Vec<u8> {
    let mut bytes = wheel.bytes.clone();
    *bytes.last_mut().unwrap() ^= 1;
    bytes
}

both! {
    async fn wrong_bytes_of_the_right_length(engine: Engine) {
        let (shop, upstream, wheel, path) = mirrored(engine, |_| {}).await;
        upstream.set_mode(&file_path(&wheel), Mode::Lie(other_bytes(&wheel)));
        must_not_be_taken_for_whole(shop, upstream, &wheel, &path, "one wrong bit").await;
    }

    async fn too_few_and_too_many_bytes(engine: Engine) {
        for (bytes, what) in [(Vec::new(), "nothing"), (vec![0; 1000], "too few"), (vec![0; SIZE * 2], "too many")] {
            let (shop, upstream, wheel, path) = mirrored(engine, |_| {}).await;
            upstream.set_mode(&file_path(&wheel), Mode::Lie(bytes));
            must_not_be_taken_for_whole(shop, upstream, &wheel, &path, what).await;
        }
    }

    async fn a_connection_that_breaks(engine: Engine) {
        for count in [0, 1, SIZE / 2, SIZE] {
            let (shop, upstream, wheel, path) = mirrored(engine, |_| {}).await;
            upstream.set_mode(&file_path(&wheel), Mode::Cut(count));
            must_not_be_taken_for_whole(shop, upstream, &wheel, &path, &format!("cut after {count}")).await;
        }
    }

    async fn a_body_that_ends_early_in_good_order(engine: Engine) {
        let (shop, upstream, wheel, path) = mirrored(engine, |item| item.size = false).await;
        upstream.set_mode(&file_path(&wheel), Mode::EndEarly(SIZE / 2));
        must_not_be_taken_for_whole(shop, upstream, &wheel, &path, "without a length").await;
    }

    /// Every byte has come, but not its end: the last one is held back until all are known to be right.
    async fn the_last_byte_waits_for_the_check(engine: Engine) {
        let (shop, upstream, wheel, path) = mirrored(engine, |_| {}).await;
        for range in ["bytes=0-", "bytes=1000-1999"] {
            let gate = gate();
            upstream.set_mode(&file_path(&wheel), Mode::LieAndHold(other_bytes(&wheel), gate.clone()));
            let answer = shop.get(&path).header("range", range).begin().await;
            assert_eq!(answer.status(), 206);
            let announced: usize = answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
            let (mut body, mut read) = (answer.into_body(), 0);
            while let Ok(frame) = tokio::time::timeout(Duration::from_millis(150), body.frame()).await {
                read += frame.unwrap().unwrap().data_ref().unwrap().len();
            }
            assert!(read > 0 && read < announced, "{range}: {read} of {announced} before anything is known to be right");
            open(&gate);
            let mut end = body.frame().await;
            while let Some(Ok(frame)) = &end {
                read += frame.data_ref().unwrap().len();
                end = body.frame().await;
            }
            assert!(end.is_some_and(|frame| frame.is_err()) && read < announced, "{range}");
            shop.settled().await;
        }
    }

    async fn silence(engine: Engine) {
        let (shop, upstream, wheel, path) = mirrored(engine, |_| {}).await;
        upstream.set_mode(&file_path(&wheel), Mode::Stall);
        must_not_be_taken_for_whole(shop, upstream, &wheel, &path, "silence").await;
        let (shop, upstream, wheel, path) = mirrored(engine, |_| {}).await;
        upstream.set_mode(&file_path(&wheel), Mode::Hold(gate()));
        must_not_be_taken_for_whole(shop, upstream, &wheel, &path, "silence after half").await;
    }

    async fn refusals(engine: Engine) {
        for status in [403, 500, 503] {
            let (shop, upstream, wheel, path) = mirrored(engine, |_| {}).await;
            upstream.set_mode(&file_path(&wheel), Mode::Status(status));
            must_not_be_taken_for_whole(shop, upstream, &wheel, &path, &status.to_string()).await;
        }
        let (shop, upstream, wheel, path) = mirrored(engine, |_| {}).await;
        upstream.set_mode(&file_path(&wheel), Mode::Status(404));
        shop.get(&path).await.is(404);
    }

    async fn a_page_that_lies_about_its_files(engine: Engine) {
        let lie = |item: &mut Item| item.lie = Some(vec![7; SIZE]);
        let (shop, upstream, wheel, path) = mirrored(engine, lie).await;
        must_not_be_taken_for_whole(shop, upstream, &wheel, &path, "the page's hash and size").await;
        let (shop, upstream, wheel, path) = mirrored(engine, |item| {
            lie(item);
            (item.sha256, item.md5, item.size) = (false, true, false);
        }).await;
        must_not_be_taken_for_whole(shop, upstream, &wheel, &path, "the page's MD5").await;
        let (shop, upstream, wheel, path) = mirrored(engine, |item| {
            lie(item);
            item.sha256 = false;
        }).await;
        must_not_be_taken_for_whole(shop, upstream, &wheel, &path, "the page's size").await;
    }

    async fn a_server_error_never_ends_the_server(engine: Engine) {
        let (shop, upstream, wheel, path) = mirrored(engine, |_| {}).await;
        upstream.set_mode(&file_path(&wheel), Mode::Cut(1000));
        for _ in 0..10 {
            shop.get(&path).await;
            shop.settled().await;
        }
        drop(upstream);
        shop.get(&path).await.is(502);
        shop.page("root/pypi", "app").await;
    }
}
