//! What a request for a devpi token says, made into the token's caveats. The rules and words are those of devpi-tokens, whose
//! client shows them. Pure: JSON in, texts out.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::limits;
use serde_json::{Map, Value};

/// The restrictions that make a list.
const LISTS: &[&str] = &["allowed", "indexes", "projects"];

/// Reads a request's restrictions, in the order of their names. Without `expires` a token ends after a year; who may not go
/// beyond that (`extended`) is told.
pub fn read(request: &Map<String, Value>, now: Timestamp, extended: bool) -> Result<Vec<String>> {
    let mut keys: Vec<&str> = request.keys().map(String::as_str).chain(["expires"]).collect();
    keys.sort_unstable();
    keys.dedup();
    let nothing = Value::Null;
    keys.into_iter()
        .map(|key| {
            let value = request.get(key).unwrap_or(&nothing);
            match key {
                "expires" => Ok(format!("expires={}", expires(value, now, extended)?)),
                "not_before" => Ok(format!("not_before={}", seconds(value).ok_or_else(|| invalid(value, "not before"))?)),
                _ if LISTS.contains(&key) => Ok(format!("{key}={}", list(key, value)?)),
                _ => Err(Error::BadRequest(format!("Unknown restriction '{key}'."))),
            }
        })
        .collect()
}

fn expires(value: &Value, now: Timestamp, extended: bool) -> Result<String> {
    let forbidden = |text: &str| Err(Error::Forbidden(text.into()));
    let longest = now.plus(limits::DEVPI_TOKEN_LENGTH).seconds();
    match value {
        Value::Null => Ok(longest.to_string()),
        Value::String(word) if word == "never" => match extended {
            true => Ok("never".into()),
            false => forbidden("Not allowed to create token with no expiration"),
        },
        value => match seconds(value).ok_or_else(|| invalid(value, "expiration"))? {
            end if end <= now.seconds() => Err(Error::BadRequest("Can't set expiration before current time".into())),
            end if end > longest && !extended => forbidden("Not allowed to set expiration to more than one year"),
            end => Ok(end.to_string()),
        },
    }
}

/// Seconds since 1970, as a number or its text; parts of a second are dropped.
fn seconds(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn invalid(value: &Value, what: &str) -> Error {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Error::BadRequest(format!("Invalid value '{text}' for {what}"))
}

fn list(key: &str, value: &Value) -> Result<String> {
    let refuse = |text: String| Err(Error::BadRequest(text));
    let Value::Array(items) = value else { return refuse(format!("The {key} restriction must be a list")) };
    let mut texts = Vec::new();
    for (position, item) in (1..).zip(items) {
        match item.as_str() {
            None => return refuse(format!("Item at position {position} is not a string in {key} list")),
            Some("") => return refuse(format!("Empty item at position {position} in {key} list")),
            Some(text) => texts.push(text),
        }
    }
    texts.sort_unstable();
    Ok(texts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(request: Value, extended: bool) -> Result<Vec<String>, (u16, String)> {
        let Value::Object(request) = request else { unreachable!() };
        read(&request, Timestamp::from_seconds(1000), extended).map_err(|error| match &error {
            Error::BadRequest(text) => (400, text.clone()),
            Error::Forbidden(text) => (403, text.clone()),
            other => unreachable!("{other:?}"),
        })
    }

    #[test]
    fn a_year_unless_said_otherwise() {
        let year = 1000 + 366 * 86400 + 10;
        assert_eq!(asked(json!({}), false).unwrap(), [format!("expires={year}")]);
        assert_eq!(asked(json!({"expires": null}), false).unwrap(), [format!("expires={year}")]);
        assert_eq!(asked(json!({"expires": year}), false).unwrap(), [format!("expires={year}")]);
        assert_eq!(asked(json!({"expires": 1001.9}), false).unwrap(), ["expires=1001"]);
        assert_eq!(asked(json!({"expires": year + 1}), true).unwrap(), [format!("expires={}", year + 1)]);
        assert_eq!(asked(json!({"expires": "never"}), true).unwrap(), ["expires=never"]);
    }

    #[test]
    fn lists_and_keys_are_sorted() {
        let request = json!({"projects": ["b", "A.x"], "not_before": "5", "indexes": ["alice/dev"], "allowed": ["upload", "pkg_read"], "expires": "2000"});
        let wanted = ["allowed=pkg_read,upload", "expires=2000", "indexes=alice/dev", "not_before=5", "projects=A.x,b"];
        assert_eq!(asked(request, false).unwrap(), wanted);
        assert_eq!(asked(json!({"allowed": [], "expires": "never"}), true).unwrap(), ["allowed=", "expires=never"]);
    }

    #[test]
    fn refusals_have_the_words_of_devpi_tokens() {
        for (request, said) in [
            (json!({"x": 1}), (400, "Unknown restriction 'x'.")),
            (json!({"expires": "z"}), (400, "Invalid value 'z' for expiration")),
            (json!({"expires": [1]}), (400, "Invalid value '[1]' for expiration")),
            (json!({"expires": 1000}), (400, "Can't set expiration before current time")),
            (json!({"expires": "never"}), (403, "Not allowed to create token with no expiration")),
            (json!({"expires": 99_999_999}), (403, "Not allowed to set expiration to more than one year")),
            (json!({"not_before": "z"}), (400, "Invalid value 'z' for not before")),
            (json!({"not_before": null}), (400, "Invalid value 'null' for not before")),
            (json!({"allowed": "upload"}), (400, "The allowed restriction must be a list")),
            (json!({"indexes": ["a/b", 5]}), (400, "Item at position 2 is not a string in indexes list")),
            (json!({"projects": [""]}), (400, "Empty item at position 1 in projects list")),
        ] {
            assert_eq!(asked(request.clone(), false), Err((said.0, said.1.to_owned())), "{request}");
        }
    }
}
