//! The files in which AWS's own tools keep credentials and settings: `~/.aws/credentials` and `~/.aws/config`, or those that
//! `AWS_SHARED_CREDENTIALS_FILE` and `AWS_CONFIG_FILE` name; of them the profile that `AWS_PROFILE` names, or `default`.
//!
//! Read once, at start. No error repeats a value: lines of these files are secrets.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::clouds::Env;
use super::local::naming;

/// Ways to sign in that would need another program or a browser.
const UNUSABLE: [&str; 5] = ["credential_process", "sso_session", "sso_start_url", "source_profile", "credential_source"];

/// What the chosen profile says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    /// `aws_access_key_id`, `aws_secret_access_key`, and `aws_session_token` if there is one: all from one file.
    pub(super) keys: Option<Keys>,
    /// Everything else by its name; what is nested below `s3` as `s3.name`.
    settings: BTreeMap<String, String>,
}

/// A pair of keys.
#[derive(PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(***)")
    }
}

type Section = BTreeMap<String, String>;

impl Profile {
    /// Reads the files. Missing ones are empty; a profile that was named and is in neither is an error.
    pub(super) fn read(env: &Env) -> io::Result<Self> {
        let name = env.get("AWS_PROFILE").or_else(|| env.get("AWS_DEFAULT_PROFILE"));
        let credentials = sections_of(&place(env, "AWS_SHARED_CREDENTIALS_FILE", "credentials"))?;
        let config = sections_of(&place(env, "AWS_CONFIG_FILE", "config"))?;
        let wanted = name.unwrap_or("default");
        let in_config = config.get(&format!("profile {wanted}")).or_else(|| config.get(wanted).filter(|_| wanted == "default"));
        let in_credentials = credentials.get(wanted);
        if let (Some(name), None, None) = (name, in_credentials, in_config) {
            return Err(invalid(format!("AWS_PROFILE names the profile {name:?}, which is in none of AWS's files")));
        }
        let mut settings = in_config.cloned().unwrap_or_default();
        if let Some(services) = settings.get("services").and_then(|name| config.get(&format!("services {name}"))) {
            settings.extend(services.clone());
        }
        let keys = in_credentials.and_then(Keys::of).or_else(|| Keys::of(&settings));
        let profile = Self { keys, settings };
        match UNUSABLE.iter().find(|way| profile.get(way).is_some()) {
            Some(way) if profile.keys.is_none() && !env.has_aws_credentials() => Err(invalid(format!(
                "the profile {wanted:?} signs in by {way}, which this server cannot do: give keys, a web identity or an instance's role"
            ))),
            _ => Ok(profile),
        }
    }

    /// A setting; `None` if it is missing or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl Keys {
    fn of(section: &Section) -> Option<Self> {
        let value = |name: &str| section.get(name).filter(|value| !value.is_empty()).cloned();
        Some(Self { id: value("aws_access_key_id")?, secret: value("aws_secret_access_key")?, token: value("aws_session_token") })
    }
}

fn place(env: &Env, variable: &str, name: &str) -> PathBuf {
    let home = env.get("HOME").unwrap_or("/");
    env.get(variable).map_or_else(|| Path::new(home).join(".aws").join(name), PathBuf::from)
}

fn sections_of(file: &Path) -> io::Result<BTreeMap<String, Section>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(parse(&text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(naming(file, error)),
    }
}

/// Reads sections of `name = value` lines. An indented line belongs to the empty value above it. What is neither is passed
/// over, as AWS's tools do.
fn parse(text: &str) -> BTreeMap<String, Section> {
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    let mut section = None;
    let mut above = None;
    for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', ';'])) {
        let indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let name: Vec<&str> = name.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
            section = Some(name.join(" "));
            above = None;
        } else if let (Some(section), Some((name, value))) = (&section, line.split_once('=')) {
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            let value = value.split_once(" #").or_else(|| value.split_once(" ;")).map_or(value, |(value, _)| value.trim());
            let name = match (&above, indented) {
                (Some(above), true) => format!("{above}.{name}"),
                _ => {
                    above = value.is_empty().then(|| name.clone());
                    name
                }
            };
            sections.entry(section.clone()).or_default().insert(name, value.to_owned());
        }
    }
    sections
}

fn invalid(text: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "
# a comment
[default]
aws_access_key_id = AKDEFAULT
aws_secret_access_key=sesame/with=signs#inside   ; said so
[work]
aws_access_key_id = AKWORK
aws_secret_access_key = worksecret
aws_session_token = token
";
    const CONFIG: &str = "
[default]
region = eu-west-1
aws_access_key_id = other
aws_secret_access_key = other
[profile work]
region=eu-north-1
s3 =
    addressing_style = virtual
    max_concurrent_requests = 20
output = json
services = near
[profile \"far away\"]
sso_session = company
[services near]
s3 =
  endpoint_url = https://s3.example
dynamodb =
  endpoint_url = https://dynamo.example
";

    fn read(variables: &[(&str, &str)]) -> io::Result<Profile> {
        let folder = tempfile::tempdir().unwrap();
        let aws = folder.path().join(".aws");
        fs::create_dir(&aws).unwrap();
        fs::write(aws.join("credentials"), CREDENTIALS).unwrap();
        fs::write(aws.join("config"), CONFIG).unwrap();
        let home = [("HOME", folder.path().to_str().unwrap())];
        Profile::read(&Env::of(variables.iter().chain(&home).copied()))
    }

    #[test]
    fn the_default_profile_takes_keys_from_the_one_and_settings_from_the_other_file() {
        let profile = read(&[]).unwrap();
        assert_eq!(profile.get("region"), Some("eu-west-1"));
        let keys = profile.keys.unwrap();
        assert_eq!((keys.id.as_str(), keys.secret.as_str(), keys.token), ("AKDEFAULT", "sesame/with=signs#inside", None));
    }

    #[test]
    fn a_named_profile_has_nested_settings_and_services() {
        let profile = read(&[("AWS_PROFILE", "work")]).unwrap();
        assert_eq!(profile.get("s3.addressing_style"), Some("virtual"));
        assert_eq!(profile.get("s3.endpoint_url"), Some("https://s3.example"));
        assert_eq!(profile.get("output"), Some("json"));
        assert_eq!(profile.keys.as_ref().unwrap().token.as_deref(), Some("token"));
        assert!(!format!("{profile:?}").contains("worksecret"));
    }

    #[test]
    fn profiles_that_cannot_be_used_are_refused_with_the_reason() {
        assert!(read(&[("AWS_PROFILE", "none")]).unwrap_err().to_string().contains("none of AWS's files"));
        assert!(read(&[("AWS_PROFILE", "far away")]).unwrap_err().to_string().contains("sso_session"));
        let keys = [("AWS_PROFILE", "far away"), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
        assert!(read(&keys).is_ok(), "variables go before files");
    }

    #[test]
    fn files_that_are_not_there_are_empty_and_those_that_cannot_be_read_an_error() {
        assert_eq!(Profile::read(&Env::of([("HOME", "/no/such/home")])).unwrap(), Profile::default());
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().to_str().unwrap();
        let error = Profile::read(&Env::of([("HOME", there), ("AWS_CONFIG_FILE", there)])).unwrap_err();
        assert!(error.to_string().contains(there), "{error}");
    }
}
