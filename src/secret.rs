//! A text that must never be seen: passwords, tokens, and addresses that may carry a password.

use serde::{Deserialize, Deserializer};
use std::fmt;

/// A secret text. `Debug` shows `***`, and nothing shows more; [`Secret::reveal`] is the one way to the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself: hash it, compare it or hand it on, but never log or print it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// Any value is taken before it is judged: serde's own message for a wrong type would repeat the value.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self(text)),
            _ => Err(serde::de::Error::custom("a secret must be text in quotes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Holder {
        password: Secret,
    }

    #[test]
    fn nothing_shows_it() {
        let holder: Holder = toml::from_str("password = 'sesame'").unwrap();
        assert_eq!(holder.password.reveal(), "sesame");
        assert_eq!(format!("{holder:?}"), "Holder { password: *** }");
    }

    #[test]
    fn a_wrong_type_is_refused_without_repeating_it() {
        let error = toml::from_str::<Holder>("password = 1234567").unwrap_err();
        assert!(error.message().contains("text in quotes") && !error.message().contains("1234567"), "{}", error.message());
    }
}
