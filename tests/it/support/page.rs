//! Reads simple pages as a client would, with code that shares nothing with the server's own.

use super::ask::{Answer, JSON};
use serde_json::Value;
use std::collections::BTreeMap;
use url::Url;

/// A file on a simple page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    pub filename: String,
    /// Path (and query) on the shop, without the fragment; a whole address if it leads elsewhere.
    pub path: String,
    /// What the page itself wrote, fragment included.
    pub href: String,
    pub sha256: Option<String>,
    /// Any hash, as `algorithm=hex`.
    pub hash: Option<String>,
    /// `true` or `sha256=…`; `None` if no metadata is promised.
    pub metadata: Option<String>,
    pub requires_python: Option<String>,
    /// The reason, which may be empty.
    pub yanked: Option<String>,
    pub provenance: Option<String>,
    /// JSON only.
    pub size: Option<u64>,
    /// JSON only.
    pub upload_time: Option<String>,
}

const HOST: &str = "http://shop.example";

/// Where `reference` on the page at `path` leads.
pub fn resolve(path: &str, reference: &str) -> String {
    let mut url = Url::parse(&format!("{HOST}{path}")).unwrap().join(reference).unwrap();
    url.set_fragment(None);
    let text = url.to_string();
    text.strip_prefix(HOST).map_or(text.clone(), str::to_owned)
}

pub fn links(page: &Answer, path: &str) -> Vec<Link> {
    assert_eq!(page.status, 200, "{page:?}");
    let mut links = match page.header("content-type") {
        JSON => json_links(&page.json()),
        _ => anchors(&page.text()).iter().map(html_link).collect(),
    };
    for link in &mut links {
        link.path = resolve(path, &link.href);
    }
    links
}

fn json_links(page: &Value) -> Vec<Link> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let files = page["files"].as_array().unwrap();
    let link = |file: &Value| Link {
        filename: text(&file["filename"]).unwrap(),
        href: text(&file["url"]).unwrap(),
        sha256: text(&file["hashes"]["sha256"]),
        hash: file["hashes"].as_object().unwrap().iter().next().map(|(k, v)| format!("{k}={}", v.as_str().unwrap())),
        metadata: promise(&file["core-metadata"]),
        requires_python: text(&file["requires-python"]),
        yanked: match &file["yanked"] {
            Value::Bool(true) => Some(String::new()),
            reason => text(reason),
        },
        provenance: text(&file["provenance"]),
        size: file["size"].as_u64(),
        upload_time: text(&file["upload-time"]),
        path: String::new(),
    };
    files.iter().map(link).collect()
}

fn promise(value: &Value) -> Option<String> {
    match value {
        Value::Bool(true) => Some("true".into()),
        Value::Object(hashes) => Some(format!("sha256={}", hashes["sha256"].as_str().unwrap())),
        _ => None,
    }
}

/// An anchor's attributes; its text is under the empty name.
pub type Anchor = BTreeMap<String, String>;

/// Every anchor of an HTML page that is written as XML.
pub fn anchors(html: &str) -> Vec<Anchor> {
    let parts = html.split("<a ").skip(1);
    let anchor = |part: &str| {
        let (attributes, rest) = part.split_once('>').unwrap();
        let text = rest.split_once("</a>").unwrap().0;
        let mut anchor = Anchor::from([(String::new(), unescape(text))]);
        let mut left = attributes;
        while let Some((name, after)) = left.split_once("=\"") {
            let (value, after) = after.split_once('"').unwrap();
            anchor.insert(name.trim().to_owned(), unescape(value));
            left = after;
        }
        anchor
    };
    parts.map(anchor).collect()
}

fn unescape(text: &str) -> String {
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#10;", "\n"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

fn html_link(anchor: &Anchor) -> Link {
    let get = |name: &str| anchor.get(name).cloned();
    let href = anchor["href"].clone();
    let hash = href.split_once('#').map(|(_, hash)| hash.to_owned());
    assert_eq!(get("data-core-metadata"), get("data-dist-info-metadata"), "two spellings of one promise");
    Link {
        filename: anchor[""].clone(),
        sha256: hash.as_deref().and_then(|hash| hash.strip_prefix("sha256=")).map(str::to_owned),
        hash,
        metadata: get("data-core-metadata"),
        requires_python: get("data-requires-python"),
        yanked: get("data-yanked"),
        provenance: get("data-provenance"),
        href,
        ..Link::default()
    }
}
