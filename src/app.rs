//! Builds the parts, makes the first start, runs the background tasks, and takes everything down again in order.

mod bootstrap_file;

use crate::blobs::Blobs;
use crate::cli::line;
use crate::clock::Clock;
use crate::config::{DataArgs, DefaultIndex, Secret, ServeArgs, UpstreamChoice};
use crate::db::settings::Setting;
use crate::db::{self, Db};
use crate::http::shutdown::Shutdown;
use crate::http::{Site, answer, serve as http_serve};
use crate::index::credentials::{Credentials, authenticate};
use crate::index::{Core, Rules, admin, bootstrap, first_start, follow};
use crate::limits;
use crate::names::UserName;
use crate::upstream::discover::{Found, Ourselves, PIPS, discover};
use crate::upstream::{Patience, Upstream};
use anyhow::Context;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Opens database and blobs and reads what is kept in memory. For every command.
pub async fn open(data: &DataArgs, rules: Rules) -> anyhow::Result<Arc<Core>> {
    let db = Db::open(&data.database_url()).await.context("opening the database")?;
    let folder = data.blobs_folder();
    let blobs = tokio::task::spawn_blocking(move || Blobs::open_folder(&folder)).await?.context("opening the blobs")?;
    let upstream = Upstream::new(Patience::default())?;
    let core = Core::new(db, blobs, upstream, Clock::System, rules);
    follow::load(&core).await?;
    Ok(core)
}

/// Runs the server until it is told to stop.
pub async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let declared = args.bootstrap.as_deref().map(bootstrap_file::read).transpose()?;
    let shutdown = Shutdown::on_signals()?;
    // Before anything is made on disk: a port that is taken leaves no trace.
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    std::fs::create_dir_all(&args.data.data_dir)
        .with_context(|| format!("making the data folder {}", args.data.data_dir.display()))?;
    let core = open(&args.data, rules(&args)).await?;
    let address = listener.local_addr()?;
    line(&format!("Cheeseshop {} on http://{address}/", env!("CARGO_PKG_VERSION")));
    line(&format!("data in {}", std::path::absolute(&args.data.data_dir)?.display()));
    prepare(&core, &args, &listener).await?;
    if let Some(declared) = declared {
        bootstrap::apply(&core, &declared).await.context("the bootstrap file")?;
    }
    let site = Arc::new(site(&core, &args).await?);
    let stop = background(&core);
    let drain = shutdown.now.clone();
    http_serve::serve(listener, http_serve::Limits::default(), shutdown, move |request, peer| {
        answer(site.clone(), request, peer)
    })
    .await;
    take_down(&core, &stop, &drain).await;
    Ok(())
}

fn rules(args: &ServeArgs) -> Rules {
    Rules {
        offline: args.offline,
        max_file_size: args.max_file_size.0,
        open_signup: args.open_signup,
        restrict_modify: args.restrict_modify.as_ref().map(|names| names.iter().map(|name| name.0.clone()).collect()),
        private_mirrors: args.private_mirrors,
        page_cache: args.page_cache.0,
    }
}

async fn site(core: &Arc<Core>, args: &ServeArgs) -> anyhow::Result<Site> {
    let uuid = db::settings::get(&mut core.db.read().await?, Setting::ServerUuid).await?.unwrap_or_default();
    Ok(Site { core: core.clone(), outside_url: args.outside_url.clone(), trusted_proxies: args.trusted_proxy.clone(), uuid })
}

/// The first start, and what the settings of a later one change.
async fn prepare(core: &Arc<Core>, args: &ServeArgs, listener: &TcpListener) -> anyhow::Result<()> {
    let loopback = listener.local_addr()?.ip().is_loopback();
    match first_start::is_done(core).await? {
        false => first(core, args, loopback).await?,
        true => later(core, args, loopback).await?,
    }
    match &args.default_index {
        Some(DefaultIndex::None) => admin::set_default(core, None).await?,
        Some(DefaultIndex::Path(path)) if core.tree.load().default.as_ref() != Some(path) => {
            admin::set_default(core, Some(path.clone())).await?;
        }
        Some(DefaultIndex::Path(_)) | None => {}
    }
    Ok(())
}

const EMPTY_PASSWORD: &str = "root has an empty password, which is for servers on a loopback address only: give another by --root-password, \
                              or with `cheeseshop user passwd root`";

async fn first(core: &Arc<Core>, args: &ServeArgs, loopback: bool) -> anyhow::Result<()> {
    let given = args.root_password.as_ref().map(|Secret(text)| text.clone());
    anyhow::ensure!(loopback || given.as_deref() != Some(""), EMPTY_PASSWORD);
    let upstream = match &args.upstream {
        UpstreamChoice::Auto => find_upstream(args).await,
        UpstreamChoice::None => None,
        UpstreamChoice::Url(origin) => Some(Found { origin: origin.clone(), from: "--upstream" }),
    };
    match &upstream {
        Some(found) => line(&format!("root/pypi mirrors {} (from {})", found.origin.public(), found.from)),
        None => line("root/pypi has no upstream: start with --upstream URL to name one"),
    }
    let password = match &given {
        Some(password) => password.clone(),
        None => first_start::new_password()?,
    };
    first_start::set_up(core, &password, upstream.map(|found| found.origin.with_credentials())).await?;
    if given.is_none() {
        line(&format!("root's password, shown this once: {password}"));
    }
    Ok(())
}

/// On a later start only an upstream that is named replaces the one that is stored; a mirror without any looks again.
async fn later(core: &Arc<Core>, args: &ServeArgs, loopback: bool) -> anyhow::Result<()> {
    if !loopback {
        let empty = Credentials { user: Some(UserName::root().to_string()), secret: String::new() };
        anyhow::ensure!(authenticate(core, &empty).await.is_err(), EMPTY_PASSWORD);
    }
    let mirror = core.tree.load().at(&first_start::mirror_path()?).map(|place| place.index.clone());
    let Some(mirror) = mirror else { return Ok(()) };
    let stored = mirror.settings.mirror_url.clone();
    let wanted = match &args.upstream {
        UpstreamChoice::Auto if stored.is_some() => stored.clone(),
        UpstreamChoice::Auto => find_upstream(args).await.map(|found| found.origin.with_credentials()),
        UpstreamChoice::None => None,
        UpstreamChoice::Url(origin) => Some(origin.with_credentials()),
    };
    match &wanted {
        Some(url) => line(&format!("root/pypi mirrors {}", crate::index::settings::without_credentials(url))),
        None => line("root/pypi has no upstream: start with --upstream URL to name one"),
    }
    if wanted != stored {
        first_start::set_upstream(core, wanted).await?;
    }
    Ok(())
}

/// What this machine's own pip installs from, unless that is this server.
async fn find_upstream(args: &ServeArgs) -> Option<Found> {
    let ourselves = Ourselves { listen: vec![args.listen], outside: args.outside_url.clone() };
    discover(&|name| std::env::var(name).ok(), &ourselves, PIPS).await
}

/// Starts what goes on beside the requests; it ends with the token.
fn background(core: &Arc<Core>) -> CancellationToken {
    let stop = CancellationToken::new();
    let (following, following_stop) = (core.clone(), stop.clone());
    tokio::spawn(every(limits::JOURNAL_POLL, following_stop, move || {
        let core = following.clone();
        async move { follow::catch_up(&core).await.map(drop) }
    }));
    let pruning = core.clone();
    tokio::spawn(every(limits::SESSION_PRUNING, stop.clone(), move || {
        let core = pruning.clone();
        async move {
            let mut c = core.db.begin().await?;
            db::sessions::prune(&mut c, core.clock.now()).await?;
            Ok(c.commit().await?)
        }
    }));
    stop
}

/// Does `work` again and again until it is stopped. What fails is tried again the next time.
async fn every<F, Fut>(pause: Duration, stop: CancellationToken, work: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = crate::error::Result<()>>,
{
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        if let Err(error) = work().await {
            tracing::warn!(%error, "background work failed; it is tried again");
        }
    }
}

/// After the last request: lets acknowledged and shared work finish, then closes the database. A second signal cuts it short.
async fn take_down(core: &Core, stop: &CancellationToken, now: &CancellationToken) {
    stop.cancel();
    core.tasks.close();
    let finished = async {
        let _ = tokio::time::timeout(limits::DRAIN_TIME_MAX, core.tasks.wait()).await;
        core.db.close().await;
    };
    now.run_until_cancelled(finished).await;
}
