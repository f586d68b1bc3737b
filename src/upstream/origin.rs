//! A mirror's address, taken apart once: where pages are, and the credentials that only this server may see.
//!
//! Neither `Debug` nor `Display` shows the credentials. The one way to get them back as text is
//! [`Origin::with_credentials`], which exists to store the setting.

use crate::pypi::ProjectName;
use percent_encoding::percent_decode_str;
use std::fmt;
use url::Url;

/// The root of another index's simple pages (`mirror_url`).
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    /// Without user, password, query and fragment; the path ends with `/`.
    url: Url,
    credentials: Option<Credentials>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: Option<String>,
}

/// The text is not the address of an index. It is not repeated here, because it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// Not an absolute URL.
    #[error("mirror_url is not a URL: write it like https://index.example/simple/")]
    NotAUrl,
    /// Neither http nor https.
    #[error("mirror_url must begin with https:// or http://")]
    Scheme,
    /// Pages are made by appending to the address, which a query does not allow.
    #[error("mirror_url must not have a query (the part from '?' on)")]
    Query,
    /// User or password do not decode to UTF-8.
    #[error("the user or password in mirror_url is not percent-encoded UTF-8")]
    Credentials,
}

impl Origin {
    /// Parses a `mirror_url`: http or https, optionally with `user:password@`, with or without a slash at the end.
    pub fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        let mut url = Url::parse(text.trim()).map_err(|_| InvalidOrigin::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidOrigin::Scheme);
        }
        if url.query().is_some() {
            return Err(InvalidOrigin::Query);
        }
        let credentials = credentials(&url)?;
        forget_credentials(&mut url);
        url.set_fragment(None);
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(Self { url, credentials })
    }

    /// The project list: the address itself, with its slash at the end.
    pub fn list_url(&self) -> &Url {
        &self.url
    }

    /// The page of `project` (PEP 503: normalized name, slash at the end).
    pub fn page_url(&self, project: &ProjectName) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{project}/", self.url.path()));
        url
    }

    /// The address for people: without credentials.
    pub fn public(&self) -> String {
        self.url.to_string()
    }

    /// The address with its credentials, as it is stored. Never show or log it.
    pub fn with_credentials(&self) -> String {
        let mut url = self.url.clone();
        if let Some(known) = &self.credentials {
            // Both setters fail only for URLs without a host, which `parse` refuses.
            let _ = url.set_username(&known.user);
            let _ = url.set_password(known.password.as_deref());
        }
        url.to_string()
    }

    /// The credentials, if `url` is on this very server: same scheme, host and port.
    pub(super) fn credentials_for(&self, url: &Url) -> Option<&Credentials> {
        self.credentials.as_ref().filter(|_| url.origin() == self.url.origin())
    }

    /// Whether `url` names this host, on whatever port.
    pub(super) fn has_host_of(&self, url: &Url) -> bool {
        url.host().is_some() && url.host() == self.url.host()
    }
}

fn credentials(url: &Url) -> Result<Option<Credentials>, InvalidOrigin> {
    let decode = |text: &str| match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(InvalidOrigin::Credentials),
    };
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    Ok(Some(Credentials { user: decode(url.username())?, password: url.password().map(decode).transpose()? }))
}

/// Takes user and password out of `url`. Credentials that another server hands out are not used either.
pub(super) fn forget_credentials(url: &mut Url) {
    // Both fail only for URLs without a host, and those have no credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = if self.credentials.is_some() { "***@ " } else { "" };
        write!(f, "Origin({hidden}{})", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_below_the_address_however_it_is_written() {
        let project = ProjectName::parse("Friendly.Bard").unwrap();
        for (text, page) in [
            ("https://index.example/simple", "https://index.example/simple/friendly-bard/"),
            ("https://index.example/simple/", "https://index.example/simple/friendly-bard/"),
            (" http://index.example:3141 ", "http://index.example:3141/friendly-bard/"),
            ("https://index.example/a%20b/+simple#x", "https://index.example/a%20b/+simple/friendly-bard/"),
            ("https://me:secret@index.example/simple/", "https://index.example/simple/friendly-bard/"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().page_url(&project).as_str(), page, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_of_an_index_is_refused_without_repeating_it() {
        for (text, error) in [
            ("", InvalidOrigin::NotAUrl),
            ("index.example/simple", InvalidOrigin::NotAUrl),
            ("https://", InvalidOrigin::NotAUrl),
            ("ftp://index.example/", InvalidOrigin::Scheme),
            ("file:///etc/passwd", InvalidOrigin::Scheme),
            ("https://index.example/?project=", InvalidOrigin::Query),
            ("https://me:%ff@index.example/", InvalidOrigin::Credentials),
        ] {
            assert_eq!(Origin::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn credentials_are_decoded_kept_and_never_shown() {
        let origin = Origin::parse("https://me%40work:p%3Aw@index.example/simple").unwrap();
        let known = origin.credentials_for(origin.list_url()).unwrap();
        assert_eq!((known.user.as_str(), known.password.as_deref()), ("me@work", Some("p:w")));
        for shown in [format!("{origin:?}"), origin.to_string(), origin.public()] {
            assert!(!shown.contains("me") && !shown.contains("p:w") && !shown.contains("p%3Aw"), "{shown}");
        }
        assert!(format!("{origin:?}").contains("***"));
        assert_eq!(Origin::parse(&origin.with_credentials()), Ok(origin));
    }

    #[test]
    fn a_token_alone_is_a_user_without_password() {
        let origin = Origin::parse("https://token@index.example/").unwrap();
        let known = origin.credentials_for(origin.list_url()).unwrap();
        assert_eq!((known.user.as_str(), known.password.as_deref()), ("token", None));
    }

    #[test]
    fn credentials_are_for_scheme_host_and_port_together() {
        let origin = Origin::parse("https://me:secret@index.example/simple").unwrap();
        for (url, given) in [
            ("https://index.example/files/a.whl", true),
            ("https://index.example:443/", true),
            ("https://INDEX.example/", true),
            ("http://index.example/", false),
            ("https://index.example:8443/", false),
            ("https://files.index.example/", false),
            ("https://index.example.evil.example/", false),
        ] {
            assert_eq!(origin.credentials_for(&Url::parse(url).unwrap()).is_some(), given, "{url}");
        }
    }
}
