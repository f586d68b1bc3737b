//! The last step before a page: only what is on the list of [`super::vocabulary`] gets through, judged by a sanitizer that reads
//! HTML as browsers do. It does not rely on what came before it, except for its speed.

use super::vocabulary::{ATTRIBUTES, ELEMENTS, EVERYWHERE, REL, value};
use ammonia::{Builder, UrlRelative};
use std::borrow::Cow;
use std::sync::LazyLock;

static WALL: LazyLock<Builder<'static>> = LazyLock::new(build);

fn build() -> Builder<'static> {
    let mut wall = Builder::empty();
    wall.tags(ELEMENTS.iter().map(|(_, name)| *name).collect())
        .clean_content_tags(["script", "style"].into())
        .generic_attributes(EVERYWHERE.iter().copied().collect())
        .tag_attributes(ATTRIBUTES.iter().map(|(name, attributes)| (*name, attributes.iter().copied().collect())).collect())
        .url_schemes(["http", "https", "mailto"].into())
        // Judged below with the rest: the places of the description itself and of this server's pictures are relative.
        .url_relative(UrlRelative::PassThrough)
        .attribute_filter(judge)
        .link_rel(Some(REL))
        .strip_comments(true);
    wall
}

fn judge<'v>(element: &str, attribute: &str, given: &'v str) -> Option<Cow<'v, str>> {
    match attribute {
        // The sanitizer's own: nobody else's gets here.
        "rel" => Some(Cow::Borrowed(given)),
        _ => value(element, attribute, given).map(Cow::Owned),
    }
}

/// What may stand in a page of this HTML.
pub(super) fn pass(html: &str) -> String {
    WALL.clean(html).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without anything before it.
    #[test]
    fn it_stands_alone() {
        for (html, passes) in [
            ("<script>alert(1)</script>a", "a"),
            ("<style>a{}</style>a", "a"),
            ("<p onclick=x style=y>a", "<p>a</p>"),
            ("<a href=\"jav&#x09;ascript:alert(1)\">a</a>", "<a rel=\"nofollow noopener noreferrer\">a</a>"),
            ("<a rel=opener href=/+login>a</a>", "<a rel=\"nofollow noopener noreferrer\">a</a>"),
            ("<img src=https://evil.example/x.png alt=a>", "<img alt=\"a\">"),
            ("<svg><a xlink:href=javascript:x><script>1</script>t</a></svg>", ""),
            ("<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>", ""),
            ("<form action=/x><input name=a><button>b</button></form>", "b"),
            ("<!-- a --><p id=search class=button>b</p>", "<p>b</p>"),
            ("<iframe src=https://evil.example></iframe><object data=x></object><embed src=x>", ""),
            ("<h1>a</h1>", "a"),
        ] {
            assert_eq!(pass(html), passes, "{html}");
        }
    }
}
