//! Changes that meet in the database, and callers who mean ill.

use super::devpi::testing::{Server, wheel};
use crate::both;
use crate::db::journal::{Action, Change};
use crate::db::{self, Conn, IndexId};
use crate::pypi::{PageFile, ProjectName, Sha256};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::time::Duration;

const ROOT: &str = "root:root";

fn name() -> ProjectName {
    ProjectName::parse("cheese-cellar").unwrap()
}

fn id_of(server: &Server, user: &str, index: &str) -> IndexId {
    server.site.core.tree.load().find(user, index).unwrap().index.id
}

async fn journal(c: &mut Conn, index: IndexId, action: Action) -> db::Result<db::Serial> {
    let change = Change { actor: "cli", index: Some(index), project: Some(&name()), action, detail: Value::Null };
    db::journal::append(c, &change, crate::pypi::Timestamp(1)).await
}

/// An upload of another file that has written its rows and not yet committed.
async fn half_an_upload(server: &Server, index: IndexId) -> Conn {
    let now = server.site.core.clock.now();
    let mut c = server.site.core.db.begin().await.unwrap();
    let project = db::projects::put(&mut c, index, &name(), "cheese-cellar", now).await.unwrap();
    let release = db::releases::NewRelease { version: "1.0", canonical: "1", sort_key: b"1", metadata: &json!({}) };
    let release = db::releases::put(&mut c, project, &release, now).await.unwrap();
    let file = db::files::NewFile {
        project,
        release: Some(release),
        filename: "cheese_cellar-1.0.tar.gz",
        kind: "sdist",
        sha256: Sha256::of(b"sdist"),
        metadata_sha256: None,
        size: 5,
        requires_python: None,
        uploaded: now,
        uploaded_by: Some("user:alice"),
        origin: None,
        log: None,
    };
    db::files::add(&mut c, &file).await.unwrap().unwrap();
    c
}

/// Long enough for a request to come to where it has to wait for a row.
const A_WHILE: Duration = Duration::from_millis(500);

both! {
    async fn an_upload_beside_a_removal_is_either_removed_or_shown(db: Db) {
        let server = Server::start(db).await;
        server.user("alice", &[("dev", json!({}))]).await;
        server.upload("alice/dev", "alice:alice", "1.0", "").await;
        let index = id_of(&server, "alice", "dev");
        let mut upload = half_an_upload(&server, index).await;
        let finish = async {
            tokio::time::sleep(A_WHILE).await;
            journal(&mut upload, index, Action::FileAdd).await.unwrap();
            upload.commit().await.unwrap();
        };
        let (removed, ()) = tokio::join!(server.ask("DELETE", "/alice/dev/cheese-cellar", "alice:alice", Value::Null), finish);
        assert_eq!(removed.status, 200, "{}", removed.body);
        let mut c = server.site.core.db.read().await.unwrap();
        let project = db::projects::by_name(&mut c, index, &name()).await.unwrap().unwrap();
        let files = db::files::live(&mut c, project.id).await.unwrap();
        assert_eq!(files.is_empty(), project.reserved, "a name without files is reserved, one with files is shown");
        assert!(files.iter().all(|file| file.release_id.is_some()), "no file without its release");
    }

    async fn an_upload_and_a_removal_do_not_wait_for_each_other(db: Db) {
        let server = Server::start(db).await;
        server.user("alice", &[("dev", json!({}))]).await;
        server.upload("alice/dev", "alice:alice", "1.0", "").await;
        server.upload("alice/dev", "alice:alice", "2.0", "").await;
        let index = id_of(&server, "alice", "dev");
        let mut upload = half_an_upload(&server, index).await;
        let finish = async {
            tokio::time::sleep(A_WHILE).await;
            journal(&mut upload, index, Action::FileAdd).await.unwrap();
            upload.commit().await.unwrap();
        };
        let (removed, ()) = tokio::join!(server.ask("DELETE", "/alice/dev/cheese-cellar/2.0", "alice:alice", Value::Null), finish);
        assert_eq!(removed.status, 200, "{}", removed.body);
    }

    async fn an_upload_and_the_removal_of_its_user_do_not_wait_for_each_other(db: Db) {
        let server = Server::start(db).await;
        server.user("alice", &[("dev", json!({}))]).await;
        let index = id_of(&server, "alice", "dev");
        let mut upload = half_an_upload(&server, index).await;
        let finish = async {
            tokio::time::sleep(A_WHILE).await;
            journal(&mut upload, index, Action::FileAdd).await.unwrap();
            upload.commit().await.unwrap();
        };
        let (removed, ()) = tokio::join!(server.ask("DELETE", "/alice", ROOT, Value::Null), finish);
        assert_eq!(removed.status, 200, "{}", removed.body);
    }

    async fn a_hash_on_an_upstreams_page_does_not_open_a_private_file(db: Db) {
        let server = Server::start(db).await;
        server.user("bob", &[("secret", json!({"acl_read": ["bob"]}))]).await;
        server.upload("bob/secret", "bob:bob", "1.0", "").await;
        server.user("alice", &[("mirror", json!({"type": "mirror", "mirror_url": "http://127.0.0.1:9/simple/"}))]).await;
        let hex = Sha256::of(&wheel("1.0", "")).hex();
        let filename = "cheese_cellar-1.0-py3-none-any.whl";
        let link = |index: &str| format!("/{index}/+f/{}/{}/{filename}", &hex[..3], &hex[3..16]);
        assert_eq!(server.get(&link("bob/secret"), "bob:bob").await.status, 200);
        let file = PageFile { hashes: vec![("sha256".into(), hex.clone())], ..PageFile::bare(filename, "http://127.0.0.1:9/f.whl") };
        server.mirrored("alice", "mirror", vec![file]).await;
        let mut bytes = server.request("GET", &link("alice/mirror"), "alice:alice");
        bytes.headers_mut().unwrap().insert("accept", "*/*".parse().unwrap());
        assert_eq!(server.send(bytes, Vec::new()).await.status, 502, "nothing but upstream gives it");
        assert_eq!(server.get(&format!("{}.metadata", link("alice/mirror")), "alice:alice").await.status, 502);
    }

    async fn what_one_upstream_said_is_not_what_another_says(db: Db) {
        let server = Server::start(db).await;
        server.user("alice", &[("mirror", json!({"type": "mirror", "mirror_url": "http://127.0.0.1:9/simple/"}))]).await;
        server.mirrored("alice", "mirror", vec![PageFile::bare("cheese_cellar-1.0.tar.gz", "http://127.0.0.1:9/f.tar.gz")]).await;
        assert_eq!(server.get("/alice/mirror/+simple/cheese-cellar/", "").await.status, 200);
        let patch = json!(["mirror_url=http://127.0.0.1:9/other/"]);
        assert_eq!(server.ask("PATCH", "/alice/mirror", ROOT, patch).await.status, 200);
        assert_eq!(server.get("/alice/mirror/+simple/cheese-cellar/", "").await.status, 502);
    }

    async fn a_change_of_options_does_not_undo_one_that_was_not_seen_yet(db: Db) {
        let server = Server::start(db).await;
        server.user("alice", &[("dev", json!({}))]).await;
        let index = server.site.core.tree.load().find("alice", "dev").unwrap().index.clone();
        // Another process, such as the command line.
        let mut settings = index.settings.stored.clone();
        settings.insert("acl_read".into(), json!(["alice"]));
        let mut c = server.site.core.db.begin().await.unwrap();
        db::indexes::set_settings(&mut c, index.id, &settings).await.unwrap();
        let change = Change { actor: "cli", index: Some(index.id), project: None, action: Action::IndexSet, detail: Value::Null };
        db::journal::append(&mut c, &change, server.site.core.clock.now()).await.unwrap();
        c.commit().await.unwrap();
        let changed = server.ask("PATCH", "/alice/dev", "alice:alice", json!(["title=T"])).await;
        assert_eq!(changed.result()["title"], "T", "{}", changed.body);
        assert_eq!(server.get("/alice/dev", "alice:alice").await.result()["acl_read"], json!(["alice"]));
    }

    async fn an_index_that_one_may_not_read_cannot_become_a_base(db: Db) {
        let server = Server::start(db).await;
        server.user("bob", &[("secret", json!({"acl_read": ["bob"]})), ("open", json!({}))]).await;
        server.user("alice", &[("dev", json!({}))]).await;
        for base in ["bob/secret", "bob/nothing"] {
            let said = format!("base index '{base}' does not exist");
            for (method, path) in [("PATCH", "/alice/dev"), ("PUT", "/alice/new")] {
                let answer = server.ask(method, path, "alice:alice", json!({"bases": base})).await;
                assert_eq!(answer.said(), (400, said.as_str()), "{method}");
            }
        }
        // Root may; and then alice's own changes leave it where it is.
        assert_eq!(server.ask("PATCH", "/alice/dev", ROOT, json!({"bases": "bob/secret"})).await.status, 200);
        assert_eq!(server.ask("PATCH", "/alice/dev", "alice:alice", json!(["bases+=bob/open", "title=T"])).await.status, 200);
        assert_eq!(server.get("/alice/dev", ROOT).await.result()["bases"], json!(["bob/secret", "bob/open"]));
    }

    async fn a_name_that_no_database_keeps_is_nobodys(db: Db) {
        let server = Server::start(db).await;
        assert_eq!(server.get("/+api", "a\0b:secret").await.result()["authstatus"][0], "noauth");
        assert_eq!(server.get("/+api", "root:a\0b").await.result()["authstatus"][0], "noauth");
    }

    async fn what_a_request_needs_at_most_does_not_lie_in_each_waiting_connection(db: Db) {
        let server = Server::start(db).await;
        let request = Request::new(Body::empty());
        let future = crate::http::answer(server.site.clone(), request, ([127, 0, 0, 1], 1).into());
        let bytes = std::mem::size_of_val(&future);
        assert!(bytes <= 6 * 1024, "rare branches belong into a box: {bytes} bytes");
    }
}
