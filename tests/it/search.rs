//! Searching: what is found, in which order, by whom, and that it follows every change.

use super::support::shop::{Options, scope};
use super::support::{Dist, Engine, FakeUpstream, Form, Item, JSON, Shop, both, eventually};
use axum::http::Method;
use cheeseshop::index::access::{Caller, Grant};
use cheeseshop::index::release::{self, Target};
use cheeseshop::jobs;
use cheeseshop::limits;
use cheeseshop::names::IndexPath;
use cheeseshop::pypi::ProjectName;
use serde_json::{Value, json};

/// The result for a query as it stands in an address.
async fn result(shop: &Shop, who: &str, query: &str) -> Value {
    let ask = shop.get(&format!("/+search?{query}"));
    let ask = if who.is_empty() { ask } else { ask.by(who) };
    ask.await.is(200).json()["result"].take()
}

fn shown(result: &Value) -> Vec<String> {
    let text = |hit: &Value, key: &str| hit[key].as_str().unwrap_or("-").to_owned();
    let hits = result["hits"].as_array().unwrap().iter();
    hits.map(|hit| [text(hit, "index"), text(hit, "project"), text(hit, "matched")].join(" ")).collect()
}

/// What is found, as `index project matched`.
async fn found_by(shop: &Shop, who: &str, text: &str) -> Vec<String> {
    let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("q", text).finish();
    shown(&result(shop, who, &query).await)
}

async fn found(shop: &Shop, text: &str) -> Vec<String> {
    found_by(shop, "", text).await
}

/// A project with what its author says of it.
async fn describe(shop: &Shop, index: &str, name: &str, version: &str, summary: &str, keywords: &str, description: &str) -> Dist {
    let dist = Dist::described(name, version, summary, keywords, description);
    shop.upload(index, &dist).await.is(200);
    dist
}

async fn yank(shop: &Shop, index: &str, project: &str, version: &str, reason: Option<&str>) {
    let index = shop.core().tree.load().at(&IndexPath::parse(index).unwrap()).unwrap().index.clone();
    let (project, target) = (ProjectName::parse(project).unwrap(), Target::Release(version.into()));
    release::yank(shop.core(), &Caller::system(), &index, &project, target, reason.map(Into::into)).await.unwrap();
}

both! {
    async fn names_come_before_what_is_said_of_them(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        for (name, summary, keywords, description) in [
            ("Cheddar", "a hard one", "", ""),
            ("cheddar-mill", "", "", ""),
            ("old.cheddar", "", "", ""),
            ("gouda", "Rather like CHEDDAR", "", ""),
            ("edam", "round", "dutch,cheddar", ""),
            ("brie", "soft", "", "Not at all\nlike Cheddar."),
            ("milk", "white", "", "cow"),
        ] {
            describe(&shop, "alice/dev", name, "1.0", summary, keywords, description).await;
        }
        let expected = [
            "alice/dev cheddar exact",
            "alice/dev cheddar-mill prefix",
            "alice/dev old-cheddar part",
            "alice/dev gouda summary",
            "alice/dev edam keywords",
            "alice/dev brie description",
        ];
        for text in ["cheddar", "CheDDar", "  cheddar "] {
            assert_eq!(found(&shop, text).await, expected, "{text}");
        }
        assert_eq!(found(&shop, "edd").await.len(), 6, "any three characters");
        assert_eq!(found(&shop, "old_cheddar").await, ["alice/dev old-cheddar exact"]);
        assert_eq!(found(&shop, "cheddar old").await, ["alice/dev old-cheddar part"]);
        assert_eq!(found(&shop, "edam dutch").await, ["alice/dev edam keywords"], "words may stand in different fields");
        assert_eq!(found(&shop, "brie like cow").await, [""; 0]);
        let hit = result(&shop, "", "q=cheddar").await["hits"][0].take();
        assert_eq!(hit, json!({
            "index": "alice/dev", "type": "stage", "project": "cheddar", "name": "Cheddar", "version": "1.0", "summary": "a hard one",
            "released": "2026-03-01T12:00:00Z", "matched": "exact", "url": "http://localhost/alice/dev/cheddar",
        }));
    }

    async fn typing_errors_are_forgiven_where_nothing_fits(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        for name in ["requests", "request-id", "mozzarella", "flask"] {
            shop.publish("alice/dev", name, "1.0").await;
        }
        for (text, expected) in [
            ("reqeusts", &["alice/dev requests similar"][..]),
            ("mozarela", &["alice/dev mozzarella similar"]),
            ("Mozzarella", &["alice/dev mozzarella exact"]),
            ("flsk", &["alice/dev flask similar"]),
            ("fla", &["alice/dev flask prefix"]),
            ("flx", &[]),
            ("request", &["alice/dev requests prefix", "alice/dev request-id prefix"]),
        ] {
            assert_eq!(found(&shop, text).await, expected, "{text}");
        }
    }

    async fn short_words_and_other_scripts_are_found(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        describe(&shop, "alice/dev", "r", "1.0", "Straße nach Käsehausen", "čedar", "日本語のチーズ 🧀").await;
        shop.publish("alice/dev", "rio-x", "1.0").await;
        assert_eq!(found(&shop, "r").await, ["alice/dev r exact", "alice/dev rio-x prefix"]);
        assert_eq!(found(&shop, "ri").await, ["alice/dev rio-x prefix"]);
        assert_eq!(found(&shop, "io").await, [""; 0], "one or two characters are looked for at the beginning");
        for (text, matched) in [("straße", "summary"), ("KÄSE", "summary"), ("Čedar", "keywords"), ("日本語", "description"), (" チーズ ", "description")] {
            assert_eq!(found(&shop, text).await, [format!("alice/dev r {matched}")], "{text}");
        }
        assert_eq!(found(&shop, "nach x straße").await, ["alice/dev r summary"], "a short word does not narrow");
    }

    /// Whatever is typed is looked for and is no command to the database.
    async fn nothing_typed_is_an_operator(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        describe(&shop, "alice/dev", "app", "1.0", "says \"C++ 100%\" a_b c:\\d (e AND f) text:* it's", "", "").await;
        for text in ["c++", "\"c++", "100%", "a_b", "c:\\d", "(e and", "AND", "and f)", "text:*", "it's", "\"C++ 100%\""] {
            assert_eq!(found(&shop, text).await, ["alice/dev app summary"], "{text}");
        }
        for text in [
            "app\" OR \"x", "app AND", "NEAR(app", "text:app", "^app", "app*", "a.p", "a_p%", "%%%", "___", "\\", "\\\\\\", "'''", "\"\"\"", "app OR x", "{text} : app",
            "-app -x", "+app+x", "app;DROP TABLE files", "\u{0}app\u{0}zzz", "\u{e000}\u{e000}\u{e001}", "\u{202e}app\u{1f}zzz", "$1zz", "?1z", ":1z", "1e9", "null",
        ] {
            let found = found(&shop, text).await;
            assert!(found.iter().all(|hit| hit.starts_with("alice/dev app")), "{text}: {found:?}");
        }
        assert_eq!(found(&shop, "NOT app").await, [""; 0]);
        assert_eq!(found(&shop, "100_").await, [""; 0]);
        assert_eq!(found(&shop, "a%b").await, [""; 0]);
    }

    async fn wrong_questions_are_told_so(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        for query in ["", "q=", "q=%20", "q=app&page=0", "q=app&page=x", "q=app&page=-1", "q=app&index=alice"] {
            shop.get(&format!("/+search?{query}")).await.is(400);
        }
        shop.get(&format!("/+search?q={}", "x".repeat(limits::SEARCH_QUERY_CHARS_MAX + 1))).await.is(400);
        shop.get(&format!("/+search?q={}", "x+".repeat(limits::SEARCH_WORDS_MAX + 1))).await.is(400);
        shop.get("/+search?q=app&index=alice/none").await.is(404);
        shop.get("/+search?q=app&page=99999999999999999999").await.is(400);
        assert_eq!(shown(&result(&shop, "", "q=app&page=18446744073709551615").await), [""; 0]);
        assert_eq!(shown(&result(&shop, "", "q=app").await), [""; 0]);
    }

    async fn pages_follow_one_another(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let names: Vec<String> = (0..45).map(|n| format!("app-{n:02}")).collect();
        for name in &names {
            shop.publish("alice/dev", name, "1.0").await;
        }
        let mut all = Vec::new();
        for (page, count, more) in [(1, 20, true), (2, 20, true), (3, 5, false), (4, 0, false), (1000, 0, false)] {
            let result = result(&shop, "", &format!("q=app&page={page}")).await;
            assert_eq!((shown(&result).len(), &result["more"], &result["page"]), (count, &json!(more), &json!(page)));
            assert_eq!(result["complete"], true);
            all.extend(shown(&result));
        }
        assert_eq!(all, names.iter().map(|name| format!("alice/dev {name} prefix")).collect::<Vec<_>>());
        // The same by their texts, which all are alike.
        let mut texts = Vec::new();
        for page in 1..4 {
            texts.extend(shown(&result(&shop, "", &format!("q=description&page={page}")).await));
        }
        texts.sort();
        assert_eq!(texts, names.iter().map(|name| format!("alice/dev {name} description")).collect::<Vec<_>>());
    }

    async fn the_latest_release_speaks(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        let one = describe(&shop, "alice/dev", "app", "1.0", "first", "", "").await;
        describe(&shop, "alice/dev", "app", "2.0", "second", "", "").await;
        describe(&shop, "alice/dev", "App", "3.0rc1", "third", "", "").await;
        let said = async |shop: &Shop| {
            let hit = result(shop, "", "q=app").await["hits"][0].take();
            (hit["version"].as_str().unwrap_or_default().to_owned(), hit["summary"].as_str().unwrap_or_default().to_owned())
        };
        let is = |version: &str, summary: &str| (version.to_owned(), summary.to_owned());
        assert_eq!(said(&shop).await, is("2.0", "second"));
        assert_eq!((found(&shop, "third").await, found(&shop, "first").await), (vec![], vec![]));
        yank(&shop, "alice/dev", "app", "2.0", Some("broken")).await;
        assert_eq!(said(&shop).await, is("1.0", "first"));
        assert_eq!((found(&shop, "second").await, found(&shop, "first").await), (vec![], vec!["alice/dev app summary".to_owned()]));
        yank(&shop, "alice/dev", "app", "1.0", Some("")).await;
        assert_eq!(said(&shop).await, is("3.0rc1", "third"), "rather one that is to be tried than one that is not to be used");
        yank(&shop, "alice/dev", "app", "2.0", None).await;
        assert_eq!(said(&shop).await, is("2.0", "second"));
        shop.delete("/alice/dev/app/2.0").by("alice").await.is(200);
        assert_eq!(said(&shop).await, is("3.0rc1", "third"));
        shop.delete("/alice/dev/app/3.0rc1").by("alice").await.is(200);
        assert_eq!(said(&shop).await, is("1.0", "first"), "of yanked ones the highest");
        shop.upload("alice/dev", &Dist::described("app", "1.0", "replaced", "", "").named(&one.filename)).await.is(200);
        assert_eq!(said(&shop).await, is("1.0", "replaced"));
        shop.is_sound().await;
    }

    async fn what_is_removed_is_found_no_more(engine: Engine) {
        let shop = Shop::start(engine).await;
        for index in ["alice/dev", "alice/other", "bob/dev"] {
            shop.stage(index, &["volatile=true"]).await;
            shop.publish(index, "app", "1.0").await;
            shop.publish(index, "tool", "1.0").await;
        }
        assert_eq!(found(&shop, "app").await.len(), 3);
        shop.delete("/alice/dev/app").by("alice").await.is(200);
        assert_eq!(found(&shop, "app").await, ["alice/other app exact", "bob/dev app exact"]);
        let name = ProjectName::parse("app").unwrap();
        let index = shop.core().tree.load().at(&IndexPath::parse("alice/dev").unwrap()).unwrap().index.clone();
        release::release_name(shop.core(), &Caller::system(), &index, &name).await.unwrap();
        shop.delete("/alice/other").by("alice").await.is(201);
        assert_eq!(found(&shop, "app").await, ["bob/dev app exact"]);
        shop.ask(Method::DELETE, "/bob").by("bob").await.is(200);
        assert_eq!((found(&shop, "app").await, found(&shop, "description").await), (vec![], vec!["alice/dev tool description".to_owned()]));
        shop.stage("alice/other", &[]).await;
        assert_eq!(found(&shop, "app").await, [""; 0], "an index of an old name is a new one");
        shop.is_sound().await;
    }

    async fn a_release_without_files_is_found(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let form = Form::docs("app", Some("2.0"), b"").without("content").with(":action", "submit").with("summary", "comes soon");
        shop.send("/alice/dev/", &form).by("alice").await.is(200);
        assert_eq!(found(&shop, "soon").await, ["alice/dev app summary"]);
        let zip = crate::support::dist::zip_of(&[("index.html", b"docs")]);
        shop.send("/alice/dev/", &Form::docs("tool", Some("1.0"), &zip)).by("alice").await.is(200);
        assert_eq!(found(&shop, "tool").await, ["alice/dev tool exact"]);
        describe(&shop, "alice/dev", "app", "1.0", "is here", "", "").await;
        assert_eq!(found(&shop, "app").await, ["alice/dev app exact"]);
        assert_eq!(result(&shop, "", "q=app").await["hits"][0]["version"], "1.0", "one that can be installed");
        shop.is_sound().await;
    }

    async fn a_push_and_what_it_brings_are_found(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("alice/prod", &[]).await;
        describe(&shop, "alice/dev", "app", "1.0", "tested", "", "").await;
        let body = json!({"name": "app", "version": "1.0", "targetindex": "alice/prod"}).to_string();
        shop.ask(Method::from_bytes(b"PUSH").unwrap(), "/alice/dev").body(body).by("alice").await.is(200);
        assert_eq!(found(&shop, "tested").await, ["alice/dev app summary", "alice/prod app summary"]);
        shop.is_sound().await;
    }

    async fn private_indexes_are_seen_by_their_readers_only(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/open", &[]).await;
        shop.stage("alice/shut", &["acl_read=alice,carol"]).await;
        shop.stage("bob/dev", &[]).await;
        shop.user("carol").await;
        for index in ["alice/open", "alice/shut", "bob/dev"] {
            describe(&shop, index, "app", "1.0", "sharp", "", "very ripe").await;
        }
        describe(&shop, "alice/shut", "secret", "1.0", "sharp", "", "").await;
        for text in ["app", "sharp", "ripe"] {
            let of = |hits: Vec<String>| hits.iter().filter(|hit| hit.contains(" app ")).map(|hit| hit.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>();
            assert_eq!(of(found(&shop, text).await), ["alice/open", "bob/dev"], "{text}");
            assert_eq!(of(found_by(&shop, "bob", text).await), ["bob/dev", "alice/open"], "one's own come first");
            assert_eq!(of(found_by(&shop, "carol", text).await), ["alice/open", "alice/shut", "bob/dev"]);
            assert_eq!(of(found_by(&shop, "alice", text).await), ["alice/open", "alice/shut", "bob/dev"]);
        }
        for text in ["secret", "secrte", "s"] {
            assert_eq!(found_by(&shop, "bob", text).await, [""; 0], "{text}");
            assert_eq!(found_by(&shop, "carol", text).await.len(), 1, "{text}");
        }
        shop.get("/+search?q=app&index=alice/shut").await.is(401);
        shop.get("/+search?q=app&index=alice/shut").by("bob").await.is(404);
        shop.get("/+search?q=app&index=alice/shut").by("carol").await.is(200);
    }

    async fn a_token_finds_what_it_may_read(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/shut", &["acl_read=alice"]).await;
        shop.stage("alice/other", &["acl_read=alice"]).await;
        shop.stage("bob/open", &[]).await;
        for index in ["alice/shut", "alice/other", "bob/open"] {
            for name in ["app", "app-secret"] {
                describe(&shop, index, name, "1.0", "sharp", "", "").await;
            }
        }
        let ask = async |secret: &str, query: &str| shown(&shop.get(&format!("/+search?{query}")).auth("alice", secret).await.is(200).json()["result"]);
        let all = shop.token("alice", "all", scope(&[Grant::Read], &[], &[]), None).await;
        let index = shop.token("alice", "index", scope(&[Grant::Read], &["alice/shut"], &[]), None).await;
        let project = shop.token("alice", "project", scope(&[Grant::Read], &["alice/shut"], &["App"]), None).await;
        let upload = shop.token("alice", "upload", scope(&[Grant::Upload], &[], &[]), None).await;
        for (secret, expected) in [(&all, 6), (&index, 4), (&project, 3), (&upload, 2)] {
            for text in ["q=app", "q=sharp", "q=ap", "q=secert-app"] {
                let found = ask(secret, text).await;
                match text {
                    "q=secert-app" => assert_eq!(found, [""; 0]),
                    _ => assert_eq!(found.len(), expected, "{text}: {found:?}"),
                }
                assert!(*secret != project || !found.iter().any(|hit| hit.starts_with("alice/shut app-secret")), "{found:?}");
            }
        }
        assert_eq!(ask(&project, "q=app&index=alice/shut").await, ["alice/shut app exact"]);
        shop.get("/+search?q=app&index=alice/other").auth("alice", &project).await.is(404);
        shop.get("/+search?q=app&index=alice/shut").auth("alice", &upload).await.is(404);
    }

    async fn an_index_is_searched_with_its_bases(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/base", &[]).await;
        shop.stage("alice/shut", &["acl_read=alice"]).await;
        shop.stage("alice/dev", &["bases=alice/shut,alice/base"]).await;
        shop.stage("alice/apart", &[]).await;
        for index in ["alice/base", "alice/shut", "alice/dev", "alice/apart"] {
            shop.publish(index, "app", "1.0").await;
        }
        let through = async |who: &str, index: &str| {
            let mut found = shown(&result(&shop, who, &format!("q=app&index={index}")).await);
            found.sort();
            found
        };
        assert_eq!(through("", "alice/dev").await, ["alice/base app exact", "alice/dev app exact"]);
        assert_eq!(through("alice", "alice/dev").await, ["alice/base app exact", "alice/dev app exact", "alice/shut app exact"]);
        assert_eq!(through("", "alice/base").await, ["alice/base app exact"]);
        assert_eq!(through("", "alice/apart").await, ["alice/apart app exact"]);
    }

    /// Own packages come first, and upstream is told nothing.
    async fn mirrored_projects_are_found_by_name(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        shop.stage("alice/dev", &["bases=root/pypi"]).await;
        for name in ["requests", "requests-oauthlib", "types-requests", "urllib3"] {
            upstream.add(Item::new(&Dist::wheel(name, "1.0")));
        }
        describe(&shop, "alice/dev", "client", "1.0", "requests with our password", "", "").await;
        assert_eq!(found(&shop, "requests").await, ["alice/dev client summary"], "nobody has asked for the list yet");
        assert_eq!(upstream.all_seen().len(), 0);
        shop.get("/root/pypi/+simple/").accept(JSON).await.is(200);
        upstream.forget_seen();
        let expected = [
            "root/pypi requests exact",
            "alice/dev client summary",
            "root/pypi requests-oauthlib prefix",
            "root/pypi types-requests part",
        ];
        assert_eq!(found(&shop, "requests").await, expected);
        for (text, expected) in [("reqeusts", &["root/pypi requests similar", "root/pypi requests-oauthlib similar"][..]), ("url", &["root/pypi urllib3 prefix"]), ("ur", &["root/pypi urllib3 prefix"]), ("password", &["alice/dev client summary"])] {
            assert_eq!(found(&shop, text).await, expected, "{text}");
        }
        let hit = result(&shop, "", "q=urllib3").await["hits"][0].take();
        assert_eq!((&hit["version"], &hit["type"], &hit["url"]), (&Value::Null, &json!("mirror"), &json!("http://localhost/root/pypi/urllib3")));
        assert_eq!(upstream.all_seen().len(), 0);
        // Not what a private name keeps from the index.
        shop.publish("alice/dev", "requests", "9.0").await;
        assert_eq!(shown(&result(&shop, "", "q=requests&index=alice/dev").await), ["alice/dev requests exact", "alice/dev client summary", "root/pypi requests-oauthlib prefix", "root/pypi types-requests part"]);
        assert_eq!(shown(&result(&shop, "", "q=requests&index=root/pypi").await).len(), 3);
        shop.set("alice/dev", &["mirror_whitelist=requests"]).await;
        assert_eq!(shown(&result(&shop, "", "q=requests&index=alice/dev").await)[1], "root/pypi requests exact");
    }

    /// Of a mirror without a list, or beside it, what somebody has asked for is known.
    async fn pages_that_a_mirror_keeps_are_found(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &["mirror_no_project_list=true", "acl_read=root"]).await;
        shop.user("root").await;
        for name in ["requests", "urllib3"] {
            upstream.add(Item::new(&Dist::wheel(name, "1.0")));
        }
        shop.get("/root/pypi/+simple/requests/").by("root").await.is(200);
        shop.get("/root/pypi/+simple/").by("root").await.is(200);
        assert_eq!(found_by(&shop, "root", "requests").await, ["root/pypi requests exact"]);
        assert_eq!((found_by(&shop, "root", "urllib3").await, found(&shop, "requests").await), (vec![], vec![]));
        let secret = shop.token("root", "one", scope(&[Grant::Read], &[], &["urllib3"]), None).await;
        shop.get("/root/pypi/+simple/urllib3/").by("root").await.is(200);
        assert_eq!(found_by(&shop, "root", "urllib3").await, ["root/pypi urllib3 exact"]);
        let by_token = async |text: &str| shown(&shop.get(&format!("/+search?q={text}")).auth("root", &secret).await.is(200).json()["result"]);
        assert_eq!(by_token("urllib").await, ["root/pypi urllib3 prefix"]);
        assert_eq!(by_token("requests").await, [""; 0], "not for this token to know");
    }

    /// As after an upgrade, or after a server of an older version has worked beside this one.
    async fn entries_that_are_missing_or_old_are_made(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        let count = limits::SEARCH_MEND_BATCH as usize + 3;
        for n in 0..count {
            describe(&shop, "alice/dev", &format!("app-{n}"), "1.0", "ripe", "", "").await;
        }
        shop.delete("/alice/dev/app-0").by("alice").await.is(200);
        shop.sabotage("DELETE FROM search_entries").await;
        assert_eq!(found(&shop, "app").await, [""; 0]);
        let (noted, _) = shop.doctor(false, false).await;
        assert_eq!(noted, [(cheeseshop::doctor::Weight::Note, "search", format!("{} projects", count - 1))]);
        assert_eq!(jobs::search::mend(shop.core()).await.unwrap(), count as u64 - 1);
        assert_eq!(shown(&result(&shop, "", "q=app&page=2").await).len(), count - 1 - limits::SEARCH_HITS_PAGE);
        assert_eq!(found(&shop, "ripe").await.len(), limits::SEARCH_HITS_PAGE);
        shop.sabotage("UPDATE projects SET serial = 1, display_name = 'App.1' WHERE name = 'app-1'").await;
        assert_eq!(jobs::search::mend(shop.core()).await.unwrap(), 1);
        assert_eq!(result(&shop, "", "q=app-1").await["hits"][0]["name"], "App.1");
        assert_eq!(jobs::search::mend(shop.core()).await.unwrap(), 0);
        shop.is_sound().await;
        // A server does it by itself as soon as it starts.
        shop.sabotage("DELETE FROM search_entries").await;
        let background = shop.serve().await;
        eventually("the search is complete", async || found(&shop, "app").await.len() == limits::SEARCH_HITS_PAGE).await;
        background.stop().await;
    }

    async fn the_doctor_finds_an_entry_that_tells_something_else(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        describe(&shop, "alice/dev", "app", "1.0", "ripe", "", "").await;
        shop.is_sound().await;
        shop.sabotage("UPDATE search_entries SET summary = 'rotten'").await;
        use cheeseshop::doctor::Weight::{Problem, Repaired};
        let finding = |weight| vec![(weight, "search", "alice/dev app".to_owned())];
        assert_eq!(shop.doctor(false, false).await.0, []);
        assert_eq!(shop.doctor(true, false).await.0, finding(Problem));
        assert_eq!(shop.doctor(true, true).await.0, finding(Repaired));
        assert_eq!(result(&shop, "", "q=app").await["hits"][0]["summary"], "ripe");
        shop.is_sound().await;
    }

    async fn an_import_is_hidden_until_it_is_whole(engine: Engine) {
        let shop = Shop::with(engine, Options::default()).await;
        shop.stage("alice/dev", &[]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        shop.sabotage("UPDATE indexes SET state = 'importing'").await;
        let other = shop.another().await;
        assert_eq!((found(&other, "app").await, found_by(&other, "alice", "app").await), (vec![], vec![]));
    }

    async fn other_nodes_find_it_too(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let other = shop.another().await;
        describe(&shop, "alice/dev", "app", "1.0", "ripe", "", "").await;
        assert_eq!(found(&other, "ripe").await, ["alice/dev app summary"]);
    }
}
