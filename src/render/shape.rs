//! Brings HTML that strangers wrote into a shape that fits into a page: elements and attributes of [`super::vocabulary`] only, each
//! closed where it must be, headings below the page's own, ids apart from the page's, pictures as the operator wants them.
//!
//! It works on the tokens of an HTML tokenizer, in time that is linear in the input, and what it writes is nested so that a browser
//! builds exactly the same tree. That matters to more than beauty: where HTML is badly nested, its rules make parsers repeat
//! elements, so that a few kilobytes become millions of elements, in [`super::wall`] as in a browser.

use super::escape;
use super::vocabulary::{ID_PREFIX, REL, element, value};
use crate::limits::{DESCRIPTION_DEPTH_MAX, DESCRIPTION_HTML_BYTES_MAX, DESCRIPTION_RUN_ESCAPES_MAX, DESCRIPTION_TAG_BYTES_MAX};
use crate::pypi::project_links::web_url;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// What becomes of pictures in descriptions.
#[derive(Clone, Copy)]
pub enum Images<'a> {
    /// Each becomes a link with the text that stands for it.
    Blocked,
    /// Each comes from the address here that this function gives for its own: below `_/image/`, relative or without a host.
    Proxied(&'a dyn Fn(&str) -> String),
}

impl std::fmt::Debug for Images<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Blocked) { "Blocked" } else { "Proxied" })
    }
}

/// HTML in shape.
pub(super) struct Shaped {
    pub(super) html: String,
    /// Whether something is missing at the end.
    pub(super) cut: bool,
}

/// Brings `html` into shape.
pub(super) fn shape(html: &str, images: Images<'_>) -> Shaped {
    let mut sink = Sink { shaper: RefCell::new(Shaper::new(images)), tokens: RefCell::new(0) };
    let mut rest = html;
    while !rest.is_empty() {
        let after;
        (sink, after) = feed(sink, rest);
        rest = after;
    }
    sink.shaper.into_inner().finish()
}

/// Feeds the tokenizer, in pieces, until the text ends or a tag is too long: its attributes are each compared with all before them.
/// Such a tag is left out, and what comes after it is given back.
fn feed<'t, 's>(sink: Sink<'s>, text: &'t str) -> (Sink<'s>, &'t str) {
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(DESCRIPTION_TAG_BYTES_MAX));
        let before = *tokenizer.sink.tokens.borrow();
        input.push_back(StrTendril::from(piece));
        // One call takes all of it: the tokenizer pauses only when its sink asks, and this one never does.
        let _ = tokenizer.feed(&input);
        rest = after;
        // A whole piece without a token lies inside one tag or comment.
        if piece.len() + 4 > DESCRIPTION_TAG_BYTES_MAX && *tokenizer.sink.tokens.borrow() == before {
            let seen = &text[..text.len() - rest.len()];
            let is_comment = seen.rfind("<!--").is_some_and(|start| !seen[start..].contains("-->"));
            let end = if is_comment { "-->" } else { ">" };
            return (tokenizer.sink, rest.split_once(end).map_or("", |(_, after)| after));
        }
    }
    tokenizer.end();
    (tokenizer.sink, "")
}

struct Sink<'s> {
    shaper: RefCell<Shaper<'s>>,
    tokens: RefCell<u64>,
}

impl TokenSink for Sink<'_> {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        *self.tokens.borrow_mut() += 1;
        let mut shaper = self.shaper.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => return shaper.start(&tag),
            Token::TagToken(tag) => shaper.end(&tag.name),
            Token::CharacterTokens(text) => shaper.text(&text),
            Token::NullCharacterToken => shaper.text("\u{fffd}"),
            Token::DoctypeToken(_) | Token::CommentToken(_) | Token::EOFToken | Token::ParseError(_) => {}
        }
        TokenSinkResult::Continue
    }
}

struct Shaper<'s> {
    images: Images<'s>,
    out: String,
    /// The open elements, the outermost first. At most [`DESCRIPTION_DEPTH_MAX`], so that looking through them costs nothing.
    open: Vec<&'static str>,
    /// How many start tags of a name were left out, whose end tags are therefore left out too.
    left_out: HashMap<&'static str, usize>,
    /// The element that is left out with all that is in it, and how many of its kind are open.
    hidden: Option<(String, usize)>,
    ids: HashSet<String>,
    /// Characters since the last tag that the wall's writer stops at.
    stops: usize,
    /// Links so far: the wall adds to each.
    links: usize,
    is_full: bool,
}

/// Elements that are left out with all that is in them: programs, styles, other documents, and what stands for those. With how
/// their content is to be read; a tokenizer without a tree does not know that by itself.
const HIDDEN: &[(&str, Option<RawKind>)] = &[
    ("audio", None),
    ("canvas", None),
    ("datalist", None),
    ("iframe", Some(RawKind::Rawtext)),
    ("math", None),
    ("noembed", Some(RawKind::Rawtext)),
    ("noframes", Some(RawKind::Rawtext)),
    ("noscript", None),
    ("object", None),
    ("script", Some(RawKind::ScriptData)),
    ("select", None),
    ("style", Some(RawKind::Rawtext)),
    ("svg", None),
    ("template", None),
    ("textarea", Some(RawKind::Rcdata)),
    ("title", Some(RawKind::Rcdata)),
    ("video", None),
    ("xmp", Some(RawKind::Rawtext)),
];

/// Elements before which an open paragraph ends.
const BLOCKS: &[&str] = &[
    "blockquote",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "summary",
    "table",
    "ul",
];
const HEADINGS: &[&str] = &["h3", "h4", "h5", "h6"];
const SECTIONS: &[&str] = &["tbody", "tfoot", "thead"];
const CELLS: &[&str] = &["caption", "td", "th"];
const VOID: &[&str] = &["br", "hr", "img", "wbr"];

/// Which open elements end before an element, and the elements beyond which nobody looks for them.
fn ends_before(name: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match name {
        "a" => (&["a"], CELLS),
        "li" => (&["li"], &["ul", "ol", "caption", "td", "th"]),
        "dt" | "dd" => (&["dt", "dd"], &["dl", "caption", "td", "th"]),
        "td" | "th" => (CELLS, &["table"]),
        "tr" => (&["caption", "tr"], &["table"]),
        "tbody" | "tfoot" | "thead" | "caption" => (&["caption", "tbody", "tfoot", "thead", "tr"], &["table"]),
        name if HEADINGS.contains(&name) => (HEADINGS, CELLS),
        "rt" | "rp" => (&["rt", "rp"], &["ruby"]),
        _ => (&[], &[]),
    }
}

/// Whether `child` may stand directly in `parent`. Only tables are particular: what stands beside their cells is put before them.
fn fits(parent: Option<&str>, child: &str) -> bool {
    match child {
        "caption" | "tbody" | "tfoot" | "thead" => parent == Some("table"),
        "tr" => parent.is_some_and(|parent| parent == "table" || SECTIONS.contains(&parent)),
        "td" | "th" => parent == Some("tr"),
        _ => !is_between_cells(parent),
    }
}

/// Whether only parts of a table may stand here.
fn is_between_cells(parent: Option<&str>) -> bool {
    parent.is_some_and(|parent| matches!(parent, "table" | "tr") || SECTIONS.contains(&parent))
}

impl<'s> Shaper<'s> {
    fn new(images: Images<'s>) -> Self {
        Self {
            images,
            out: String::new(),
            open: Vec::new(),
            left_out: HashMap::new(),
            hidden: None,
            ids: HashSet::new(),
            stops: 0,
            links: 0,
            is_full: false,
        }
    }

    fn finish(mut self) -> Shaped {
        self.close_down_to(0);
        Shaped { html: self.out, cut: self.is_full }
    }

    fn start(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name = &*tag.name;
        if let Some((_, raw)) = HIDDEN.iter().find(|(hidden, _)| *hidden == name) {
            match &mut self.hidden {
                Some((hidden, depth)) if hidden == name => *depth += 1,
                Some(_) => {}
                None if tag.self_closing && raw.is_none() => {}
                None => self.hidden = Some((name.to_owned(), 1)),
            }
            return raw.map_or(TokenSinkResult::Continue, TokenSinkResult::RawData);
        }
        if self.hidden.is_some() || self.is_full {
            return TokenSinkResult::Continue;
        }
        match (name, element(name)) {
            ("input", _) => self.checkbox(tag),
            (_, Some("img")) => self.image(tag),
            (_, Some(to)) => self.open(to, tag),
            (_, None) => {}
        }
        self.measure();
        TokenSinkResult::Continue
    }

    fn measure(&mut self) {
        self.is_full = self.out.len() + self.links * (REL.len() + " rel=\"\"".len()) > DESCRIPTION_HTML_BYTES_MAX;
    }

    fn end(&mut self, name: &str) {
        if let Some((hidden, depth)) = &mut self.hidden {
            if hidden == name {
                *depth -= 1;
            }
            if *depth == 0 {
                self.hidden = None;
            }
            return;
        }
        let Some(name) = element(name) else { return };
        match self.left_out.get_mut(name) {
            Some(count) if *count > 0 => *count -= 1,
            _ => {
                if let Some(at) = self.open.iter().rposition(|open| *open == name) {
                    self.close_down_to(at);
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        let is_between_cells = is_between_cells(self.open.last().copied());
        let is_lost = is_between_cells && !text.trim().is_empty();
        if self.hidden.is_none() && !self.is_full && !is_lost {
            self.divide(text, is_between_cells);
            escape(&mut self.out, text);
            self.measure();
        }
    }

    /// Ends a run of text with a tag that is not seen when many of its characters must be written as something else: for each of them
    /// the wall's writer looks through the whole rest of the run. It stops at the first byte of U+0080 to U+00BF, too.
    fn divide(&mut self, text: &str, is_between_cells: bool) {
        self.stops += text.bytes().filter(|byte| matches!(byte, b'&' | b'<' | b'>' | 0xC2)).count();
        if self.stops > DESCRIPTION_RUN_ESCAPES_MAX && !is_between_cells {
            self.write_tag("wbr", &[]);
        }
    }

    fn open(&mut self, name: &'static str, tag: &Tag) {
        self.end_before(name);
        let is_void = VOID.contains(&name);
        if !fits(self.open.last().copied(), name) || self.open.len() >= DESCRIPTION_DEPTH_MAX {
            if !is_void {
                *self.left_out.entry(name).or_default() += 1;
            }
            return;
        }
        self.write_tag(name, &self.attributes(name, tag));
        if !is_void {
            self.open.push(name);
        }
    }

    /// Closes what HTML closes before this element by itself, and with it all that stands in it.
    fn end_before(&mut self, name: &str) {
        if BLOCKS.contains(&name)
            && let Some(at) = self.find(&["p"], CELLS)
        {
            self.close_down_to(at);
        }
        let (ended, beyond) = ends_before(name);
        if let Some(at) = self.find(ended, beyond) {
            self.close_down_to(at);
        }
    }

    /// The innermost open element of these, unless one of `beyond` is further in.
    fn find(&self, names: &[&str], beyond: &[&str]) -> Option<usize> {
        let at = self.open.iter().rposition(|open| names.contains(open) || beyond.contains(open))?;
        names.contains(&self.open[at]).then_some(at)
    }

    fn close_down_to(&mut self, depth: usize) {
        while self.open.len() > depth {
            if let Some(name) = self.open.pop() {
                self.out.push_str("</");
                self.out.push_str(name);
                self.out.push('>');
                self.stops = 0;
            }
        }
    }

    fn write_tag(&mut self, name: &str, attributes: &[(&str, String)]) {
        self.links += usize::from(name == "a");
        self.out.push('<');
        self.out.push_str(name);
        for (attribute, value) in attributes {
            if *attribute == "id" && !self.ids.insert(value.clone()) {
                continue;
            }
            self.out.push(' ');
            self.out.push_str(attribute);
            self.out.push_str("=\"");
            escape(&mut self.out, value);
            self.out.push('"');
        }
        self.out.push('>');
        self.stops = 0;
    }

    fn attributes(&self, name: &'static str, tag: &Tag) -> Vec<(&'static str, String)> {
        let mut attributes: Vec<(&'static str, String)> = Vec::new();
        for given in &tag.attrs {
            let text = &*given.value;
            let (attribute, text) = match &*given.name.local {
                "id" => ("id", apart(text)),
                // How anchors were named before ids.
                "name" if name == "a" => ("id", apart(text)),
                "href" if text.starts_with('#') => ("href", format!("#{}", apart(&text[1..]))),
                "class" => ("class", text.to_owned()),
                "href" => ("href", text.to_owned()),
                other => match PLAIN.iter().find(|plain| **plain == other) {
                    Some(plain) => (*plain, text.to_owned()),
                    None => continue,
                },
            };
            let is_new = !attributes.iter().any(|(known, _)| *known == attribute);
            attributes.extend(value(name, attribute, &text).filter(|_| is_new).map(|value| (attribute, value)));
        }
        if attributes.iter().any(|(attribute, value)| *attribute == "class" && value == "footnote-backref") {
            attributes.push(("aria-label", "Back to the text".to_owned()));
        }
        if &*tag.name == "center" {
            attributes.retain(|(attribute, _)| *attribute != "align");
            attributes.push(("align", "center".to_owned()));
        }
        attributes
    }

    /// An item of a task list is a box that nobody can tick.
    fn checkbox(&mut self, tag: &Tag) {
        if attribute(tag, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("checkbox")) {
            self.text(if attribute(tag, "checked").is_some() { "☑" } else { "☐" });
        }
    }

    fn image(&mut self, tag: &Tag) {
        let Some(address) = attribute(tag, "src").and_then(|address| web_url(address.trim())) else {
            // What cannot be shown may still be named.
            return self.text(attribute(tag, "alt").unwrap_or_default());
        };
        if !fits(self.open.last().copied(), "img") {
            return;
        }
        let alt = attribute(tag, "alt").map(str::trim).unwrap_or_default();
        match self.images {
            Images::Blocked => self.named_image(&address, alt),
            Images::Proxied(place) => {
                let mut attributes: Vec<(&str, String)> = vec![("src", place(&address)), ("alt", alt.to_owned())];
                let shown = ["align", "height", "title", "width"];
                attributes.extend(shown.iter().filter_map(|name| Some((*name, value("img", name, attribute(tag, name)?)?))));
                attributes.push(("loading", "lazy".to_owned()));
                self.write_tag("img", &attributes);
            }
        }
    }

    /// A picture's text, with a link to the picture where there is no link around it already.
    fn named_image(&mut self, address: &str, alt: &str) {
        let text = if alt.is_empty() { "image" } else { alt };
        let class = ("class", "image".to_owned());
        let name = match self.open.contains(&"a") || self.open.len() >= DESCRIPTION_DEPTH_MAX {
            true => "span",
            false => "a",
        };
        let href = (name == "a").then(|| ("href", address.to_owned()));
        self.write_tag(name, &href.into_iter().chain([class]).collect::<Vec<_>>());
        self.text(text);
        self.out.push_str(if name == "a" { "</a>" } else { "</span>" });
    }
}

/// Attributes that go as they come, if [`value`] lets them.
const PLAIN: &[&str] =
    &["align", "colspan", "dir", "lang", "open", "reversed", "rowspan", "scope", "start", "title", "type", "value"];

/// An id or the place of a link, apart from the page's own; `user-content-` is what descriptions that were made for a forge say.
fn apart(id: &str) -> String {
    let id = id.strip_prefix("user-content-").unwrap_or(id);
    format!("{ID_PREFIX}{}", id.split_whitespace().collect::<Vec<_>>().join("-"))
}

fn attribute<'t>(tag: &'t Tag, name: &str) -> Option<&'t str> {
    tag.attrs.iter().find(|attribute| &*attribute.name.local == name).map(|attribute| &*attribute.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(html: &str) -> String {
        shape(html, Images::Blocked).html
    }

    #[test]
    fn elements_are_closed_where_a_browser_closes_them() {
        for (html, wanted) in [
            ("<p>a<p>b", "<p>a</p><p>b</p>"),
            ("<p><b>a<div>b</div>", "<p><b>a</b></p><div>b</div>"),
            ("<b><i>a</b>b</i>c", "<b><i>a</i></b>bc"),
            ("<ul><li>a<li>b<ul><li>c</ul></ul>", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>"),
            ("<dl><dt>a<dd>b<dt>c</dl>", "<dl><dt>a</dt><dd>b</dd><dt>c</dt></dl>"),
            ("<h1>a<h2>b", "<h3>a</h3><h4>b</h4>"),
            ("<a href=https://a.example/>a<a>b", "<a href=\"https://a.example/\">a</a><a>b</a>"),
            ("</div></p>a", "a"),
            ("<table>x<tr>y<td>a<td>b<tr><td>c</table>d", "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>d"),
            (
                "<table><tr><td><p>a<table><tr><td>b</table>c</table>",
                "<table><tr><td><p>a</p><table><tr><td>b</td></tr></table>c</td></tr></table>",
            ),
            ("<td>a</td><tr><div>b", "a<div>b</div>"),
            ("<center>a</center>", "<div align=\"center\">a</div>"),
            ("a<br/>b<hr>c", "a<br>b<hr>c"),
        ] {
            assert_eq!(shaped(html), wanted, "{html}");
        }
    }

    #[test]
    fn what_is_hidden_is_hidden_with_its_content() {
        for (html, wanted) in [
            ("a<script>if (a<b) { '</p>' }</script>b", "ab"),
            ("a<style>p > a {}</style>b", "ab"),
            ("a<svg><svg><p>x</svg>y</svg>b", "ab"),
            ("a<svg/>b<script/>c</script>d", "abd"),
            ("a<textarea><b>x</textarea>b", "ab"),
            ("a<script>never closed", "a"),
            ("<form><button>a</button></form><font color=red>b</font>", "ab"),
            ("<!-- a --><!doctype html><?php b ?>c", "c"),
        ] {
            assert_eq!(shaped(html), wanted, "{html}");
        }
    }

    #[test]
    fn ids_are_apart_and_used_once() {
        let html = "<h2 id=search>a</h2><a name=search>b</a><a href=#search>c</a><p id='user-content-x y'>d<a href='#user-content-x y'>e</a>";
        let wanted = "<h4 id=\"description-search\">a</h4><a>b</a><a href=\"#description-search\">c</a>\
            <p id=\"description-x-y\">d<a href=\"#description-x-y\">e</a></p>";
        assert_eq!(shaped(html), wanted);
    }

    #[test]
    fn pictures_are_blocked_or_come_from_here() {
        let html = "<a href=https://ci.example/><img src=https://ci.example/badge.svg alt='build: ok'></a>\
            <img src=https://a.example/b.png width=50% style=x onerror=y><img src=data:image/png;base64,xx alt=inline><img src=x.png>";
        let blocked = "<a href=\"https://ci.example/\"><span class=\"image\">build: ok</span></a>\
            <a href=\"https://a.example/b.png\" class=\"image\">image</a>inline";
        assert_eq!(shaped(html), blocked);
        let proxied = shape(html, Images::Proxied(&|address| format!("/_/image/x?url={address}"))).html;
        let wanted = "<a href=\"https://ci.example/\"><img src=\"/_/image/x?url=https://ci.example/badge.svg\" alt=\"build: ok\" \
            loading=\"lazy\"></a><img src=\"/_/image/x?url=https://a.example/b.png\" alt=\"\" width=\"50%\" loading=\"lazy\">inline";
        assert_eq!(proxied, wanted);
    }

    #[test]
    fn long_tags_are_left_out_and_the_rest_goes_on() {
        let long = format!("<p>a<img src=\"data:image/png;base64,{}\">b</p>", "A".repeat(10 * DESCRIPTION_TAG_BYTES_MAX));
        assert_eq!(shaped(&long), "<p>ab</p>");
        let comment = format!("a<!--{}-->b", "<p>A</p>".repeat(DESCRIPTION_TAG_BYTES_MAX));
        assert_eq!(shaped(&comment), "ab");
        let text = "A".repeat(10 * DESCRIPTION_TAG_BYTES_MAX);
        assert_eq!(shaped(&text), text);
    }

    #[test]
    fn depth_and_length_have_an_end() {
        let html = "<div>".repeat(1000) + "a" + &"</div>".repeat(1000) + "b";
        let out = shaped(&html);
        assert_eq!(out.matches("<div>").count(), DESCRIPTION_DEPTH_MAX);
        assert!(out.ends_with("</div>b"), "{out}");
        let full = shape(&"<b>&</b>".repeat(DESCRIPTION_HTML_BYTES_MAX / 8), Images::Blocked);
        assert!(full.cut && full.html.len() < DESCRIPTION_HTML_BYTES_MAX + 100);
    }
}
