//! Every setting of the server: its flag, its environment variable, its default and its meaning. The doc comment of a field is
//! what `--help` prints; `docs/configuration.md` repeats it, and a test compares the two.
//!
//! Indexes, users and tokens are no settings: they live in the database.

use crate::names::{IndexPath, UserName};
use clap::Args;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;
use url::Url;

/// Where the data are: for every command.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// Folder for everything that is kept: the database and the blobs, unless they are elsewhere
    #[arg(long, env = "CHEESESHOP_DATA_DIR", default_value = "./cheeseshop-data", value_name = "FOLDER")]
    pub data_dir: PathBuf,

    /// Database: sqlite:PATH or postgres://… (default: cheeseshop.db in the data folder)
    #[arg(long, env = "CHEESESHOP_DATABASE", hide_env_values = true, value_name = "URL")]
    pub database: Option<String>,

    /// Folder for the files' bytes, also on another file system (default: blobs in the data folder)
    #[arg(long, env = "CHEESESHOP_BLOBS", value_name = "FOLDER")]
    pub blobs: Option<PathBuf>,

    /// How log lines are written to standard error: text or json
    #[arg(long, env = "CHEESESHOP_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,

    /// What is logged: error, warn, info, debug, trace, or a filter such as cheeseshop=debug,sqlx=warn
    #[arg(long, env = "CHEESESHOP_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The settings of `cheeseshop serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Where the data are.
    #[command(flatten)]
    pub data: DataArgs,

    /// Address and port to listen on
    #[arg(long, env = "CHEESESHOP_LISTEN", default_value = "127.0.0.1:3141", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,

    /// Index that root/pypi mirrors: auto (what this machine's own pip installs from, looked up at the first start), none, or a
    /// URL, which may carry user:password@ and replaces an earlier one
    #[arg(long, env = "CHEESESHOP_UPSTREAM", hide_env_values = true, default_value = "auto", value_name = "auto|none|URL")]
    pub upstream: UpstreamChoice,

    /// Ask no upstream; serve what is kept
    #[arg(long, env = "CHEESESHOP_OFFLINE")]
    pub offline: bool,

    /// Password of root at the first start (default: a random one, printed once); an empty one only while listening on a
    /// loopback address
    #[arg(
        long,
        env = "CHEESESHOP_ROOT_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD",
        conflicts_with = "root_password_file"
    )]
    pub root_password: Option<Secret>,

    /// File that holds the password of root at the first start
    #[arg(long, env = "CHEESESHOP_ROOT_PASSWORD_FILE", value_name = "FILE")]
    pub root_password_file: Option<PathBuf>,

    /// Index behind /simple/ and /legacy/: user/index or none (default: root/main at the first start, then as it was)
    #[arg(long, env = "CHEESESHOP_DEFAULT_INDEX", value_name = "USER/INDEX|none")]
    pub default_index: Option<DefaultIndex>,

    /// TOML file of users, indexes and tokens that are made or adjusted at every start
    #[arg(long, env = "CHEESESHOP_BOOTSTRAP", value_name = "FILE")]
    pub bootstrap: Option<PathBuf>,

    /// Address at which people reach this server, for absolute links in JSON answers (default: what their requests say)
    #[arg(long, env = "CHEESESHOP_OUTSIDE_URL", value_name = "URL")]
    pub outside_url: Option<Url>,

    /// Proxies whose X-Forwarded-* and X-Outside-Url headers are believed; may be repeated
    #[arg(long, env = "CHEESESHOP_TRUSTED_PROXY", value_delimiter = ',', value_name = "CIDR")]
    pub trusted_proxy: Vec<IpNet>,

    /// Largest file that may be uploaded, or fetched by a mirror
    #[arg(long, env = "CHEESESHOP_MAX_FILE_SIZE", default_value = "4GiB", value_name = "SIZE")]
    pub max_file_size: Size,

    /// Memory for rendered pages
    #[arg(long, env = "CHEESESHOP_PAGE_CACHE", default_value = "64MiB", value_name = "SIZE")]
    pub page_cache: Size,

    /// Let anybody make a user
    #[arg(long, env = "CHEESESHOP_OPEN_SIGNUP")]
    pub open_signup: bool,

    /// Only these users may make and change users and indexes
    #[arg(long, env = "CHEESESHOP_RESTRICT_MODIFY", value_delimiter = ',', value_name = "USER")]
    pub restrict_modify: Option<Vec<Modifier>>,

    /// Let users other than root point mirrors at private addresses
    #[arg(long, env = "CHEESESHOP_PRIVATE_MIRRORS")]
    pub private_mirrors: bool,
}

/// A number of bytes: digits, and B, KiB, MiB, GiB or TiB behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl std::str::FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a size: write it like 500MiB, 4GiB or 1048576");
        let text = text.trim();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
        let shift = match text[digits..].trim() {
            "" | "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            "TiB" => 40,
            _ => return Err(wrong()),
        };
        number.checked_mul(1 << shift).map(Size).ok_or_else(wrong)
    }
}

/// Text that no debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.into()))
    }
}

/// What `root/pypi` mirrors.
#[derive(Debug, Clone)]
pub enum UpstreamChoice {
    /// What pip on this machine installs from.
    Auto,
    /// Nothing.
    None,
    /// This index.
    Url(crate::upstream::Origin),
}

impl std::str::FromStr for UpstreamChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            url => crate::upstream::Origin::parse(url).map(Self::Url).map_err(|e| format!("{e}; or say auto or none")),
        }
    }
}

/// What `/simple/` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultIndex {
    /// Nothing.
    None,
    /// This index.
    Path(IndexPath),
}

impl std::str::FromStr for DefaultIndex {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            path => IndexPath::parse(path).map(Self::Path).map_err(|e| e.to_string()),
        }
    }
}

/// A user whom `--restrict-modify` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modifier(pub UserName);

impl std::str::FromStr for Modifier {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        UserName::parse(text.trim()).map(Self).map_err(|e| e.to_string())
    }
}

impl DataArgs {
    /// The database's address, for the driver.
    pub fn database_url(&self) -> String {
        match &self.database {
            Some(url) => url.clone(),
            None => format!("sqlite:{}", self.data_dir.join("cheeseshop.db").display()),
        }
    }

    /// The blobs' folder.
    pub fn blobs_folder(&self) -> PathBuf {
        self.blobs.clone().unwrap_or_else(|| self.data_dir.join("blobs"))
    }

    /// Whether the address is of a kind that there is a driver for.
    pub fn check(&self) -> Result<(), String> {
        match &self.database {
            Some(url) if !["sqlite:", "postgres://", "postgresql://"].iter().any(|kind| url.starts_with(kind)) => {
                Err("--database must be sqlite:PATH or postgres://…".into())
            }
            _ => Ok(()),
        }
    }
}

/// Takes variables that are set to nothing out of `environment`: an empty variable counts as not set. Compose files and CI
/// systems set them so.
pub fn empty_variables(environment: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>) -> Vec<std::ffi::OsString> {
    let ours = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("CHEESESHOP_");
    environment.filter(|(name, value)| ours(name) && value.is_empty()).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("0", 0), ("17", 17), ("17B", 17), ("256KiB", 256 << 10), ("64 MiB", 64 << 20), ("4GiB", 4 << 30), ("1TiB", 1 << 40)]
        {
            assert_eq!(text.parse::<Size>(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "MiB", "1MB", "-1", "1.5GiB", "99999999999999999999", "99999999TiB", "1 2"] {
            assert!(text.parse::<Size>().unwrap_err().contains("500MiB"), "{text}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", Secret("hunter2".into())), "***");
        let upstream: UpstreamChoice = "https://me:hunter2@index.example/simple/".parse().unwrap();
        assert!(!format!("{upstream:?}").contains("hunter2"));
    }
}
