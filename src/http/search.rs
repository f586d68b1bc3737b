//! Searching, for tools: `/+search` in JSON, and the XML-RPC method `search` for `pip search`.

use super::reply::{self, CachePolicy, Reply};
use super::router::At;
use super::xmlrpc::{self, Fault, MethodCall};
use super::{Call, Site, outside};
use crate::error::{Error, Result};
use crate::index::search::{self, Hit, Hits, Matched, Wanted};
use crate::limits;
use crate::pypi::Version;
use crate::urls;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

/// Answers `/+search?q=…&index=user/index&page=…`.
pub async fn json(site: &Site, call: &Call<'_>) -> Result<Reply> {
    let text = call.query_value("q").filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| Error::BadRequest("say what to look for: /+search?q=…".into()))?;
    let index = call.query_value("index").filter(|index| !index.is_empty());
    let page = page(call)?;
    let wanted = Wanted { text: &text, index: through(index.as_deref())?, page, size: limits::SEARCH_HITS_PAGE };
    let Hits { hits, more, cut_short } = search::search(&site.core, call.caller, wanted).await?;
    let base = outside::base(site, call);
    let result = json!({
        "query": text,
        "index": index,
        "page": page,
        "more": more,
        "complete": !cut_short,
        "hits": hits.iter().map(|hit| shown(hit, &base)).collect::<Vec<_>>(),
    });
    Ok(reply::result(StatusCode::OK, "search", result, None))
}

/// The page that is wanted, from 1.
pub fn page(call: &Call<'_>) -> Result<usize> {
    match call.query_value("page") {
        None => Ok(1),
        Some(text) => {
            text.parse().ok().filter(|page| *page > 0).ok_or_else(|| Error::BadRequest("pages are counted from 1".into()))
        }
    }
}

/// The index to search through, from `user/index`.
pub fn through(text: Option<&str>) -> Result<Option<(&str, &str)>> {
    let Some(text) = text else { return Ok(None) };
    let path = text.trim_matches('/').split_once('/');
    path.map(Some).ok_or_else(|| Error::BadRequest("an index is named as user/index".into()))
}

fn shown(hit: &Hit, base: &str) -> Value {
    json!({
        "index": hit.index.path.to_string(),
        "type": hit.index.kind.word(),
        "project": hit.name,
        "name": hit.display_name,
        "version": hit.version,
        "summary": hit.summary,
        "released": hit.released.map(|released| released.iso_seconds()),
        "matched": hit.matched,
        "url": format!("{base}/{}/{}", urls::encode_index(&hit.index.path), hit.name),
    })
}

/// Whether this is an XML-RPC call: uploads go to the same addresses as forms.
pub fn is_rpc(method: &Method, headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is_xml = ["text/xml", "application/xml"].iter().any(|xml| media_type.eq_ignore_ascii_case(xml));
    *method == Method::POST && is_xml
}

/// Answers an XML-RPC call. What goes wrong with the call is a fault; who may not see the index is answered as everywhere, so that
/// clients ask for a password.
pub async fn rpc(site: &Site, call: &Call<'_>, at: Option<At<'_>>, body: Body) -> Result<Reply> {
    let too_large = |_| Error::TooLarge(format!("an XML-RPC call has at most {} bytes here", limits::XMLRPC_BYTES_MAX));
    let body = axum::body::to_bytes(body, limits::XMLRPC_BYTES_MAX).await.map_err(too_large)?;
    let read = match std::str::from_utf8(&body) {
        Ok(document) => xmlrpc::read(document),
        Err(_) => Err(Fault::new(Fault::NOT_WELL_FORMED, "calls are in UTF-8 here")),
    };
    let outcome = match read.and_then(|method| Spec::of(&method)) {
        Ok(spec) => find(site, call, at, &spec).await?,
        Err(fault) => Err(fault),
    };
    Ok(reply::bytes(StatusCode::OK, "text/xml; charset=utf-8", CachePolicy::Never, xmlrpc::write(&outcome)))
}

/// What a call of `search` wants.
#[derive(Debug, PartialEq, Eq)]
struct Spec {
    text: String,
    /// The last field that is looked into.
    deepest: Matched,
}

impl Spec {
    /// Reads `search({"name": words, "summary": words}, "or")`. All words are looked for in all fields together, as everywhere on this
    /// server, so the operator changes nothing.
    fn of(call: &MethodCall) -> Result<Self, Fault> {
        let invalid = |text: &str| Fault::new(Fault::INVALID_PARAMETERS, text);
        if call.method != "search" {
            return Err(Fault::new(
                Fault::NO_METHOD,
                format!("there is no method {:?} here: the only one is search", legible(&call.method)),
            ));
        }
        let (fields, operator) = match call.params.as_slice() {
            [Value::Object(fields)] => (fields, "and"),
            [Value::Object(fields), Value::String(operator)] => (fields, operator.as_str()),
            _ => return Err(invalid("search takes fields with words, and an operator")),
        };
        if !["and", "or"].contains(&operator) {
            return Err(invalid("the operator is 'and' or 'or'"));
        }
        let (mut words, mut deepest) = (Vec::new(), Matched::Exact);
        for (field, value) in fields {
            let of_field = match value {
                Value::String(text) => vec![text.as_str()],
                Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
                _ => return Err(invalid("a field's words are text")),
            };
            deepest = deepest.max(depth(field).ok_or_else(|| invalid("the fields are name, summary, keywords and description"))?);
            for word in of_field {
                if !words.contains(&word) {
                    words.push(word);
                }
            }
        }
        Ok(Self { text: words.join(" "), deepest })
    }
}

fn depth(field: &str) -> Option<Matched> {
    match field {
        "name" => Some(Matched::Similar),
        "summary" => Some(Matched::Summary),
        "keywords" => Some(Matched::Keywords),
        "description" => Some(Matched::Description),
        _ => None,
    }
}

fn legible(text: &str) -> &str {
    &text[..text.floor_char_boundary(100)]
}

/// Searches, in the index that was called, or everywhere.
async fn find(site: &Site, call: &Call<'_>, at: Option<At<'_>>, spec: &Spec) -> Result<Result<Value, Fault>> {
    let tree = site.core.tree.load();
    let index = match at {
        Some(At::Index(user, index)) => Some((user, index)),
        Some(At::Default) => tree.default.as_ref().map(|path| (path.user.as_str(), path.index.as_str())),
        None => None,
    };
    let wanted = Wanted { text: &spec.text, index, page: 1, size: limits::SEARCH_RPC_HITS };
    match search::search(&site.core, call.caller, wanted).await {
        Ok(found) => Ok(Ok(found.hits.iter().filter(|hit| hit.matched <= spec.deepest).map(as_pip_reads_it).collect())),
        Err(Error::BadRequest(text)) => Ok(Err(Fault::new(Fault::INVALID_PARAMETERS, text))),
        // Who may not read the default index learns no name of it.
        Err(Error::NotFound(_)) if at == Some(At::Default) => Err(super::no_default()),
        Err(other) => Err(other),
    }
}

/// pip wants a version that can be compared, and breaks off at any other.
fn as_pip_reads_it(hit: &Hit) -> Value {
    let version = hit.version.as_deref().filter(|version| Version::parse(version).is_ok()).unwrap_or("0");
    let mirrored = || format!("mirrored by {}", hit.index.path);
    let summary = if hit.version.is_some() { hit.summary.clone().unwrap_or_default() } else { mirrored() };
    json!({"name": hit.display_name, "version": version, "summary": summary})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(params: Value) -> Result<Spec, i32> {
        let Value::Array(params) = params else { unreachable!() };
        Spec::of(&MethodCall { method: "search".into(), params }).map_err(|fault| fault.code)
    }

    #[test]
    fn what_pip_sends_is_read() {
        let found = spec(json!([{"name": ["foo", "bar"], "summary": ["foo", "bar"]}, "or"])).unwrap();
        assert_eq!(found, Spec { text: "foo bar".into(), deepest: Matched::Summary });
        assert_eq!(spec(json!([{"name": "foo"}])), Ok(Spec { text: "foo".into(), deepest: Matched::Similar }));
        for wrong in
            [json!([]), json!(["foo"]), json!([{"name": 1}]), json!([{"author": "x"}]), json!([{}, "xor"]), json!([{}, "or", 1])]
        {
            assert_eq!(spec(wrong), Err(Fault::INVALID_PARAMETERS));
        }
        let other = MethodCall { method: "system.listMethods".into(), params: vec![] };
        assert_eq!(Spec::of(&other).unwrap_err().code, Fault::NO_METHOD);
    }

    #[test]
    fn an_index_is_named_by_its_path() {
        assert_eq!(through(Some("/root/main/")).unwrap(), Some(("root", "main")));
        assert!(through(Some("root")).is_err() && through(None).unwrap().is_none());
    }
}
