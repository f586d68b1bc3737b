//! A server to ask: the rules over a real database and a real folder, with a clock that a test moves.

use super::ask::{Answer, Ask};
use super::engine::{Database, Engine};
use super::{Dist, FakeUpstream, FlakyStore, Form};
use axum::http::Method;
use cheeseshop::app::background::Background;
use cheeseshop::blobs::Blobs;
use cheeseshop::clock::{Clock, Timestamp};
use cheeseshop::db::users::Profile;
use cheeseshop::db::{self, Serial};
use cheeseshop::doctor::{self, Summary, Told, Weight};
use cheeseshop::http::Site;
use cheeseshop::http::delivery::Delivery;
use cheeseshop::http::metrics::Readers;
use cheeseshop::index::access::{Caller, Grant, Scope};
use cheeseshop::index::settings::{Edit, Kind};
use cheeseshop::index::{Core, Rules, account, admin, follow, nodes, owner};
use cheeseshop::jobs::gc;
use cheeseshop::limits;
use cheeseshop::names::IndexPath;
use cheeseshop::upstream::{Patience, Upstream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// A running server.
pub struct Shop {
    pub site: Arc<Site>,
    pub clock: Clock,
    pub database: Database,
    options: Options,
    folder: Arc<tempfile::TempDir>,
}

/// What a test may want otherwise.
#[derive(Clone, Default)]
pub struct Options {
    pub rules: Rules,
    /// Where blobs are, if not in a folder.
    pub objects: Objects,
    /// So little patience with upstreams that a test can wait for its end.
    pub impatient: bool,
    /// No server has started on it: its database is as new.
    pub untouched: bool,
    /// Who may read the metrics, if not everybody.
    pub metrics: Option<Readers>,
    /// Networks of trusted proxies.
    pub trusted_proxies: Vec<ipnet::IpNet>,
}

/// An object store for the blobs, or none.
#[derive(Clone)]
pub struct Objects {
    pub store: Option<FlakyStore>,
    pub delivery: Delivery,
}

impl Default for Objects {
    fn default() -> Self {
        Self { store: None, delivery: Delivery::Stream }
    }
}

impl Objects {
    fn open(&self, folder: &Path) -> Blobs {
        match &self.store {
            None => Blobs::open_folder(&folder.join("blobs")).unwrap(),
            // Its spool files stand where `Shop::stored` looks for them.
            Some(store) => {
                let (objects, signer) = (Arc::new(store.clone()), Arc::new(store.clone()));
                Blobs::open_objects(objects, Some(signer), "shop", &folder.join("blobs/tmp")).unwrap()
            }
        }
    }
}

impl Options {
    /// Blobs in this object store.
    pub fn over(store: &FlakyStore) -> Self {
        Self { objects: Objects { store: Some(store.clone()), ..Objects::default() }, ..Self::default() }
    }

    pub fn impatient() -> Self {
        Self { impatient: true, ..Self::default() }
    }

    pub fn offline() -> Self {
        Self { rules: Rules { offline: true, ..Rules::default() }, ..Self::default() }
    }
}

/// All shops of this process ask through these two: to make one means to read every certificate authority of the system.
static PATIENT: LazyLock<Upstream> = LazyLock::new(|| Upstream::direct(Patience::default()).unwrap());
static IMPATIENT: LazyLock<Upstream> = LazyLock::new(|| {
    let wait = Duration::from_millis(300);
    Upstream::direct(Patience { idle: wait, page: 4 * wait, ..Patience::default() }).unwrap()
});

/// The password of every user whom the harness makes.
pub fn password_of(user: &str) -> String {
    format!("{user}'s password")
}

/// When every test begins: a moment without fraction, so that HTTP dates show it whole.
pub fn beginning() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

impl Shop {
    /// An empty server.
    pub async fn start(engine: Engine) -> Self {
        Self::with(engine, Options::default()).await
    }

    pub async fn with(engine: Engine, options: Options) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let database = Database::fresh(engine, folder.path()).await;
        Self::open(database, folder, Clock::manual(beginning()), options).await
    }

    async fn open(database: Database, folder: Arc<tempfile::TempDir>, clock: Clock, options: Options) -> Self {
        let blobs = options.objects.open(folder.path());
        let upstream = if options.impatient { IMPATIENT.clone() } else { PATIENT.clone() };
        let core = Core::new(database.open().await, blobs, upstream, clock.clone(), options.rules.clone());
        follow::load(&core).await.unwrap();
        if !options.untouched {
            owner::claim(&core).await.unwrap();
        }
        let site = Site {
            core,
            outside_url: None,
            descriptions: Default::default(),
            trusted_proxies: options.trusted_proxies.clone(),
            delivery: options.objects.delivery,
            https: false,
            metrics: options.metrics.unwrap_or(Readers::Public),
            images: None,
            uuid: axum::http::HeaderValue::from_static("test"),
        };
        Self { site: Arc::new(site), clock, database, options, folder }
    }

    /// Another process over the same database and blobs, with nothing in memory.
    pub async fn another(&self) -> Self {
        Self::open(self.database.clone(), self.folder.clone(), self.clock.clone(), self.options.clone()).await
    }

    /// The same, reaching PostgreSQL by another way.
    pub async fn another_behind(&self, proxy: &super::Proxy) -> Self {
        let database = self.database.behind(proxy);
        Self::open(database, self.folder.clone(), self.clock.clone(), self.options.clone()).await
    }

    /// Makes this a node that others wait for, and follows the journal from now on, as `app::run` does it.
    pub async fn serve(&self) -> Background {
        nodes::join(self.core(), "127.0.0.1:3141").await.unwrap();
        follow::catch_up(self.core()).await.unwrap();
        Background::start(self.core(), None)
    }

    /// The same options and time over the data folder `folder`, as if that were another machine: SQLite and blobs.
    pub async fn over(&self, folder: tempfile::TempDir) -> Self {
        let database = Database::Sqlite(format!("sqlite:{}", folder.path().join("cheeseshop.db").display()));
        Self::open(database, Arc::new(folder), self.clock.clone(), self.options.clone()).await
    }

    /// The folder of its files; blobs are below `blobs`.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The same server after a restart with other options.
    pub async fn restarted(self, options: Options) -> Self {
        self.settled().await;
        self.core().db.close().await;
        Self::open(self.database, self.folder, self.clock, options).await
    }

    pub fn core(&self) -> &Arc<Core> {
        &self.site.core
    }

    /// Waits until no work goes on behind the answers.
    pub async fn settled(&self) {
        self.core().tasks.close();
        tokio::time::timeout(super::LONG, self.core().tasks.wait()).await.expect("a task of the server hangs");
        self.core().tasks.reopen();
    }

    // Asking

    pub fn ask(&self, method: Method, path: &str) -> Ask {
        Ask::new(self.site.clone(), method, path)
    }

    pub fn get(&self, path: &str) -> Ask {
        self.ask(Method::GET, path)
    }

    pub fn head(&self, path: &str) -> Ask {
        self.ask(Method::HEAD, path)
    }

    pub fn post(&self, path: &str) -> Ask {
        self.ask(Method::POST, path)
    }

    pub fn delete(&self, path: &str) -> Ask {
        self.ask(Method::DELETE, path)
    }

    /// The page of a project of an index in JSON, which must be there.
    pub async fn page(&self, index: &str, project: &str) -> Answer {
        self.get(&format!("/{index}/+simple/{project}/")).accept(super::JSON).await.is(200)
    }

    /// The file names that anybody sees of a project.
    pub async fn filenames(&self, index: &str, project: &str) -> Vec<String> {
        self.page(index, project).await.filenames()
    }

    // Uploading

    /// A form to `path`, no credentials added.
    pub fn send(&self, path: &str, form: &Form) -> Ask {
        let body = form.encode();
        self.post(path).header("content-type", &form.content_type()).header("content-length", &body.len().to_string()).body(body)
    }

    /// An upload by the owner of the index.
    pub fn upload(&self, index: &str, dist: &Dist) -> Ask {
        let owner = index.split('/').next().unwrap();
        self.send(&format!("/{index}/"), &Form::of(dist)).by(owner)
    }

    /// A wheel that the owner of the index has published.
    pub async fn publish(&self, index: &str, name: &str, version: &str) -> Dist {
        let dist = Dist::wheel(name, version);
        self.upload(index, &dist).await.is(200);
        dist
    }

    // Making users and indexes

    /// A user whose password is [`password_of`] the name; made once.
    pub async fn user(&self, name: &str) {
        if account::find_user(self.core(), name).await.is_err() {
            let password = password_of(name);
            account::create_user(self.core(), &Caller::system(), name, &password, Profile::default()).await.unwrap();
        }
    }

    /// A stage with options as on devpi's command line. Its owner is made if need be. Not volatile unless an option says so.
    pub async fn stage(&self, path: &str, options: &[&str]) {
        self.make(path, Kind::Stage, &[&["volatile=false"], options].concat()).await;
    }

    /// A mirror, made by root, so that its upstream may be on this machine.
    pub async fn mirror(&self, path: &str, upstream: &FakeUpstream, options: &[&str]) {
        self.make(path, Kind::Mirror, &[&[format!("mirror_url={}", upstream.index_url()).as_str()], options].concat()).await;
    }

    async fn make(&self, path: &str, kind: Kind, options: &[&str]) {
        let path = IndexPath::parse(path).unwrap();
        self.user(path.user.as_str()).await;
        let edits = options.iter().map(|text| Edit::parse(text)).collect();
        admin::create(self.core(), &Caller::system(), &path, kind, edits).await.unwrap();
    }

    /// Changes options of an index.
    pub async fn set(&self, path: &str, options: &[&str]) {
        let edits = options.iter().map(|text| Edit::parse(text)).collect();
        let path = IndexPath::parse(path).unwrap();
        admin::modify(self.core(), &Caller::system(), &path, edits, true).await.unwrap();
    }

    /// What `/simple/` and `/legacy/` stand for.
    pub async fn default_index(&self, path: &str) {
        admin::set_default(self.core(), Some(IndexPath::parse(path).unwrap())).await.unwrap();
    }

    /// A token of a user.
    pub async fn token(&self, owner: &str, name: &str, scope: Scope, expires: Option<Timestamp>) -> String {
        account::create_token(self.core(), &Caller::system(), owner, name, scope, expires).await.unwrap()
    }

    // Housekeeping

    /// A run of `gc` with these rules.
    pub async fn gc(&self, rules: &gc::Rules) -> gc::Report {
        gc::run(self.core(), rules, gc::Mode::Do).await.unwrap()
    }

    /// Everything that the doctor finds, as (weight, kind, about), and what it sums up.
    pub async fn doctor(&self, deep: bool, repair: bool) -> (Vec<(Weight, &'static str, String)>, Summary) {
        let mut found = Vec::new();
        let mut tell = |told: Told<'_>| {
            if let Told::Found(finding) = told {
                found.push((finding.weight, finding.kind, finding.about.clone()));
            }
        };
        let options = doctor::Options { deep, repair, grace: limits::GC_GRACE };
        let summary = doctor::examine(self.core(), options, &mut tell).await.unwrap();
        (found, summary)
    }

    /// All is well.
    pub async fn is_sound(&self) {
        let (found, _) = self.doctor(true, false).await;
        assert!(found.iter().all(|(weight, ..)| *weight == Weight::Note), "{found:?}");
    }

    /// Where a blob lies.
    pub fn blob_file(&self, sha256: &str) -> PathBuf {
        self.folder.path().join("blobs").join(&sha256[..2]).join(&sha256[2..4]).join(sha256)
    }

    /// SQLite's file.
    pub fn database_file(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    /// A statement on the database behind the server's back.
    pub async fn sabotage(&self, statement: &'static str) {
        match &self.core().db {
            db::Db::Sqlite { write, .. } => drop(sqlx::query(statement).execute(write).await.unwrap()),
            db::Db::Postgres(pool) => drop(sqlx::query(statement).execute(pool).await.unwrap()),
        }
    }

    // Looking

    /// All of the journal.
    pub async fn journal(&self) -> Vec<db::journal::Entry> {
        let mut c = self.core().db.read().await.unwrap();
        db::journal::since(&mut c, Serial::NONE, i64::MAX).await.unwrap()
    }

    /// What is stored: the journal's last serial, the blobs, and files in the making. Equal before and after a request that left
    /// nothing behind.
    pub async fn stored(&self) -> (Serial, u64, Vec<String>) {
        let serial = db::journal::last(&mut self.core().db.read().await.unwrap()).await.unwrap();
        let blobs = self.core().blobs.usage().await.unwrap().blobs;
        let mut spooled = Vec::new();
        for process in std::fs::read_dir(self.folder.path().join("blobs/tmp")).unwrap() {
            let process = process.unwrap().path();
            if process.is_dir() {
                let names = std::fs::read_dir(process).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
                spooled.extend(names.filter(|name| !name.contains("lock")));
            }
        }
        (serial, blobs, spooled)
    }
}

/// A token's bounds: `scope(&[Grant::Read], &["alice/dev"], &["app"])`.
pub fn scope(allow: &[Grant], indexes: &[&str], projects: &[&str]) -> Scope {
    let projects = projects.iter().map(|name| cheeseshop::pypi::ProjectName::parse(name).unwrap()).collect();
    Scope::of(allow.to_vec(), indexes.iter().map(|path| (*path).to_owned()).collect(), projects)
}
