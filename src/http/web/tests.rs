//! Which requests are answered with pages, and what every page carries.

use super::*;
use crate::http::router::route;
use axum::http::HeaderValue;
use axum::http::header::USER_AGENT;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

fn asked(method: Method, path: &[&str], accept: Option<&str>, agent: &str) -> bool {
    let mut headers = HeaderMap::new();
    if let Some(accept) = accept {
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
    }
    headers.insert(USER_AGENT, HeaderValue::from_str(agent).unwrap());
    target(route(path), &method, &headers).is_some()
}

#[test]
fn browsers_get_pages_and_tools_what_they_always_got() {
    for path in [&[][..], &["alice"], &["alice", "dev"], &["alice", "dev", "app"], &["alice", "dev", "app", "1.0"]] {
        assert!(asked(Method::GET, path, Some(BROWSER), "Mozilla/5.0"), "{path:?}");
        assert!(asked(Method::HEAD, path, Some(BROWSER), "Mozilla/5.0"), "{path:?}");
        for (method, accept, agent) in [
            (Method::GET, None, "curl/8"),
            (Method::GET, Some("*/*"), "python-requests/2.32"),
            (Method::GET, Some("application/json"), "devpi-client/7.2"),
            (Method::GET, Some("application/vnd.pypi.simple.v1+json, text/html;q=0.1"), "x"),
            (Method::GET, Some("text/html"), "pip/26.0"),
            (Method::GET, Some("text/html"), "uv/0.10"),
            (Method::POST, Some(BROWSER), "Mozilla/5.0"),
            (Method::DELETE, Some(BROWSER), "Mozilla/5.0"),
        ] {
            assert!(!asked(method.clone(), path, accept, agent), "{method} {path:?} {accept:?} {agent}");
        }
    }
    for path in [&["alice", "dev", "+simple"][..], &["simple", "app"], &["+api"], &["health"]] {
        assert!(!asked(Method::GET, path, Some(BROWSER), "Mozilla/5.0"), "{path:?}");
    }
    assert!(asked(Method::POST, &["_", "login"], None, "curl/8"));
    assert!(!asked(Method::GET, &["_", "oidc", "audience"], Some(BROWSER), "Mozilla/5.0"));
}
