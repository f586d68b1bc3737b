//! Upload forms as fifteen years of uploaders send them, and what is refused before anything is published.

use super::support::form::Part;
use super::support::shop::Options;
use super::support::{Dist, Engine, Form, Shop, both};
use axum::body::Body;
use bytes::Bytes;
use cheeseshop::index::Rules;
use futures_util::stream;
use proptest::prelude::*;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

async fn shop_with_stage(engine: Engine) -> Shop {
    let shop = Shop::start(engine).await;
    shop.stage("alice/dev", &[]).await;
    shop.default_index("alice/dev").await;
    shop
}

fn limited(bytes: u64) -> Options {
    Options { rules: Rules { max_file_size: bytes, ..Rules::default() }, ..Options::default() }
}

both! {
    async fn the_order_of_fields_does_not_matter(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let orders: [fn(Form) -> Form; 4] = [
            |form| form,
            Form::content_first,
            |mut form| { form.parts.reverse(); form },
            |mut form| { form.parts.rotate_left(5); form },
        ];
        for (at, order) in orders.into_iter().enumerate() {
            let dist = Dist::wheel("app", &format!("1.{at}"));
            shop.send("/alice/dev/", &order(Form::of(&dist))).by("alice").await.is(200);
            assert_eq!(shop.page("alice/dev", "app").await.link(&dist.filename).sha256, Some(dist.sha256()));
        }
    }

    async fn the_file_alone_is_enough(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let fields = ["protocol_version", "metadata_version", "name", "version", "filetype", "pyversion", "sha256_digest",
            "md5_digest", "blake2_256_digest"];
        for (at, field) in fields.into_iter().enumerate() {
            let dist = Dist::wheel("app", &format!("1.{at}"));
            shop.send("/alice/dev/", &Form::of(&dist).without(field)).by("alice").await.is(200);
        }
        let dist = Dist::wheel_with("app", "2", "Requires-Python: >=3.9", b"");
        let form = fields.into_iter().fold(Form::of(&dist), Form::without);
        shop.send("/alice/dev/", &form).by("alice").await.is(200);
        let link = shop.page("alice/dev", "app").await.link(&dist.filename);
        assert_eq!(link.requires_python.as_deref(), Some(">=3.9"), "metadata comes from the file");
    }

    async fn what_uploaders_add_does_no_harm(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let odd: [fn(Form) -> Form; 10] = [
            // uv sends no type with the file, and attestations behind it
            |mut form| { form.parts.last_mut().unwrap().content_type = None; form },
            |mut form| { form.parts.push(Part::text("attestations", "[]")); form },
            // distutils of Python 3.6 to 3.11 sends BLAKE2b-512 here
            |form| form.with("blake2_256_digest", &"ab".repeat(64)),
            // distutils and pdm
            |form| form.with("requires_python", "UNKNOWN").with("home_page", "UNKNOWN").with("md5_digest", "").with("sha256_digest", "UNKNOWN"),
            |form| form.with("name", "UNKNOWN").with("version", "").with("filetype", "").with("protocol_version", ""),
            // distutils of Python 2.7
            |form| form.without("protocol_version").with("protcol_version", "1"),
            |form| form.with("metadata_version", "2.5").with("import_name", "app").with("import_names", "app"),
            |mut form| {
                form.parts.iter_mut().filter(|part| part.name == "sha256_digest").for_each(|part| part.body.make_ascii_uppercase());
                form
            },
            |form| form.with("description", "caf\u{e9}\0 \u{1f9c0}"),
            // a detached signature, as twine once sent
            |mut form| {
                form.parts.push(Part { name: "gpg_signature".into(), ..Part::file("x.asc", b"signature") });
                form
            },
        ];
        for (at, change) in odd.into_iter().enumerate() {
            let dist = Dist::wheel("app", &format!("1.{at}"));
            let answer = shop.send("/alice/dev/", &change(Form::of(&dist))).by("alice").await;
            assert_eq!(answer.status, 200, "change {at}: {}", answer.text());
        }
        assert_eq!(shop.filenames("alice/dev", "app").await.len(), 10);
    }

    /// Python 2.7's distutils forgets the space before `filename`, and names a charset behind the boundary.
    async fn old_distutils_headers_are_read(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let dist = Dist::sdist("app", "1.0");
        let form = Form::of(&dist);
        let body = form.encode();
        let (from, to) = (b"name=\"content\"; filename=", b"name=\"content\";filename=");
        let at = body.windows(from.len()).position(|window| window == from).unwrap();
        let body = [&body[..at], to, &body[at + from.len()..]].concat();
        let content_type = format!("{}; charset=utf-8", form.content_type());
        let answer = shop.post("/alice/dev/").header("content-type", &content_type).by("alice").body(body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(shop.filenames("alice/dev", "app").await, [dist.filename]);
    }

    async fn the_address_may_end_without_a_slash_and_there_is_legacy(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        for (at, path) in ["/alice/dev/", "/alice/dev", "/legacy/", "/legacy", "//alice//dev"].into_iter().enumerate() {
            let dist = Dist::wheel("app", &format!("1.{at}"));
            shop.send(path, &Form::of(&dist)).by("alice").await.is(200);
        }
        assert_eq!(shop.filenames("alice/dev", "app").await.len(), 5);
        let dist = Dist::wheel("app", "2");
        let by_query = Form::of(&dist).without(":action");
        shop.send("/alice/dev/?:action=file_upload", &by_query).by("alice").await.is(200);
        for method in ["GET", "PUT"] {
            let refused = shop.ask(method.parse().unwrap(), "/legacy/").await.is(405);
            assert_eq!(refused.header("allow"), "POST");
        }
    }

    async fn registering_is_not_needed_and_stores_nothing(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let before = shop.stored().await;
        for action in ["submit_pkg_info", "verify"] {
            // distutils' `register` ends its lines with bare line feeds.
            for end in ["\n", "\r\n"] {
                let parts = [(":action", action), ("metadata_version", "1.0"), ("name", "app"), ("version", "1.0")];
                let part = |(name, value)| format!("--xyz{end}Content-Disposition: form-data; name=\"{name}\"{end}{end}{value}{end}");
                let body = parts.map(part).concat() + &format!("--xyz--{end}");
                let form = shop.post("/alice/dev/").header("content-type", "multipart/form-data; boundary=xyz; charset=utf-8");
                let answer = form.by("alice").body(body).await;
                assert!(answer.status == 410 || answer.status == 200, "{action}: {answer:?}");
                assert_eq!(shop.stored().await, before);
            }
        }
        shop.get("/alice/dev/+simple/app/").await.is(404);
    }

    async fn what_is_no_upload_is_refused(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let before = shop.stored().await;
        let dist = Dist::wheel("app", "1.0");
        let form = Form::of(&dist);
        let refusals = [
            (form.clone().without(":action"), "':action'"),
            (form.clone().with(":action", "nonsense"), "'nonsense'"),
            (form.clone().with("protocol_version", "2"), "protocol version"),
            (form.clone().without("content"), "content"),
            (form.clone().with("sha256_digest", "abc"), "sha256_digest"),
            (form.clone().with("sha256_digest", &"0".repeat(64)), "digest supplied does not match"),
            (form.clone().with("md5_digest", &"0".repeat(32)), "digest supplied does not match"),
            (form.clone().with("blake2_256_digest", &"0".repeat(64)), "digest supplied does not match"),
            (form.clone().with("name", "other"), "does not match project name 'other'"),
            (form.clone().with("name", "-"), "name"),
            (form.clone().with("version", "1.1"), "does not contain version '1.1'"),
            (form.clone().with("version", "nonsense"), "nonsense"),
            (form.clone().with("filetype", "sdist"), "filetype"),
            (form.clone().with("filetype", "bdist_egg"), "filetype"),
            (Form::of(&dist.clone().named("app-1.0.egg")), "app-1.0.egg"),
            (Form::of(&dist.clone().named("../app-1.0-py3-none-any.whl")), "characters"),
            (Form::of(&dist.clone().named("app.whl")), "app.whl"),
            (Form::of(&dist.clone().named("app-1.0.tar.gz")).with("filetype", "sdist"), "Invalid distribution file"),
            (Form::of(&Dist { bytes: b"<html>".to_vec(), ..dist.clone() }), "Invalid distribution file"),
            (Form::of(&Dist::wheel_without_metadata("app", "1.0")), "Invalid distribution file"),
            (Form::of(&Dist::wheel("other", "1.0").named("app-1.0-py3-none-any.whl")).with("name", "app"), "Invalid distribution file"),
            ({ let mut twice = form.clone(); twice.parts.push(Part::file(&dist.filename, &dist.bytes)); twice }, "more than one file"),
        ];
        for (form, says) in refusals {
            let answer = shop.send("/alice/dev/", &form).by("alice").await.is(400);
            assert!(answer.text().contains(says), "{says:?} in {}", answer.text());
            assert_eq!(answer.text().lines().next(), answer.reason.as_deref(), "twine shows the one, uv the other");
        }
        for (content_type, body) in [("text/plain", "x"), ("multipart/form-data", "x"), ("multipart/form-data; boundary=x", "")] {
            shop.post("/alice/dev/").header("content-type", content_type).by("alice").body(body).await.is(400);
        }
        let cut = form.encode();
        shop.post("/alice/dev/").header("content-type", &form.content_type()).by("alice").body(cut.slice(..cut.len() - 30)).await.is(400);
        assert_eq!(shop.stored().await, before, "nothing is kept of what was refused");
        shop.get("/alice/dev/+simple/app/").await.is(404);
    }

    async fn errors_come_as_json_to_those_who_ask(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let form = Form::of(&Dist::wheel("app", "1.0")).with("name", "other");
        let uv = "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7";
        let answer = shop.send("/alice/dev/", &form).by("alice").accept(uv).await.is(400);
        assert_eq!(answer.header("content-type"), "application/json", "uv compares the whole header");
        assert_eq!(answer.json()["code"], format!("400 {}", answer.reason.as_deref().unwrap()));
    }

    async fn a_form_may_come_in_single_bytes(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let dist = Dist::wheel("app", "1.0");
        let form = Form::of(&dist);
        let bytes: Vec<_> = form.encode().into_iter().map(|byte| Ok::<_, io::Error>(Bytes::from(vec![byte]))).collect();
        let body = Body::from_stream(stream::iter(bytes));
        shop.post("/alice/dev/").header("content-type", &form.content_type()).by("alice").body(body).await.is(200);
        assert_eq!(shop.get(&dist.path("alice/dev")).await.is(200).body, dist.bytes);
    }

    async fn a_file_that_is_announced_too_large_is_refused_unread(engine: Engine) {
        let shop = Shop::with(engine, limited(100_000)).await;
        shop.stage("alice/dev", &[]).await;
        let read = Arc::new(AtomicUsize::new(0));
        let counted = read.clone();
        let body = Body::from_stream(stream::repeat_with(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok::<_, io::Error>(Bytes::from_static(&[0; 1000]))
        }));
        let form = Form::of(&Dist::wheel("app", "1.0"));
        let ask = shop.post("/alice/dev/").header("content-type", &form.content_type()).header("content-length", "1000000000");
        let answer = ask.by("alice").body(body).await.is(413);
        assert!(answer.text().contains("100000 bytes"), "it names the limit: {}", answer.text());
        assert_eq!(read.load(Ordering::SeqCst), 0);
    }

    async fn a_file_that_grows_too_large_is_refused_on_the_way(engine: Engine) {
        let shop = Shop::with(engine, limited(100_000)).await;
        shop.stage("alice/dev", &[]).await;
        let before = shop.stored().await;
        let fitting = Dist::large_wheel("app", "1.0", 90_000);
        let large = Dist::large_wheel("app", "2.0", 200_000);
        let form = Form::of(&large);
        let body = Body::from_stream(stream::iter([Ok::<_, io::Error>(form.encode())]));
        let answer = shop.post("/alice/dev/").header("content-type", &form.content_type()).by("alice").body(body).await.is(413);
        assert!(answer.text().contains("100000 bytes"), "{}", answer.text());
        assert_eq!(shop.stored().await, before);
        shop.upload("alice/dev", &fitting).await.is(200);
    }

    async fn no_field_may_fill_the_memory(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let before = shop.stored().await;
        let form = Form::of(&Dist::wheel("app", "1.0")).with("description", &"x".repeat(33 << 20));
        shop.send("/alice/dev/", &form).by("alice").await.is(413);
        let mut form = Form::of(&Dist::wheel("app", "1.0"));
        form.parts.extend((0..20_001).map(|_| Part::text("classifiers", "x")));
        shop.send("/alice/dev/", &form).by("alice").await.is(400);
        assert_eq!(shop.stored().await, before);
    }
}

/// A form whose parts are shuffled and of which any part but the file may be missing publishes the file all the same.
#[test]
fn any_order_with_any_field_missing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shop = runtime.block_on(shop_with_stage(Engine::Sqlite));
    let count = AtomicUsize::new(0);
    let parts = Form::of(&Dist::wheel("app", "0")).parts.len();
    let order = Just((0..parts).collect::<Vec<_>>()).prop_shuffle();
    let kept = prop::collection::vec(any::<bool>(), parts);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 48, ..ProptestConfig::default() });
    let check = runner.run(&(order, kept), |(order, kept)| {
        let dist = Dist::wheel("app", &format!("1.{}", count.fetch_add(1, Ordering::SeqCst)));
        let mut form = Form::of(&dist);
        let all = form.parts.clone();
        let needed = |part: &Part| matches!(part.name.as_str(), ":action" | "content");
        form.parts = order.iter().filter(|at| kept[**at] || needed(&all[**at])).map(|at| all[*at].clone()).collect();
        let answer = runtime.block_on(async { shop.send("/alice/dev/", &form).by("alice").await });
        prop_assert_eq!(answer.status, 200, "{}", answer.text());
        Ok(())
    });
    check.unwrap();
}
