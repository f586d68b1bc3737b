//! Which form and which encoding of a page a client is given: the headers that real clients send.

use super::support::{Engine, HTML, JSON, Shop, both};

const TEXT: &str = "text/html; charset=utf-8";

async fn stocked(engine: Engine) -> Shop {
    let shop = Shop::start(engine).await;
    shop.stage("alice/dev", &[]).await;
    // Two files: a page that is worth packing.
    for version in ["1.0", "2.0"] {
        shop.publish("alice/dev", "app", version).await;
    }
    shop
}

both! {
    async fn the_form_follows_accept(engine: Engine) {
        let shop = stocked(engine).await;
        let vectors = [
            (None, TEXT),
            (Some("*/*"), TEXT),
            (Some(""), TEXT),
            (Some("text/html"), TEXT),
            (Some("application/json"), TEXT),
            (Some("nonsense"), TEXT),
            (Some(JSON), JSON),
            (Some(HTML), HTML),
            (Some("application/vnd.pypi.simple.latest+json"), JSON),
            (Some("application/vnd.pypi.simple.latest+html"), HTML),
            // pip
            (Some("application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"), JSON),
            // uv
            (Some("application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"), JSON),
            // poetry
            (Some("application/vnd.pypi.simple.v1+json, */*;q=0.1"), JSON),
            // a browser
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"), TEXT),
            (Some("application/vnd.pypi.simple.v1+html, application/vnd.pypi.simple.v1+json"), JSON),
            (Some("application/vnd.pypi.simple.v1+json;q=0.1, text/html;q=0.2"), TEXT),
            (Some("APPLICATION/VND.PYPI.SIMPLE.V1+JSON"), JSON),
            (Some("application/vnd.pypi.simple.v1+json;q=0, */*"), TEXT),
        ];
        for (accept, wanted) in vectors {
            for path in ["/alice/dev/+simple/app/", "/alice/dev/+simple/"] {
                let ask = shop.get(path);
                let page = match accept {
                    Some(accept) => ask.accept(accept).await.is(200),
                    None => ask.await.is(200),
                };
                assert_eq!(page.header("content-type"), wanted, "{accept:?} on {path}");
                assert_eq!(page.text().starts_with('{'), wanted == JSON, "the body is what the header says");
            }
        }
    }

    async fn the_form_follows_the_query_before_accept(engine: Engine) {
        let shop = stocked(engine).await;
        let vectors = [
            ("application/vnd.pypi.simple.v1%2Bjson", JSON),
            ("application/vnd.pypi.simple.v1+json", JSON),
            ("application/vnd.pypi.simple.latest%2Bhtml", HTML),
            ("text/html", TEXT),
        ];
        for path in ["/alice/dev/+simple/app/", "/alice/dev/+simple/"] {
            for (format, wanted) in vectors {
                for accept in [JSON, "text/html", "*/*"] {
                    let page = shop.get(&format!("{path}?format={format}")).accept(accept).await.is(200);
                    assert_eq!(page.header("content-type"), wanted, "{format} with {accept}");
                }
            }
            for unknown in ["json", "application/json", "*/*", ""] {
                let refused = shop.get(&format!("{path}?format={unknown}")).accept(JSON).await.is(406);
                assert!(refused.text().contains("format"), "{}", refused.text());
            }
        }
    }

    async fn the_encoding_follows_accept_encoding(engine: Engine) {
        let shop = stocked(engine).await;
        let vectors = [
            (None, None),
            (Some(""), None),
            (Some("identity"), None),
            (Some("br"), None),
            (Some("gzip;q=0"), None),
            (Some("gzip"), Some("gzip")),
            (Some("*"), Some("gzip")),
            // pip and poetry; old pips
            (Some("gzip, deflate"), Some("gzip")),
            // pdm
            (Some("gzip, deflate, br"), Some("gzip")),
            // uv
            (Some("zstd, gzip, deflate"), Some("zstd")),
            (Some("zstd;q=0.5, gzip;q=0.9"), Some("gzip")),
        ];
        for (accept, wanted) in vectors {
            let ask = shop.get("/alice/dev/+simple/app/").accept(JSON);
            let page = match accept {
                Some(accept) => ask.header("accept-encoding", accept).await.is(200),
                None => ask.await.is(200),
            };
            assert_eq!(page.get("content-encoding"), wanted, "{accept:?}");
            assert!(page.header("vary").contains("Accept-Encoding"));
        }
    }

    async fn errors_are_plain_text_unless_json_is_asked_for(engine: Engine) {
        let shop = stocked(engine).await;
        for accept in ["*/*", "text/html", JSON] {
            let missing = shop.get("/alice/dev/+simple/none/").accept(accept).await.is(404);
            assert_eq!(missing.header("content-type"), "text/plain; charset=utf-8");
            assert_eq!(missing.header("cache-control"), "no-store");
            assert_eq!(missing.text().lines().next(), missing.reason.as_deref(), "twine shows one, uv the other");
        }
        let uv = "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7";
        let missing = shop.get("/alice/dev/+simple/none/").accept(uv).await.is(404);
        assert_eq!(missing.header("content-type"), "application/json");
        assert_eq!(missing.json()["code"], "404 The project none does not exist.");
        assert_eq!(missing.json()["message"], "The project none does not exist.");
    }
}
