//! Results of testing a file, as `devpi test` reports them.

use super::support::ask::Ask;
use super::support::dist::sha256;
use super::support::shop::scope;
use super::support::{Dist, Engine, FakeUpstream, Form, Item, Shop, both};
use cheeseshop::index::access::Grant;
use cheeseshop::limits::{RESULT_BYTES_MAX, RESULTS_MAX};
use serde_json::{Value, json};
use std::time::Duration;

/// As `tox` writes it, with spaces that no reader would keep.
const RESULT: &[u8] = b"{\"reportversion\": \"1\",  \"host\": \"h\", \"platform\": \"linux\", \"testenvs\": {}}";

fn report(shop: &Shop, dist: &Dist, index: &str) -> Ask {
    shop.post(&dist.path(index)).header("content-type", "application/json").body(RESULT)
}

async fn links(shop: &Shop, path: &str) -> Vec<Value> {
    let answer = shop.get(path).accept("application/json").await.is(200);
    answer.json()["result"]["+links"].as_array().unwrap().clone()
}

both! {
    async fn a_result_is_kept_and_listed_and_given_out_as_it_came(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let dist = shop.publish("alice/dev", "my-app", "1.0").await;
        let answer = report(&shop, &dist, "alice/dev").await.is(200).json();
        let path = format!("{}.toxresult-20260301120000-0", dist.path("alice/dev"));
        let wanted = format!("{}#sha256={}", &path[1..], sha256(RESULT));
        assert_eq!((&answer["type"], &answer["result"]), (&"toxresultpath".into(), &Value::from(wanted)));
        let kept = shop.get(&path).await.is(200);
        assert_eq!((kept.header("content-type"), &kept.body[..]), ("application/octet-stream", RESULT));
        shop.clock.advance(Duration::from_secs(1));
        report(&shop, &dist, "alice/dev").by("alice").await.is(200);
        let links = links(&shop, "/alice/dev/my-app/1.0").await;
        assert_eq!(links.iter().map(|link| link["rel"].as_str().unwrap()).collect::<Vec<_>>(), ["releasefile", "toxresult", "toxresult"]);
        let second = format!("http://localhost{}.toxresult-20260301120001-1", dist.path("alice/dev"));
        assert_eq!((&links[2]["href"], &links[2]["for_href"]), (&Value::from(second), &links[0]["href"]));
        assert_eq!(links[1]["hash_spec"], format!("sha256={}", sha256(RESULT)));
        let who = |at: usize| (links[at]["log"][0]["what"].clone(), links[at]["log"][0]["who"].clone());
        assert_eq!((who(1), who(2)), (("upload".into(), Value::Null), ("upload".into(), "alice".into())));
        assert_eq!(shop.journal().await.last().unwrap().action, "result-add");
    }

    async fn nobody_fills_the_disk_with_them(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        for _ in 0..RESULTS_MAX {
            report(&shop, &dist, "alice/dev").await.is(200);
        }
        let before = shop.stored().await.0;
        let refused = report(&shop, &dist, "alice/dev").await.is(409);
        assert!(refused.text().contains("remove some first"), "{}", refused.text());
        assert_eq!(shop.stored().await.0, before);
    }

    async fn who_may_not_is_told_how_to_go_on(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["acl_toxresult_upload=bob"]).await;
        shop.stage("alice/shut", &["acl_read=alice"]).await;
        shop.user("bob").await;
        let (dist, shut) = (shop.publish("alice/dev", "app", "1.0").await, shop.publish("alice/shut", "app", "1.0").await);
        let before = shop.stored().await;
        let words = "No permission to upload tox results. You can use the devpi test --no-upload option to skip the upload.";
        for who in [None, Some("alice")] {
            let asked = report(&shop, &dist, "alice/dev").accept("application/json");
            let answer = match who { Some(who) => asked.by(who), None => asked }.await.is(403);
            assert_eq!(answer.json()["message"], words);
        }
        report(&shop, &shut, "alice/shut").await.is(401);
        report(&shop, &shut, "alice/shut").by("bob").await.is(404);
        assert_eq!(shop.stored().await, before);
        let token = shop.token("bob", "other", scope(&[Grant::Results], &[], &["other"]), None).await;
        report(&shop, &dist, "alice/dev").auth("__token__", &token).await.is(403);
        let token = shop.token("bob", "ci", scope(&[Grant::Results], &[], &["app"]), None).await;
        report(&shop, &dist, "alice/dev").auth("__token__", &token).await.is(200);
        report(&shop, &dist, "alice/dev").by("bob").await.is(200);
    }

    async fn only_files_of_this_very_index_are_tested(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        let mirrored = Dist::wheel("away", "1.0");
        upstream.add(Item::new(&mirrored));
        shop.mirror("root/pypi", &upstream, &[]).await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("bob/above", &["bases=alice/dev,root/pypi"]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        let above = report(&shop, &dist, "bob/above").await.is(404);
        assert_eq!(above.text().trim(), format!("no release file found at {}", &dist.path("bob/above")[1..]));
        report(&shop, &dist.rebuilt(), "alice/dev").await.is(404);
        report(&shop, &Dist::wheel("app", "2.0"), "alice/dev").await.is(404);
        report(&shop, &dist, "alice/none").await.is(404);
        for index in ["root/pypi", "bob/above"] {
            report(&shop, &mirrored, index).await.is(404);
        }
        assert_eq!(upstream.all_seen().len(), 0, "upstream is not asked");
    }

    async fn what_is_no_json_or_too_large_is_refused(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        let before = shop.stored().await;
        for body in ["", "{", "{} {}", "nothing"] {
            let answer = shop.post(&dist.path("alice/dev")).body(body).await.is(400);
            assert_eq!(answer.text().trim(), "Bad request: could not decode json", "{body}");
        }
        let large = format!("\"{}\"", "x".repeat(RESULT_BYTES_MAX as usize));
        shop.post(&dist.path("alice/dev")).body(large).await.is(413);
        assert_eq!(shop.stored().await, before);
        let fits = format!("\"{}\"", "x".repeat(RESULT_BYTES_MAX as usize - 2));
        shop.post(&dist.path("alice/dev")).body(fits).await.is(200);
    }

    async fn results_go_with_their_file(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        let result = |dist: &Dist| format!("{}.toxresult-20260301120000-0", dist.path("alice/dev"));
        report(&shop, &dist, "alice/dev").await.is(200);
        shop.send("/alice/dev/", &Form::of(&dist.rebuilt())).by("alice").await.is(200);
        assert_eq!(links(&shop, "/alice/dev/app/1.0").await.len(), 1, "a file that was replaced was not tested");
        shop.get(&result(&dist)).await.is(404);
        report(&shop, &dist.rebuilt(), "alice/dev").await.is(200);
        shop.get(&result(&dist.rebuilt())).await.is(200);
        shop.delete(&dist.rebuilt().path("alice/dev")).by("alice").await.is(200);
        shop.get(&result(&dist.rebuilt())).await.is(404);
    }

    async fn a_result_can_be_deleted_alone(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        for _ in 0..2 {
            report(&shop, &dist, "alice/dev").await.is(200);
        }
        let first = format!("{}.toxresult-20260301120000-0", dist.path("alice/dev"));
        shop.delete(&first).await.is(403);
        shop.delete(&first).by("alice").await.is(403);
        shop.delete(&format!("{first}?force")).by("alice").await.is(200);
        shop.get(&first).await.is(404);
        shop.delete(&format!("{first}?force")).by("alice").await.is(404);
        assert_eq!(shop.journal().await.last().unwrap().action, "result-remove");
        let again = report(&shop, &dist, "alice/dev").await.is(200).json();
        assert!(again["result"].as_str().unwrap().contains(".toxresult-20260301120000-2#"), "no name is given twice: {again}");
        let names: Vec<_> = links(&shop, "/alice/dev/app/1.0").await.iter().map(|link| link["rel"].clone()).collect();
        assert_eq!(names, [json!("releasefile"), json!("toxresult"), json!("toxresult")]);
    }
}
