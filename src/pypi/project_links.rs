//! The links of a project: `Project-URL`, `Home-page` and `Download-URL`, with the meaning that well-known labels have (PEP 753).
//!
//! Whoever uploads writes them. Only addresses of the web and of mail become links; everything else stays text.

use super::legible;
use crate::limits::{PROJECT_LINK_BYTES_MAX, PROJECT_LINKS_SHOWN_MAX};
use url::Url;

/// What a link leads to. In the order in which people look for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// Where the project presents itself.
    Homepage,
    /// How it is used.
    Documentation,
    /// Where its source is.
    Source,
    /// What has changed, all versions together.
    Changelog,
    /// What has changed, version by version.
    ReleaseNotes,
    /// Where faults are told.
    Issues,
    /// Where else its files are.
    Download,
    /// How one can give money.
    Funding,
    /// Anything else; the label says what.
    Other,
}

/// The labels of each kind in their normal form: the well-known one, then its other spellings.
const LABELS: &[(LinkKind, &[&str])] = &[
    (LinkKind::Homepage, &["homepage", "home"]),
    (LinkKind::Documentation, &["documentation", "docs"]),
    (LinkKind::Source, &["source", "repository", "sourcecode", "github", "gitlab", "code"]),
    (LinkKind::Changelog, &["changelog", "changes", "whatsnew", "history"]),
    (LinkKind::ReleaseNotes, &["releasenotes"]),
    (LinkKind::Issues, &["issues", "bugs", "issue", "tracker", "issuetracker", "bugtracker", "bugreports"]),
    (LinkKind::Download, &["download"]),
    (LinkKind::Funding, &["funding", "sponsor", "donate", "donation"]),
];

impl LinkKind {
    /// The kind in one word, for style sheets.
    pub fn word(self) -> &'static str {
        LABELS.iter().find(|(kind, _)| *kind == self).map_or("other", |(_, labels)| labels[0])
    }

    /// The kind that a label stands for: normalized as PEP 753 says, without ASCII punctuation and white space.
    fn of_label(label: &str) -> Self {
        let kept = label.chars().filter(|c| !c.is_ascii_punctuation() && !c.is_ascii_whitespace());
        let normal: String = kept.map(|c| c.to_ascii_lowercase()).collect();
        LABELS.iter().find(|(_, labels)| labels.contains(&normal.as_str())).map_or(Self::Other, |(kind, _)| *kind)
    }
}

/// A link of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectLink {
    /// What it leads to.
    pub kind: LinkKind,
    /// What its author calls it.
    pub label: String,
    /// The address as it was written.
    pub text: String,
    /// The address to link to: `http:`, `https:` or `mailto:`; `None` if the text is no such address.
    pub url: Option<String>,
}

/// The links of a release, those of well-known kinds first; each address once. `project_urls` are lines `Label, URL`.
pub fn project_links<'a>(
    home_page: Option<&'a str>,
    download_url: Option<&'a str>,
    project_urls: impl IntoIterator<Item = &'a str>,
) -> Vec<ProjectLink> {
    let labelled = project_urls.into_iter().map(|line| match line.split_once(',') {
        Some((label, text)) => (label.trim(), text.trim()),
        None => ("", line.trim()),
    });
    // The old fields come last: Project-URL has the label that its author chose.
    let old =
        [("Homepage", home_page), ("Download", download_url)].into_iter().filter_map(|(label, url)| Some((label, url?.trim())));
    let mut links: Vec<ProjectLink> = Vec::new();
    for (label, text) in labelled.take(PROJECT_LINKS_SHOWN_MAX).chain(old).filter(|(_, text)| !text.is_empty()) {
        let link = link(label, text);
        let is_known = |known: &ProjectLink| known.text == link.text || known.url.is_some() && known.url == link.url;
        if !links.iter().any(is_known) {
            links.push(link);
        }
    }
    links.sort_by_key(|link| link.kind);
    links
}

fn link(label: &str, text: &str) -> ProjectLink {
    let kind = LinkKind::of_label(label);
    let label = if label.is_empty() { "Link" } else { label };
    ProjectLink { kind, label: legible(label, LABEL_BYTES), text: legible(text, PROJECT_LINK_BYTES_MAX), url: web_url(text) }
}

/// Bytes of a label that are shown. Core metadata allows 32 characters.
const LABEL_BYTES: usize = 100;

/// The address, if a browser may be sent there: `http:` or `https:` with a host and without credentials, which serve to make
/// an address look like another's; or `mailto:`.
pub fn web_url(text: &str) -> Option<String> {
    if text.len() > PROJECT_LINK_BYTES_MAX || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    let accepted = match url.scheme() {
        "http" | "https" => url.host_str().is_some_and(|host| !host.is_empty()) && is_plain,
        "mailto" => url.path().contains('@'),
        _ => false,
    };
    accepted.then(|| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_have_the_meaning_of_the_standard() {
        for (label, kind) in [
            ("Homepage", LinkKind::Homepage),
            ("Home-Page", LinkKind::Homepage),
            ("What's New?", LinkKind::Changelog),
            ("Change_Log", LinkKind::Changelog),
            ("Release Notes", LinkKind::ReleaseNotes),
            ("GitHub", LinkKind::Source),
            ("Bug Tracker", LinkKind::Issues),
            ("Issue-Tracker", LinkKind::Issues),
            ("Docs", LinkKind::Documentation),
            ("DONATE", LinkKind::Funding),
            ("Download", LinkKind::Download),
            ("Chat", LinkKind::Other),
            ("", LinkKind::Other),
        ] {
            assert_eq!(LinkKind::of_label(label), kind, "{label}");
        }
        assert_eq!((LinkKind::ReleaseNotes.word(), LinkKind::Other.word()), ("releasenotes", "other"));
    }

    #[test]
    fn only_addresses_of_web_and_mail_are_links() {
        for text in ["https://project.example/a?b#c", "http://127.0.0.1:8080/", "mailto:team@project.example"] {
            assert_eq!(web_url(text).as_deref(), Some(text));
        }
        assert_eq!(web_url("HTTPS://Project.example").as_deref(), Some("https://project.example/"));
        for text in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\tscript:alert(1)",
            " javascript:alert(1)",
            "data:text/html,<script>alert(1)</script>",
            "vbscript:x",
            "file:///etc/passwd",
            "ftp://project.example/",
            "//project.example/",
            "/relative",
            "project.example",
            "https://",
            "https://index.example@evil.example/",
            "mailto:nobody",
            "https://project.example/\u{0}",
            "https://project.example/a b",
            "",
        ] {
            assert_eq!(web_url(text), None, "{text:?}");
        }
        assert_eq!(web_url(&format!("https://project.example/{}", "a".repeat(PROJECT_LINK_BYTES_MAX))), None);
    }

    #[test]
    fn links_come_in_order_and_once() {
        let lines = [
            "Chat, https://chat.example/",
            "Source, https://code.example/foo, with a comma",
            "Docs,https://docs.example/",
            "https://bare.example/",
            "Home, https://foo.example",
            "Evil, javascript:alert(1)",
            "Empty, ",
        ];
        let links = project_links(Some("https://foo.example/"), Some("https://files.example/foo.zip"), lines);
        let shown: Vec<String> = links
            .iter()
            .map(|link| format!("{} | {} | {} | {}", link.kind.word(), link.label, link.text, link.url.as_deref().unwrap_or("-")))
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @"
        homepage | Home | https://foo.example | https://foo.example/
        documentation | Docs | https://docs.example/ | https://docs.example/
        source | Source | https://code.example/foo, with a comma | -
        download | Download | https://files.example/foo.zip | https://files.example/foo.zip
        other | Chat | https://chat.example/ | https://chat.example/
        other | Link | https://bare.example/ | https://bare.example/
        other | Evil | javascript:alert(1) | -
        ");
    }

    proptest! {
        #[test]
        fn no_other_scheme_gets_through(text in "[ -~\t\n]{0,40}", scheme in "(java|vb)?script:|data:|JAVASCRIPT:|\u{1}?javascript:") {
            for candidate in [text.clone(), format!("{scheme}{text}")] {
                if let Some(url) = web_url(&candidate) {
                    let fine = ["http://", "https://", "mailto:"].iter().any(|start| url.starts_with(start));
                    prop_assert!(fine, "{}", url);
                }
            }
        }
    }
}
