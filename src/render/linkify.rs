//! Addresses in running text, made into links.

use super::escape;

/// Appends `text` as HTML: the addresses in it as links, what lies between them through `other`.
pub(super) fn linkify(out: &mut String, text: &str, mut other: impl FnMut(&mut String, &str)) {
    let mut rest = text;
    while let Some((start, end)) = next_address(rest) {
        other(out, &rest[..start]);
        link(out, &rest[start..end], &rest[start..end]);
        rest = &rest[end..];
    }
    other(out, rest);
}

/// Appends a link. Whether its address may be followed is judged later, for every link.
pub(super) fn link(out: &mut String, address: &str, text: &str) {
    out.push_str("<a href=\"");
    escape(out, address);
    out.push_str("\">");
    escape(out, text);
    out.push_str("</a>");
}

/// Where the next `http://` or `https://` address begins and ends.
fn next_address(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(found) = text[from..].find("://") {
        let colon = from + found;
        from = colon + 3;
        let start = ["https", "http"].iter().find_map(|scheme| text[..colon].ends_with(scheme).then(|| colon - scheme.len()));
        let Some(start) = start else { continue };
        // First, because the other question takes as long as the word is.
        if text[..start].ends_with(|c: char| c.is_alphanumeric()) {
            continue;
        }
        let end = from + address_end(&text[from..]);
        if end > from {
            return Some((start, end));
        }
    }
    None
}

/// How far an address goes: to white space or a character that no address has, less the punctuation of the sentence around it. A
/// closing bracket belongs to it if its opening one does.
fn address_end(text: &str) -> usize {
    let stop = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '`' | '\\' | '^' | '{' | '}' | '|');
    let mut end = text.find(stop).unwrap_or(text.len());
    let opened = text[..end].bytes().filter(|b| *b == b'(').count();
    let mut closed = text[..end].bytes().filter(|b| *b == b')').count();
    while let Some(last) = text[..end].chars().next_back() {
        match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | ']' | '[' | '(' => {}
            ')' if closed > opened => closed -= 1,
            _ => break,
        }
        end -= last.len_utf8();
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_end_where_people_end_them() {
        for (text, addresses) in [
            ("see https://a.example/x.", vec!["https://a.example/x"]),
            ("(http://a.example/b_(c)), http://b.example", vec!["http://a.example/b_(c)", "http://b.example"]),
            ("<https://a.example/?q=1&r=2#f>", vec!["https://a.example/?q=1&r=2#f"]),
            ("xhttp://a.example ftp://b.example http:// https://.", vec![]),
            ("javascript://a.example/%0aalert(1)", vec![]),
            ("http://a.example/é…", vec!["http://a.example/é…"]),
        ] {
            let mut out = String::new();
            linkify(&mut out, text, |_, _| {});
            let wanted: String =
                addresses.iter().map(|address| format!("<a href=\"{0}\">{0}</a>", address.replace('&', "&amp;"))).collect();
            assert_eq!(out, wanted, "{text}");
        }
    }
}
