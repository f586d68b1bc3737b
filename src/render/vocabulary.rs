//! The elements, attributes and addresses that a description may have: the one list that both [`super::shape`], which writes them,
//! and [`super::wall`], which checks them, go by.

use crate::pypi::project_links::web_url;

/// What every id in a description begins with, so that none is one of the page's own.
pub(super) const ID_PREFIX: &str = "description-";

/// Where pictures are that this server fetches; what stands before it leads to the server's root.
pub(super) const IMAGE_PATH: &str = "_/image/";

/// What every link says of where it leads: nobody here vouches for it, and it learns nothing of this page.
pub(super) const REL: &str = "nofollow noopener noreferrer";

/// Elements by the name under which they come, and the name under which they go. The page has its own `h1` and `h2`.
pub(super) const ELEMENTS: &[(&str, &str)] = &[
    ("a", "a"),
    ("abbr", "abbr"),
    ("article", "div"),
    ("aside", "div"),
    ("b", "b"),
    ("bdi", "bdi"),
    ("bdo", "bdo"),
    ("blockquote", "blockquote"),
    ("br", "br"),
    ("caption", "caption"),
    ("center", "div"),
    ("cite", "cite"),
    ("code", "code"),
    ("dd", "dd"),
    ("del", "del"),
    ("details", "details"),
    ("dfn", "dfn"),
    ("div", "div"),
    ("dl", "dl"),
    ("dt", "dt"),
    ("em", "em"),
    ("figcaption", "figcaption"),
    ("figure", "figure"),
    ("footer", "div"),
    ("h1", "h3"),
    ("h2", "h4"),
    ("h3", "h5"),
    ("h4", "h6"),
    ("h5", "h6"),
    ("h6", "h6"),
    ("header", "div"),
    ("hr", "hr"),
    ("i", "i"),
    ("img", "img"),
    ("ins", "ins"),
    ("kbd", "kbd"),
    ("li", "li"),
    ("main", "div"),
    ("mark", "mark"),
    ("nav", "div"),
    ("ol", "ol"),
    ("p", "p"),
    ("pre", "pre"),
    ("q", "q"),
    ("rp", "rp"),
    ("rt", "rt"),
    ("ruby", "ruby"),
    ("s", "s"),
    ("samp", "samp"),
    ("section", "div"),
    ("small", "small"),
    ("span", "span"),
    ("strike", "s"),
    ("strong", "strong"),
    ("sub", "sub"),
    ("summary", "summary"),
    ("sup", "sup"),
    ("table", "table"),
    ("tbody", "tbody"),
    ("td", "td"),
    ("tfoot", "tfoot"),
    ("th", "th"),
    ("thead", "thead"),
    ("tr", "tr"),
    ("tt", "code"),
    ("u", "u"),
    ("ul", "ul"),
    ("var", "var"),
    ("wbr", "wbr"),
];

/// The name under which an element goes, if it may.
pub(super) fn element(name: &str) -> Option<&'static str> {
    ELEMENTS.binary_search_by_key(&name, |(from, _)| from).ok().map(|at| ELEMENTS[at].1)
}

/// Attributes that any element may have.
pub(super) const EVERYWHERE: &[&str] = &["class", "dir", "id", "lang", "title"];

/// Attributes that some elements may have, by the name under which the element goes.
pub(super) const ATTRIBUTES: &[(&str, &[&str])] = &[
    ("a", &["aria-label", "href"]),
    ("code", &[]),
    ("details", &["open"]),
    ("div", &["align"]),
    ("h3", &["align"]),
    ("h4", &["align"]),
    ("h5", &["align"]),
    ("h6", &["align"]),
    ("img", &["align", "alt", "height", "loading", "src", "width"]),
    ("li", &["value"]),
    ("ol", &["reversed", "start", "type"]),
    ("p", &["align"]),
    ("table", &["align"]),
    ("td", &["align", "colspan", "rowspan"]),
    ("th", &["align", "colspan", "rowspan", "scope"]),
];

/// Classes that the style sheet knows in descriptions. Others are dropped: they could dress up as parts of the page.
const CLASSES: &[&str] = &[
    "footnote-backref",
    "footnote-ref",
    "footnotes",
    "image",
    "markdown-alert",
    "markdown-alert-caution",
    "markdown-alert-important",
    "markdown-alert-note",
    "markdown-alert-tip",
    "markdown-alert-title",
    "markdown-alert-warning",
    "text",
];

/// Bytes of a title, an id or a label. They are for people.
const TEXT_BYTES_MAX: usize = 500;

/// The value of an attribute that may stand in `element`, as it may stand there; `None` if it may not.
pub(super) fn value(element: &str, attribute: &str, value: &str) -> Option<String> {
    let known = EVERYWHERE.contains(&attribute)
        || ATTRIBUTES.iter().any(|(name, attributes)| *name == element && attributes.contains(&attribute));
    if !known || value.len() > TEXT_BYTES_MAX && !matches!(attribute, "href" | "src" | "alt") {
        return None;
    }
    let one_of = |values: &[&str]| {
        let lower = value.to_ascii_lowercase();
        values.contains(&lower.as_str()).then_some(lower)
    };
    match attribute {
        "align" => one_of(&["left", "right", "center", "justify", "top", "middle", "bottom"]),
        "class" => classes(element, value),
        "colspan" | "rowspan" => number(value, 1..=1000),
        "dir" => one_of(&["ltr", "rtl", "auto"]),
        "height" | "width" => number(value.trim_end_matches("px"), 1..=10_000).or_else(|| percent(value)),
        "href" => link(value),
        "id" => (value.starts_with(ID_PREFIX) && !value.contains(char::is_whitespace)).then(|| value.to_owned()),
        "lang" => value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-').then(|| value.to_owned()),
        "loading" => one_of(&["lazy"]),
        "open" | "reversed" => Some(String::new()),
        "scope" => one_of(&["row", "col", "rowgroup", "colgroup"]),
        "src" => is_image(value).then(|| value.to_owned()),
        "start" | "value" => number(value, -1_000_000..=1_000_000),
        "type" => ["1", "a", "A", "i", "I"].contains(&value).then(|| value.to_owned()),
        _ => Some(value.to_owned()),
    }
}

fn classes(element: &str, value: &str) -> Option<String> {
    let is_language = |class: &str| {
        let name = class.strip_prefix("language-").filter(|name| !name.is_empty() && element == "code");
        name.is_some_and(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-_#.".contains(&b)))
    };
    let known: Vec<&str> = value.split_ascii_whitespace().filter(|class| CLASSES.contains(class) || is_language(class)).collect();
    (!known.is_empty()).then(|| known.join(" "))
}

fn number(value: &str, within: std::ops::RangeInclusive<i64>) -> Option<String> {
    value.trim().parse().ok().filter(|number| within.contains(number)).map(|number: i64| number.to_string())
}

fn percent(value: &str) -> Option<String> {
    number(value.trim().strip_suffix('%')?, 1..=100).map(|number| number + "%")
}

/// Where a link leads: to the web, to somebody's mail, or to a place in the same description. Relative links have lost what they
/// were relative to; here they would lead to pages of this server.
fn link(value: &str) -> Option<String> {
    match value.strip_prefix('#') {
        Some(place) => place.starts_with(ID_PREFIX).then(|| value.to_owned()),
        None => web_url(value.trim()),
    }
}

/// Whether a picture comes from this server's own place for pictures.
pub(super) fn is_image(value: &str) -> bool {
    let relative = value.trim_start_matches("../");
    let rooted = relative.strip_prefix('/').unwrap_or(relative);
    rooted.split_once(IMAGE_PATH).is_some_and(|(before, rest)| {
        let is_path = |c: char| c.is_ascii_alphanumeric() || "-_/.~%".contains(c);
        !before.starts_with('/')
            && (before.is_empty() || before.ends_with('/'))
            && before.chars().all(is_path)
            && !rest.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_searched() {
        assert!(ELEMENTS.is_sorted_by_key(|(name, _)| name));
        for (name, _) in ATTRIBUTES {
            assert!(ELEMENTS.iter().any(|(_, to)| to == name), "{name}");
        }
        assert_eq!((element("h1"), element("script"), element("H1")), (Some("h3"), None, None));
    }

    #[test]
    fn values_are_judged() {
        for (element, attribute, given, passes) in [
            ("a", "href", "https://a.example/", Some("https://a.example/")),
            ("a", "href", "#description-x", Some("#description-x")),
            ("a", "href", "#x", None),
            ("a", "href", "javascript:alert(1)", None),
            ("a", "href", "/+login", None),
            ("a", "href", "../x", None),
            ("a", "onclick", "alert(1)", None),
            ("a", "style", "position:fixed", None),
            ("a", "target", "_top", None),
            ("p", "href", "https://a.example/", None),
            ("p", "align", "CENTER", Some("center")),
            ("p", "id", "search", None),
            ("p", "id", "description-x", Some("description-x")),
            ("div", "class", "markdown-alert button", Some("markdown-alert")),
            ("code", "class", "language-c++", Some("language-c++")),
            ("div", "class", "language-python", None),
            ("td", "colspan", "3", Some("3")),
            ("td", "colspan", "99999", None),
            ("img", "width", "50%", Some("50%")),
            ("img", "width", "120px", Some("120")),
            ("img", "src", "https://a.example/x.png", None),
            ("img", "src", "/_/image/abc?url=x", Some("/_/image/abc?url=x")),
            ("img", "src", "../../_/image/abc?url=x", Some("../../_/image/abc?url=x")),
            ("img", "src", "/shop/_/image/abc?url=x", Some("/shop/_/image/abc?url=x")),
            ("img", "src", "//evil.example/_/image/abc", None),
            ("img", "src", "https://evil.example/_/image/abc", None),
            ("img", "src", "data:image/png,_/image/x", None),
            ("img", "src", "/evil_/image/x", None),
            ("ol", "start", "-3", Some("-3")),
            ("ol", "type", "i", Some("i")),
        ] {
            assert_eq!(value(element, attribute, given).as_deref(), passes, "{element} {attribute} {given}");
        }
    }
}
