//! Builds the parts of the program, owns its background tasks and ends them in order. Nothing here is a rule.

pub mod background;
mod bootstrap_file;
#[cfg(unix)]
mod handles;
pub mod start;

use crate::blobs::{Address, Blobs};
use crate::clock::Clock;
use crate::config::{DescriptionImages, Place, ServeOptions};
use crate::db::Db;
use crate::http::serve::{Front, Limits, serve};
use crate::http::shutdown::Shutdown;
use crate::http::{self, Site};
use crate::index::images::Images;
use crate::index::{Core, Rules, downloads, follow, nodes, owner, setup};
use crate::limits;
use crate::upstream::{Patience, Upstream};
use anyhow::{Context, Result};
use axum::http::HeaderValue;
use background::{Background, Gc};
use start::Say;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Runs the server until a signal ends it.
///
/// `say` is given the lines for whoever started it. They may hold a generated password and belong in no log.
pub async fn run(options: ServeOptions, say: Say<'_>) -> Result<()> {
    options.check()?;
    let tls = options.tls()?;
    let declared = options.bootstrap.as_deref().map(bootstrap_file::read).transpose()?.unwrap_or_default();
    let shutdown = Shutdown::on_signals().context("the signals of the system cannot be followed")?;
    let listener = listen(&options).await?;
    make_folder(&options.place.data_dir)?;
    let core = open(&options.place, rules(&options)).await?;
    core.blobs.check().await.context("the bucket cannot be used")?;
    let prepare = start::prepare(&core, &options, &declared, listener.local_addr()?, say);
    // A first signal waits for this: a password that is made must be told.
    match shutdown.now.run_until_cancelled(prepare).await {
        Some(prepared) => prepared?,
        None => return Ok(()),
    }
    owner::claim(&core).await.map_err(start::plain)?;
    let site = Arc::new(Site {
        descriptions: Default::default(),
        core: core.clone(),
        outside_url: options.outside_url.clone(),
        trusted_proxies: options.trusted_proxy.clone(),
        delivery: options.blob_delivery,
        https: tls.is_some(),
        metrics: options.metrics,
        images: images(&core, options.description_images).await.map_err(start::plain)?,
        uuid: HeaderValue::try_from(setup::server_uuid(&core).await?)?,
    });
    // What was changed while this was no node is found now; whoever changes something from now on waits for us.
    nodes::join(&core, &listener.local_addr()?.to_string()).await.map_err(start::plain)?;
    follow::catch_up(&core).await.map_err(start::plain)?;
    let gc = options.gc_every.0.map(|every| Gc { every, rules: options.housekeeping.rules() });
    let background = Background::start(&core, gc);
    if let Some(tls) = &tls {
        background.until_stopped(tls.clone().keep_renewed());
    }
    let front = Front { limits: connection_limits(), tls, metrics: core.metrics.clone() };
    serve(listener, front, shutdown.clone(), move |request, peer| http::answer(site.clone(), request, peer)).await;
    // A database that does not answer holds up no end, and a second signal ends the waiting.
    let stopping = tokio::time::timeout(limits::STOP_TIME_MAX, leave(&core, background));
    if let Some(Err(_)) = shutdown.now.run_until_cancelled(stopping).await {
        tracing::warn!("stopped before the background work had ended");
    }
    finish(&core, &shutdown).await;
    Ok(())
}

fn connection_limits() -> Limits {
    #[cfg(unix)]
    return Limits { connections: handles::connections(), ..Limits::default() };
    #[cfg(not(unix))]
    Limits::default()
}

/// Ends what happens by itself, and stops being a node.
async fn leave(core: &Core, background: Background) {
    background.stop().await;
    if let Err(error) = nodes::leave(core).await {
        tracing::warn!(%error, "the other nodes could not be told that this one stops");
    }
}

/// Who fetches the pictures in descriptions, if anybody does.
async fn images(core: &Core, wanted: DescriptionImages) -> crate::error::Result<Option<Images>> {
    match wanted {
        DescriptionImages::Block => Ok(None),
        DescriptionImages::Proxy => Images::open(core).await.map(Some),
    }
}

async fn listen(options: &ServeOptions) -> Result<TcpListener> {
    let address = options.listen;
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow::anyhow!("another program listens on {address} already: end it, or choose another port with --listen")
        }
        _ => anyhow::anyhow!("cannot listen on {address}: {error}"),
    })
}

/// Makes the data folder, for its owner alone: the database in it holds the passwords of mirrors.
pub fn make_folder(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).with_context(|| format!("the data folder {} cannot be made", folder.display()))
}

fn rules(options: &ServeOptions) -> Rules {
    Rules {
        offline: options.offline,
        max_file_size: options.max_file_size.0,
        open_signup: options.open_signup,
        restrict_modify: options.restrict_modify.clone(),
        private_mirrors: options.private_mirrors,
        upload_checks: options.upload_checks,
        page_cache: options.page_cache.0,
    }
}

/// Opens database, blobs and the rest at `place`, whose data folder exists, and reads the tree of indexes.
pub async fn open(place: &Place, rules: Rules) -> Result<Arc<Core>> {
    let db = Db::open(place.database_url()?.reveal()).await.context("the database cannot be opened")?;
    let blobs = open_blobs(place)?;
    let core = Core::new(db, blobs, Upstream::new(Patience::default())?, Clock::System, rules);
    follow::load(&core).await.map_err(start::plain)?;
    Ok(core)
}

/// Opens the store of all files. A bucket is not asked anything yet.
fn open_blobs(place: &Place) -> Result<Blobs> {
    let address = place.blobs_address();
    let opened = Blobs::open_at(&address, &place.data_dir, place.blobs_ca.as_deref());
    opened.with_context(|| match &address {
        Address::Folder(folder) => format!("the folder {} cannot be used", folder.display()),
        Address::Bucket(bucket) => format!("the bucket {bucket} cannot be used"),
    })
}

/// Lets changes that are under way end, then closes the database. A second signal, or the end of patience, cuts it short.
pub async fn finish(core: &Core, shutdown: &Shutdown) {
    core.tasks.close();
    let orderly = async {
        core.tasks.wait().await;
        if let Err(error) = downloads::flush(core).await {
            tracing::warn!(%error, "the last counts of downloads are lost");
        }
        core.db.close().await;
    };
    let in_time = tokio::time::timeout(limits::STOP_TIME_MAX, orderly);
    match shutdown.now.run_until_cancelled(in_time).await {
        Some(Ok(())) => tracing::info!("stopped"),
        Some(Err(_)) => tracing::warn!(tasks = core.tasks.len(), "stopped before all work had ended"),
        None => {}
    }
}
