//! Clients that leave: in the middle of an upload, right after its commit, in the middle of a download. Every page stays right,
//! and work that others profit from goes on.

use super::support::upstream::{file_path, gate, metadata_path, open, page_path};
use super::support::{Ask, Dist, Engine, FakeUpstream, Form, Item, Mode, Shop, both, eventually};
use axum::body::Body;
use bytes::Bytes;
use cheeseshop::db;
use futures_util::stream::{self, StreamExt};
use http_body_util::BodyExt;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Waker};

async fn shop_with_stage(engine: Engine) -> Shop {
    let shop = Shop::start(engine).await;
    shop.stage("alice/dev", &[]).await;
    shop.stage("bob/above", &["bases=alice/dev"]).await;
    shop
}

/// An upload whose body is the pieces, and then silence or an error.
fn upload_of(
    shop: &Shop,
    form: &Form,
    pieces: Vec<Bytes>,
    end: impl stream::Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Ask {
    let body = Body::from_stream(stream::iter(pieces.into_iter().map(Ok)).chain(end));
    shop.post("/alice/dev/").header("content-type", &form.content_type()).by("alice").body(body)
}

both! {
    async fn a_client_that_leaves_while_it_uploads_leaves_nothing(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let dist = Dist::large_wheel("app", "1.0", 600_000);
        let form = Form::of(&dist);
        let (bytes, before) = (form.encode(), shop.stored().await);
        shop.get("/alice/dev/+simple/").by("alice").await.is(200);
        for end in [1, 200, 2_000, bytes.len() / 2, bytes.len() - 20] {
            let (sent, all_sent) = tokio::sync::oneshot::channel();
            let silence = stream::once(async move {
                sent.send(()).unwrap();
                std::future::pending().await
            });
            let ask = upload_of(&shop, &form, vec![bytes.slice(..end)], silence);
            let mut upload = Box::pin(ask.begin());
            tokio::select! {
                _ = &mut upload => panic!("half a form was answered"),
                all_sent = all_sent => all_sent.unwrap(),
            }
            drop(upload);
            shop.settled().await;
            eventually("the spool is gone", async || shop.stored().await == before).await;
        }
        for index in ["alice/dev", "bob/above"] {
            shop.get(&format!("/{index}/+simple/app/")).await.is(404);
        }
        shop.upload("alice/dev", &dist).await.is(200);
    }

    async fn a_connection_that_breaks_while_it_uploads_leaves_nothing(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let form = Form::of(&Dist::large_wheel("app", "1.0", 600_000));
        let (bytes, before) = (form.encode(), shop.stored().await);
        for end in [0, 100, bytes.len() / 2] {
            let broken = stream::iter([Err(io::Error::other("the connection broke"))]);
            upload_of(&shop, &form, vec![bytes.slice(..end)], broken).await.is(400);
        }
        eventually("the spool is gone", async || shop.stored().await == before).await;
    }

    /// The upload's future is dropped at every point at which it can be: whatever came of it, all pages tell the same.
    async fn a_client_that_leaves_at_any_moment_leaves_every_page_right(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        shop.get("/alice/dev/+simple/").by("alice").await.is(200);
        let mut published = 0;
        for polls in 0..60 {
            let dist = Dist::wheel("app", &format!("1.{polls}"));
            let form = Form::of(&dist);
            let known: Vec<usize> = [count(&shop, "alice/dev").await, count(&shop, "bob/above").await].to_vec();
            assert_eq!(known, [published, published]);
            poll_times(upload_of(&shop, &form, vec![form.encode()], stream::empty()).begin(), polls).await;
            shop.settled().await;
            let rows = shop.journal().await.into_iter().filter(|entry| entry.action == "file-add").count();
            assert!(rows == published || rows == published + 1, "{rows} after {published}");
            published = rows;
            for index in ["alice/dev", "bob/above"] {
                assert_eq!(count(&shop, index).await, published, "after {polls} polls the page of {index} is not what is stored");
            }
        }
        assert!((1..60).contains(&published), "both ends were met: {published}");
    }

    /// The commit and what follows from it belong to the server: a client that leaves when its rows are written changes nothing.
    async fn leaving_right_after_the_commit_is_no_matter(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        for n in 0..10 {
            let dist = Dist::wheel("app", &format!("1.{n}"));
            let form = Form::of(&dist);
            // Pages without the file are in memory.
            count(&shop, "bob/above").await;
            let mut upload = Box::pin(upload_of(&shop, &form, vec![form.encode()], stream::empty()).begin());
            loop {
                let step = tokio::time::timeout(std::time::Duration::from_micros(200), &mut upload).await;
                let last = db::journal::last(&mut shop.core().db.read().await.unwrap()).await.unwrap();
                if step.is_ok() || last > shop.core().changes.seen() {
                    break;
                }
            }
            drop(upload);
            shop.settled().await;
            for index in ["alice/dev", "bob/above"] {
                shop.page(index, "app").await.link(&dist.filename);
            }
        }
    }

    async fn a_download_goes_on_without_the_client_that_began_it(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        let wheel = Dist::large_wheel("app", "1.0", 600_000);
        upstream.add(Item::new(&wheel));
        let gate = gate();
        upstream.set_mode(&file_path(&wheel), Mode::Hold(gate.clone()));
        let mut leaving = shop.get(&wheel.path("root/pypi")).begin().await.into_body();
        leaving.frame().await.unwrap().unwrap();
        // Another client waits for the same file.
        let staying = tokio::spawn(shop.get(&wheel.path("root/pypi")).into_future());
        drop(leaving);
        open(&gate);
        assert_eq!(staying.await.unwrap().is(200).body, wheel.bytes);
        shop.settled().await;
        assert_eq!(shop.get(&wheel.path("root/pypi")).await.is(200).body, wheel.bytes);
        assert_eq!(upstream.asked(&file_path(&wheel)), 1);
    }

    async fn a_download_that_nobody_waits_for_any_more_is_kept(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        let wheel = Dist::large_wheel("app", "1.0", 600_000);
        upstream.add(Item::new(&wheel));
        let gate = gate();
        upstream.set_mode(&file_path(&wheel), Mode::HoldAll(gate.clone()));
        // It leaves before upstream has said a word.
        let ask = tokio::spawn(shop.get(&wheel.path("root/pypi")).begin());
        eventually("upstream is asked", async || upstream.asked(&file_path(&wheel)) == 1).await;
        ask.abort();
        open(&gate);
        shop.settled().await;
        assert_eq!(shop.get(&wheel.path("root/pypi")).await.is(200).body, wheel.bytes);
        assert_eq!(upstream.asked(&file_path(&wheel)), 1);
    }

    async fn what_upstream_says_is_not_wasted(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        let wheel = Dist::wheel("app", "1.0");
        upstream.add(Item::new(&wheel));
        for path in [page_path("app"), metadata_path(&wheel)] {
            let gate = gate();
            upstream.set_mode(&path, Mode::HoldAll(gate.clone()));
            let asked = match path.ends_with(".metadata") {
                true => format!("{}.metadata", wheel.path("root/pypi")),
                false => "/root/pypi/+simple/app/".into(),
            };
            let ask = tokio::spawn(shop.get(&asked).begin());
            eventually("upstream is asked", async || upstream.asked(&path) == 1).await;
            ask.abort();
            open(&gate);
            shop.settled().await;
            shop.get(&asked).await.is(200);
            assert_eq!(upstream.asked(&path), 1, "{path}");
        }
    }

    async fn a_client_that_leaves_while_a_page_is_made_harms_nobody(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        shop.publish("alice/dev", "app", "0").await;
        for polls in 0..25 {
            shop.publish("alice/dev", "app", &format!("1.{polls}")).await;
            poll_times(shop.get("/bob/above/+simple/app/").begin(), polls).await;
            assert_eq!(count(&shop, "bob/above").await, polls + 2);
        }
    }
}

/// How many files of `app` the page shows.
async fn count(shop: &Shop, index: &str) -> usize {
    let page = shop.get(&format!("/{index}/+simple/app/")).await;
    if page.status == 404 { 0 } else { page.links().len() }
}

/// Polls a future this many times, with a moment for other tasks in between, and drops it.
async fn poll_times(future: impl Future, polls: usize) {
    let mut future = pin!(future);
    for _ in 0..polls {
        let mut cx = Context::from_waker(Waker::noop());
        if future.as_mut().poll(&mut cx).is_ready() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_micros(300)).await;
    }
}
