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
fn what_is_usual_is_answered_as_the_rules_say() {
    for accept in USUAL_FORMS {
        assert_eq!(form_by_accept(accept), Form::Json, "{accept}");
    }
    for (header, encoding) in USUAL_ENCODINGS {
        assert_eq!(encoding_by_rules(header), encoding, "{header}");
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
