//! Who gets what: every route by every method, asked by everybody with every kind of credential, of an index for everybody and of a
//! private one. `table.snap` is what came out, and what a change has to justify; `INSTA_UPDATE=always` writes it anew.
//!
//! What must hold is asserted beside it: each proof of a column is answered like the others; HEAD is answered as GET; and who has no
//! right of any kind at a private index is told, on every route, exactly what is told of an index that does not exist.

mod callers;
mod kinds;
mod rows;
mod world;

use super::support::ask::Answer;
use super::support::{Ask, Dist, Engine, Form, both};
use axum::http::Method;
use callers::{COLUMNS, Column, Proof, bring};
use cheeseshop::http::router::route;
use cheeseshop::http::web::target;
use cheeseshop::urls::decode_path;
use kinds::{Kind, Shared};
use rows::{Agent, ROWS, Row, Sent};
use std::collections::BTreeSet;
use std::fmt::Write;
use world::{MIRRORS, NONE, OPEN, SECRET_PROJECT, VAULT, World};

/// Every method that a route may take; HEAD is asked beside GET.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "PUSH"];
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[test]
fn every_route_has_a_row() {
    let (mut kinds, mut shared) = (BTreeSet::new(), BTreeSet::new());
    for row in ROWS {
        let path = filled(row.path, OPEN, |mark| match mark {
            "spare" => "AbCd2345".into(),
            "plain" => "+e/x/y".into(),
            _ => "+f/abc/0123456789abc/x".into(),
        });
        let decoded = decode_path(path.split('?').next().unwrap()).unwrap();
        let segments: Vec<&str> = decoded.segments.iter().map(AsRef::as_ref).collect();
        let route = route(&segments);
        kinds.extend(Kind::of(route));
        let mut headers = axum::http::HeaderMap::new();
        headers.insert("accept", BROWSER.parse().unwrap());
        let is_page = row.agent == Agent::Browser;
        shared.extend(target(route, &Method::GET, &headers).filter(|_| is_page).and_then(Shared::of));
    }
    let missing = |all: &[Kind]| all.iter().filter(|kind| !kinds.contains(kind)).copied().collect::<Vec<_>>();
    assert_eq!(missing(Kind::ALL), [], "routes without a row");
    assert_eq!(shared, Shared::ALL.iter().copied().collect(), "pages that tools and browsers share, without a browser's row");
}

/// A row's text with its marks replaced.
fn filled(text: &str, index: &str, place: impl Fn(&str) -> String) -> String {
    let mirror = MIRRORS.iter().find(|(like, _)| *like == index).map_or("", |(_, mirror)| mirror);
    let mut text = text.replace("{index}", index).replace("{mirror}", mirror);
    for mark in ["wheel", "result", "docs", "mirrored", "plain", "spare"] {
        let braced = format!("{{{mark}}}");
        if text.contains(&braced) {
            text = text.replace(&braced, &place(mark));
        }
    }
    text
}

fn methods(row: &Row) -> Vec<&'static str> {
    match row.only {
        true => row.sends.iter().map(|(method, _)| *method).collect(),
        false => METHODS.to_vec(),
    }
}

impl World {
    fn request(&self, row: &Row, method: &str, index: &str) -> Ask {
        let fill = |text: &str| filled(text, index, |mark| self.places[mark].clone());
        let path = fill(row.path);
        let sent = row.sends.iter().find(|(named, _)| *named == method).map_or(Sent::Nothing, |(_, sent)| *sent);
        let (path, original) = match path.split_once("?of=") {
            Some((path, original)) => (path.to_owned(), Some(original.to_owned())),
            None => (path, None),
        };
        let http = Method::from_bytes(method.as_bytes()).unwrap();
        let mut ask = match sent {
            Sent::Upload => self.shop.send(&path, &Form::of(&Dist::wheel("app", "9.0"))),
            Sent::Docs => self.shop.send(&path, &Form::docs("app", Some("1.0"), &world::docs())),
            Sent::Register => {
                self.shop.send(&path, &Form::of(&Dist::wheel("app", "9.0")).with(":action", "submit").without("content"))
            }
            Sent::Nothing => self.shop.ask(http, &path),
            Sent::Json(text) => self.shop.ask(http, &path).header("content-type", "application/json").body(fill(text)),
            Sent::Xml => self.shop.ask(http, &path).header("content-type", "text/xml").body(SEARCH),
            Sent::Fields(fields) => {
                let fields = fields.iter().map(|(name, value)| (*name, fill(value)));
                let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
                self.shop.ask(http, &path).header("content-type", "application/x-www-form-urlencoded").body(body)
            }
        };
        if let Some(original) = original {
            ask = ask.header("x-original-uri", &original);
        }
        match row.agent {
            Agent::Tool => ask.accept("application/json"),
            Agent::Installer => ask.header("user-agent", "pip/26.0"),
            Agent::Browser => ask.accept(BROWSER).header("sec-fetch-site", "same-origin"),
        }
    }

    async fn answer(&self, row: &Row, method: &str, index: &str, proof: Proof) -> Answer {
        bring(self.request(row, method, index), row.agent, proof, &self.secrets).await
    }

    /// What everybody of a column is answered, which must be the same.
    async fn cell(&mut self, row: &Row, method: &str, index: &str, column: &Column) -> String {
        let mut told = BTreeSet::new();
        // Where nothing is sent that could do something, one proof stands for all.
        let sends = method == "GET" || row.sends.iter().any(|(named, _)| *named == method);
        for proof in &column.proofs[..if sends { column.proofs.len() } else { 1 }] {
            let answer = self.answer(row, method, index, *proof).await;
            let what = format!("{method} {} {} of {index} by {proof:?}", row.path, row.note);
            self.must(answer.status < 500, || format!("{what}: {answer:?}"));
            if method == "GET" && *proof == column.proofs[0] {
                let head = self.answer(row, "HEAD", index, *proof).await;
                self.must(head.status == answer.status, || format!("{what}: {}, but HEAD {}", answer.status, head.status));
            } else if method != "GET" && answer.status < 400 {
                self.mend(row.mend, index).await;
            }
            if column.blind && index == VAULT {
                self.must_not_tell(row, method, *proof, &answer, &what).await;
            }
            told.insert(word(&answer));
        }
        self.must(told.len() == 1, || format!("{method} {} of {index} by {}: {told:?}", row.path, column.who));
        told.pop_first().unwrap()
    }

    /// Notes what is wrong; the whole table is looked at before the test fails.
    fn must(&mut self, holds: bool, complaint: impl FnOnce() -> String) {
        if !holds {
            self.complaints.push(complaint());
        }
    }

    /// The same as of an index that does not exist, and nothing that only readers know.
    async fn must_not_tell(&mut self, row: &Row, method: &str, proof: Proof, vault: &Answer, what: &str) {
        let told = shown(vault);
        self.must(!told.contains(SECRET_PROJECT), || format!("{what} names a private project: {told}"));
        if row.is_of_an_index() {
            let none = shown(&self.answer(row, method, NONE, proof).await);
            let same = told.replace("vault", "none1").replace("mvalt", "mnone") == none;
            self.must(same, || format!("{what} is told apart from none:\n{told}\n-- none:\n{none}"));
        } else {
            let named = told.contains("vault") || told.contains("mvalt");
            self.must(!named, || format!("{what} names a private index: {told}"));
        }
    }

    /// The lines of a row: one a method, methods that nobody is served with in one.
    async fn lines(&mut self, row: &Row, index: &str) -> Vec<(String, Vec<String>)> {
        let mut lines: Vec<(String, Vec<String>)> = Vec::new();
        for method in methods(row) {
            let mut cells = Vec::new();
            for column in COLUMNS {
                cells.push(self.cell(row, method, index, column).await);
            }
            match lines.iter_mut().find(|(_, known)| *known == cells && !cells.iter().any(|cell| cell == "yes")) {
                Some((methods, _)) => *methods = format!("{methods},{method}"),
                None => lines.push((method.to_owned(), cells)),
            }
        }
        lines
    }
}

/// `pip search app`
const SEARCH: &str = "<?xml version='1.0'?><methodCall><methodName>search</methodName><params><param><value><struct><member>\
                      <name>name</name><value><string>app</string></value></member></struct></value></param></params></methodCall>";

/// What an answer comes to.
fn word(answer: &Answer) -> String {
    match answer.status {
        303 if answer.header("location").starts_with("/_/login") => "in".into(),
        200..400 => "yes".into(),
        status => status.to_string(),
    }
}

/// Everything of an answer but its name and the state of the journal.
fn shown(answer: &Answer) -> String {
    let own = |name: &str| name.starts_with("x-devpi-") || name == "x-request-id";
    let headers = answer.headers.iter().filter(|(name, _)| !own(name.as_str()));
    let headers: BTreeSet<String> = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    format!("{} {:?}\n{headers:#?}\n{}", answer.status, answer.reason, String::from_utf8_lossy(&answer.body))
}

/// The states of the server in which a row is asked: what the table calls it, and the index.
fn states(row: &Row) -> &'static [(&'static str, &'static str)] {
    match row.default || row.is_of_an_index() {
        true => &[("public", OPEN), ("private", VAULT)],
        false => &[("", VAULT)],
    }
}

const WORDS: &str = "\
One line an address and method: once of an index that everybody may read, once of one that only carol, erin and the owner may.
yes: done or shown. in: led to the page for signing in. Else the status. HEAD is answered as GET.
What has ended (gone): a token that has expired, was revoked, or whose user was deleted or disabled; a devpi token that has expired
or was revoked; a session that has expired or was ended.

What may look odd, and why it is so:
- Who may not read gets 401 if nobody has signed in, else 404; where a right is asked before existence (changing an index or a user) 403,
  whether it exists or not. Both tell the same of a private index as of none, which is asserted beside this table.
- root may not upload, nor push: acl_upload names those who may, and nobody else. A push that may not reach its target is 401, as in devpi.
- Who may upload and not read (drop, tUp) can delete a project or a release by name, not a file by an address that it may not see.
- A token for one project sees an index's page in the browser, search in it and +api, where other projects are left out; the lists of
  projects for tools, which concern the whole index, it does not see.
- +d/ leads to +doc/ without a look at anything; +doc/ looks. /health and /ready answer whatever they are asked by.
- A user's name is no secret. Nobody but root makes users, unless --open-signup says so.
- What has ended is 401 also where nobody needs to sign in, but for the page where one signs in, and what needs nobody.
";

fn head() -> String {
    let mut text = format!("{WORDS}\n");
    for column in COLUMNS {
        writeln!(text, "{:<6}{}", column.head, column.who).unwrap();
    }
    write!(text, "\n{:<76}", "").unwrap();
    for column in COLUMNS {
        write!(text, "{:<5}", column.head).unwrap();
    }
    text.trim_end().to_owned() + "\n"
}

both! {
    async fn who_gets_what(engine: Engine) {
        let mut world = World::new(engine).await;
        let mut table = head();
        for row in ROWS {
            for (place, index) in states(row) {
                if row.default {
                    world.set_default(index).await;
                }
                for (methods, cells) in world.lines(row, index).await {
                    let note = if row.note.is_empty() { String::new() } else { format!(" ({})", row.note) };
                    let label = format!("{methods} {}{note}", row.path);
                    let line: String = cells.iter().map(|cell| format!("{cell:<5}")).collect();
                    writeln!(table, "{label:<67} {place:<7} {}", line.trim_end()).unwrap();
                }
            }
            if row.default {
                world.set_default(OPEN).await;
            }
        }
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => ".", omit_expression => true }, {
            insta::assert_snapshot!("table", table);
        });
        assert!(world.complaints.is_empty(), "{} complaints:\n{}", world.complaints.len(), world.complaints.join("\n\n"));
    }
}
