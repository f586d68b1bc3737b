//! Core metadata: METADATA and PKG-INFO files, read from bytes and given out as JSON (PEP 241 to 794, PEP 566 for the JSON).
//!
//! The format is e-mail headers with decades of exceptions. The reader accepts what Python's own reader accepts and
//! judges nothing but the three fields without which a file cannot be placed. Time and memory are linear in the input;
//! callers bound that by [`crate::limits::METADATA_BYTES_MAX`].

use super::legible;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The fields of one METADATA or PKG-INFO file in their order; unknown fields are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreMetadata {
    /// (name in lower case, value without folding). Never empty, never `UNKNOWN`: those stand for absent fields.
    fields: Vec<(String, String)>,
}

/// Why bytes are not core metadata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    /// A field is absent, empty or `UNKNOWN` without which the file cannot be placed.
    #[error("the metadata has no {0}: it must begin with the fields Metadata-Version, Name and Version")]
    Missing(&'static str),
    /// Two readers could take the file for two different releases.
    #[error("the metadata gives {field} more than once ({first:?}, then {second:?}): leave one")]
    Repeated {
        /// The field.
        field: &'static str,
        /// Its first value.
        first: String,
        /// Its second value.
        second: String,
    },
}

const REQUIRED: [&str; 3] = ["Metadata-Version", "Name", "Version"];

/// Fields that occur once, so that their JSON value is text. All others, known or not, may repeat and become lists.
const SINGLE: &[&str] = &[
    "metadata-version",
    "name",
    "version",
    "summary",
    "description",
    "description-content-type",
    "keywords",
    "home-page",
    "download-url",
    "author",
    "author-email",
    "maintainer",
    "maintainer-email",
    "license",
    "license-expression",
    "requires-python",
];

/// Fields whose lines mean something; every other folded value is one line.
const MULTI_LINE: &[&str] = &["description", "license"];

/// What older tools write where there is no value.
const PLACEHOLDER: &str = "UNKNOWN";

/// Bytes of a field's value that an error repeats.
const ERROR_VALUE_BYTES: usize = 100;

impl CoreMetadata {
    /// Reads a METADATA or PKG-INFO file. Bytes that are not UTF-8 become U+FFFD, and so does NUL, which no database
    /// keeps in text. A Metadata-Version newer than this program is accepted.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidMetadata> {
        let mut text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
        if text.contains('\0') {
            text = Cow::Owned(text.replace('\0', "\u{fffd}"));
        }
        let (headers, body) = split(&text);
        let mut fields: Vec<(String, String)> = headers.into_iter().map(Header::unfold).collect();
        // Since 2.1 the description is the body. A body behind a Description field is what is left of broken folding.
        if !body.trim().is_empty() {
            fields.retain(|(field, _)| field != "description");
            fields.push(("description".to_owned(), body.replace("\r\n", "\n")));
        }
        let metadata = Self::of_fields(fields);
        for field in REQUIRED {
            metadata.require_once(field)?;
        }
        Ok(metadata)
    }

    /// Metadata that came field by field, names in lower case: judged by nobody, nothing is required.
    pub(super) fn of_fields(mut fields: Vec<(String, String)>) -> Self {
        fields.retain(|(_, value)| !matches!(value.trim(), "" | PLACEHOLDER));
        Self { fields }
    }

    fn require_once(&self, field: &'static str) -> Result<(), InvalidMetadata> {
        let mut values = self.all(field);
        let first = values.next().ok_or(InvalidMetadata::Missing(field))?;
        match values.next() {
            Some(second) => {
                let [first, second] = [first, second].map(|value| legible(value, ERROR_VALUE_BYTES));
                Err(InvalidMetadata::Repeated { field, first, second })
            }
            None => Ok(()),
        }
    }

    /// The project's name as its author writes it. Not checked: [`super::ProjectName::parse`] does that.
    pub fn name(&self) -> &str {
        self.first("Name").unwrap_or_default()
    }

    /// The version as its author writes it. Not checked: [`super::Version::parse`] does that.
    pub fn version(&self) -> &str {
        self.first("Version").unwrap_or_default()
    }

    /// The version specifiers of interpreters this release runs on.
    pub fn requires_python(&self) -> Option<&str> {
        self.first("Requires-Python")
    }

    /// One line that says what the project does.
    pub fn summary(&self) -> Option<&str> {
        self.first("Summary")
    }

    /// The long description, in the markup that `Description-Content-Type` names.
    pub fn description(&self) -> Option<&str> {
        self.first("Description")
    }

    /// The first value of a field; the case of its name does not matter. `None` if absent, empty or `UNKNOWN`.
    pub fn first(&self, field: &str) -> Option<&str> {
        self.all(field).next()
    }

    /// All values of a field that may repeat, in their order, without empty and `UNKNOWN` ones.
    pub fn all<'a>(&'a self, field: &str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(field)).map(|(_, value)| value.as_str())
    }

    /// The stored form: an object with PEP 566 keys (`requires_dist`, `classifier`). Fields that occur once are text,
    /// `keywords` and `description` among them; all others are lists of text; absent fields have no key.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        for (field, value) in &self.fields {
            let key = field.replace('-', "_");
            let value = Value::String(value.clone());
            if SINGLE.contains(&field.as_str()) {
                object.entry(key).or_insert(value);
            } else if let Value::Array(values) = object.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
                values.push(value);
            }
        }
        Value::Object(object)
    }
}

/// A header as it stands: its name, its first line, the lines that continue it.
struct Header<'a> {
    name: &'a str,
    lines: Vec<&'a str>,
}

impl Header<'_> {
    fn unfold(self) -> (String, String) {
        let name = self.name.to_ascii_lowercase();
        let value = match MULTI_LINE.contains(&name.as_str()) {
            true => {
                let (first, rest) = self.lines.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
                let lines: Vec<&str> =
                    std::iter::once(first.trim()).chain(rest.iter().map(|line| without_margin(line))).collect();
                lines.join("\n").trim_end().to_owned()
            }
            false => self.lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").trim().to_owned(),
        };
        (name, value)
    }
}

/// Takes the margin off a continuation line: up to a `|` behind at least seven spaces (core metadata specification), else
/// eight spaces (distutils), else all white space.
fn without_margin(line: &str) -> &str {
    let text = line.trim_start_matches(' ');
    match (line.len() - text.len(), text.strip_prefix('|')) {
        (7.., Some(text)) => text,
        (8.., None) => &line[8..],
        _ => line.trim_start(),
    }
}

/// Cuts the text into headers and body. The body begins behind the first empty line, or at the first line that is no header.
fn split(text: &str) -> (Vec<Header<'_>>, &str) {
    let mut headers: Vec<Header<'_>> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            return (headers, after);
        }
        match (line.starts_with([' ', '\t']), headers.last_mut(), line.split_once(':')) {
            (true, Some(header), _) => header.lines.push(line),
            (false, _, Some((name, value))) if is_header_name(name) => headers.push(Header { name, lines: vec![value] }),
            _ => return (headers, rest),
        }
        rest = after;
    }
    (headers, "")
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const HEAD: &str = "Metadata-Version: 2.4\nName: Foo.Bar\nVersion: 1.0\n";

    fn parse(rest: &str) -> CoreMetadata {
        CoreMetadata::parse(format!("{HEAD}{rest}").as_bytes()).unwrap()
    }

    #[test]
    fn a_modern_file_becomes_json() {
        let metadata = parse(
            "Summary: Bars\nRequires-Python: >=3.9\nClassifier: A\nClassifier: B\nRequires-Dist: x; extra == 'y'\nProvides-Extra: y\n\
             Keywords: a,b\nProject-URL: Home, https://index.example/\nDynamic: license\nImport-Name: foo\nX-New: z\nDescription-Content-Type: text/markdown\n\
             \n# Foo\n\n  text: kept\n",
        );
        assert_eq!((metadata.name(), metadata.version()), ("Foo.Bar", "1.0"));
        assert_eq!((metadata.summary(), metadata.requires_python()), (Some("Bars"), Some(">=3.9")));
        assert_eq!(
            metadata.to_json(),
            json!({
                "metadata_version": "2.4", "name": "Foo.Bar", "version": "1.0", "summary": "Bars", "requires_python": ">=3.9",
                "classifier": ["A", "B"], "requires_dist": ["x; extra == 'y'"], "provides_extra": ["y"], "keywords": "a,b",
                "project_url": ["Home, https://index.example/"], "dynamic": ["license"], "import_name": ["foo"], "x_new": ["z"],
                "description_content_type": "text/markdown", "description": "# Foo\n\n  text: kept\n",
            })
        );
    }

    #[test]
    fn field_names_have_no_case_and_repeat() {
        let metadata = parse("CLASSIFIER: A\nclassifier: B\n");
        assert_eq!(metadata.all("Classifier").collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(metadata.first("cLASSIFIER"), Some("A"));
        assert_eq!(metadata.first("License"), None);
    }

    #[test]
    fn absent_has_three_spellings() {
        let metadata = parse("Summary: UNKNOWN\nAuthor:\nLicense:   \nHome-page: unknown\n\nUNKNOWN\n\n");
        for field in ["Summary", "Author", "License", "Description"] {
            assert_eq!(metadata.first(field), None, "{field}");
        }
        assert_eq!(metadata.first("Home-Page"), Some("unknown"));
    }

    #[test]
    fn folded_descriptions_lose_their_margin() {
        for margin in ["        ", "       |", "        |"] {
            let text = format!("Description: First\n{margin}\n{margin}  indented\n{margin}last\nAuthor: A\n");
            let metadata = parse(&text);
            assert_eq!(metadata.description(), Some("First\n\n  indented\nlast"), "{margin:?}");
            assert_eq!(metadata.first("Author"), Some("A"));
        }
        assert_eq!(parse("Description: a\n b\n\tc\n").description(), Some("a\nb\nc"));
    }

    #[test]
    fn other_folded_fields_are_one_line() {
        assert_eq!(parse("Requires-Dist: a\n  ; extra == 'b'\n").first("Requires-Dist"), Some("a ; extra == 'b'"));
        assert_eq!(parse("License: MIT\n        \n        Text\n").first("License"), Some("MIT\n\nText"));
    }

    #[test]
    fn line_ends_and_bytes_of_any_kind() {
        let crlf = format!("\u{feff}{HEAD}Summary: S\n\nA\n\nB").replace('\n', "\r\n");
        let metadata = CoreMetadata::parse(crlf.as_bytes()).unwrap();
        assert_eq!((metadata.summary(), metadata.description()), (Some("S"), Some("A\n\nB")));
        let latin1 = [HEAD.as_bytes(), b"Author: J\xf6rg\0\n"].concat();
        assert_eq!(CoreMetadata::parse(&latin1).unwrap().first("Author"), Some("J\u{fffd}rg\u{fffd}"));
    }

    #[test]
    fn the_first_line_that_is_no_header_begins_the_body() {
        let metadata = parse("Summary: S\nno header here\nAuthor: A\n");
        assert_eq!(metadata.description(), Some("no header here\nAuthor: A\n"));
        assert_eq!(metadata.first("Author"), None);
    }

    #[test]
    fn without_a_place_there_is_no_metadata() {
        for (text, field) in [
            ("", "Metadata-Version"),
            ("\nMetadata-Version: 2.1\nName: a\nVersion: 1\n", "Metadata-Version"),
            (" Metadata-Version: 2.1\nName: a\nVersion: 1\n", "Metadata-Version"),
            ("Metadata-Version: 2.1\nName: UNKNOWN\nVersion: 1\n", "Name"),
            ("Metadata-Version: 2.1\nName: a\nVersion:\n", "Version"),
        ] {
            assert_eq!(CoreMetadata::parse(text.as_bytes()), Err(InvalidMetadata::Missing(field)), "{text:?}");
        }
        let twice = format!("{HEAD}name: other\n");
        assert!(matches!(CoreMetadata::parse(twice.as_bytes()), Err(InvalidMetadata::Repeated { field: "Name", .. })));
        assert_eq!(CoreMetadata::parse(b"Metadata-Version: 99.0\nName: a\nVersion: 1").unwrap().name(), "a");
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), text in "[ -~\n\t|:é]{0,80}") {
            let _ = CoreMetadata::parse(&bytes);
            let metadata = CoreMetadata::parse([HEAD.as_bytes(), b"X: ", text.as_bytes(), b"\n \n", &bytes].concat().as_slice());
            if let Ok(metadata) = metadata {
                prop_assert_eq!(&metadata.to_json()["name"], "Foo.Bar");
                prop_assert!(!metadata.to_json().to_string().contains("\\u0000"));
            }
        }

        #[test]
        fn single_line_values_are_kept(value in "[!-~é]([ -~é]{0,30}[!-~é])?") {
            prop_assume!(value != PLACEHOLDER);
            let metadata = parse(&format!("Summary: {value}\n"));
            prop_assert_eq!(metadata.summary(), Some(value.as_str()));
        }
    }
}
