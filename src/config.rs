//! Every setting: its flag, environment variable, default and meaning. The comments on the fields are the manual: `--help`
//! and `docs/configuration.md` show them.
//!
//! Each flag is also the variable `CHEESESHOP_<FLAG>`. An empty variable counts as unset. Nothing is read or made here but
//! the files that hold secrets; what contradicts itself is refused before anything exists.

pub mod housekeeping;
pub mod units;

use crate::blobs::Address;
use crate::http::delivery::Delivery;
use crate::http::metrics::Readers;
use crate::http::tls;
use crate::index::settings::UploadChecks;
use crate::limits;
use crate::log;
use crate::names::{IndexPath, UserName};
use crate::secret::Secret;
use crate::upstream::Origin;
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use housekeeping::{GcEvery, Housekeeping};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use units::{parse_size, show_size};
use url::Url;

/// A setting that cannot be used. The program ends with status 2 and has made nothing.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// Where the data lie: what every command needs to know.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// The folder for everything that has no place of its own; `serve` makes it if it is missing.
    #[arg(long, global = true, env = "CHEESESHOP_DATA_DIR", value_name = "FOLDER", default_value = "cheeseshop-data")]
    pub data_dir: PathBuf,
    /// The database: `sqlite:FILE` or `postgres://user:password@host/name` [default: sqlite:<data-dir>/cheeseshop.db].
    #[arg(long, global = true, env = "CHEESESHOP_DATABASE", value_name = "URL", hide_env_values = true)]
    pub database: Option<Secret>,
    /// A file that holds what `--database` would say.
    #[arg(long, global = true, env = "CHEESESHOP_DATABASE_FILE", value_name = "FILE", conflicts_with = "database")]
    pub database_file: Option<PathBuf>,
    /// Where all files are: a folder, which may lie on another file system, or a bucket: `s3://bucket/prefix`,
    /// `gs://bucket/prefix` or `az://container/prefix` [default: <data-dir>/blobs].
    #[arg(long, global = true, env = "CHEESESHOP_BLOBS", value_name = "FOLDER|URL", value_parser = Address::parse)]
    pub blobs: Option<Address>,
    /// A file of certificates, in PEM form, that are trusted beside the system's when a bucket is asked.
    #[arg(long, global = true, env = "CHEESESHOP_BLOBS_CA", value_name = "FILE")]
    pub blobs_ca: Option<PathBuf>,
}

/// What `serve` can be told.
#[derive(Debug, Clone, Args)]
pub struct ServeOptions {
    #[command(flatten)]
    #[allow(missing_docs, reason = "a comment here would become the text of --help")]
    pub place: Place,
    /// The IP address and port to listen on; `0.0.0.0:3141` or `[::]:3141` for everybody, port 0 for any that is free.
    #[arg(long, env = "CHEESESHOP_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3141", value_parser = parse_listen)]
    pub listen: SocketAddr,
    /// Speak TLS with the certificates in this file: PEM, the server's own first, then those that lead to its authority. Read anew
    /// when it changes.
    #[arg(long, env = "CHEESESHOP_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate: PEM, without a password.
    #[arg(long, env = "CHEESESHOP_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// The index that `root/pypi` mirrors: an address, `none`, or `auto`: the one that this machine's own pip installs from.
    /// An address or `none` replaces what is stored; `auto` is for a mirror that has no address yet.
    #[arg(long, env = "CHEESESHOP_UPSTREAM", value_name = "URL", default_value = "auto", hide_env_values = true)]
    pub upstream: Secret,
    /// A file that holds what `--upstream` would say; for an address with a password.
    #[arg(long, env = "CHEESESHOP_UPSTREAM_FILE", value_name = "FILE", conflicts_with = "upstream")]
    pub upstream_file: Option<PathBuf>,
    /// Ask no other server; serve what is kept.
    #[arg(long, env = "CHEESESHOP_OFFLINE", value_parser = BoolishValueParser::new())]
    pub offline: bool,
    /// The password of `root`, taken at the first start only; without one it is generated and printed. An empty one, which
    /// only the flag can give, is for trying out on a loopback address.
    #[arg(long, env = "CHEESESHOP_ROOT_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    pub root_password: Option<Secret>,
    /// A file that holds the password of `root`.
    #[arg(long, env = "CHEESESHOP_ROOT_PASSWORD_FILE", value_name = "FILE", conflicts_with = "root_password")]
    pub root_password_file: Option<PathBuf>,
    /// The index that `/simple/` and `/legacy/` stand for, or `none` [default: what is stored; root/main at the first start].
    #[arg(long, env = "CHEESESHOP_DEFAULT_INDEX", value_name = "USER/INDEX")]
    pub default_index: Option<DefaultIndex>,
    /// A TOML file with users, indexes and tokens that are to exist; applied at every start.
    #[arg(long, env = "CHEESESHOP_BOOTSTRAP", value_name = "FILE")]
    pub bootstrap: Option<PathBuf>,
    /// The address by which people reach this server, if a proxy stands before it and does not tell.
    #[arg(long, env = "CHEESESHOP_OUTSIDE_URL", value_name = "URL", value_parser = parse_outside_url)]
    pub outside_url: Option<Url>,
    /// Networks of proxies whose forwarding headers are believed; may be repeated, or separated by commas.
    #[arg(long, env = "CHEESESHOP_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',', value_parser = parse_network)]
    pub trusted_proxy: Vec<IpNet>,
    /// The largest file that may be uploaded or mirrored.
    #[arg(long, env = "CHEESESHOP_MAX_FILE_SIZE", value_name = "SIZE", default_value_t = Size(limits::FILE_BYTES_MAX))]
    pub max_file_size: Size,
    /// How clients get files from a bucket: `stream`, through this server; `redirect`, by a link to the bucket, which they must
    /// be able to reach; `auto`, by a link where the file is large and the client is known to do well with that.
    #[arg(long, env = "CHEESESHOP_BLOB_DELIVERY", value_name = "WAY", default_value = "stream", hide_possible_values = true)]
    pub blob_delivery: Delivery,
    /// Memory for finished pages.
    #[arg(long, env = "CHEESESHOP_PAGE_CACHE", value_name = "SIZE", default_value_t = Size(limits::PAGE_CACHE_BYTES))]
    pub page_cache: Size,
    /// Pictures in descriptions: `block` shows their text and a link, `proxy` has this server fetch them, from public addresses only.
    #[arg(long, env = "CHEESESHOP_DESCRIPTION_IMAGES", value_name = "WAY", default_value = "block", hide_possible_values = true)]
    pub description_images: DescriptionImages,
    /// Let anybody make a user.
    #[arg(long, env = "CHEESESHOP_OPEN_SIGNUP", value_parser = BoolishValueParser::new())]
    pub open_signup: bool,
    /// Only root and these users may make and change users and indexes; separated by commas.
    #[arg(long, env = "CHEESESHOP_RESTRICT_MODIFY", value_name = "USERS", value_delimiter = ',', value_parser = UserName::parse)]
    pub restrict_modify: Option<Vec<UserName>>,
    /// How uploads to new indexes are checked; each index has an option `upload_checks` of its own.
    #[arg(long, env = "CHEESESHOP_UPLOAD_CHECKS", value_name = "CHECKS", default_value = "strict")]
    pub upload_checks: UploadChecks,
    /// Let users other than root point mirrors at private addresses.
    #[arg(long, env = "CHEESESHOP_PRIVATE_MIRRORS", value_parser = BoolishValueParser::new())]
    pub private_mirrors: bool,
    /// How often the server does what `cheeseshop gc` does, on one of its nodes; `off`: never.
    #[arg(long, env = "CHEESESHOP_GC_EVERY", value_name = "TIME", default_value_t = GcEvery::default())]
    pub gc_every: GcEvery,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a comment here would become the text of --help")]
    pub housekeeping: Housekeeping,
    /// Who may read `/metrics`: `public`, everybody; `admin`, root by a password or a token; `off`, nobody.
    #[arg(long, env = "CHEESESHOP_METRICS", value_name = "WHO", default_value = "public", hide_possible_values = true)]
    pub metrics: Readers,
    /// How the log on standard error is written: `text`, lines for people; `json`, one object a line.
    #[arg(long, env = "CHEESESHOP_LOG_FORMAT", value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub log_format: log::Format,
    /// What is logged: a level (`error`, `warn`, `info`, `debug`, `trace`), or levels by module as in `info,cheeseshop=debug`.
    #[arg(long, env = "CHEESESHOP_LOG", value_name = "FILTER", default_value = "info,sqlx=warn", value_parser = parse_log_filter)]
    pub log: String,
}

/// What becomes of pictures in descriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DescriptionImages {
    /// Their text and a link are shown.
    Block,
    /// This server fetches them.
    Proxy,
}

/// Bytes, written as `64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl std::str::FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        parse_size(text).map(Self)
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&show_size(self.0))
    }
}

/// What `/simple/` is to stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultIndex {
    /// Nothing.
    None,
    /// This index.
    At(IndexPath),
}

impl std::str::FromStr for DefaultIndex {
    type Err = crate::names::InvalidName;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            path => IndexPath::parse(path).map(Self::At),
        }
    }
}

/// What `--upstream` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamChoice {
    /// Look for it.
    Auto,
    /// Mirror nothing.
    None,
    /// This one.
    At(Origin),
}

impl Place {
    /// The database's URL, as `db::Db::open` takes it.
    pub fn database_url(&self) -> Result<Secret, Invalid> {
        let given = match (&self.database, &self.database_file) {
            (Some(url), _) => url.clone(),
            (None, Some(file)) => read_secret(file)?,
            (None, None) => return Ok(sqlite_url(&self.data_dir.join("cheeseshop.db"))),
        };
        let url = given.reveal();
        let sqlite = url.strip_prefix("sqlite:").is_some_and(|file| !file.is_empty() && !file.contains(":memory:"));
        match sqlite || url.starts_with("postgres://") || url.starts_with("postgresql://") {
            true => Ok(given),
            false => Err(Invalid("--database must be sqlite:FILE or postgres://user:password@host/name".into())),
        }
    }

    /// The database's file, if it is SQLite's.
    pub fn sqlite_file(&self) -> Result<Option<PathBuf>, Invalid> {
        let url = self.database_url()?;
        let file = url.reveal().strip_prefix("sqlite:").map(|rest| rest.split_once('?').map_or(rest, |(file, _)| file));
        Ok(file.map(|file| {
            let file = file.strip_prefix("//").unwrap_or(file);
            PathBuf::from(percent_encoding::percent_decode_str(file).decode_utf8_lossy().as_ref())
        }))
    }

    /// Where all files are.
    pub fn blobs_address(&self) -> Address {
        self.blobs.clone().unwrap_or_else(|| Address::Folder(self.data_dir.join("blobs")))
    }
}

/// The database driver decodes `%` and takes `?` for the beginning of options, so both are escaped.
fn sqlite_url(file: &Path) -> Secret {
    let path = file.to_string_lossy().replace('%', "%25").replace('?', "%3F");
    format!("sqlite:{path}").into()
}

impl ServeOptions {
    /// Refuses what would contradict itself. Makes nothing.
    pub fn check(&self) -> Result<(), Invalid> {
        self.place.database_url()?;
        self.upstream_choice()?;
        if self.max_file_size.0 == 0 {
            return Err(Invalid("--max-file-size must be at least one byte".into()));
        }
        if let (Delivery::Redirect, Address::Folder(folder)) = (self.blob_delivery, self.place.blobs_address()) {
            return Err(Invalid(format!(
                "--blob-delivery redirect sends clients to a bucket, and the files are in the folder {}: use stream, or auto",
                folder.display()
            )));
        }
        let password = self.root_password()?;
        if password.is_some_and(|password| password.reveal().is_empty()) && !self.listen.ip().is_loopback() {
            return Err(Invalid(format!(
                "an empty --root-password is only for a loopback address, and --listen {} is none: give root a password",
                self.listen
            )));
        }
        Ok(())
    }

    /// The password for `root`, if one was given.
    pub fn root_password(&self) -> Result<Option<Secret>, Invalid> {
        let password = match &self.root_password_file {
            Some(file) => Some(read_secret(file)?),
            None => self.root_password.clone(),
        };
        match password.as_ref().is_some_and(|password| password.reveal().len() > limits::PASSWORD_BYTES_MAX) {
            true => Err(Invalid(format!("root's password has more than {} bytes", limits::PASSWORD_BYTES_MAX))),
            false => Ok(password),
        }
    }

    /// What clients are greeted with, if they are to speak TLS. Reads the files; blocks.
    pub fn tls(&self) -> Result<Option<tls::Tls>, Invalid> {
        let (Some(cert), Some(key)) = (self.tls_cert.clone(), self.tls_key.clone()) else { return Ok(None) };
        tls::Tls::load(tls::Files { cert, key }).map(Some).map_err(|error| Invalid(error.to_string()))
    }

    /// What is to be mirrored.
    pub fn upstream_choice(&self) -> Result<UpstreamChoice, Invalid> {
        let given = match &self.upstream_file {
            Some(file) => read_secret(file)?,
            None => self.upstream.clone(),
        };
        match given.reveal() {
            "auto" => Ok(UpstreamChoice::Auto),
            "none" => Ok(UpstreamChoice::None),
            address => match Origin::parse(address) {
                Ok(origin) => Ok(UpstreamChoice::At(origin)),
                Err(error) => Err(Invalid(format!("--upstream must be auto, none or an address: {error}"))),
            },
        }
    }
}

/// Reads a file that holds one secret; line ends after it do not belong to it.
pub fn read_secret(file: &Path) -> Result<Secret, Invalid> {
    let text =
        std::fs::read_to_string(file).map_err(|error| Invalid(format!("the file {} cannot be read: {error}", file.display())))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(Invalid(format!("the file {} is empty; it should hold a secret", file.display()))),
        secret => Ok(secret.into()),
    }
}

/// Reads an address and a port.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:3141, 0.0.0.0:3141 or [::]:3141".into())
}

fn parse_outside_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let plain =
        |url: &Url| url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    url.filter(plain).ok_or_else(|| "write an address such as https://packages.example/".into())
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    let one = || text.parse().ok().map(|ip: std::net::IpAddr| IpNet::from(ip));
    text.parse().ok().or_else(one).ok_or_else(|| "write a network or an address, such as 10.0.0.0/8 or 10.1.2.3".into())
}

fn parse_log_filter(text: &str) -> Result<String, String> {
    text.parse::<tracing_subscriber::EnvFilter>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
