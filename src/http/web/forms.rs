//! Forms as browsers send them.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::limits;
use axum::body::Body;
use http_body_util::LengthLimitError;
use std::error::Error as _;

/// The fields of a form, in the order in which they were sent.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// A form with these fields, as if it had been sent.
    pub fn of(fields: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// More fields.
    pub fn extend(&mut self, fields: impl IntoIterator<Item = (&'static str, String)>) {
        self.0.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }

    /// Reads a body of `application/x-www-form-urlencoded`.
    pub async fn read(body: Body) -> Result<Self> {
        let bytes = axum::body::to_bytes(body, limits::WEB_FORM_BYTES_MAX).await.map_err(unreadable)?;
        let form = Self::parse(&bytes);
        match form.0.iter().any(|(key, value)| key.contains('\0') || value.contains('\0')) {
            true => Err(Error::BadRequest("the form holds a NUL character, which no database keeps in text".into())),
            false => Ok(form),
        }
    }

    fn parse(bytes: &[u8]) -> Self {
        // Text areas send the line ends of old terminals.
        let field = |(key, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
            (key.into_owned(), value.replace("\r\n", "\n"))
        };
        Self(form_urlencoded::parse(bytes).map(field).collect())
    }

    /// A field without the space around it; empty if it is missing.
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// A field as it was sent: passwords may begin with a space.
    pub fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Every value of a field: boxes that were ticked.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every word of every field of this name: boxes that were ticked, or words in one field, one a line or with commas between.
    pub fn items<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(|value| value.split([',', '\n'])).map(str::trim).filter(|word| !word.is_empty())
    }

    /// Whether the field was sent at all: a box without a tick is not.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// A field that lists words, one a line or with commas between.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.text(name).split([',', '\n']).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }
}

/// The beginning of a day as a field for dates sends it (`2030-12-31`), UTC.
pub fn day(text: &str) -> Option<Timestamp> {
    let plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    plain.then(|| Timestamp::parse(&format!("{text}T00:00:00Z"))).flatten()
}

fn unreadable(error: axum::Error) -> Error {
    match error.source().is_some_and(|cause| cause.is::<LengthLimitError>()) {
        true => Error::TooLarge(format!("a form has at most {} bytes here", limits::WEB_FORM_BYTES_MAX)),
        false => Error::BadRequest("the form broke off before its end".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fields_come_as_they_were_typed() {
        let form = Form::read(Body::from("name=+a%2Bb+&on=1&box=x&box=y&list=a%2C+b%0D%0Ac%0D%0A&password=+p+")).await.unwrap();
        assert_eq!((form.text("name"), form.raw("password"), form.text("none")), ("a+b", " p ", ""));
        assert_eq!(form.all("box").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(form.items("list").collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(form.items("box").collect::<Vec<_>>(), ["x", "y"]);
        assert!(form.has("on") && !form.has("off"));
    }

    #[tokio::test]
    async fn what_is_too_much_or_no_text_is_refused() {
        let long = format!("a={}", "x".repeat(limits::WEB_FORM_BYTES_MAX));
        assert!(matches!(Form::read(Body::from(long)).await, Err(Error::TooLarge(_))));
        assert!(matches!(Form::read(Body::from("a=%00")).await, Err(Error::BadRequest(_))));
    }
}
