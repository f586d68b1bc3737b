//! Publishing: who may, what stands under a name already, and that everybody sees it at once.

use super::support::{Dist, Engine, FakeUpstream, Form, HTML, JSON, Shop, both};
use futures_util::future::join_all;

const PIP: &str = "pip/26.3";

async fn shop_with_stage(engine: Engine) -> Shop {
    let shop = Shop::start(engine).await;
    shop.stage("alice/dev", &[]).await;
    shop
}

both! {
    async fn a_new_file_is_seen_at_once_by_everybody(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        shop.stage("bob/above", &["bases=alice/dev"]).await;
        shop.default_index("bob/above").await;
        let pages = ["/alice/dev/+simple/app/", "/bob/above/+simple/app/", "/simple/app/", "/legacy/+simple/app/", "/bob/above/app/"];
        let ask = |path: &str, form: &str, encoding: &str| {
            shop.get(path).accept(form).header("accept-encoding", encoding).header("user-agent", PIP)
        };
        for version in ["1.0", "1.1", "2.0"] {
            // Every page is in memory, or known to be missing, before the upload.
            for path in pages {
                for form in [JSON, HTML] {
                    ask(path, form, "gzip").await;
                }
            }
            let dist = shop.publish("alice/dev", "app", version).await;
            for path in pages {
                for form in [JSON, HTML] {
                    let link = ask(path, form, "identity").await.is(200).link(&dist.filename);
                    assert_eq!(shop.get(&link.path).await.is(200).body, dist.bytes);
                    assert!(ask(path, form, "gzip").await.is(200).get("etag").is_some());
                }
            }
            for list in ["/alice/dev/+simple/", "/simple/"] {
                assert!(shop.get(list).await.is(200).text().contains("app"));
            }
        }
    }

    async fn success_is_200_and_nothing_else(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let dist = Dist::wheel("app", "1.0");
        let answer = shop.upload("alice/dev", &dist).await.is(200);
        assert_eq!((answer.header("content-length"), answer.get("location")), ("0", None));
    }

    async fn the_same_bytes_again_change_nothing(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        let (before, page) = (shop.stored().await, shop.page("alice/dev", "app").await);
        shop.clock.advance(std::time::Duration::from_secs(100));
        let again = shop.upload("alice/dev", &dist).await.is(200);
        assert_eq!(again.reason.as_deref(), Some("Upload of identical file to non volatile index."));
        assert_eq!(shop.stored().await, before);
        assert_eq!(shop.page("alice/dev", "app").await.body, page.body);
    }

    async fn other_bytes_under_a_name_are_a_conflict(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        let before = shop.stored().await;
        let answer = shop.upload("alice/dev", &dist.rebuilt()).await.is(409);
        let words = format!("{} already exists in non-volatile index", dist.filename);
        assert_eq!(answer.reason.as_deref(), Some(words.as_str()), "devpi's words, for its client");
        assert_eq!(answer.text(), format!("File already exists: {words}\n"), "PyPI's words, for everybody else's");
        let (serial, _, spooled) = shop.stored().await;
        assert_eq!((serial, spooled), (before.0, before.2));
        assert_eq!(shop.get(&dist.path("alice/dev")).await.is(200).body, dist.bytes);
    }

    async fn a_volatile_index_takes_other_bytes_and_the_old_link_is_gone(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        let old = shop.publish("alice/dev", "app", "1.0").await;
        let new = old.rebuilt();
        let etag = shop.page("alice/dev", "app").await.header("etag").to_owned();
        shop.upload("alice/dev", &new).await.is(200);
        let page = shop.page("alice/dev", "app").await;
        assert_ne!(page.header("etag"), etag);
        assert_eq!(page.links().len(), 1);
        assert_eq!(page.link(&new.filename).sha256, Some(new.sha256()));
        assert_eq!(shop.get(&new.path("alice/dev")).await.is(200).body, new.bytes);
        let gone = shop.get(&old.path("alice/dev")).await.is(410);
        assert_eq!(gone.text(), "file existed, deleted in later serial\n");
        shop.get(&format!("{}.metadata", old.path("alice/dev"))).await.is(410);
        shop.upload("alice/dev", &old).await.is(200);
        assert_eq!(shop.get(&old.path("alice/dev")).await.is(200).body, old.bytes);
    }

    async fn spellings_of_a_version_are_one_release(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        shop.publish("alice/dev", "app", "1.0").await;
        shop.upload("alice/dev", &Dist::sdist("app", "1.0.0")).await.is(200);
        assert_eq!(shop.page("alice/dev", "app").await.json()["versions"].as_array().unwrap().len(), 1);
        shop.upload("alice/dev", &Dist::wheel("App.X", "1.0rc1+local.1")).await.is(200);
        assert_eq!(shop.filenames("alice/dev", "app-x").await.len(), 1);
    }

    async fn uploads_of_one_name_at_once_leave_one_file(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let (one, other) = (Dist::wheel("app", "1.0"), Dist::wheel("app", "1.0").rebuilt());
        let uploads = (0..20).map(|n| shop.upload("alice/dev", if n % 2 == 0 { &one } else { &other }));
        let answers = join_all(uploads.map(IntoFuture::into_future)).await;
        let kept = shop.page("alice/dev", "app").await.link(&one.filename).sha256.unwrap();
        for (n, answer) in answers.iter().enumerate() {
            let sent = if n % 2 == 0 { one.sha256() } else { other.sha256() };
            assert_eq!(answer.status, if sent == kept { 200 } else { 409 }, "{answer:?}");
        }
        assert_eq!(shop.page("alice/dev", "app").await.links().len(), 1);
        let added = shop.journal().await.into_iter().filter(|entry| entry.action == "file-add").count();
        assert_eq!(added, 1);
    }

    async fn uploads_of_many_names_at_once_are_all_there(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let dists: Vec<_> = (0..20).map(|n| Dist::wheel("app", &format!("1.{n}"))).collect();
        let answers = join_all(dists.iter().map(|dist| shop.upload("alice/dev", dist).into_future())).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        assert_eq!(shop.filenames("alice/dev", "app").await.len(), 20);
    }

    async fn only_those_on_the_list_may_upload(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        shop.user("bob").await;
        shop.user("root").await;
        let form = Form::of(&Dist::wheel("app", "1.0"));
        let before = shop.stored().await;
        let anonymous = shop.send("/alice/dev/", &form).await.is(401);
        assert_eq!(anonymous.header("www-authenticate"), "Basic realm=\"pypi\"", "old distutils compares the realm");
        shop.send("/alice/dev/", &form).auth("alice", "wrong").await.is(401);
        let denied = shop.send("/alice/dev/", &form).by("bob").await.is(403);
        assert_eq!(denied.text(), "no permission to submit\n");
        shop.send("/alice/dev/", &form).by("root").await.is(403);
        assert_eq!(shop.stored().await, before);
        shop.set("alice/dev", &["acl_upload+=bob"]).await;
        shop.send("/alice/dev/", &form).by("bob").await.is(200);
        shop.set("alice/dev", &["acl_upload=:ANONYMOUS:"]).await;
        shop.send("/alice/dev/", &Form::of(&Dist::wheel("app", "1.1"))).await.is(200);
        let who: Vec<_> = shop.journal().await.into_iter().filter(|e| e.action == "file-add").map(|e| e.actor).collect();
        assert_eq!(who, ["user:bob", "anonymous"]);
    }

    async fn those_who_may_not_are_told_before_they_have_sent_all(engine: Engine) {
        let shop = shop_with_stage(engine).await;
        let endless = || axum::body::Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
        let content_type = "multipart/form-data; boundary=x";
        for path in ["/alice/dev/", "/alice/none/"] {
            let answer = shop.post(path).header("content-type", content_type).body(endless()).await;
            assert!(matches!(answer.status, 401 | 404), "{answer:?}");
        }
    }

    async fn there_is_nowhere_else_to_upload_to(engine: Engine) {
        let (shop, upstream) = (shop_with_stage(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        let form = Form::of(&Dist::wheel("app", "1.0"));
        let mirror = shop.send("/root/pypi/", &form).by("root").await.is(404);
        assert_eq!(mirror.text(), "cannot submit to mirror index\n");
        for path in ["/alice/none/", "/nobody/dev/", "/legacy/"] {
            shop.send(path, &form).by("alice").await.is(404);
        }
        for path in ["/", "/alice", "/alice/dev/app", "/alice/dev/app/1.0", "/pypi"] {
            let answer = shop.send(path, &form).by("alice").await;
            assert!((400..500).contains(&answer.status), "a POST that stores nothing is never a success: {path} {answer:?}");
        }
    }
}
