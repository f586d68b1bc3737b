//! Entity tags (RFC 9110 section 8.8.3). Only strong ones: uv never asks again about a page with a weak one.

use axum::http::HeaderValue;

use super::accept::Encoding;
use crate::pypi::Sha256;

/// Hex digits of a SHA-256 that make the tag of a page: 128 bits, enough for tags that are compared within one URL only.
const PAGE_TAG_DIGITS: usize = 32;

/// A strong entity tag, quotes included, ready to be sent.
///
/// Equal tags mean equal bytes, so every encoding of a page has its own ([`Etag::of_page`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etag(HeaderValue);

impl Etag {
    /// The tag of a stored file: its whole digest.
    pub fn of_digest(digest: &Sha256) -> Self {
        Self::quoted(&[&digest.hex()])
    }

    /// The tag of a page whose text has this digest, as it is sent in `encoding`: `"abc"`, or `"abc-gzip"`.
    pub fn of_page(digest: &Sha256, encoding: Encoding) -> Self {
        let digits = &digest.hex()[..PAGE_TAG_DIGITS];
        match encoding.content_encoding() {
            None => Self::quoted(&[digits]),
            Some(name) => Self::quoted(&[digits, "-", name]),
        }
    }

    /// The value of the `ETag` header; cheap, the text is shared.
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// The tag as it is sent, quotes included.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Whether the client of an `If-None-Match` header has what this tag stands for already, so that 304 is the answer
    /// (RFC 9110 section 13.1.2).
    ///
    /// Takes lists and `*`, and compares weakly, because proxies that compress mark our tags as weak.
    pub fn is_among(&self, if_none_match: &str) -> bool {
        let mut rest = if_none_match.trim();
        if rest == "*" {
            return true;
        }
        while let Some((tag, after)) = next_tag(rest) {
            if tag == self.as_str() {
                return true;
            }
            rest = after;
        }
        false
    }

    fn quoted(opaque: &[&str]) -> Self {
        let quote: &[&str] = &["\""];
        match HeaderValue::try_from([quote, opaque, quote].concat().concat()) {
            Ok(value) => Self(value),
            Err(_) => unreachable!("a tag is made of hex digits, '-' and the name of an encoding"),
        }
    }
}

/// The first quoted tag of a list, quotes included and without its mark of weakness, and what follows it. A comma inside
/// quotes is part of the tag; what is not quoted is passed over.
fn next_tag(list: &str) -> Option<(&str, &str)> {
    let start = list.find('"')?;
    let end = start + 1 + list[start + 1..].find('"')? + 1;
    Some((&list[start..end], &list[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(bytes: &[u8], encoding: Encoding) -> Etag {
        Etag::of_page(&Sha256::of(bytes), encoding)
    }

    fn cheese() -> Etag {
        of(b"cheese", Encoding::Identity)
    }

    #[test]
    fn tags_are_strong_and_differ_by_content_and_encoding() {
        let digits = &Sha256::of(b"cheese").hex()[..32];
        assert_eq!(cheese().as_str(), format!("\"{digits}\""));
        assert_eq!(of(b"cheese", Encoding::Gzip).as_str(), format!("\"{digits}-gzip\""));
        assert_eq!(of(b"cheese", Encoding::Zstd).header(), format!("\"{digits}-zstd\"").as_str());
        assert_ne!(of(b"ham", Encoding::Identity), cheese());
        assert_eq!(Etag::of_digest(&Sha256::of(b"cheese")).as_str().len(), 66);
    }

    #[test]
    fn a_client_that_holds_the_tag_needs_no_body() {
        let tag = cheese();
        let own = tag.as_str();
        for held in [
            own.to_owned(),
            format!("W/{own}"),
            "*".to_owned(),
            " * ".to_owned(),
            format!("\"a\", {own}"),
            format!("\"a,b\",W/\"c\" , W/{own},"),
            format!("unquoted, {own}"),
        ] {
            assert!(tag.is_among(&held), "{held}");
        }
    }

    #[test]
    fn other_tags_do_not_match() {
        let tag = cheese();
        let gzip = of(b"cheese", Encoding::Gzip);
        let unquoted = tag.as_str().trim_matches('"').to_owned();
        for held in ["", ",", "\"", "\"\"", "\"*\"", "*, \"a\"", gzip.as_str(), &unquoted, &format!("\"a{unquoted}\"")] {
            assert!(!tag.is_among(held), "{held}");
        }
    }

    proptest! {
        #[test]
        fn a_tag_is_found_anywhere_in_a_list(before in prop::collection::vec("(W/)?\"[a-z0-9,*/]{0,5}\"", 0..4), weak in any::<bool>()) {
            let tag = cheese();
            let list = before.join(", ");
            prop_assert!(!tag.is_among(&list));
            let own = format!("{}{}", if weak { "W/" } else { "" }, tag.as_str());
            let sep = if list.is_empty() { "" } else { ", " };
            let full = format!("{}{}{}", list, sep, own);
            prop_assert!(tag.is_among(&full), "{}", full);
        }

        #[test]
        fn any_header_is_judged_without_panic(held in ".*") {
            let _ = cheese().is_among(&held);
        }
    }
}
