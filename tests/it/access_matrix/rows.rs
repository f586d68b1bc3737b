//! What is asked for: one row each, with what a client of that address sends by each method. `{index}` stands for an index for everybody,
//! a private one and none; `{mirror}` for mirrors, likewise.

/// A row. Every method is tried on it; those that are not named in `sends` come without a body.
pub struct Row {
    pub path: &'static str,
    pub agent: Agent,
    pub sends: &'static [(&'static str, Sent)],
    /// Whether these methods are all that is tried: another row has the rest.
    pub only: bool,
    /// `/simple/` and its like, asked while the default index is public, then while it is private.
    pub default: bool,
    /// What it may change.
    pub mend: Mend,
    /// What tells it from other rows of this path.
    pub note: &'static str,
}

/// Who seems to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// devpi's client or a script.
    Tool,
    /// pip.
    Installer,
    Browser,
}

/// A body.
#[derive(Debug, Clone, Copy)]
pub enum Sent {
    Nothing,
    Json(&'static str),
    /// A wheel of the project app.
    Upload,
    /// Its documentation.
    Docs,
    /// devpi's registration.
    Register,
    /// A browser's form.
    Fields(&'static [(&'static str, &'static str)]),
    /// `pip search app`
    Xml,
}

/// What has to be put back after it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    Nothing,
    /// The index and its projects.
    Index,
    /// Sessions, and tokens that are there to be revoked.
    Account,
    /// All that alice has.
    Everything,
}

use Agent::{Browser, Installer, Tool};
use Sent::{Docs, Fields, Json, Register, Upload, Xml};

const fn row(path: &'static str) -> Row {
    Row { path, agent: Tool, sends: &[], only: false, default: false, mend: Mend::Nothing, note: "" }
}

const fn page(path: &'static str) -> Row {
    Row { agent: Browser, ..row(path) }
}

impl Row {
    const fn sends(self, sends: &'static [(&'static str, Sent)]) -> Self {
        Self { sends, ..self }
    }

    /// Another body, or another client, of an address that has a row already.
    const fn again(self, note: &'static str) -> Self {
        Self { only: true, note, ..self }
    }

    const fn of_default(self) -> Self {
        Self { default: true, ..self }
    }

    const fn by(self, agent: Agent) -> Self {
        Self { agent, ..self }
    }

    const fn mend(self, mend: Mend) -> Self {
        Self { mend, ..self }
    }

    /// Whether it is asked of each index.
    pub fn is_of_an_index(&self) -> bool {
        let named = |text: &str| text.contains("{index}") || text.contains("{mirror}");
        let in_body = self.sends.iter().any(|(_, sent)| match sent {
            Json(text) => named(text),
            Fields(fields) => fields.iter().any(|(_, value)| named(value)),
            _ => false,
        });
        named(self.path) || in_body
    }
}

const GET: &[(&str, Sent)] = &[("GET", Sent::Nothing)];
const RESULT: &[(&str, Sent)] = &[("POST", Json("{}"))];
const SEARCH: &[(&str, Sent)] = &[("POST", Xml)];

/// In the order of the router.
pub const ROWS: &[Row] = &[
    // Installers
    row("/simple/").of_default(),
    row("/simple/").sends(SEARCH).again("pip search").of_default(),
    row("/simple/app/").of_default(),
    row("/legacy/+simple/app/").of_default(),
    row("/{index}/+simple/"),
    row("/{index}/+simple/").sends(SEARCH).again("pip search"),
    row("/{index}/+simple/app/"),
    row("/{mirror}/+simple/"),
    row("/{mirror}/+simple/mapp/"),
    row("/{mirror}/+simple/mapp/refresh").mend(Mend::Index),
    row("/{index}/{wheel}").sends(RESULT).mend(Mend::Index),
    row("/{index}/{wheel}.metadata"),
    row("/{index}/{result}").mend(Mend::Index),
    row("/{index}/{docs}").mend(Mend::Index),
    row("/{mirror}/{mirrored}").mend(Mend::Index),
    row("/{mirror}/{plain}").mend(Mend::Index),
    // Uploaders
    row("/legacy/").sends(&[("POST", Upload)]).of_default().mend(Mend::Index),
    row("/{mirror}/").sends(&[("POST", Upload)]).again("upload"),
    // Readers of PyPI's JSON
    row("/pypi/app/json").of_default(),
    row("/pypi/app/1.0/json").of_default(),
    row("/app/json").of_default(),
    row("/{index}/pypi/app/json"),
    row("/{index}/pypi/app/1.0/json"),
    row("/{index}/+simple/app/json"),
    row("/{index}/app/json"),
    row("/packages/source/a/app/app-1.0.tar.gz").of_default(),
    // Searchers
    row("/+search?q=app"),
    row("/+search?q=app&index={index}").again("in an index").sends(GET),
    row("/pypi/").sends(SEARCH).of_default(),
    row("/").sends(SEARCH).again("pip search"),
    row("/{index}").sends(SEARCH).again("pip search"),
    // devpi's client
    row("/"),
    page("/").sends(GET).again("browser"),
    row("/+api"),
    row("/alice/+api"),
    row("/{index}/+api"),
    row("/+login").sends(&[("POST", Json(r#"{"user": "carol", "password": "carol's password"}"#))]),
    row("/+status"),
    row("/+authcheck"),
    row("/+authcheck?of=/{index}/+simple/app/").sends(GET).again("X-Original-URI"),
    row("/alice").sends(&[("PATCH", Json(r#"{"title": "t"}"#))]).mend(Mend::Everything),
    row("/alice").sends(&[("PATCH", Json(r#"{"password": "alice's password"}"#))]).again("password").mend(Mend::Account),
    row("/newbie").sends(&[("PUT", Json(r#"{"password": "newbie's password"}"#))]).again("a new user").mend(Mend::Account),
    page("/alice").sends(GET).again("browser"),
    row("/alice/+token-create").mend(Mend::Account),
    row("/alice/+tokens"),
    row("/alice/+tokens/{spare}").mend(Mend::Account),
    row("/{index}").sends(&[("PATCH", Json(r#"["title=another"]"#)), ("PUT", Json("{}")), ("POST", Upload)]).mend(Mend::Index),
    row("/{index}").sends(&[("POST", Docs)]).again("documentation").mend(Mend::Index),
    row("/{index}").sends(&[("POST", Register)]).again("registration").mend(Mend::Index),
    row("/{index}")
        .sends(&[("PUSH", Json(r#"{"name": "app", "version": "1.0", "targetindex": "alice/other"}"#))])
        .again("from here to alice/other")
        .mend(Mend::Index),
    row("/alice/other")
        .sends(&[
            ("PUSH", Json(r#"{"name": "thing", "version": "1.0", "targetindex": "{index}"}"#)),
            ("POST", Json(r#"{"name": "thing", "version": "1.0", "targetindex": "{index}"}"#)),
        ])
        .again("to {index}")
        .mend(Mend::Index),
    row("/alice/fresh").sends(&[("PUT", Json("{}"))]).again("a new index").mend(Mend::Index),
    row("/alice/fresh").sends(&[("PUT", Json(r#"{"bases": "{index}"}"#))]).again("with this base").mend(Mend::Index),
    row("/{index}").by(Installer).sends(GET).again("pip"),
    page("/{index}").sends(GET).again("browser"),
    row("/{index}/app").sends(&[("PATCH", Json(r#"{"inheritance_rules": ["allow all"]}"#))]).mend(Mend::Index),
    row("/{index}/app").by(Installer).sends(GET).again("pip"),
    page("/{index}/app").sends(GET).again("browser"),
    row("/{mirror}/mapp").mend(Mend::Index),
    row("/{index}/app/1.0").mend(Mend::Index),
    page("/{index}/app/1.0").sends(GET).again("browser"),
    // Scripts
    row("/{index}/app/1.0/+yank").mend(Mend::Index),
    // People
    row("/{index}/app/1.0/+doc/"),
    row("/{index}/app/1.0/+d/index.html"),
    row("/_/image/AbCd?url=http%3A%2F%2Fpictures.example%2Fa.png"),
    page("/_/static/x/site.css"),
    page("/_/login").sends(&[("POST", Fields(&[("user", "carol"), ("password", "carol's password")]))]),
    page("/_/logout").mend(Mend::Account),
    page("/_/search?q=app"),
    page("/_/activity"),
    page("/_/activity?index={index}").sends(GET).again("of an index"),
    page("/_/status"),
    page("/_/users")
        .sends(&[("POST", Fields(&[("name", "newbie"), ("password", "newbie's password"), ("again", "newbie's password")]))])
        .mend(Mend::Account),
    page("/_/users/alice")
        .sends(&[("POST", Fields(&[("act", "profile"), ("title", "x"), ("email", ""), ("description", "")]))])
        .mend(Mend::Account),
    page("/_/users/alice")
        .sends(&[(
            "POST",
            Fields(&[
                ("act", "password"),
                ("present", "alice's password"),
                ("password", "alice's password"),
                ("again", "alice's password"),
            ]),
        )])
        .again("password")
        .mend(Mend::Account),
    page("/_/users/alice").sends(&[("POST", Fields(&[("act", "sessions")]))]).again("end sessions").mend(Mend::Account),
    page("/_/users/alice/delete").sends(&[("POST", Fields(&[("confirm", "alice")]))]).mend(Mend::Everything),
    page("/_/users/alice/tokens")
        .sends(&[("POST", Fields(&[("name", "new"), ("allow", "read"), ("reach", "all"), ("expiry", "30")]))])
        .mend(Mend::Account),
    page("/_/users/alice/tokens/revoke")
        .sends(&[("POST", Fields(&[("kind", "own"), ("token", "token spare")]))])
        .mend(Mend::Account),
    page("/_/users/alice/tokens/revoke")
        .sends(&[("POST", Fields(&[("kind", "devpi"), ("token", "{spare}")]))])
        .again("devpi token")
        .mend(Mend::Account),
    page("/_/indexes/new")
        .sends(&[("POST", Fields(&[("kind", "stage"), ("owner", "alice"), ("name", "fresh")]))])
        .mend(Mend::Index),
    page("/_/indexes/{index}/settings").sends(&[("POST", Fields(&[("title", "another")]))]).mend(Mend::Index),
    page("/_/indexes/{mirror}/settings")
        .sends(&[("POST", Fields(&[("act", "refresh")]))])
        .again("ask upstream")
        .mend(Mend::Index),
    page("/_/indexes/{index}/delete").sends(&[("POST", Fields(&[("confirm", "{index}")]))]).mend(Mend::Index),
    page("/_/projects/{index}/app/compare?a=0.9&b=1.0"),
    page("/_/projects/{index}/app/yank?version=1.0")
        .sends(&[("POST", Fields(&[("version", "1.0"), ("act", "yank"), ("reason", "")]))])
        .mend(Mend::Index),
    page("/_/projects/{index}/app/remove").sends(&[("POST", Fields(&[("confirm", "app")]))]).mend(Mend::Index),
    page("/_/projects/{index}/app/push")
        .sends(&[("POST", Fields(&[("version", "1.0"), ("target", "alice/other"), ("docs", "yes")]))])
        .mend(Mend::Index),
    page("/_/projects/alice/other/thing/push")
        .sends(&[("POST", Fields(&[("version", "1.0"), ("target", "{index}")]))])
        .again("to {index}")
        .mend(Mend::Index),
    page("/_/projects/{mirror}/mapp/refresh").mend(Mend::Index),
    // Operators
    row("/health"),
    row("/ready"),
    row("/metrics"),
    row("/+nothing"),
];
