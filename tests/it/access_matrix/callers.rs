//! Who asks: one column each, and each way in which they can prove who they are.

use super::super::support::Ask;
use super::rows::Agent;
use super::world::Secrets;

/// One way to prove something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Nothing,
    /// Basic, of a user of the harness.
    Password(&'static str),
    /// A session as devpi's client sends it (`X-Devpi-Auth`), on pages as a password.
    Session(&'static str),
    /// A browser's session.
    Cookie(&'static str),
    /// One of the tokens, by its name, as the password of `__token__`.
    Token(&'static str),
    /// A devpi token, as its owner's password.
    DevpiToken(&'static str, &'static str),
    /// What was good once, as a password.
    Ended(&'static str, &'static str),
    /// A session that has ended, in `X-Devpi-Auth`: nobody, as in devpi.
    Stale,
    /// A cookie of a session that has ended: nobody.
    StaleCookie,
}

/// A column: proofs that are answered alike, wherever they are brought.
pub struct Column {
    pub head: &'static str,
    pub who: &'static str,
    pub proofs: &'static [Proof],
    /// Has no right of any kind at `alice/vault`, so must not learn whether it exists.
    pub blind: bool,
}

const fn column(head: &'static str, who: &'static str, proofs: &'static [Proof]) -> Column {
    Column { head, who, proofs, blind: false }
}

const fn blind(head: &'static str, who: &'static str, proofs: &'static [Proof]) -> Column {
    Column { head, who, proofs, blind: true }
}

use Proof::{Cookie, DevpiToken, Ended, Nothing, Password, Session, Stale, StaleCookie, Token};

pub const COLUMNS: &[Column] = &[
    blind("none", "nobody; nobody with an ended session in X-Devpi-Auth or a cookie", &[Nothing, Stale, StaleCookie]),
    blind("strg", "mallory, a stranger", &[Password("mallory")]),
    column("read", "carol, who is in acl_read", &[Password("carol")]),
    column("drop", "dave, who is in acl_upload and not in acl_read", &[Password("dave")]),
    column("upld", "erin, who is in acl_read and acl_upload", &[Password("erin")]),
    column("ownr", "alice, the owner, by password and by session", &[Password("alice"), Session("alice")]),
    column("root", "root, likewise", &[Password("root"), Session("root")]),
    column("cook", "alice by a browser's cookie", &[Cookie("alice")]),
    column("tRd", "alice's token to read", &[Token("read")]),
    column("tUp", "alice's token to upload", &[Token("upload")]),
    column("tRes", "alice's token to attach results", &[Token("results")]),
    column("tAll", "alice's token for everything", &[Token("all")]),
    column("tApp", "the same for the project app", &[Token("app")]),
    column("tPrj", "the same for the project other", &[Token("other-project")]),
    blind("tIdx", "the same for another index", &[Token("other-index")]),
    blind("tStr", "mallory's token for everything", &[Token("mallory")]),
    column("tUpl", "erin's token for everything", &[Token("erin")]),
    column("tRt", "root's token for everything", &[Token("root")]),
    column("dAll", "alice's devpi token without restrictions", &[DevpiToken("alice", "all")]),
    column("dRd", "alice's devpi token allowed=pkg_read", &[DevpiToken("alice", "read")]),
    column("gone", "what has ended: see below", GONE),
];

/// Each is refused wherever it is brought.
pub const GONE: &[Proof] = &[
    Ended("__token__", "expired token"),
    Ended("__token__", "revoked token"),
    Ended("__token__", "token of a deleted user"),
    Ended("__token__", "token of a disabled user"),
    Ended("alice", "expired devpi token"),
    Ended("alice", "revoked devpi token"),
    Ended("alice", "expired session"),
    Ended("alice", "ended session"),
];

/// The request with this proof.
pub fn bring(ask: Ask, agent: Agent, proof: Proof, secrets: &Secrets) -> Ask {
    let cookie = |secret: &str| format!("cheeseshop_session={secret}");
    match proof {
        Nothing => ask,
        Password(user) => ask.by(user),
        Session(user) if agent == Agent::Browser => ask.auth(user, secrets.of(&format!("session {user}"))),
        Session(user) => ask.header("x-devpi-auth", &base64(&format!("{user}:{}", secrets.of(&format!("session {user}"))))),
        Cookie(user) => ask.header("cookie", &cookie(secrets.of(&format!("cookie {user}")))),
        Token(name) => ask.auth("__token__", secrets.of(&format!("token {name}"))),
        DevpiToken(user, name) => ask.auth(user, secrets.of(&format!("devpi {name}"))),
        Ended(user, what) => ask.auth(user, secrets.of(what)),
        Stale => ask.header("x-devpi-auth", &base64(&format!("alice:{}", secrets.of("ended session")))),
        StaleCookie => ask.header("cookie", &cookie(secrets.of("ended session"))),
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
