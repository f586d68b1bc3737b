//! reStructuredText as descriptions write it, and as nobody should.

use super::*;
use proptest::prelude::*;

fn html(text: &str) -> String {
    to_html(text).0
}

#[test]
fn a_readme() {
    insta::assert_snapshot!(html(include_str!("readme.rst")));
}

#[test]
fn marks_in_text() {
    for (text, wanted) in [
        ("*a* **b** ``c *d*``", "<em>a</em> <strong>b</strong> <code>c *d*</code>"),
        ("2 * 3 * 4 and a*b*c", "2 * 3 * 4 and a*b*c"),
        ("(*a*), \"*\" '*'", "(<em>a</em>), &quot;*&quot; &#39;*&#39;"),
        ("*open", "*open"),
        ("\\*a\\* b\\ c", "*a* bc"),
        ("`a b <https://a.example/>`_ `a b`_", "<a href=\"https://a.example/\">a b</a> <a href=\"https://a.example/\">a b</a>"),
        ("`a <https://a.example/b_>`__", "<a href=\"https://a.example/b_\">a</a>"),
        ("https://a.example/b_ c", "<a href=\"https://a.example/b\">https://a.example/b</a>_ c"),
        (":func:`~a.b` `c`:sub: `d` :ref:`e <f>`", "<code>a.b</code> <sub>c</sub> <cite>d</cite> <code>e</code>"),
        ("unknown_ foo_bar_baz __init__ `no`_", "unknown_ foo_bar_baz __init__ no"),
        (
            "[1]_ [#]_ [x y]_",
            "<sup class=\"footnote-ref\"><a href=\"#note-1\">1</a></sup> <sup class=\"footnote-ref\"><a href=\"#note-1\">1</a></sup> [x y]_",
        ),
        ("|no| a|b", "|no| a|b"),
        ("<script>&\"'", "&lt;script&gt;&amp;&quot;&#39;"),
    ] {
        assert_eq!(html(text), format!("<p>{wanted}</p>\n"), "{text}");
    }
}

#[test]
fn names_lead_somewhere() {
    let text = "Foo_ and `bar baz`_ and anon__ and here_ and loop_ and |pic| and |word|.\n\n.. _foo: https://foo.example/\n\
        .. _`Bar Baz`:\n   https://bar.example/\n.. __: https://anon.example/\n.. _here:\n.. _loop: loop_\n\
        .. |pic| image:: https://img.example/a.png\n   :alt: A\n   :target: foo_\n.. |word| replace:: *w*\n";
    let wanted = "<p><a href=\"https://foo.example/\">Foo</a> and <a href=\"https://bar.example/\">bar baz</a> and \
        <a href=\"https://anon.example/\">anon</a> and <a href=\"#here\">here</a> and loop_ and \
        <a href=\"https://foo.example/\"><img src=\"https://img.example/a.png\" alt=\"A\"></a> and <em>w</em>.</p>\n";
    assert!(html(text).starts_with(wanted), "{}", html(text));
}

#[test]
fn what_would_come_from_elsewhere_does_not() {
    for text in [
        ".. raw:: html\n\n   <script>alert(1)</script>\n",
        ".. include:: /etc/passwd\n",
        ".. literalinclude:: /etc/passwd\n",
        ".. csv-table::\n   :file: /etc/passwd\n",
        ".. comment\n   alert\n",
    ] {
        let html = html(text);
        assert!(!html.contains("alert") && !html.contains("passwd"), "{text}: {html}");
    }
}

#[test]
fn tables_with_spans_stay_as_they_are_drawn() {
    let spanned = "+---+---+\n| a | b |\n+---+---+\n| c     |\n+---+---+\n";
    assert_eq!(html(spanned), format!("<pre><code>{spanned}</code></pre>\n"));
    let simple = "== ==\na  b\n-----\nc  d\n== ==\n";
    assert_eq!(html(simple), format!("<pre><code>{simple}</code></pre>\n"));
    assert_eq!(html("== ==\na  b\n\nno end\n"), "<p>== ==\na  b</p>\n<p>no end</p>\n");
}

#[test]
fn what_is_nested_too_deep_is_text() {
    let deep: String = (0..200).map(|depth| format!("{}- a\n\n", "  ".repeat(depth))).collect();
    let html = html(&deep);
    assert!(html.matches("<ul>").count() <= DESCRIPTION_QUOTES_MAX + 2 && html.contains("<pre>"), "{html}");
}

proptest! {
    #[test]
    fn any_text_is_rendered_without_panic(text in "([-*+#`|_\\\\:.=~<>\\[\\]()a-c1é\t ]{0,12}\n?){0,20}", other in ".{0,60}") {
        to_html(&text);
        to_html(&other);
        to_html(&format!(".. {text}\n   {other}\n\n{text}::\n\n  {other}"));
    }
}
