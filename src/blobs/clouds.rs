//! Connects to object stores as each cloud's own tools would: from the usual variables, files and identities of machines, and
//! with our time-outs and retries. Asks nothing yet; the first question shows whether all of it is right.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{HttpClient, HttpConnector, ReqwestConnector};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::signer::{HeaderValue, Signer};
use object_store::{BackoffConfig, Certificate, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use super::address::{Bucket, Cloud};
use super::aws_files::Profile;
use super::local::naming;
use crate::limits;

/// The environment. Empty variables count as unset.
#[derive(Debug, Clone)]
pub(super) struct Env(BTreeMap<String, String>);

/// An object store and what only some of them can do.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) store: Arc<dyn ObjectStore>,
    /// Makes links that need no credentials.
    pub(super) signer: Arc<dyn Signer>,
    /// S3, which keeps the parts of uploads that never ended, until somebody asks for them.
    pub(super) s3: Option<(AmazonS3, HttpClient)>,
}

impl Env {
    /// This process's. Variables that are not text are passed over.
    pub(super) fn of_process() -> Self {
        let text =
            |(name, value): (std::ffi::OsString, std::ffi::OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self(std::env::vars_os().filter_map(text).filter(|(_, value)| !value.is_empty()).collect())
    }

    #[cfg(test)]
    pub(super) fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let set = variables.into_iter().filter(|(_, value)| !value.is_empty());
        Self(set.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether the variables alone say who we are to AWS.
    pub(super) fn has_aws_credentials(&self) -> bool {
        let has = |name| self.get(name).is_some();
        has("AWS_ACCESS_KEY_ID") || has("AWS_SECRET_ACCESS_KEY") || (has("AWS_WEB_IDENTITY_TOKEN_FILE") && has("AWS_ROLE_ARN"))
    }

    /// The variables that begin with `prefix` and that `parse` knows, by the key that it gives.
    fn known<'a, K: 'a>(
        &'a self,
        prefix: &'a str,
        parse: impl Fn(&str) -> Option<K> + 'a,
    ) -> impl Iterator<Item = (K, &'a str)> + 'a {
        let named = self.0.iter().filter(move |(name, _)| name.starts_with(prefix));
        named.filter_map(move |(name, value)| Some((parse(&name.to_ascii_lowercase())?, value.as_str())))
    }
}

/// Connects to `bucket`. `ca` names a file of certificates that are trusted beside those of the system.
pub(super) fn connect(bucket: &Bucket, ca: Option<&Path>, env: &Env) -> io::Result<Connected> {
    match bucket.cloud {
        Cloud::S3 => s3(bucket, ca, env),
        Cloud::Google => google(bucket, ca, env),
        Cloud::Azure => azure(bucket, ca, env),
    }
}

fn s3(bucket: &Bucket, ca: Option<&Path>, env: &Env) -> io::Result<Connected> {
    let profile = Profile::read(env)?;
    let bundle = env.get("AWS_CA_BUNDLE").or_else(|| profile.get("ca_bundle")).map(Path::new);
    let settings = S3Settings::of(bucket, &profile, env)?;
    let options = client_options(ca.or(bundle), settings.plain_http)?;
    // The options first: setting them throws away what variables have set of them.
    let mut builder = AmazonS3Builder::new().with_client_options(options.clone()).with_retry(retries());
    for (key, value) in env.known("AWS_", |name| name.parse::<AmazonS3ConfigKey>().ok()) {
        builder = builder.with_config(key, value);
    }
    for (key, value) in settings.values {
        builder = builder.with_config(key, value);
    }
    // Not all look-alikes can delete in bulk, and blobs are deleted one by one.
    let store = builder.with_bucket_name(&bucket.name).with_disable_bulk_delete(true).build().map_err(unusable)?;
    let client = ReqwestConnector::default().connect(&options).map_err(unusable)?;
    Ok(Connected { store: Arc::new(store.clone()), signer: Arc::new(store.clone()), s3: Some((store, client)) })
}

/// What is not simply a variable's value.
#[derive(Debug)]
struct S3Settings {
    values: Vec<(AmazonS3ConfigKey, String)>,
    plain_http: bool,
}

impl S3Settings {
    fn of(bucket: &Bucket, profile: &Profile, env: &Env) -> io::Result<Self> {
        let mut values = Vec::new();
        if !env.has_aws_credentials() {
            if let Some(keys) = &profile.keys {
                values.push((AmazonS3ConfigKey::AccessKeyId, keys.id.clone()));
                values.push((AmazonS3ConfigKey::SecretAccessKey, keys.secret.clone()));
                values.extend(keys.token.clone().map(|token| (AmazonS3ConfigKey::Token, token)));
            } else if let (Some(file), Some(role)) = (profile.get("web_identity_token_file"), profile.get("role_arn")) {
                values.push((AmazonS3ConfigKey::WebIdentityTokenFile, file.to_owned()));
                values.push((AmazonS3ConfigKey::RoleArn, role.to_owned()));
            }
        }
        if let (None, None, Some(region)) = (env.get("AWS_REGION"), env.get("AWS_DEFAULT_REGION"), profile.get("region")) {
            values.push((AmazonS3ConfigKey::Region, region.to_owned()));
        }
        let variables = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
        let endpoint = variables.iter().find_map(|name| env.get(name));
        let endpoint = endpoint.or_else(|| profile.get("s3.endpoint_url")).or_else(|| profile.get("endpoint_url"));
        let virtual_hosted = match env.get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST") {
            Some(value) => value.eq_ignore_ascii_case("true"),
            None => profile.get("s3.addressing_style") == Some("virtual"),
        };
        values.push((AmazonS3ConfigKey::VirtualHostedStyleRequest, virtual_hosted.to_string()));
        let mut plain_http = false;
        if let Some(endpoint) = endpoint {
            let url = endpoint_url(endpoint)?;
            plain_http = url.scheme() == "http";
            let url = if virtual_hosted { with_bucket(url, &bucket.name)? } else { url };
            values.push((AmazonS3ConfigKey::S3Endpoint, url.as_str().trim_end_matches('/').to_owned()));
        }
        Ok(Self { values, plain_http })
    }
}

fn google(bucket: &Bucket, ca: Option<&Path>, env: &Env) -> io::Result<Connected> {
    let key = |name: &str| name.parse::<GoogleConfigKey>().ok();
    let plain_http =
        env.known("GOOGLE_", key).any(|(key, value)| key == GoogleConfigKey::BaseUrl && value.starts_with("http://"));
    let mut builder = GoogleCloudStorageBuilder::new().with_client_options(client_options(ca, plain_http)?).with_retry(retries());
    if let Some(file) = env.get("SERVICE_ACCOUNT") {
        builder = builder.with_service_account_path(file);
    }
    for (key, value) in env.known("GOOGLE_", key) {
        builder = builder.with_config(key, value);
    }
    let store = Arc::new(builder.with_bucket_name(&bucket.name).build().map_err(unusable)?);
    Ok(Connected { store: store.clone(), signer: store, s3: None })
}

fn azure(bucket: &Bucket, ca: Option<&Path>, env: &Env) -> io::Result<Connected> {
    let key = |name: &str| name.parse::<AzureConfigKey>().ok();
    let plain_http = env.known("AZURE_", key).any(|(key, value)| {
        (key == AzureConfigKey::Endpoint && value.starts_with("http://"))
            || (key == AzureConfigKey::UseEmulator && value.eq_ignore_ascii_case("true"))
    });
    let mut builder = MicrosoftAzureBuilder::new().with_client_options(client_options(ca, plain_http)?).with_retry(retries());
    for (key, value) in env.known("AZURE_", key) {
        builder = builder.with_config(key, value);
    }
    if let Some(endpoint) = env.get("IDENTITY_ENDPOINT") {
        builder = builder.with_msi_endpoint(endpoint);
    }
    let store = Arc::new(builder.with_container_name(&bucket.name).build().map_err(unusable)?);
    Ok(Connected { store: store.clone(), signer: store, s3: None })
}

fn endpoint_url(text: &str) -> io::Result<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let plain = |url: &Url| url.username().is_empty() && url.password().is_none() && url.query().is_none();
    url.filter(plain).ok_or_else(|| invalid("the endpoint of S3 must be an address such as https://s3.example:9000"))
}

/// The endpoint of one bucket: its name stands before the host, where it does not already.
fn with_bucket(mut url: Url, bucket: &str) -> io::Result<Url> {
    let host = url.host_str().unwrap_or_default().to_owned();
    if !host.starts_with(&format!("{bucket}.")) {
        let wrong = || invalid("the endpoint of S3 has no name that a bucket could stand before: use path style");
        url.set_host(Some(&format!("{bucket}.{host}"))).map_err(|_| wrong())?;
    }
    Ok(url)
}

fn client_options(ca: Option<&Path>, plain_http: bool) -> io::Result<ClientOptions> {
    let mut options = ClientOptions::new()
        .with_user_agent(HeaderValue::from_static(concat!("cheeseshop/", env!("CARGO_PKG_VERSION"))))
        .with_connect_timeout(limits::OBJECT_CONNECT_WAIT)
        // A large file takes as long as its reader: only silence is bounded.
        .with_timeout_disabled()
        .with_read_timeout(limits::OBJECT_IDLE_WAIT)
        .with_config(ClientConfigKey::AllowHttp, plain_http.to_string());
    if let Some(file) = ca {
        let pem = fs::read(file).map_err(|error| naming(file, error))?;
        let certificates = Certificate::from_pem_bundle(&pem).ok().filter(|certificates| !certificates.is_empty());
        let wrong = || invalid(&format!("{} has no certificates in PEM form", file.display()));
        for certificate in certificates.ok_or_else(wrong)? {
            options = options.with_root_certificate(certificate);
        }
    }
    Ok(options)
}

fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: limits::OBJECT_RETRY_PAUSE,
            max_backoff: limits::OBJECT_RETRY_PAUSE_MAX,
            base: 2.0,
        },
        max_retries: limits::OBJECT_RETRIES_MAX,
        retry_timeout: limits::OBJECT_RETRY_TIME,
    }
}

fn unusable(error: object_store::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, error)
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use super::super::address::Address;
    use super::*;
    use std::time::Duration;

    fn bucket(text: &str) -> Bucket {
        match Address::parse(text).unwrap() {
            Address::Bucket(bucket) => bucket,
            Address::Folder(_) => panic!("{text} is a folder"),
        }
    }

    /// The link that a store so configured makes tells where it asks and who it is.
    async fn link(variables: &[(&str, &str)]) -> Url {
        let env = Env::of(variables.iter().copied().chain([("HOME", "/no/such/home")]));
        let connected = connect(&bucket("s3://shop/pre"), None, &env).unwrap();
        connected.signer.signed_url(object_store::signer::Method::GET, &"pre/key".into(), Duration::from_secs(60)).await.unwrap()
    }

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKTEST"), ("AWS_SECRET_ACCESS_KEY", "sesame")];

    #[tokio::test]
    async fn the_usual_variables_say_where_and_who() {
        for (variables, address) in [
            (&[][..], "https://s3.us-east-1.{AWS}/shop/pre/key"),
            (&[("AWS_DEFAULT_REGION", "eu-west-3")], "https://s3.eu-west-3.{AWS}/shop/pre/key"),
            (&[("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "x")], "https://s3.eu-west-1.{AWS}/shop/pre/key"),
            (&[("AWS_ENDPOINT_URL", "http://127.0.0.1:3900/")], "http://127.0.0.1:3900/shop/pre/key"),
            (
                &[("AWS_ENDPOINT_URL", "https://a.example"), ("AWS_ENDPOINT_URL_S3", "https://b.example")],
                "https://b.example/shop/pre/key",
            ),
            (&[("AWS_ENDPOINT_URL", ""), ("AWS_REGION", "")], "https://s3.us-east-1.{AWS}/shop/pre/key"),
            (
                &[("AWS_ENDPOINT_URL", "https://s3.example"), ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true")],
                "https://shop.s3.example/pre/key",
            ),
            (
                &[("AWS_ENDPOINT_URL", "https://shop.s3.example"), ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true")],
                "https://shop.s3.example/pre/key",
            ),
        ] {
            let link = link(&[&KEYS[..], variables].concat()).await;
            let address = address.replace("{AWS}", "amazonaws.com");
            assert_eq!(link.as_str().split('?').next(), Some(address.as_str()), "{variables:?}");
            assert!(link.query().unwrap().contains("X-Amz-Credential=AKTEST"), "{link}");
            assert!(!link.as_str().contains("sesame"));
        }
    }

    #[tokio::test]
    async fn a_profile_gives_what_no_variable_says() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        fs::write(
            &file,
            "[profile near]\nregion = here-1\naws_access_key_id = AKFILE\naws_secret_access_key = sesame\nendpoint_url = http://127.0.0.1:9\n",
        )
        .unwrap();
        let profile = [("AWS_CONFIG_FILE", file.to_str().unwrap()), ("AWS_PROFILE", "near")];
        let of_file = link(&profile).await;
        assert!(of_file.as_str().starts_with("http://127.0.0.1:9/shop/pre/key?"), "{of_file}");
        assert!(of_file.as_str().contains("AKFILE%2F") && of_file.as_str().contains("here-1"), "{of_file}");
        let variables_first = link(&[&KEYS[..], &profile].concat()).await;
        assert!(variables_first.as_str().contains("AKTEST%2F"), "{variables_first}");
    }

    #[tokio::test]
    async fn the_other_clouds_are_connected_from_their_variables() {
        let env = Env::of([("AZURE_STORAGE_ACCOUNT_NAME", "me"), ("AZURE_STORAGE_ACCOUNT_KEY", "c2VzYW1l")]);
        let azure = connect(&bucket("az://shop/pre"), None, &env).unwrap();
        let key = "pre/key".into();
        let link = azure.signer.signed_url(object_store::signer::Method::GET, &key, Duration::from_secs(60)).await.unwrap();
        assert!(link.path() == "/shop/pre/key" && link.host_str().unwrap().starts_with("me."), "{link}");
        assert!(connect(&bucket("az://shop"), None, &Env::of([])).is_err(), "no account");
        let google = connect(&bucket("gs://shop"), None, &Env::of([("GOOGLE_SKIP_SIGNATURE", "true")])).unwrap();
        assert!(google.store.to_string().contains("shop") && google.s3.is_none());
    }

    #[test]
    fn what_cannot_work_is_refused_without_showing_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        fs::write(&file, "no certificate").unwrap();
        let there = file.to_str().unwrap();
        for (variables, ca, reason) in [
            (&[("AWS_ENDPOINT_URL", "s3.example")][..], None, "must be an address"),
            (&[("AWS_ENDPOINT_URL", "https://me:sesame@s3.example")], None, "must be an address"),
            (&[("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true")], None, "path style"),
            (&[("AWS_SECRET_ACCESS_KEY", "sesame")], None, "Access"),
            (&[("AWS_CA_BUNDLE", there)], None, "no certificates"),
            (&[], Some(Path::new("/no/such/ca.pem")), "/no/such/ca.pem"),
        ] {
            let env = Env::of(variables.iter().copied().chain([("HOME", "/no/such/home")]));
            let error = connect(&bucket("s3://shop"), ca, &env).unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains("sesame"), "{variables:?}: {error}");
        }
    }
}
