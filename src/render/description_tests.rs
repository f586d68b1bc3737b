//! Descriptions of all kinds, and those whose authors mean ill. What comes out is read as a browser reads it.

use super::*;
use crate::limits::DESCRIPTION_HTML_BYTES_MAX;
use html5ever::tendril::TendrilSink;
use html5ever::{ParseOpts, QualName, local_name, ns, parse_fragment};
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use proptest::prelude::*;

const MARKDOWN: Option<&str> = Some("text/markdown; charset=UTF-8; variant=GFM");
const RST: Option<&str> = Some("text/x-rst");
const PLAIN: Option<&str> = Some("text/plain");

fn html(text: &str, content_type: Option<&str>) -> String {
    render(text, content_type, Images::Blocked).html
}

/// Every element with its attributes, as a browser would build them inside a page.
fn elements(html: &str) -> Vec<(String, Vec<(String, String)>)> {
    let context = QualName::new(None, ns!(html), local_name!("div"));
    let dom = parse_fragment(RcDom::default(), ParseOpts::default(), context, Vec::new(), false).one(html);
    let mut found = Vec::new();
    let mut left: Vec<Handle> = vec![dom.document.clone()];
    while let Some(node) = left.pop() {
        if let NodeData::Element { name, attrs, .. } = &node.data {
            let attributes = attrs.borrow().iter().map(|a| (a.name.local.to_string(), a.value.to_string())).collect();
            found.push((name.local.to_string(), attributes));
            assert_eq!(name.ns, ns!(html), "{html}");
        }
        left.extend(node.children.borrow().iter().cloned());
    }
    found
}

/// Fails if anything in a description could act, load, look like the page's own, or lead elsewhere than told.
fn assert_harmless(html: &str) {
    for (name, attributes) in elements(html) {
        let is_known = name == "html" || super::super::vocabulary::ELEMENTS.iter().any(|(_, known)| *known == name);
        assert!(is_known, "<{name}> in {html}");
        for (attribute, value) in attributes {
            assert!(!attribute.starts_with("on") && attribute != "style", "{attribute} in {html}");
            match attribute.as_str() {
                "href" => {
                    let fine = ["http://", "https://", "mailto:", "#description-"].iter().any(|start| value.starts_with(start));
                    assert!(fine, "{value} in {html}");
                }
                "src" => assert!(value.starts_with("/_/image/"), "{value} in {html}"),
                "id" => assert!(value.starts_with("description-"), "{value} in {html}"),
                "rel" => assert_eq!(value, "nofollow noopener noreferrer"),
                "alt" | "align" | "aria-label" | "class" | "colspan" | "dir" | "height" | "lang" | "loading" | "open"
                | "reversed" | "rowspan" | "scope" | "start" | "title" | "type" | "value" | "width" => {}
                other => panic!("{other} in {html}"),
            }
        }
    }
}

/// The same with pictures and without, in every markup.
fn assert_all_harmless(text: &str) {
    let place = |address: &str| format!("/_/image/sig?url={address}");
    for content_type in [MARKDOWN, RST, PLAIN, None] {
        assert_harmless(&render(text, content_type, Images::Blocked).html);
        assert_harmless(&render(text, content_type, Images::Proxied(&place)).html);
    }
}

#[test]
fn markdown_of_a_forge() {
    insta::assert_snapshot!(html(include_str!("readme.md"), MARKDOWN));
}

#[test]
fn the_type_decides_and_without_one_the_text() {
    for (content_type, markup) in [
        (MARKDOWN, Markup::Markdown),
        (Some("Text/Markdown"), Markup::Markdown),
        (Some("text/markdown; variant=CommonMark"), Markup::Markdown),
        (Some("text/x-rst; charset=UTF-8"), Markup::Rst),
        (Some("text/plain"), Markup::Plain),
        (Some("text/html"), Markup::Plain),
        (Some("nonsense"), Markup::Plain),
    ] {
        assert_eq!(Markup::of(content_type, "# a"), markup, "{content_type:?}");
    }
    for (text, markup) in [
        ("# Title\n\n[a](https://a.example)\n", Markup::Markdown),
        ("Title\n=====\n\n```\ncode\n```\n[b](c)", Markup::Markdown),
        ("Title\n=====\n\n`a <https://a.example>`_\n", Markup::Rst),
        ("Some words.", Markup::Rst),
        ("", Markup::Rst),
    ] {
        assert_eq!((Markup::of(None, text), Markup::of(Some(" "), text)), (markup, markup), "{text}");
    }
}

#[test]
fn plain_text_is_plain() {
    let text = "# a <b>\n  *c* https://a.example/.\n";
    let link = "<a href=\"https://a.example/\" rel=\"nofollow noopener noreferrer\">https://a.example/</a>";
    // The parser drops the line end that follows `<pre>`.
    assert_eq!(html(text, PLAIN), format!("<pre class=\"text\"># a &lt;b&gt;\n  *c* {link}.\n</pre>"));
}

/// Ways in which people have tried, in Markdown, in HTML and in reStructuredText.
const ATTACKS: &[&str] = &[
    "<script>alert(1)</script>",
    "<SCRIPT SRC=https://evil.example/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<img src=\"javascript:alert(1)\">",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate xlink:href=#x attributeName=href values=javascript:alert(1) /><a id=x><text>y</text></a></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
    "<math href=\"javascript:alert(1)\">CLICK</math>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<style>@import 'https://evil.example/';</style>",
    "<p style=\"position:fixed;top:0\">over all</p>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\" &#1; javascript:alert(1)\">x</a>",
    "<a href=\"java&#x0A;script:alert(1)\">x</a>",
    "<a href=\"&#106;avascript:alert(1)\">x</a>",
    "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
    "<a href=\"//evil.example\">x</a> <a href=\"/_/logout\">y</a> <a href=\"?x\">z</a>",
    "<a href=\"https://shop.example@evil.example/\">x</a>",
    "<iframe src=\"javascript:alert(1)\"></iframe>",
    "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
    "<object data=\"javascript:alert(1)\"></object><embed src=\"javascript:alert(1)\">",
    "<base href=\"https://evil.example/\"><meta http-equiv=refresh content=\"0;url=https://evil.example\">",
    "<link rel=stylesheet href=\"https://evil.example/x.css\">",
    "<form action=\"/_/users\" method=post><input name=x><button formaction=javascript:alert(1)>x</button></form>",
    "<details open ontoggle=alert(1)>x</details>",
    "<div id=search class=\"button header\" name=q tabindex=1 autofocus onfocus=alert(1)>x</div>",
    "<table background=\"javascript:alert(1)\"><td background=x>",
    "<video><source onerror=\"alert(1)\"></video><audio src=x onerror=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<xmp><script>alert(1)</script></xmp><plaintext>",
    "<textarea><img src=x onerror=alert(1)></textarea><title><img src=x onerror=alert(1)></title>",
    "</div></div></main><h1>Mine</h1><script>alert(1)</script>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<a<script>alert(1)</script>>",
    "<<script>script>alert(1)<</script>/script>",
    "[x](javascript:alert(1))",
    "[x](JAVASCRIPT:alert(1)) [y](vbscript:x) [z](data:text/html,x) [w](file:///etc/passwd)",
    "[x](<javascript:alert(1)>)",
    "![x](javascript:alert(1)) ![y](data:image/svg+xml,x) ![z](https://evil.example/track.png)",
    "![x\" onerror=\"alert(1)](https://a.example/x.png \"t\" )",
    "<javascript:alert(1)> <https://a.example/\"onclick=alert(1)>",
    "[x]: javascript:alert(1)\n[x]",
    "```html\" onclick=\"alert(1)\n<script>alert(1)</script>\n```",
    "# <img src=x onerror=alert(1)>",
    "| <script> |\n|---|\n| <img src=x onerror=alert(1)> |",
    "a[^1]\n\n[^1]: <script>alert(1)</script>",
    "[^\"onclick=alert(1)]\n\n[^\"onclick=alert(1)]: x",
    "`x <javascript:alert(1)>`_",
    "x_\n\n.. _x: javascript:alert(1)",
    ".. image:: javascript:alert(1)\n   :target: javascript:alert(1)\n   :alt: \" onerror=\"alert(1)",
    ".. code:: \" onclick=\"alert(1)\n\n   x",
    ".. raw:: html\n\n   <script>alert(1)</script>",
    ".. |x| image:: https://a.example/\"onerror=\"alert(1)\n\n|x|",
    "\u{0}<scr\u{0}ipt>alert(1)</scr\u{0}ipt>",
    "\u{202e}<b>txet\u{2066}",
];

#[test]
fn nothing_acts() {
    for attack in ATTACKS {
        assert_all_harmless(attack);
    }
}

#[test]
fn text_around_an_attack_is_shown() {
    for attack in ["<script>alert(1)</script>", "<p onclick=x>", "<svg></svg>", "<a href=javascript:x>y</a>"] {
        let shown = html(&format!("before\n\n{attack}\n\nafter"), MARKDOWN);
        assert!(shown.contains("before") && shown.contains("after"), "{shown}");
    }
}

/// What takes parsers of Markdown or HTML long, or deep, or makes much of little.
fn nasty() -> Vec<String> {
    // A sixteenth of what is taken: what grows with the square of it still stands out, and a debug build is slow enough.
    let long = DESCRIPTION_BYTES_MAX / 16;
    let pieces = [
        ">",
        "> ",
        "[",
        "![",
        "]",
        "*",
        "_a ",
        "**a _b ",
        "<div>",
        "</div>",
        "<b>",
        "<p><b>",
        "<a ",
        "<!--",
        "`",
        "~~a ",
        "- ",
        "1. ",
        "[a](",
        "[a][",
        "www.a",
        "http://a",
        "<http://a",
        "a@a.a ",
        "&",
        "\u{b0}",
        "\\",
        "- > ",
        "> - ",
        "[*",
        "[^a]: ",
        "|a\n",
        "a|b\n-|-\n\n",
        "<table>",
        "<table><tr><td>",
        "<table><b>",
        "<li>",
        "<svg>",
        "<style>",
        "<title>",
        "``a ",
        "*a ",
        "|a ",
        "[a ",
        "`a ",
        "`a`_ ",
        "a_ ",
        ":a:`",
        ".. a\n",
        ".. |a| image:: b\n",
        "== ==\na\n\n",
        "+--+\n",
        "a\n  b\n",
        ":a: b\n",
        "-a\n",
        "::\n\n ",
        "a\n=\n",
        "http://a://",
        "\t",
        "\n",
        "\0",
        "é",
        "<p x=y ",
        "<x/",
    ];
    let mut all: Vec<String> = pieces.iter().map(|piece| piece.repeat(long / piece.len())).collect();
    let half = long / 2;
    all.push(format!("{}a\n{}", ">".repeat(half), "a\n".repeat(half / 2)));
    all.push((0..1000).map(|depth| format!("{}- a\n", " ".repeat(depth))).collect());
    all.push(format!("[a]: http://a.example/{}\n\n{}", "b".repeat(half), "[a] ".repeat(half / 4)));
    all.push(format!(".. _a: http://a.example/{}\n\n{}", "b".repeat(half), "a_ ".repeat(half / 3)));
    all.push(format!("[^a]: b\n\n{}", "[^a]".repeat(long / 4)));
    all.push(format!("|{}\n|{}\n{}", "a|".repeat(5000), "-|".repeat(5000), "|\n".repeat(half / 2)));
    // Elements that a parser opens again and again, each time in another one.
    let distinct: String = (0..2000).map(|n| format!("<font id={n}><b class=c{n}>")).collect();
    all.push(format!("<p>{distinct}{}", "<p>a".repeat(half / 4)));
    all.push(format!("<table>{distinct}{}", "<tr><td>a</td></tr>x".repeat(half / 20)));
    let attributes: String = (0..long / 6).map(|n| format!("a{n} ")).collect();
    all.push(format!("<p {attributes}>"));
    all
}

#[test]
fn nothing_takes_long_or_much() {
    for text in nasty() {
        for content_type in [MARKDOWN, RST, PLAIN] {
            let description = render(&text, content_type, Images::Blocked);
            let start: String = text.chars().take(20).collect();
            // The last piece, and what closes what is open then.
            assert!(description.html.len() < DESCRIPTION_HTML_BYTES_MAX + 100_000, "{start:?} {}", description.html.len());
        }
    }
}

#[test]
fn long_descriptions_are_cut_at_a_line() {
    let line = "All work and no play.\n\n";
    let text = line.repeat(DESCRIPTION_BYTES_MAX / line.len() + 1);
    for content_type in [MARKDOWN, RST, PLAIN] {
        let description = render(&text, content_type, Images::Blocked);
        assert!(description.cut && description.html.matches("play.").count() * line.len() > DESCRIPTION_BYTES_MAX - 100);
        assert!(!render(line, content_type, Images::Blocked).cut);
    }
    let one_line = render(&"é".repeat(DESCRIPTION_BYTES_MAX), PLAIN, Images::Blocked);
    assert!(one_line.cut && !one_line.html.contains('\u{fffd}'));
}

proptest! {
    #[test]
    fn no_text_gets_through(
        text in "([<>/\"'=&;#`*_\\[\\]()!:.| -]|a|b|p|li|td|tr|table|svg|math|style|script|img|src|href|javascript:|on|x|\n){0,60}",
        first in 0..ATTACKS.len(),
        second in 0..ATTACKS.len(),
    ) {
        assert_all_harmless(&text);
        assert_all_harmless(&format!("{}{text}{}", ATTACKS[first], ATTACKS[second]));
    }

    /// Whatever is in shape stays as it is: a browser builds the tree that was written.
    #[test]
    fn what_is_in_shape_is_stable(parts in proptest::collection::vec("</?(p|b|i|a|div|ul|li|dl|dt|dd|table|tr|td|th|tbody|caption|h1|h2|pre|code|details|summary|span)>|x| ", 0..40)) {
        let once = shape::shape(&parts.concat(), Images::Blocked).html;
        let elements_written = once.matches('<').count() - once.matches("</").count();
        let built = elements(&once).iter().filter(|(name, _)| name != "html").count();
        // Rows that stand in a table directly get a body around them.
        let bodies = elements(&once).iter().filter(|(name, _)| name == "tbody").count();
        prop_assert!(built >= elements_written && built <= elements_written + bodies, "{} {} {}", once, built, elements_written);
    }
}
