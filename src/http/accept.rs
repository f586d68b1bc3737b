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
        None => Ok(accept.map_or(Form::TextHtml, form_by_accept)),
    }
}

/// Whether a client of the devpi REST API is given JSON rather than a page for people: it asks for `application/json` at least
/// as much as for `text/html`. `*/*` and no `Accept` at all mean JSON; what a browser sends means HTML.
pub fn wants_json(accept: Option<&str>) -> bool {
    let Some(accept) = accept else { return true };
    let (json, html) = (weight(accept, &[JSON]), weight(accept, &TEXT_HTML_NAMES));
    json.q > 0 && (json.q > html.q || (json.q == html.q && (json.is_named() || !html.is_named())))
}

/// Whether `application/json` is asked for by name: at addresses that serve something else unless JSON is named.
pub fn names_json(accept: Option<&str>) -> bool {
    accept.map(|accept| weight(accept, &[JSON])).is_some_and(|json| json.is_named() && json.q > 0)
}

/// Whether one of the forms that only simple pages have is asked for by name (PEP 691).
pub fn names_simple(accept: Option<&str>) -> bool {
    let named = |accept: &str, names: &[&str]| {
        let found = weight(accept, names);
        found.is_named() && found.q > 0
    };
    accept.is_some_and(|accept| named(accept, &JSON_NAMES) || named(accept, &HTML_NAMES))
}

/// Chooses the encoding of a page from `Accept-Encoding` (RFC 9110 section 12.5.3).
///
/// zstd only if it is named, because pip cannot read it; `*` allows gzip. On equal q: zstd, gzip, identity.
/// Identity is given even to those who refuse it: a page is better than none.
pub fn encoding(accept_encoding: Option<&str>) -> Encoding {
    let Some(header) = accept_encoding else { return Encoding::Identity };
    let (zstd, gzip, identity) = (weight(header, &["zstd"]), weight(header, &["gzip", "x-gzip"]), weight(header, &["identity"]));
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
    let (json, html, text) = (weight(accept, &JSON_NAMES), weight(accept, &HTML_NAMES), weight(accept, &TEXT_HTML_NAMES));
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
}

/// What `header` says of the thing that goes by any of `names`. Of equally exact ranges the highest q counts, so that the
/// order of a header never matters.
fn weight(header: &str, names: &[&str]) -> Weight {
    let mut best = Weight::NONE;
    for (range, q) in ranges(header) {
        if let Some(precision) = precision(range, names) {
            best = best.max(Weight { precision, q });
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PIP: &str = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01";
    const UV: &str = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";
    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    const JAVA: &str = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2";

    fn form(accept: &str) -> Form {
        negotiate(Some(accept), None).unwrap()
    }

    #[test]
    fn clients_that_read_json_get_json() {
        for accept in [
            PIP,
            UV,
            SIMPLE_JSON,
            "application/vnd.pypi.simple.latest+json",
            "application/vnd.pypi.simple.v1+json, */*;q=0.1",
            "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html",
            "text/html, application/vnd.pypi.simple.v1+json",
            "*/*, application/vnd.pypi.simple.v1+json",
            "APPLICATION/VND.PYPI.SIMPLE.V1+JSON;Q=1.000",
            "text/html;q=0, application/vnd.pypi.simple.v1+html;q=0, */*;q=0.5",
        ] {
            assert_eq!(form(accept), Form::Json, "{accept}");
        }
    }

    #[test]
    fn everybody_else_gets_html() {
        assert_eq!(negotiate(None, None), Ok(Form::TextHtml));
        for accept in [
            "",
            "*/*",
            "*",
            "text/*",
            "text/html",
            "application/json",
            BROWSER,
            JAVA,
            "garbage",
            ";;;,,,=q",
            "application/vnd.pypi.simple.v2+json",
            "application/vnd.pypi.simple.v1+json;q=0.5, */*",
            "application/vnd.pypi.simple.v1+json;q=0.1, text/html;q=0.2",
            "application/vnd.pypi.simple.v1+json;q=0",
            "application/vnd.pypi.simple.v1+json;q=0, */*",
            "application/vnd.pypi.simple.v1+json;q=much",
            "application/vnd.pypi.simple.v1+html, text/html",
        ] {
            assert_eq!(form(accept), Form::TextHtml, "{accept}");
        }
        for accept in [
            SIMPLE_HTML,
            "application/vnd.pypi.simple.latest+html",
            "application/*",
            "application/vnd.pypi.simple.v1+html, text/html;q=0.9",
            "text/html;q=0, */*",
        ] {
            assert_eq!(form(accept), Form::Html, "{accept}");
        }
    }

    #[test]
    fn refusing_everything_still_gets_a_page() {
        for accept in ["*/*;q=0", "text/html;q=0", "image/png", "text/html;q=0, application/*;q=0"] {
            assert_eq!(form(accept), Form::TextHtml, "{accept}");
        }
    }

    #[test]
    fn the_query_wins_over_the_header() {
        assert_eq!(negotiate(Some(PIP), Some("text/html")), Ok(Form::TextHtml));
        assert_eq!(negotiate(Some("text/html"), Some(SIMPLE_JSON)), Ok(Form::Json));
        assert_eq!(negotiate(None, Some("application/vnd.pypi.simple.latest+json")), Ok(Form::Json));
        assert_eq!(negotiate(None, Some("application/vnd.pypi.simple.v1 html")), Ok(Form::Html));
        for unknown in ["", "json", "*/*", "application/json", "application/vnd.pypi.simple.v2+json", "text/html;q=1"] {
            assert_eq!(negotiate(Some(PIP), Some(unknown)), Err(NotAcceptable), "{unknown}");
        }
    }

    #[test]
    fn content_types_are_what_clients_compare_with() {
        assert_eq!(Form::Json.content_type(), "application/vnd.pypi.simple.v1+json");
        assert_eq!(Form::Html.content_type(), "application/vnd.pypi.simple.v1+html");
        assert_eq!(Form::TextHtml.content_type(), "text/html; charset=utf-8");
    }

    #[test]
    fn rest_clients_get_json_and_browsers_do_not() {
        for accept in [None, Some("*/*"), Some("application/json"), Some("application/*"), Some("text/html, application/json")] {
            assert!(wants_json(accept), "{accept:?}");
        }
        for accept in ["text/html", BROWSER, "text/html, */*", "application/json;q=0", "application/json;q=0.5, text/html", ""] {
            assert!(!wants_json(Some(accept)), "{accept:?}");
        }
    }

    #[test]
    fn json_counts_as_named_only_by_its_name() {
        assert!(names_json(Some("application/json")) && names_json(Some("text/html;q=0.9, Application/JSON;q=0.1")));
        for accept in [None, Some("*/*"), Some("application/*"), Some("application/json;q=0"), Some(PIP)] {
            assert!(!names_json(accept), "{accept:?}");
        }
    }

    #[test]
    fn encodings_of_real_clients() {
        for (header, wanted) in [
            ("gzip, deflate", Encoding::Gzip),
            ("gzip, deflate, zstd", Encoding::Zstd),
            ("zstd, gzip, deflate", Encoding::Zstd),
            ("gzip, deflate, br, zstd", Encoding::Zstd),
            ("Identity", Encoding::Identity),
            ("", Encoding::Identity),
            ("br", Encoding::Identity),
            ("*", Encoding::Gzip),
            ("x-gzip", Encoding::Gzip),
            ("GZIP;q=0.5", Encoding::Gzip),
            ("gzip;q=0", Encoding::Identity),
            ("gzip;q=0, *", Encoding::Identity),
            ("*;q=0", Encoding::Identity),
            ("zstd;q=0, *", Encoding::Gzip),
            ("zstd;q=0.5, gzip;q=0.9", Encoding::Gzip),
            ("zstd;q=0.5, *;q=0.9", Encoding::Gzip),
            ("identity, gzip;q=0.5", Encoding::Identity),
            ("identity, gzip", Encoding::Gzip),
            ("identity;q=0.5, *;q=0", Encoding::Identity),
            ("identity;q=0", Encoding::Identity),
        ] {
            assert_eq!(encoding(Some(header)), wanted, "{header}");
        }
        assert_eq!(encoding(None), Encoding::Identity);
    }

    #[test]
    fn q_is_a_number_from_0_to_1() {
        for (text, value) in [("0", 0), ("1", 1000), ("0.5", 500), (".25", 250), ("1.", 1000), ("0.1239", 123), ("0.", 0)] {
            assert_eq!(thousandths(text), Some(value), "{text}");
        }
        for text in ["", ".", "2", "1.001", "-1", "0,5", "0.5.5", "+1", "１", "0.٣", "01"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }

    /// One range of a header and the disguises that must not change its meaning.
    type Item = (&'static str, u16, &'static str, bool);

    fn item() -> impl Strategy<Value = Item> {
        let range = prop::sample::select(vec![
            SIMPLE_JSON,
            "application/vnd.pypi.simple.latest+json",
            SIMPLE_HTML,
            "text/html",
            "text/*",
            "application/*",
            "application/json",
            "*/*",
            "image/png",
            "gzip",
            "zstd",
            "identity",
            "*",
        ]);
        (range, 0u16..=1000, prop::sample::select(vec!["", " ", "\t ", "   "]), any::<bool>())
    }

    fn plain(items: &[Item]) -> String {
        items.iter().map(|(range, q, ..)| format!("{range};q={}.{:03}", q / 1000, q % 1000)).collect::<Vec<_>>().join(",")
    }

    fn disguised(items: &[Item]) -> String {
        let dress = |(range, q, space, upper): &Item| {
            let text = format!("{space}{range}{space};{space}q={}.{:03}{space}", q / 1000, q % 1000);
            if *upper { text.to_uppercase() } else { text }
        };
        items.iter().rev().map(dress).collect::<Vec<_>>().join(",")
    }

    proptest! {
        #[test]
        fn any_header_is_judged_without_panic(accept in ".*", format in ".*") {
            let _ = negotiate(Some(&accept), Some(&format));
            prop_assert!(negotiate(Some(&accept), None).is_ok());
            let _ = (wants_json(Some(&accept)), names_json(Some(&accept)), encoding(Some(&accept)));
        }

        #[test]
        fn spaces_order_and_case_mean_nothing(items in prop::collection::vec(item(), 0..6)) {
            let (plain, disguised) = (plain(&items), disguised(&items));
            prop_assert_eq!(form(&plain), form(&disguised), "{} / {}", plain, disguised);
            prop_assert_eq!(encoding(Some(&plain)), encoding(Some(&disguised)), "{} / {}", plain, disguised);
            prop_assert_eq!(wants_json(Some(&plain)), wants_json(Some(&disguised)), "{} / {}", plain, disguised);
        }

        #[test]
        fn what_was_refused_by_name_is_not_served_while_another_form_is_welcome(items in prop::collection::vec(item(), 0..6)) {
            let header = format!("{}, {SIMPLE_JSON};q=0, text/html", plain(&items));
            let json_is_named = items.iter().any(|(range, q, ..)| JSON_NAMES.contains(range) && *q > 0);
            prop_assert!(json_is_named || form(&header) != Form::Json, "{}", header);
        }
    }
}
