//! Content negotiation: which form of a page, and which encoding of it, a client is given. Pure; called for every request,
//! so nothing here allocates.
//!
//! Never answers "not acceptable" because of a header: old clients send all sorts of `Accept` and must still get a page.

/// Media type of the JSON form of a simple page (PEP 691).
pub const SIMPLE_JSON: &str = "application/vnd.pypi.simple.v1+json";
/// Media type of the HTML form of a simple page (PEP 691).
pub const SIMPLE_HTML: &str = "application/vnd.pypi.simple.v1+html";
/// HTML for clients older than PEP 691, and for people.
pub const TEXT_HTML: &str = "text/html; charset=utf-8";
/// JSON that is not a simple page.
pub const JSON: &str = "application/json";

const JSON_NAMES: [&str; 2] = [SIMPLE_JSON, "application/vnd.pypi.simple.latest+json"];
const HTML_NAMES: [&str; 2] = [SIMPLE_HTML, "application/vnd.pypi.simple.latest+html"];
const TEXT_HTML_NAMES: [&str; 1] = ["text/html"];

/// What scripts, pip and uv send, word by word, with nearly every request for a page; all of them get JSON. To read it by the rules costs
/// more than to find the page.
const USUAL_FORMS: [&str; 3] = [
    SIMPLE_JSON,
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01",
];
/// The same for the encoding of a page.
const USUAL_ENCODINGS: [(&str, Encoding); 3] =
    [("gzip", Encoding::Gzip), ("gzip, deflate", Encoding::Gzip), ("gzip, deflate, zstd", Encoding::Zstd)];

/// The forms in which a simple page exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// [`SIMPLE_JSON`].
    Json,
    /// [`SIMPLE_HTML`].
    Html,
    /// [`TEXT_HTML`]; the same bytes as [`Form::Html`].
    TextHtml,
}

/// The encodings in which a page is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As it is; no `Content-Encoding`.
    Identity,
    /// `gzip`
    Gzip,
    /// `zstd`
    Zstd,
}

/// `?format=` names a form that does not exist: answer 406.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this format is not offered: use application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html or text/html, \
     and write '+' as %2B"
)]
pub struct NotAcceptable;

impl Form {
    /// The value of `Content-Type`; it always names the real version, never `latest`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => SIMPLE_JSON,
            Self::Html => SIMPLE_HTML,
            Self::TextHtml => TEXT_HTML,
        }
    }

    /// The media types by which a client may ask for this form.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Json => &JSON_NAMES,
            Self::Html => &HTML_NAMES,
            Self::TextHtml => &TEXT_HTML_NAMES,
        }
    }
}

impl Encoding {
    /// The value of `Content-Encoding`; `None` for identity, which has none.
    pub const fn content_encoding(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// Chooses the form of a simple page (PEP 691).
///
/// `format_query` is the decoded value of `?format=` and wins over `accept`. In `accept` the highest q wins, and JSON wins
/// ties. A wildcard gives JSON only to those who refuse both forms of HTML: clients that send `*/*` read HTML. What matches
/// nothing gets `text/html`.
pub fn negotiate(accept: Option<&str>, format_query: Option<&str>) -> Result<Form, NotAcceptable> {
    match format_query {
        Some(format) => named_form(format).ok_or(NotAcceptable),
        None => Ok(match accept {
            None => Form::TextHtml,
            Some(usual) if USUAL_FORMS.contains(&usual) => Form::Json,
            Some(accept) => form_by_accept(accept),
        }),
    }
}

/// Whether a client of the devpi REST API is given JSON rather than a page for people: it asks for `application/json` at least
/// as much as for `text/html`. `*/*` and no `Accept` at all mean JSON; what a browser sends means HTML.
pub fn wants_json(accept: Option<&str>) -> bool {
    let Some(accept) = accept else { return true };
    let [json, html] = weights(accept, [&[JSON], &TEXT_HTML_NAMES]);
    json.q > 0 && (json.q > html.q || (json.q == html.q && (json.is_named() || !html.is_named())))
}

/// Whether `application/json` is asked for by name: at addresses that serve something else unless JSON is named.
pub fn names_json(accept: Option<&str>) -> bool {
    accept.map(|accept| weights(accept, [&[JSON]])).is_some_and(|[json]| json.is_wanted_by_name())
}

/// Whether one of the forms that only simple pages have is asked for by name (PEP 691).
pub fn names_simple(accept: Option<&str>) -> bool {
    accept.is_some_and(|accept| weights(accept, [&JSON_NAMES, &HTML_NAMES]).iter().any(|form| form.is_wanted_by_name()))
}

/// Chooses the encoding of a page from `Accept-Encoding` (RFC 9110 section 12.5.3).
///
/// zstd only if it is named, because pip cannot read it; `*` allows gzip. On equal q: zstd, gzip, identity.
/// Identity is given even to those who refuse it: a page is better than none.
pub fn encoding(accept_encoding: Option<&str>) -> Encoding {
    let Some(header) = accept_encoding else { return Encoding::Identity };
    let usual = USUAL_ENCODINGS.iter().find(|(text, _)| *text == header);
    usual.map_or_else(|| encoding_by_rules(header), |(_, encoding)| *encoding)
}

fn encoding_by_rules(header: &str) -> Encoding {
    let [zstd, gzip, identity] = weights(header, [&["zstd"], &["gzip", "x-gzip"], &["identity"]]);
    let plain = if identity.is_named() { identity.q } else { 0 };
    if zstd.is_named() && zstd.q > 0 && zstd.q >= gzip.q && zstd.q >= plain {
        Encoding::Zstd
    } else if gzip.q > 0 && gzip.q >= plain {
        Encoding::Gzip
    } else {
        Encoding::Identity
    }
}

/// The form that `?format=` names. An unescaped `+` arrives as a space, as in any query, and is understood.
fn named_form(format: &str) -> Option<Form> {
    let same = |c: u8, wanted: u8| c.eq_ignore_ascii_case(&wanted) || (c == b' ' && wanted == b'+');
    let is = |name: &&str| name.len() == format.len() && format.bytes().zip(name.bytes()).all(|(c, wanted)| same(c, wanted));
    [Form::Json, Form::Html, Form::TextHtml].into_iter().find(|form| form.names().iter().any(is))
}

fn form_by_accept(accept: &str) -> Form {
    let [json, html, text] = weights(accept, [&JSON_NAMES, &HTML_NAMES, &TEXT_HTML_NAMES]);
    let html_best = html.q.max(text.q);
    if json.q > 0 && json.q >= html_best && (json.is_named() || html_best == 0) {
        Form::Json
    } else if html.q > text.q {
        Form::Html
    } else {
        Form::TextHtml
    }
}

/// How much a header asks for something, by the most specific of the ranges that match it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Weight {
    precision: Precision,
    /// In thousandths.
    q: u16,
}

/// How exactly a range names a thing. The order matters: RFC 9110 lets the most exact range decide.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Unmentioned,
    Anything,
    Family,
    Named,
}

impl Weight {
    const NONE: Self = Self { precision: Precision::Unmentioned, q: 0 };

    fn is_named(self) -> bool {
        self.precision == Precision::Named
    }

    fn is_wanted_by_name(self) -> bool {
        self.is_named() && self.q > 0
    }
}

/// What `header` says of each of some things, which go by several names. Of equally exact ranges the highest q counts, so that the
/// order of a header never matters.
fn weights<const N: usize>(header: &str, things: [&[&str]; N]) -> [Weight; N] {
    let mut best = [Weight::NONE; N];
    for (range, q) in ranges(header) {
        for (best, names) in best.iter_mut().zip(things) {
            if let Some(precision) = precision(range, names) {
                *best = (*best).max(Weight { precision, q });
            }
        }
    }
    best
}

fn precision(range: &str, names: &[&str]) -> Option<Precision> {
    // A lone `*` means `*/*` to old Java clients, and is the wildcard of Accept-Encoding.
    if range == "*" || range == "*/*" {
        return Some(Precision::Anything);
    }
    if names.iter().any(|name| name.eq_ignore_ascii_case(range)) {
        return Some(Precision::Named);
    }
    let family = range.strip_suffix("/*")?;
    let in_family = |name: &&str| name.split_once('/').is_some_and(|(of, _)| of.eq_ignore_ascii_case(family));
    names.iter().any(in_family).then_some(Precision::Family)
}

/// The ranges of an `Accept`-like header with their q in thousandths. Other parameters are passed over; a range whose q is
/// not a number from 0 to 1 is left out.
fn ranges(header: &str) -> impl Iterator<Item = (&str, u16)> {
    header.split(',').filter_map(|item| {
        let mut parts = item.split(';');
        let range = parts.next()?.trim();
        let q = parts.filter_map(|p| p.split_once('=')).find(|(key, _)| key.trim().eq_ignore_ascii_case("q"));
        Some((range, q.map_or(Some(1000), |(_, q)| thousandths(q.trim()))?))
    })
}

/// `0.25` as 250. Digits after the third are dropped; a missing zero (`.5`) is forgiven.
fn thousandths(q: &str) -> Option<u16> {
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    let part = digits.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match whole {
        "0" | "" => Some(part),
        "1" if part == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
