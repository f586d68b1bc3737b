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
    let scheme = if options.tls_cert.is_some() { "https" } else { "http" };
    say(&format!("Cheeseshop {} listens on {scheme}://{listening}/", env!("CARGO_PKG_VERSION")));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::bootstrap_file;
    use crate::blobs::Blobs;
    use crate::both;
    use crate::clock::Clock;
    use crate::db::{self, Db, Serial};
    use crate::index::credentials::Credentials;
    use crate::index::settings::Principal;
    use crate::index::{Rules, follow};
    use crate::upstream::{Patience, Upstream};
    use clap::Parser;
    use std::sync::Mutex;

    #[derive(Parser)]
    struct Serve {
        #[command(flatten)]
        options: ServeOptions,
    }

    /// A process that starts on the database, as often as a test likes.
    struct Machine {
        db: Db,
        folder: tempfile::TempDir,
    }

    impl Machine {
        fn new(db: &Db) -> Self {
            Self { db: db.clone(), folder: tempfile::tempdir().unwrap() }
        }

        /// Starts with these flags; `--bootstrap` reads what [`Machine::declare`] wrote. Returns the parts and what was said.
        async fn start(&self, flags: &[&str]) -> Result<(Arc<Core>, String)> {
            // Without this it would look for the index of the machine that runs the tests.
            let upstream: &[&str] = if flags.contains(&"--upstream") { &[] } else { &["--upstream", "none"] };
            let options = Serve::parse_from(["serve"].iter().chain(upstream).chain(flags).copied()).options;
            let declared = options.bootstrap.as_deref().map(bootstrap_file::read).transpose()?.unwrap_or_default();
            let blobs = Blobs::open_folder(self.folder.path())?;
            let upstream = Upstream::new(Patience::default())?;
            let core = Core::new(self.db.clone(), blobs, upstream, Clock::System, Rules::default());
            follow::load(&core).await.map_err(plain)?;
            let said = Mutex::new(String::new());
            let say = |line: &str| *said.lock().unwrap() += &format!("{line}\n");
            prepare(&core, &options, &declared, options.listen, &say).await?;
            Ok((core, said.into_inner().unwrap()))
        }

        fn declare(&self, text: &str) -> String {
            let file = self.folder.path().join("bootstrap.toml");
            std::fs::write(&file, text).unwrap();
            file.to_str().unwrap().to_owned()
        }

        async fn last(&self) -> Serial {
            db::journal::last(&mut self.db.read().await.unwrap()).await.unwrap()
        }
    }

    const WITHOUT_UPSTREAM: &str = "none";

    fn mirrored(core: &Core) -> String {
        let stored = setup::stored_upstream(core).unwrap().unwrap();
        stored.map_or(WITHOUT_UPSTREAM.into(), |origin| origin.with_credentials())
    }

    fn default_of(core: &Core) -> Option<String> {
        core.tree.load().default.as_ref().map(IndexPath::to_string)
    }

    async fn may_sign_in(core: &Core, user: &str, secret: &str) -> bool {
        let given = Credentials { user: Some(user.into()), secret: secret.into(), from: None };
        credentials::authenticate(core, &given).await.is_ok()
    }

    const BOOTSTRAP: &str = r#"
        [users.alice]
        password = "sesame"
        email = "alice@example.org"
        [users.ci]
        [indexes."alice/dev"]
        bases = ["alice/stable", "root/pypi"]
        acl_read = ["alice", "ci"]
        [indexes."alice/stable"]
        volatile = false
        title = "What we ship"
        [indexes."alice/mirror"]
        type = "mirror"
        mirror_url = "http://me:word@127.0.0.1:9/simple"
        mirror_cache_expiry = 60
        [[tokens]]
        user = "ci"
        name = "builds"
        secret = "cheeseshop_0123456789abcdef0123456789abcdef"
        allow = ["read", "upload"]
        indexes = ["alice/stable"]
        projects = ["Our.App"]
        expires = "2099-01-31"
    "#;

    both! {
        async fn the_first_start_makes_everything_and_the_second_nothing(db: Db) {
            let machine = Machine::new(&db);
            let (core, said) = machine.start(&[]).await.unwrap();
            let password = said.split("password of root is ").nth(1).unwrap().split(' ').next().unwrap();
            assert!(may_sign_in(&core, "root", password).await && !may_sign_in(&core, "root", "").await);
            let tree = core.tree.load();
            let main = tree.find("root", "main").unwrap();
            let order: Vec<String> = main.order.iter().map(|index| index.path.to_string()).collect();
            assert_eq!(order, ["root/main", "root/pypi"]);
            assert!(main.order.iter().all(|index| !index.settings.volatile));
            assert_eq!(main.index.settings.acl_upload, [Principal::User("root".into())]);
            assert_eq!((mirrored(&core).as_str(), default_of(&core).as_deref()), (WITHOUT_UPSTREAM, Some("root/main")));
            let uuid = setup::server_uuid(&core).await.unwrap();
            assert!(uuid.len() == 32 && uuid.bytes().all(|b| b.is_ascii_hexdigit()), "{uuid}");

            let before = machine.last().await;
            let (core, said) = machine.start(&["--root-password", "other"]).await.unwrap();
            assert!(!said.contains("password"), "{said}");
            assert!(may_sign_in(&core, "root", password).await && !may_sign_in(&core, "root", "other").await);
            assert_eq!(setup::server_uuid(&core).await.unwrap(), uuid);
            assert_eq!(machine.last().await, before);
        }

        async fn two_first_starts_at_once_make_one_root(db: Db) {
            let machine = Machine::new(&db);
            let (a, b) = tokio::join!(machine.start(&[]), machine.start(&[]));
            let told = [a.unwrap().1, b.unwrap().1].iter().filter(|said| said.contains("password of root")).count();
            assert_eq!(told, 1);
        }

        async fn later_starts_change_what_a_flag_names(db: Db) {
            let machine = Machine::new(&db);
            // A private address: the operator's word counts as root's.
            let url = "http://me:word@127.0.0.1:9/simple/";
            let (core, said) = machine.start(&["--upstream", url, "--default-index", "none"]).await.unwrap();
            assert_eq!((mirrored(&core).as_str(), default_of(&core)), (url, None));
            assert!(core.tree.load().find("root", "pypi").unwrap().index.settings.mirror_private_allowed);
            assert!(said.contains("http://127.0.0.1:9/simple/ (from --upstream)") && !said.contains("me:word"), "{said}");

            let before = machine.last().await;
            let same = ["--upstream", "http://me:word@127.0.0.1:9/simple"];
            assert_eq!(mirrored(&machine.start(&same).await.unwrap().0), url);
            assert_eq!(machine.last().await, before, "the same address, and no --default-index");
            let (core, said) = machine.start(&["--upstream", "auto"]).await.unwrap();
            assert_eq!((mirrored(&core).as_str(), machine.last().await), (url, before));
            assert!(said.contains("upstream  http://127.0.0.1:9/simple/\n"), "{said}");

            let (core, _) = machine.start(&["--upstream", "none", "--default-index", "root/pypi"]).await.unwrap();
            assert_eq!((mirrored(&core).as_str(), default_of(&core).as_deref()), (WITHOUT_UPSTREAM, Some("root/pypi")));
            let error = machine.start(&["--default-index", "root/nowhere"]).await.err().unwrap();
            assert!(error.to_string().contains("root/nowhere"), "{error}");
        }

        async fn a_declaration_is_fulfilled_once(db: Db) {
            let machine = Machine::new(&db);
            let file = machine.declare(BOOTSTRAP);
            let flags = ["--bootstrap", &file, "--default-index", "alice/dev"];
            let (core, _) = machine.start(&flags).await.unwrap();
            let tree = core.tree.load_full();
            let order: Vec<String> = tree.find("alice", "dev").unwrap().order.iter().map(|i| i.path.to_string()).collect();
            assert_eq!(order, ["alice/dev", "alice/stable", "root/pypi"]);
            assert!(!tree.find("alice", "stable").unwrap().index.settings.volatile);
            assert_eq!(tree.find("alice", "mirror").unwrap().index.settings.mirror_cache_expiry.as_secs(), 60);
            assert!(may_sign_in(&core, "alice", "sesame").await && !may_sign_in(&core, "ci", "").await);
            assert!(may_sign_in(&core, "", "cheeseshop_0123456789abcdef0123456789abcdef").await);
            assert_eq!(default_of(&core).as_deref(), Some("alice/dev"));
            let before = machine.last().await;
            machine.start(&flags).await.unwrap();
            assert_eq!(machine.last().await, before, "fulfilled already");
        }

        async fn what_is_declared_wins_and_the_rest_stays(db: Db) {
            let machine = Machine::new(&db);
            machine.start(&["--bootstrap", &machine.declare(BOOTSTRAP)]).await.unwrap();
            let changed = BOOTSTRAP
                .replace("\"sesame\"", "\"another\"")
                .replace("alice@example.org", "")
                .replace("volatile = false", "volatile = true")
                .replace("title = \"What we ship\"", "")
                .replace("[\"alice/stable\", \"root/pypi\"]", "[\"root/main\"]")
                .replace("allow = [\"read\", \"upload\"]", "allow = [\"read\"]");
            let (core, _) = machine.start(&["--bootstrap", &machine.declare(&changed)]).await.unwrap();
            assert!(may_sign_in(&core, "alice", "sesame").await && !may_sign_in(&core, "alice", "another").await);
            let tree = core.tree.load_full();
            let stable = &tree.find("alice", "stable").unwrap().index.settings;
            assert!(stable.volatile && stable.stored["title"] == "What we ship");
            assert_eq!(tree.find("alice", "dev").unwrap().index.bases[0].to_string(), "root/main");
            let mut c = db.read().await.unwrap();
            let alice = db::users::by_name(&mut c, "alice").await.unwrap().unwrap();
            assert_eq!(alice.email, None);
            let ci = db::users::by_name(&mut c, "ci").await.unwrap().unwrap();
            let tokens = db::tokens::of_user(&mut c, ci.id).await.unwrap();
            assert_eq!((tokens.len(), &tokens[0].scope.0["allow"]), (1, &serde_json::json!(["read"])));
            drop(c);
            machine.start(&["--bootstrap", &machine.declare("")]).await.unwrap();
            assert!(may_sign_in(&core, "alice", "sesame").await, "nothing is removed");
        }

        async fn a_mistake_anywhere_changes_nothing(db: Db) {
            let machine = Machine::new(&db);
            for (from, to, reason) in [
                ("volatile = false", "colour = 1", "index alice/stable: indexconfig got unexpected keyword arguments: colour=1"),
                ("\"alice/stable\", \"root/pypi\"", "\"alice/gone\"", "index alice/dev: there is no index alice/gone"),
                ("[indexes.\"alice/dev\"]", "[indexes.\"bob/dev\"]", "index bob/dev: there is no user 'bob'"),
                ("http://me:word@", "ftp://me:word@", "index alice/mirror: 'mirror_url' option must be a URL."),
                ("user = \"ci\"", "user = \"carol\"", "token 'builds' of carol: there is no user 'carol'"),
                ("cheeseshop_", "cheese_", "token 'builds' of ci: its secret must be 'cheeseshop_'"),
                ("0123456789abcdef\"", "\"", "at least 32"),
                ("allow = [\"read\", \"upload\"]", "allow = []", "must allow something"),
                ("\"alice/stable\"]\n        projects", "\"alice/gone\"]\n        projects", "token 'builds' of ci: there is no index alice/gone"),
            ] {
                assert!(BOOTSTRAP.contains(from), "{from}");
                let file = machine.declare(&BOOTSTRAP.replace(from, to));
                let error = machine.start(&["--bootstrap", &file]).await.err().unwrap().to_string();
                assert!(error.contains(reason) && !error.contains("word@"), "{error}");
                assert_eq!(machine.last().await, Serial::NONE, "{to}");
            }
            machine.start(&["--bootstrap", &machine.declare(BOOTSTRAP)]).await.unwrap();
            let file = machine.declare("[indexes.\"alice/dev\"]\ntype = \"mirror\"");
            let error = machine.start(&["--bootstrap", &file]).await.err().unwrap().to_string();
            assert!(error.contains("it is a stage and cannot become a mirror"), "{error}");
            let stolen = BOOTSTRAP.replace("name = \"builds\"", "name = \"other\"");
            let error = machine.start(&["--bootstrap", &machine.declare(&stolen)]).await.err().unwrap().to_string();
            assert!(error.contains("already that of another token"), "{error}");
        }

        async fn the_declared_password_of_root_is_the_first_one(db: Db) {
            let machine = Machine::new(&db);
            let file = machine.declare("[users.root]\npassword = \"sesame\"");
            let (core, said) = machine.start(&["--bootstrap", &file]).await.unwrap();
            assert!(may_sign_in(&core, "root", "sesame").await && !said.contains("password"), "{said}");
        }
    }
}
