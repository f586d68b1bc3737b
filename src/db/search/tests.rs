use super::*;
use crate::both;
use crate::db::{Db, indexes, projects, testing, users};
use crate::names::{IndexName, UserName};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection, query_scalar};
use std::str::FromStr;

const NOW: Timestamp = Timestamp(1);

async fn index(c: &mut Conn, user: &str) -> IndexId {
    let user = users::add(c, &UserName::parse(user).unwrap(), &Default::default(), None, false, NOW).await.unwrap().unwrap();
    let (name, settings) = (IndexName::parse("dev").unwrap(), serde_json::Map::new());
    let index = indexes::NewIndex { user, name: &name, kind: "stage", state: indexes::State::Ready, settings: &settings };
    indexes::add(c, &index, NOW).await.unwrap().unwrap()
}

/// A project with these words.
async fn entry(c: &mut Conn, index: IndexId, name: &str, head: &str, body: &str) -> Entry {
    let name = ProjectName::parse(name).unwrap();
    let project = projects::put(c, index, &name, name.as_str(), NOW).await.unwrap();
    let entry = Entry {
        project,
        index,
        display_name: name.to_string(),
        name,
        version: "1.0".into(),
        summary: None,
        keywords: None,
        head: head.into(),
        body: body.into(),
        released: NOW,
    };
    put(c, &entry).await.unwrap();
    entry
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn names_of(found: Vec<Found>) -> Vec<String> {
    let mut names: Vec<String> = found.into_iter().map(|one| one.name.to_string()).collect();
    names.sort();
    names
}

/// Rows of SQLite's full-text tables that have the word.
async fn full_text_rows(c: &mut Conn, word: &str) -> i64 {
    let Conn::Sqlite(h) = c else { return 0 };
    let text = "SELECT (SELECT COUNT(*) FROM fts_names WHERE fts_names MATCH $1) + (SELECT COUNT(*) FROM fts_heads WHERE fts_heads MATCH $1)
                + (SELECT COUNT(*) FROM fts_bodies WHERE fts_bodies MATCH $1)";
    query_scalar(text).bind(quoted(word)).fetch_one(&mut **h).await.unwrap()
}

both! {
    async fn an_entry_is_replaced_and_goes_with_its_project(db: Db) {
        let mut c = db.begin().await.unwrap();
        let index = index(&mut c, "alice").await;
        let within = Within { whole: vec![index], ..Within::default() };
        let first = entry(&mut c, index, "curd", "curd milk", "curd milk sour").await;
        entry(&mut c, index, "whey", "whey milk", "whey milk sweet").await;
        assert_eq!(names_of(by_head(&mut c, &words("milk"), &within, 9).await.unwrap()), ["curd", "whey"]);
        assert!(agrees(&mut c, &first).await.unwrap());
        let second = Entry { head: "curd cream".into(), body: "curd cream".into(), version: "2.0".into(), ..first.clone() };
        put(&mut c, &second).await.unwrap();
        assert!(agrees(&mut c, &second).await.unwrap() && !agrees(&mut c, &first).await.unwrap());
        assert_eq!(names_of(by_body(&mut c, &words("milk"), &within, 9).await.unwrap()), ["whey"]);
        assert_eq!(by_body(&mut c, &words("cream curd"), &within, 9).await.unwrap()[0].version, "2.0");
        assert_eq!(full_text_rows(&mut c, "cream").await, if matches!(c, Conn::Sqlite(_)) { 2 } else { 0 });
        projects::remove(&mut c, first.project).await.unwrap();
        assert_eq!(names_of(by_prefix(&mut c, "", &within, 9).await.unwrap()), ["whey"]);
        assert_eq!(full_text_rows(&mut c, "curd").await, 0);
        indexes::remove(&mut c, index).await.unwrap();
        assert_eq!((names(&mut c).await.unwrap(), full_text_rows(&mut c, "whey").await), (vec![], 0));
    }

    // Whatever characters words and texts have, what is found is what stands there.
    async fn every_character_stands_for_itself(db: Db) {
        let (mut runner, text) = (TestRunner::deterministic(), "[abc\"'*()%_\\\\:^+,{}äß日🧀.-]{3,12}");
        let mut any = || text.new_tree(&mut runner).unwrap().current();
        let mut c = db.begin().await.unwrap();
        let index = index(&mut c, "alice").await;
        let texts: Vec<String> = (0..150).map(|_| any()).collect();
        for (number, text) in texts.iter().enumerate() {
            entry(&mut c, index, &format!("p{number}"), text, text).await;
        }
        for few in [true, false] {
            let within = Within { whole: vec![index], few, ..Within::default() };
            for _ in 0..150 {
                let word: String = any().chars().take(3).collect();
                let mut expected: Vec<String> =
                    (0..texts.len()).filter(|n| texts[*n].contains(&word)).map(|n| format!("p{n}")).collect();
                expected.sort();
                let asked = [word.clone()];
                assert_eq!(names_of(by_head(&mut c, &asked, &within, 999).await.unwrap()), expected, "{word}");
                assert_eq!(names_of(by_body(&mut c, &asked, &within, 999).await.unwrap()), expected, "{word}");
                by_name(&mut c, &asked, &within, 999).await.unwrap();
                by_prefix(&mut c, &word, &within, 999).await.unwrap();
            }
        }
    }

    async fn only_what_may_be_seen_is_found(db: Db) {
        let mut c = db.begin().await.unwrap();
        let mut indexes = Vec::new();
        for user in ["alice", "bob", "carol"] {
            let index = index(&mut c, user).await;
            for name in ["app", "app-two"] {
                entry(&mut c, index, name, "milk", "milk sour").await;
            }
            indexes.push(index);
        }
        let app = ProjectName::parse("app").unwrap();
        for few in [true, false] {
            for (whole, partly, expected) in [
                (vec![], vec![], 0),
                (vec![indexes[0]], vec![], 2),
                (vec![indexes[0], indexes[2]], vec![indexes[1]], 5),
                (vec![], indexes.clone(), 3),
            ] {
                let within = Within { whole, partly, projects: vec![app.clone()], few };
                let (milk, name) = (words("milk"), words("app"));
                let counts = [
                    by_head(&mut c, &milk, &within, 99).await.unwrap().len(),
                    by_body(&mut c, &milk, &within, 99).await.unwrap().len(),
                    by_name(&mut c, &name, &within, 99).await.unwrap().len(),
                    by_prefix(&mut c, "a", &within, 99).await.unwrap().len(),
                ];
                assert_eq!(counts, [expected; 4], "{within:?}");
            }
        }
        let holders = holders(&mut c, &[app.clone(), ProjectName::parse("none").unwrap()]).await.unwrap();
        assert_eq!(holders.len(), 3);
        assert_eq!(super::holders(&mut c, &[]).await.unwrap(), []);
    }
}

#[test]
fn no_two_indexes_have_one_mark() {
    let marks: std::collections::HashSet<String> =
        [0, 1, 4095, 4096, 4097, 1 << 24, (1 << 24) + 1, u32::MAX.into()].map(|id| mark(IndexId(id))).into_iter().collect();
    assert_eq!(marks.len(), 8);
    assert!(marks.iter().all(|mark| mark.chars().count() == 3));
}

/// The whole plan of a question, with every other way forbidden.
async fn plan(c: &mut PgConnection, condition: &str) -> String {
    c.execute("SET enable_seqscan = off").await.unwrap();
    let text = format!("EXPLAIN SELECT name FROM search_entries WHERE {condition}");
    let lines: Vec<String> = query_scalar(AssertSqlSafe(text)).fetch_all(&mut *c).await.unwrap();
    lines.join("\n")
}

#[tokio::test]
async fn postgres_has_an_index_for_every_question() {
    let db = testing::postgres().await;
    let mut c = db.read().await.unwrap();
    assert_eq!(made_in_the_end(&mut c).await.unwrap(), Indexing::Made);
    assert_eq!(make_indexes(&mut c).await.unwrap(), Indexing::Ready);
    let Conn::Postgres(h) = &mut c else { unreachable!() };
    let prefix = plan(h, "name >= 'a' AND name < 'b'").await;
    assert!(prefix.contains("search_entries_name"), "{prefix}");
    // Of an empty table the whole of any index would do as well.
    h.execute("DROP INDEX search_entries_name").await.unwrap();
    for column in ["name", "head", "body"] {
        let anywhere = plan(h, &format!("{column} LIKE split_part(E'%abc%\\x1f%def%', E'\\x1f', 1)")).await;
        assert!(anywhere.contains(&format!("search_entries_{column}_trigrams")), "{anywhere}");
    }
}

/// An index waits for every transaction of the database, so those of other tests may hold it up until its time is over. As the job does,
/// this tries again.
async fn made_in_the_end(c: &mut Conn) -> Result<Indexing> {
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    for _ in 0..5 {
        match make_indexes(c).await {
            Err(error) if error.as_database_error().and_then(|e| e.code()).as_deref() == Some(LOCK_NOT_AVAILABLE) => {}
            ended => return ended,
        }
    }
    make_indexes(c).await
}

/// A database whose user may make no extension: everything works, and is fast once its owner has made it.
#[tokio::test]
async fn postgres_without_the_extension_finds_the_same() {
    let url = std::env::var("TEST_PG_URL").expect("TEST_PG_URL names the PostgreSQL for tests; tests/run starts one");
    let options = PgConnectOptions::from_str(&url).unwrap();
    let name = format!("search_{:016x}", getrandom::u64().unwrap());
    let mut server = options.connect().await.unwrap();
    for text in [format!("CREATE ROLE {name} LOGIN PASSWORD '{name}'"), format!("CREATE DATABASE {name} TEMPLATE template0")] {
        server.execute(AssertSqlSafe(text)).await.unwrap();
    }
    let options = options.database(&name);
    let mut owner = options.connect().await.unwrap();
    owner.execute(AssertSqlSafe(format!("GRANT USAGE, CREATE ON SCHEMA public TO {name}"))).await.unwrap();

    let db = Db::open_postgres(options.username(&name).password(&name)).await.unwrap();
    let mut c = db.begin().await.unwrap();
    let index = index(&mut c, "alice").await;
    let within = Within { whole: vec![index], ..Within::default() };
    entry(&mut c, index, "curd", "curd milk", "curd milk sour").await;
    c.commit().await.unwrap();
    let mut c = db.read().await.unwrap();
    let found = async |c: &mut Conn| names_of(by_body(c, &words("sour milk"), &within, 9).await.unwrap());
    assert_eq!(make_indexes(&mut c).await.unwrap(), Indexing::NoExtension);
    assert_eq!(found(&mut c).await, ["curd"]);
    owner.execute("CREATE EXTENSION pg_trgm").await.unwrap();
    assert_eq!(make_indexes(&mut c).await.unwrap(), Indexing::Made);
    assert_eq!(found(&mut c).await, ["curd"]);

    drop((c, owner));
    db.close().await;
    server.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
    server.execute(AssertSqlSafe(format!("DROP ROLE {name}"))).await.unwrap();
}
