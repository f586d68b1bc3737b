//! `--upstream auto`: which index this machine's own pip and uv install from. Asked once, at the first start.
//!
//! What they say is parsed by pure functions; the only I/O is running `pip`, reading its configuration where there is none (as in
//! a container), and looking up whether an address is this machine's. No address of any index is written here, and an address is never logged with its credentials.

use super::origin::Origin;
use crate::limits::{UPSTREAM_CONNECT_WAIT, UPSTREAM_DISCOVERY_PROGRAM_WAIT};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Stdio;
use url::Url;

/// An index that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The index.
    pub origin: Origin,
    /// Who named it, for the log: `PIP_INDEX_URL`, `pip's configuration`, …
    pub from: &'static str,
}

/// Where this server itself can be reached. A mirror of itself would ask itself for ever.
#[derive(Debug, Clone, Default)]
pub struct Ourselves {
    /// The addresses it listens on.
    pub listen: Vec<SocketAddr>,
    /// Its address as others see it, if that is configured.
    pub outside: Option<Url>,
}

/// The ways to run pip, the most likely first.
pub const PIPS: &[&[&str]] = &[&["pip"], &["pip3"], &["python3", "-m", "pip"]];

/// Looks for the index in this order: `PIP_INDEX_URL`, `UV_DEFAULT_INDEX`, `UV_INDEX_URL`, pip's configuration files, the
/// default that pip's own help names. The first that is an HTTP address and not this server wins. Without a pip on this machine
/// the file is read that `PIP_CONFIG_FILE` names: the Docker image has one, written by the pip that it was built with.
///
/// `env` reads an environment variable; `pips` is [`PIPS`] outside tests.
pub async fn discover(
    env: &(dyn Fn(&str) -> Option<String> + Send + Sync),
    ourselves: &Ourselves,
    pips: &[&[&str]],
) -> Option<Found> {
    for from in ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"] {
        let named = env(from).as_deref().and_then(index_of_variable);
        if let Some(found) = usable(named, from, ourselves).await {
            return Some(found);
        }
    }
    let Some((pip, configuration)) = first_pip(pips).await else {
        let file = tokio::fs::read_to_string(env("PIP_CONFIG_FILE")?).await.ok()?;
        return usable(index_of_file(&file), "PIP_CONFIG_FILE", ourselves).await;
    };
    if let Some(found) = usable(index_of_configuration(&configuration), "pip's configuration", ourselves).await {
        return Some(found);
    }
    let help = run(pip, &["install", "--help"]).await?;
    usable(default_of_help(&help), "pip's own default", ourselves).await
}

/// The first pip that runs, and its configuration.
async fn first_pip<'a>(pips: &'a [&'a [&'a str]]) -> Option<(&'a [&'a str], String)> {
    for pip in pips {
        if let Some(configuration) = run(pip, &["config", "list"]).await {
            return Some((pip, configuration));
        }
    }
    None
}

async fn usable(named: Option<Origin>, from: &'static str, ourselves: &Ourselves) -> Option<Found> {
    let origin = named?;
    match ourselves.are(origin.list_url()).await {
        true => None,
        false => Some(Found { origin, from }),
    }
}

/// The index in an environment variable; uv also allows `name=address`.
fn index_of_variable(text: &str) -> Option<Origin> {
    let address = match text.split_once('=') {
        Some((name, address)) if !name.contains([':', '/']) => address,
        _ => text,
    };
    Origin::parse(address).ok()
}

/// The index in the output of `pip config list`: lines like `global.index-url='https://index.example/simple'`, of which the
/// section of the command goes before the global one, and the environment before both.
fn index_of_configuration(output: &str) -> Option<Origin> {
    let value = |wanted: &str| {
        output.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            let is_wanted = key.trim().replace('_', "-") == wanted;
            is_wanted.then(|| value.trim().trim_matches(['\'', '"']))
        })
    };
    [":env:.index-url", "install.index-url", "global.index-url"].into_iter().find_map(|key| Origin::parse(value(key)?).ok())
}

/// The index in a configuration file of pip's: `index-url = https://index.example/simple` below `[install]`, else `[global]`.
fn index_of_file(text: &str) -> Option<Origin> {
    let (mut section, mut found) = ("", [None, None]);
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim();
        } else if let Some((key, value)) = line.split_once(['=', ':'])
            && let Some(place) = ["install", "global"].iter().position(|name| *name == section)
            && key.trim().replace('_', "-") == "index-url"
        {
            found[place] = Origin::parse(value.trim()).ok();
        }
    }
    found.into_iter().flatten().next()
}

/// The default that `pip install --help` names: `-i, --index-url <url>  Base URL of … (default https://…).` The text wraps,
/// and on a narrow terminal within the address.
fn default_of_help(output: &str) -> Option<Origin> {
    let option = output.split_once("-i, --index-url")?.1;
    let option = option.split_once("--extra-index-url").map_or(option, |(before, _)| before);
    let (address, _) = option.split_once("(default")?.1.split_once(')')?;
    let address: String = address.split_whitespace().collect();
    Origin::parse(address.trim_start_matches(':')).ok()
}

/// The output of a program that ends well and in time.
async fn run(program: &[&str], arguments: &[&str]) -> Option<String> {
    let (name, first) = program.split_first()?;
    let mut command = tokio::process::Command::new(name);
    command.args(first).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    // Wide enough for any address to stay on one line, and no look at the network for a newer pip.
    command.env("COLUMNS", "400").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    let output = tokio::time::timeout(UPSTREAM_DISCOVERY_PROGRAM_WAIT, command.output()).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Ourselves {
    async fn are(&self, url: &Url) -> bool {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return false };
        let is_outside = |outside: &Url| outside.host_str() == Some(host) && outside.port_or_known_default() == Some(port);
        if self.outside.as_ref().is_some_and(is_outside) {
            return true;
        }
        if !self.listen.iter().any(|address| address.port() == port) {
            return false;
        }
        // `[::1]` keeps its brackets in a URL, and the look-up wants none.
        let host = host.trim_matches(['[', ']']);
        let found = tokio::time::timeout(UPSTREAM_CONNECT_WAIT, tokio::net::lookup_host((host, port))).await;
        let Ok(Ok(found)) = found else { return false };
        found.into_iter().any(|address| self.listens_at(address, is_of_this_machine))
    }

    /// Whether a connection to `address` would end at this server.
    fn listens_at(&self, address: SocketAddr, is_of_this_machine: impl Fn(IpAddr) -> bool) -> bool {
        self.listen.iter().any(|own| {
            own.port() == address.port()
                && (own.ip() == address.ip() || own.ip().is_unspecified() && is_of_this_machine(address.ip()))
        })
    }
}

/// Only an address of this machine can be bound.
fn is_of_this_machine(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "https://index.example/simple/";

    fn shown(origin: Option<Origin>) -> Option<String> {
        origin.map(|origin| origin.public())
    }

    #[test]
    fn variables_name_an_index_plainly_or_with_a_name() {
        for (text, wanted) in [
            ("https://index.example/simple", Some(INDEX)),
            (" https://index.example/simple/ ", Some(INDEX)),
            ("work=https://index.example/simple", Some(INDEX)),
            ("https://me:p=w@index.example/simple", Some(INDEX)),
            ("", None),
            ("/srv/wheels", None),
            ("file:///srv/wheels", None),
        ] {
            assert_eq!(shown(index_of_variable(text)).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn the_nearest_setting_of_pip_counts() {
        for (output, wanted) in [
            ("global.index-url='https://index.example/simple'\nglobal.timeout='60'\n", Some(INDEX)),
            ("global.index-url='https://a.example/'\ninstall.index-url='https://index.example/simple'\n", Some(INDEX)),
            ("install.index-url='https://a.example/'\n:env:.index-url='https://index.example/simple'\n", Some(INDEX)),
            ("global.index_url=\"https://index.example/simple\"\r\n", Some(INDEX)),
            ("global.extra-index-url='https://index.example/simple'\n", None),
            ("download.index-url='https://index.example/simple'\n", None),
            ("global.index-url='/srv/wheels'\n", None),
            ("", None),
        ] {
            assert_eq!(shown(index_of_configuration(output)).as_deref(), wanted, "{output}");
        }
    }

    #[test]
    fn a_configuration_file_is_read_where_there_is_no_pip() {
        for (text, wanted) in [
            ("[global]\nindex-url = https://index.example/simple\n", Some(INDEX)),
            ("# index-url = https://a.example/\n[global]\r\nindex_url: https://index.example/simple\r\n", Some(INDEX)),
            ("[global]\nindex-url = https://a.example/\n[install]\nindex-url = https://index.example/simple\n", Some(INDEX)),
            ("[install]\nindex-url = https://index.example/simple\n[global]\nindex-url = https://a.example/\n", Some(INDEX)),
            ("[download]\nindex-url = https://a.example/\n", None),
            ("index-url = https://a.example/\n[global]\nextra-index-url = https://a.example/\n", None),
            ("[global]\nindex-url = /srv/wheels\n", None),
        ] {
            assert_eq!(shown(index_of_file(text)).as_deref(), wanted, "{text}");
        }
    }

    #[tokio::test]
    async fn pips_file_counts_only_without_a_pip() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[global]\nindex-url = https://file.example/\n").unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let env = move |name: &str| (name == "PIP_CONFIG_FILE").then(|| path.clone());
        let plain = pip("case $0 in install) echo '-i, --index-url <url> (default https://help.example/)';; esac");
        let none: &[&[&str]] = &[&["no-such-program-anywhere"]];
        for (pips, wanted) in [(none, "https://file.example/"), (&[&plain[..]][..], "https://help.example/")] {
            let found = discover(&env, &Ourselves::default(), pips).await.unwrap();
            assert_eq!(found.origin.public(), wanted);
        }
    }

    #[test]
    fn the_default_is_found_in_wide_and_narrow_help() {
        let wide = "Package Index Options:\n  -i, --index-url <url>       Base URL of the Python Package Index (default \
                    https://index.example/simple). This should point to a repository (or a folder).\n  --extra-index-url <url> \
                    Extra URLs (default https://other.example/).\n";
        let narrow = "  -i, --index-url <url>\n                  Base URL of the\n                  Python Package Index\n \
                      (default https://inde\n                  x.example/simple). This\n                  should point\n";
        for text in [wide, narrow, "-i, --index-url (default: https://index.example/simple)"] {
            assert_eq!(shown(default_of_help(text)).as_deref(), Some(INDEX), "{text}");
        }
        let without = "-i, --index-url <url>  Base URL.\n --extra-index-url <url> Extra (default https://other.example/).";
        for text in ["", "usage: pip", without, "-i, --index-url <url> (default nothing)"] {
            assert_eq!(default_of_help(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_is_ours_if_we_listen_there() {
        for (own, address, ours) in [
            ("127.0.0.1:3141", "127.0.0.1:3141", true),
            ("127.0.0.1:3141", "127.0.0.1:3142", false),
            ("127.0.0.1:3141", "127.0.0.2:3141", false),
            ("0.0.0.0:3141", "127.0.0.1:3141", true),
            ("[::]:3141", "[::1]:3141", true),
            ("0.0.0.0:3141", "10.0.0.9:3141", false),
        ] {
            let ourselves = Ourselves { listen: vec![own.parse().unwrap()], outside: None };
            let is_of_this_machine = |ip: IpAddr| ip.is_loopback();
            assert_eq!(ourselves.listens_at(address.parse().unwrap(), is_of_this_machine), ours, "{own} {address}");
        }
    }

    #[tokio::test]
    async fn our_own_names_are_seen_through() {
        let ourselves = Ourselves {
            listen: vec!["0.0.0.0:3141".parse().unwrap()],
            outside: Some(Url::parse("https://packages.example/pypi/").unwrap()),
        };
        for (url, ours) in [
            ("http://localhost:3141/root/pypi/+simple/", true),
            ("http://127.0.0.1:3141/", true),
            ("https://packages.example/simple/", true),
            ("https://packages.example:8443/simple/", false),
            ("http://127.0.0.1:3142/", false),
            (INDEX, false),
        ] {
            assert_eq!(ourselves.are(&Url::parse(url).unwrap()).await, ours, "{url}");
        }
    }

    /// A stand-in for pip: `$0` is its first argument.
    const fn pip(script: &str) -> [&str; 3] {
        ["sh", "-c", script]
    }

    #[tokio::test]
    async fn the_order_is_environment_configuration_default() {
        let configured = pip("case $0 in config) echo \"global.index-url='https://conf.example/'\";; *) exit 1;; esac");
        let plain = pip("case $0 in install) echo '-i, --index-url <url> (default https://help.example/)';; esac");
        let failing = pip("echo \"global.index-url='https://wrong.example/'\"; exit 3");
        let all: &[&[&str]] = &[&["no-such-program-anywhere"], &failing, &configured, &plain];
        let ask = async |variables: &[(&str, &str)], listen: &[&str], pips: &[&[&str]]| {
            let variables: Vec<(String, String)> = variables.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
            let env = move |name: &str| variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            let ourselves = Ourselves { listen: listen.iter().map(|text| text.parse().unwrap()).collect(), outside: None };
            discover(&env, &ourselves, pips).await.map(|found| (found.origin.public(), found.from))
        };
        let pip_variable = ("PIP_INDEX_URL", "http://127.0.0.1:3141/simple/");
        let uv_variable = ("UV_DEFAULT_INDEX", "https://uv.example/");
        let named = |url: &str, from| Some((url.to_owned(), from));
        assert_eq!(ask(&[uv_variable, pip_variable], &[], all).await, named(pip_variable.1, "PIP_INDEX_URL"));
        let skipped = ask(&[uv_variable, pip_variable], &["127.0.0.1:3141"], all).await;
        assert_eq!(skipped, named("https://uv.example/", "UV_DEFAULT_INDEX"), "ourselves are skipped");
        assert_eq!(ask(&[], &[], all).await, named("https://conf.example/", "pip's configuration"));
        assert_eq!(ask(&[], &[], &[&plain, &configured]).await, named("https://help.example/", "pip's own default"));
        assert_eq!(ask(&[], &[], &[&failing]).await, None);
    }
}
