//! From open parts to a server that is ready: the first start, what the operator declared, and the lines that are printed.

use crate::config::{DefaultIndex, ServeOptions, UpstreamChoice};
use crate::error::Error;
use crate::index::bootstrap::{self, Declared};
use crate::index::{Core, credentials, setup};
use crate::names::{IndexPath, UserName};
use crate::secret::Secret;
use crate::upstream::Origin;
use crate::upstream::discover::{self, Found, Ourselves, PIPS};
use anyhow::{Result, bail};
use std::net::SocketAddr;
use std::sync::Arc;

/// What the operator is told on standard output, one line at a time.
pub type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// Makes the server what it is to be, and tells what there is to tell. `listening` is where it listens.
///
/// A generated password is told as soon as it is root's, so that no later failure can lose it.
pub async fn prepare(
    core: &Arc<Core>,
    options: &ServeOptions,
    declared: &Declared,
    listening: SocketAddr,
    say: Say<'_>,
) -> Result<()> {
    let wanted_default = match &options.default_index {
        Some(DefaultIndex::At(path)) => Some(path),
        Some(DefaultIndex::None) | None => None,
    };
    bootstrap::check(core, declared, wanted_default).await.map_err(plain)?;
    let choice = options.upstream_choice()?;
    let found = find_upstream(core, &choice, options, listening).await?;
    if setup::is_first_start(core).await.map_err(plain)? {
        first_start(core, options, declared, found.as_ref(), say).await?;
    } else {
        refuse_open_root(core, listening).await?;
        later_start(core, options, &choice, found.as_ref()).await?;
    }
    bootstrap::apply(core, declared).await.map_err(plain)?;
    if let Some(default) = &options.default_index {
        let path = match default {
            DefaultIndex::At(path) => Some(path.clone()),
            DefaultIndex::None => None,
        };
        setup::set_default_index(core, path).await.map_err(plain)?;
    }
    announce(core, options, found.as_ref(), listening, say)
}

/// The upstream that this start sets, if it sets one.
async fn find_upstream(
    core: &Core,
    choice: &UpstreamChoice,
    options: &ServeOptions,
    listening: SocketAddr,
) -> Result<Option<Found>> {
    match choice {
        UpstreamChoice::None => Ok(None),
        UpstreamChoice::At(origin) => Ok(Some(Found { origin: origin.clone(), from: "--upstream" })),
        UpstreamChoice::Auto => {
            let first = setup::is_first_start(core).await.map_err(plain)?;
            let wanting = matches!(setup::stored_upstream(core).map_err(plain)?, Some(None));
            let ourselves = Ourselves { listen: vec![listening], outside: options.outside_url.clone() };
            match first || wanting {
                true => Ok(discover::discover(&|name| std::env::var(name).ok(), &ourselves, PIPS).await),
                false => Ok(None),
            }
        }
    }
}

async fn first_start(
    core: &Arc<Core>,
    options: &ServeOptions,
    declared: &Declared,
    found: Option<&Found>,
    say: Say<'_>,
) -> Result<()> {
    let declared_root = declared.users.iter().find(|user| user.name == UserName::root());
    let given = options.root_password()?.or_else(|| declared_root.and_then(|root| root.password.clone()));
    let (password, generated) = match given {
        Some(password) => (password, false),
        None => (Secret::from(credentials::new_secret("").map_err(plain)?), true),
    };
    let default = match &options.default_index {
        None => Some(setup::root_main().map_err(plain)?),
        Some(DefaultIndex::None) => None,
        Some(DefaultIndex::At(path)) => Some(path.clone()),
    };
    let done = setup::first_start(core, password.reveal(), found.map(|found| &found.origin), default).await.map_err(plain)?;
    if done && generated {
        say(&format!("The first start: the password of root is {} (shown only this once)", password.reveal()));
    }
    Ok(())
}

async fn later_start(core: &Arc<Core>, options: &ServeOptions, choice: &UpstreamChoice, found: Option<&Found>) -> Result<()> {
    if options.root_password.is_some() || options.root_password_file.is_some() {
        tracing::debug!("--root-password is for the first start only; `cheeseshop user passwd root` changes the password");
    }
    let origin: Option<&Origin> = match (choice, found) {
        (UpstreamChoice::Auto, None) => return Ok(()),
        (_, found) => found.map(|found| &found.origin),
    };
    match setup::set_upstream(core, origin).await {
        // Whoever removed root/pypi had a reason, and the flag may have been left in a script.
        Err(Error::NotFound(text)) => tracing::warn!("--upstream is not used: {text}"),
        other => other.map_err(plain)?,
    }
    Ok(())
}

/// An empty password is for trying out on one's own machine.
async fn refuse_open_root(core: &Core, listening: SocketAddr) -> Result<()> {
    if !listening.ip().is_loopback() && setup::root_is_open(core).await.map_err(plain)? {
        bail!(
            "root has an empty password, and {listening} is not a loopback address: \
             set one with `cheeseshop user passwd root`, or listen on 127.0.0.1"
        );
    }
    Ok(())
}

fn announce(core: &Core, options: &ServeOptions, found: Option<&Found>, listening: SocketAddr, say: Say<'_>) -> Result<()> {
    let folder = std::path::absolute(&options.place.data_dir)?;
    say(&format!("Cheeseshop {} listens on http://{listening}/", env!("CARGO_PKG_VERSION")));
    say(&format!("  data      {}", folder.display()));
    let upstream = match (setup::stored_upstream(core).map_err(plain)?, found) {
        (Some(Some(origin)), Some(found)) if found.origin == origin => format!("{origin} (from {})", found.from),
        (Some(Some(origin)), _) => origin.to_string(),
        (Some(None), _) => "none; name one with --upstream https://…".into(),
        (None, _) => "none; there is no mirror root/pypi".into(),
    };
    say(&format!("  upstream  {upstream}"));
    let default = core.tree.load().default.as_ref().map(IndexPath::to_string);
    say(&format!("  /simple/  {}", default.as_deref().unwrap_or("no default index")));
    Ok(())
}

/// An error of the rules for the operator, who may see the cause of an internal one.
pub fn plain(error: Error) -> anyhow::Error {
    match error {
        Error::Internal(cause) => cause,
        told => anyhow::anyhow!("{told}"),
    }
}
