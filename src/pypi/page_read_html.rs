//! Reads HTML pages of other indexes into raw pages. Only the tokenizer of an HTML parser is used, never a tree: anchors
//! are all that counts, pages are large, and what real servers write is often no document at all.

use super::name_list::Gathered;
use super::page_link::fragment_hashes;
use super::page_parse::{PageError, RawPage};
use super::{PageFile, PageMetadata, ProjectName, ProjectStatus};
use crate::limits::PAGE_TAG_BYTES_MAX;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use std::cell::{Cell, RefCell};

/// Reads a project's page. URLs stay as they stand; a file's name is the text of its anchor.
pub(super) fn read(bytes: &[u8]) -> Result<RawPage, PageError> {
    let mut page = RawPage::default();
    let mut status_reason = None;
    walk(bytes, |item| match item {
        Item::Anchor(tag, text) => page.files.extend(file(&tag, text)),
        Item::Tag(tag) => match (&*tag.name, attribute(&tag, "name")) {
            ("base", _) if page.base_href.is_none() => page.base_href = attribute(&tag, "href").map(str::to_owned),
            ("meta", Some("pypi:repository-version")) => page.api_version = content(&tag),
            ("meta", Some("pypi:project-status")) => {
                page.status = content(&tag).map(|status| ProjectStatus { status, reason: None });
            }
            ("meta", Some("pypi:project-status-reason")) => status_reason = content(&tag),
            _ => {}
        },
        Item::Comment(text) => {
            if let Some(serial) = text.trim().strip_prefix("SERIAL ") {
                page.serial = serial.trim().parse().ok();
            }
        }
    })?;
    if let Some(status) = &mut page.status {
        status.reason = status_reason;
    }
    Ok(page)
}

/// Reads the names of a project list: of each anchor its text or, if that is no name, the last segment of its address.
pub(super) fn read_list(bytes: &[u8]) -> Result<Gathered, PageError> {
    let mut names = Gathered::default();
    walk(bytes, |item| {
        let Item::Anchor(tag, text) = item else { return };
        let at_end = || attribute(&tag, "href").unwrap_or_default().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if let Ok(name) = ProjectName::parse(text.trim()).or_else(|_| ProjectName::parse(at_end())) {
            names.add(&name);
        }
    })?;
    Ok(names)
}

fn file(tag: &Tag, text: String) -> Option<PageFile> {
    let mut file = PageFile::bare(text.trim(), attribute(tag, "href")?);
    let flag = |name| attribute(tag, name).map(|value| value.eq_ignore_ascii_case("true"));
    let filled = |name| attribute(tag, name).map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned);
    file.requires_python = filled("data-requires-python");
    file.metadata = match filled("data-core-metadata").or_else(|| filled("data-dist-info-metadata")) {
        None => PageMetadata::Absent,
        Some(value) if value.eq_ignore_ascii_case("false") => PageMetadata::Absent,
        Some(value) => PageMetadata::Hashed(fragment_hashes(&value)).or_present(),
    };
    file.yanked = attribute(tag, "data-yanked").map(str::to_owned);
    file.provenance = filled("data-provenance");
    file.gpg_sig = flag("data-gpg-sig");
    Some(file)
}

fn content(tag: &Tag) -> Option<String> {
    attribute(tag, "content").filter(|text| !text.is_empty()).map(str::to_owned)
}

fn attribute<'a>(tag: &'a Tag, name: &str) -> Option<&'a str> {
    tag.attrs.iter().find(|attribute| &*attribute.name.local == name).map(|attribute| &*attribute.value)
}

/// What a page is made of, as far as anybody here cares.
enum Item {
    /// An anchor with its text.
    Anchor(Tag, String),
    /// The start of any other element.
    Tag(Tag),
    /// A comment.
    Comment(StrTendril),
}

/// Calls `on_item` for everything of interest, in the order of the page.
fn walk(bytes: &[u8], on_item: impl FnMut(Item)) -> Result<(), PageError> {
    let text = String::from_utf8_lossy(bytes);
    let sink = Sink { on_item: RefCell::new(on_item), open: RefCell::new(None), tokens: Cell::new(0) };
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    let mut rest = &*text;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.floor_char_boundary(PAGE_TAG_BYTES_MAX));
        let tokens_before = tokenizer.sink.tokens.get();
        input.push_back(StrTendril::from(chunk));
        // One call takes all of it: the tokenizer pauses only when its sink asks, and this one never does.
        let _ = tokenizer.feed(&input);
        // A chunk without a token lies inside one tag or comment.
        if chunk.len() + 4 > PAGE_TAG_BYTES_MAX && tokenizer.sink.tokens.get() == tokens_before {
            return Err(PageError::LongTag);
        }
        rest = after;
    }
    tokenizer.end();
    Ok(())
}

struct Sink<F> {
    on_item: RefCell<F>,
    /// The anchor whose text is being read.
    open: RefCell<Option<(Tag, String)>>,
    /// Tokens seen so far.
    tokens: Cell<usize>,
}

impl<F: FnMut(Item)> Sink<F> {
    fn close(&self) {
        if let Some((tag, text)) = self.open.borrow_mut().take() {
            (self.on_item.borrow_mut())(Item::Anchor(tag, text));
        }
    }

    fn start(&self, tag: Tag) -> TokenSinkResult<()> {
        // As a browser does: what is inside these elements is text, not tags.
        let next = match &*tag.name {
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "iframe" | "noembed" | "noframes" | "xmp" => TokenSinkResult::RawData(RawKind::Rawtext),
            "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
            _ => TokenSinkResult::Continue,
        };
        if &*tag.name == "a" {
            self.close();
            *self.open.borrow_mut() = Some((tag, String::new()));
        } else {
            (self.on_item.borrow_mut())(Item::Tag(tag));
        }
        next
    }
}

impl<F: FnMut(Item)> TokenSink for Sink<F> {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        self.tokens.set(self.tokens.get() + 1);
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => return self.start(tag),
            Token::TagToken(tag) if &*tag.name == "a" => self.close(),
            Token::CharacterTokens(text) => {
                if let Some((_, anchor_text)) = self.open.borrow_mut().as_mut() {
                    anchor_text.push_str(&text);
                }
            }
            Token::CommentToken(text) => (self.on_item.borrow_mut())(Item::Comment(text)),
            Token::EOFToken => self.close(),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}
