//! Both databases: a fresh SQLite file, and a schema of its own in the PostgreSQL that `TEST_PG_URL` names.

use cheeseshop::db::Db;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor, PgConnection};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::str::FromStr;

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// A database that can be opened again, as after a restart.
#[derive(Debug, Clone)]
pub enum Database {
    Sqlite(String),
    Postgres(Box<PgConnectOptions>),
}

impl Database {
    /// An empty one; SQLite's file is made in `folder`.
    pub async fn fresh(engine: Engine, folder: &Path) -> Self {
        if engine == Engine::Sqlite {
            return Self::Sqlite(format!("sqlite:{}", folder.join("test.db").display()));
        }
        let url = std::env::var("TEST_PG_URL").expect("TEST_PG_URL names the PostgreSQL for tests; tests/run starts one");
        let options = PgConnectOptions::from_str(&url).unwrap();
        let schema = format!("it_{:016x}", getrandom::u64().unwrap());
        let mut c = options.connect().await.unwrap();
        c.execute(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
        Self::Postgres(Box::new(options.options([("search_path", schema)])))
    }

    /// The same PostgreSQL by another way.
    pub fn behind(&self, proxy: &super::Proxy) -> Self {
        let Self::Postgres(options) = self else { panic!("nothing lies between a process and SQLite") };
        Self::Postgres(Box::new(options.clone().host("127.0.0.1").port(proxy.address.port())))
    }

    /// Where PostgreSQL listens.
    pub fn address(&self) -> SocketAddr {
        let Self::Postgres(options) = self else { panic!("SQLite listens nowhere") };
        (options.get_host(), options.get_port()).to_socket_addrs().unwrap().next().unwrap()
    }

    /// A connection for what only a test does.
    pub async fn raw(&self) -> PgConnection {
        let Self::Postgres(options) = self else { panic!("PostgreSQL only") };
        options.connect().await.unwrap()
    }

    pub async fn open(&self) -> Db {
        match self {
            Self::Sqlite(url) => Db::open(url).await.unwrap(),
            Self::Postgres(options) => Db::open_postgres(*options.clone()).await.unwrap(),
        }
    }
}

/// Makes each test function into two, one a database: `both! { async fn name(engine: Engine) { … } }`.
macro_rules! both {
    ($($(#[doc = $doc:literal])* async fn $name:ident($engine:ident: Engine) $body:block)+) => {
        $($(#[doc = $doc])* mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn check($engine: Engine) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                check(Engine::Sqlite).await
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                check(Engine::Postgres).await
            }
        })+
    };
}

pub(crate) use both;
