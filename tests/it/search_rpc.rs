//! `pip search`: XML-RPC, at every address that people give to `--index`.

use super::support::{Answer, Dist, Engine, Form, Shop, both};
use cheeseshop::limits;

/// A call as Python's client writes it.
fn call(method: &str, params: &str) -> String {
    format!(
        "<?xml version='1.0'?>\n<methodCall>\n<methodName>{method}</methodName>\n<params>\n{params}</params>\n</methodCall>\n"
    )
}

/// What `pip search` sends.
fn pip(words: &[&str]) -> String {
    let words: String = words.iter().map(|word| format!("<value><string>{word}</string></value>\n")).collect();
    let field =
        |name: &str| format!("<member>\n<name>{name}</name>\n<value><array><data>\n{words}</data></array></value>\n</member>\n");
    let spec = format!("<param>\n<value><struct>\n{}{}</struct></value>\n</param>\n", field("name"), field("summary"));
    call("search", &format!("{spec}<param>\n<value><string>or</string></value>\n</param>\n"))
}

async fn ask(shop: &Shop, path: &str, body: String) -> Answer {
    shop.post(path).header("content-type", "text/xml").body(body).await
}

/// What stands in the answer's elements of this name, in their order.
fn strings(answer: &Answer, after: &str) -> Vec<String> {
    let (text, before) = (answer.text(), format!("<name>{after}</name><value><string>"));
    let parts = text.split(&before).skip(1);
    parts.map(|part| part.split('<').next().unwrap().to_owned()).collect()
}

fn fault(answer: &Answer) -> String {
    let text = answer.text();
    let code = text.split("<name>faultCode</name><value><int>").nth(1).unwrap_or_else(|| panic!("no fault: {text}"));
    code.split('<').next().unwrap().to_owned()
}

async fn shop(engine: Engine) -> Shop {
    let shop = Shop::start(engine).await;
    shop.stage("alice/dev", &[]).await;
    shop.stage("bob/dev", &["acl_upload=:ANONYMOUS:"]).await;
    shop.upload("alice/dev", &Dist::described("My.App", "1.0", "sharp & <old>", "kw", "ripe")).await.is(200);
    shop.upload("bob/dev", &Dist::described("tool", "2.0", "sharp", "", "")).await.is(200);
    shop
}

both! {
    async fn pip_is_answered_wherever_it_asks(engine: Engine) {
        let shop = shop(engine).await;
        for (path, expected) in [
            ("/", &["My.App", "tool"][..]),
            ("/pypi", &["My.App", "tool"]),
            ("/alice/dev", &["My.App"]),
            ("/alice/dev/", &["My.App"]),
            ("/alice/dev/+simple/", &["My.App"]),
        ] {
            let answer = ask(&shop, path, pip(&["sharp"])).await.is(200);
            assert_eq!(answer.header("content-type"), "text/xml; charset=utf-8");
            let mut names = strings(&answer, "name");
            names.sort();
            assert_eq!(names, expected, "{path}");
        }
        shop.default_index("bob/dev").await;
        for path in ["/pypi", "/pypi/", "/simple/"] {
            let answer = ask(&shop, path, pip(&["sharp"])).await.is(200);
            assert_eq!((strings(&answer, "name"), strings(&answer, "version")), (vec!["tool".to_owned()], vec!["2.0".to_owned()]));
        }
        let answer = ask(&shop, "/", pip(&["my", "app"])).await.is(200);
        assert_eq!(strings(&answer, "summary"), ["sharp &amp; &lt;old&gt;"]);
        assert_eq!(strings(&ask(&shop, "/", pip(&["ripe"])).await.is(200), "name"), [""; 0], "pip asks for names and summaries");
        assert_eq!(strings(&ask(&shop, "/", pip(&["nothing"])).await.is(200), "name"), [""; 0]);
    }

    async fn wrong_calls_are_faults(engine: Engine) {
        let shop = shop(engine).await;
        for (body, code) in [
            (String::new(), "-32600"),
            ("not XML <".into(), "-32700"),
            ("<methodCall/>".into(), "-32600"),
            ("<!DOCTYPE a><methodCall><methodName>search</methodName></methodCall>".into(), "-32700"),
            (call("system.listMethods", ""), "-32601"),
            (call("search", ""), "-32602"),
            (call("search", "<param><value><string>app</string></value></param>"), "-32602"),
            (pip(&["x".repeat(limits::SEARCH_QUERY_CHARS_MAX + 1).as_str()]), "-32602"),
        ] {
            for path in ["/", "/pypi", "/alice/dev", "/alice/dev/", "/bob/dev"] {
                assert_eq!(fault(&ask(&shop, path, body.clone()).await.is(200)), code, "{path} {body}");
            }
        }
        ask(&shop, "/", "x".repeat(limits::XMLRPC_BYTES_MAX + 1)).await.is(413);
        let nothing = shop.stored().await;
        assert_eq!(shop.stored().await, nothing, "no call changes anything");
    }

    async fn who_may_not_read_an_index_is_asked_to_sign_in(engine: Engine) {
        let shop = shop(engine).await;
        shop.stage("carol/shut", &["acl_read=carol"]).await;
        shop.upload("carol/shut", &Dist::described("secret", "1.0", "sharp", "", "")).await.is(200);
        ask(&shop, "/carol/shut/", pip(&["sharp"])).await.is(401);
        let by_carol = |path: &str| shop.post(path).header("content-type", "text/xml").body(pip(&["secret"])).by("carol");
        for path in ["/carol/shut/", "/"] {
            assert_eq!(strings(&by_carol(path).await.is(200), "name"), ["secret"]);
        }
        assert_eq!(strings(&ask(&shop, "/", pip(&["secret"])).await.is(200), "name"), [""; 0]);
        ask(&shop, "/carol/none/", pip(&["sharp"])).await.is(401);
    }

    /// They go to the same addresses.
    async fn uploads_are_uploads(engine: Engine) {
        let shop = shop(engine).await;
        let dist = Dist::wheel("other", "1.0");
        shop.send("/bob/dev/", &Form::of(&dist)).await.is(200);
        assert_eq!(strings(&ask(&shop, "/bob/dev/", pip(&["other"])).await.is(200), "name"), ["other"]);
        shop.post("/pypi").body("x").await.is(404);
        shop.get("/pypi").await.is(404);
        shop.post("/simple/").header("content-type", "text/plain").body(pip(&["other"])).await.is(405);
    }

    /// pip breaks off at a version that it cannot compare.
    async fn versions_are_such_as_pip_takes(engine: Engine) {
        let shop = shop(engine).await;
        shop.stage("alice/loose", &["upload_checks=lenient"]).await;
        let form = Form::docs("odd", Some("not-a-version"), b"").without("content").with(":action", "submit").with("summary", "strange");
        shop.send("/alice/loose/", &form).by("alice").await.is(200);
        let answer = ask(&shop, "/", pip(&["strange"])).await.is(200);
        assert_eq!((strings(&answer, "name"), strings(&answer, "version")), (vec!["odd".to_owned()], vec!["0".to_owned()]));
    }
}
