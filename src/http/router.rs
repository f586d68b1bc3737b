//! Every route of the server, grouped by who calls it. Matched on decoded segments, so `%2Bsimple` is `+simple` and an encoded
//! slash is never a separator; empty segments do not count, because clients join addresses carelessly.
//!
//! Pure: text in, [`Route`] out. Which methods a route takes is next to its handler in [`super::answer`].

use super::web::places::{Place, place};

/// Which index a route is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At<'a> {
    /// The default index: `/simple/`, `/legacy/`, `/pypi/…`.
    Default,
    /// `/{user}/{index}/…`
    Index(&'a str, &'a str),
}

/// Where a simple page stands: links on it are relative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// `/{user}/{index}/+simple/{project}`
    Index,
    /// `/simple/{project}`
    Default,
    /// `/legacy/+simple/{project}`: hatch looks there before it uploads to `/legacy/`.
    Legacy,
}

/// Which page of which documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocsPage<'a> {
    /// Owner.
    pub user: &'a str,
    /// Index.
    pub index: &'a str,
    /// Project, in any spelling.
    pub project: &'a str,
    /// Version, `latest` or `stable`.
    pub version: &'a str,
    /// The path in the documentation, decoded.
    pub path: &'a [&'a str],
}

/// What a path means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    // Installers: pip, uv, poetry, pdm, pipenv
    /// The list of projects.
    SimpleList(At<'a>),
    /// A project's page.
    SimpleProject(At<'a>, &'a str, Depth),
    /// Ask the mirrors of a project's page again.
    Refresh(&'a str, &'a str, &'a str),
    /// A file by hash: user, index, first digits, more digits, name.
    HashedFile(&'a str, &'a str, &'a str, &'a str, &'a str),
    /// A mirrored file without a hash: user, index, flattened address, name.
    PlainFile(&'a str, &'a str, &'a str, &'a str),

    // Uploaders: twine, uv publish, hatch, poetry, flit, pdm, maturin
    /// The default index's upload address.
    Legacy,

    // Tools that read PyPI's JSON API: pip-tools, renovate, dependabot, grayskull
    /// `/pypi/{project}/json` and its like, with a version or without.
    ProjectJson(At<'a>, &'a str, Option<&'a str>),
    /// `/packages/source/{letter}/{project}/{filename}`
    SourceArchive(&'a str, &'a str),

    // Tools that search
    /// `/+search`
    Search,
    /// `/pypi`, where PyPI takes XML-RPC; so do `/` and each index.
    Rpc,

    // devpi-client; an index is also where uploads go
    /// `/`
    Root,
    /// `/+api` at three levels.
    Api(Option<&'a str>, Option<&'a str>),
    /// `/+login`
    Login,
    /// `/+status`
    Status,
    /// `/+authcheck`
    AuthCheck,
    /// `/{user}`
    User(&'a str),
    /// `/{user}/+token-create` (devpi-tokens)
    TokenCreate(&'a str),
    /// `/{user}/+tokens`
    Tokens(&'a str),
    /// `/{user}/+tokens/{id}`
    Token(&'a str, &'a str),
    /// `/{user}/{index}`
    Index(&'a str, &'a str),
    /// `/{user}/{index}/{project}`
    Project(&'a str, &'a str, &'a str),
    /// `/{user}/{index}/{project}/{version}`
    Version(&'a str, &'a str, &'a str, &'a str),

    // Scripts
    /// `/{user}/{index}/{project}/{version}/+yank`
    Yank(&'a str, &'a str, &'a str, &'a str),

    // People
    /// `/{user}/{index}/{project}/{version}/+doc/…`: a page of documentation.
    Docs(DocsPage<'a>),
    /// The same in a frame: `+d/…`, as devpi-web links it.
    FramedDocs(DocsPage<'a>),
    /// `/_/image/{signature}?url=…`: a picture in a description.
    Image(&'a str),

    /// `/_/…`: what only browsers use.
    Web(Place<'a>),

    // Operators
    /// Whether the process lives.
    Health,
    /// Whether it can do its work.
    Ready,
    /// What it has done.
    Metrics,

    /// Nothing.
    Nothing,
}

/// Reads a path's decoded segments.
pub fn route<'a>(segments: &'a [&'a str]) -> Route<'a> {
    match *segments {
        [] => Route::Root,
        ["health"] => Route::Health,
        ["ready"] => Route::Ready,
        ["metrics"] => Route::Metrics,
        ["+api"] => Route::Api(None, None),
        ["+login"] => Route::Login,
        ["+status"] => Route::Status,
        ["+authcheck"] => Route::AuthCheck,
        ["+search"] => Route::Search,

        ["_", ref rest @ ..] if place(rest) != Place::Nowhere => Route::Web(place(rest)),
        ["simple"] => Route::SimpleList(At::Default),
        ["simple", project] => Route::SimpleProject(At::Default, project, Depth::Default),
        ["legacy"] => Route::Legacy,
        ["legacy", "+simple", project] => Route::SimpleProject(At::Default, project, Depth::Legacy),
        ["pypi"] => Route::Rpc,
        ["pypi", project, "json"] => Route::ProjectJson(At::Default, project, None),
        ["pypi", project, version, "json"] => Route::ProjectJson(At::Default, project, Some(version)),
        ["packages", "source", _, project, filename] => Route::SourceArchive(project, filename),
        ["_", "image", signature] => Route::Image(signature),
        [reserved, ..] if crate::names::RESERVED_USERS.contains(&reserved) => Route::Nothing,

        [user, "+api"] => Route::Api(Some(user), None),
        [user, index, "+api"] => Route::Api(Some(user), Some(index)),
        // What begins with + is the server's own, at every level: no name does.
        [first, ..] if first.starts_with('+') => Route::Nothing,
        [project, "json"] => Route::ProjectJson(At::Default, project, None),
        [user] => Route::User(user),
        [user, "+token-create"] => Route::TokenCreate(user),
        [user, "+tokens"] => Route::Tokens(user),
        [user, "+tokens", id] => Route::Token(user, id),
        [_, second, ..] if second.starts_with('+') => Route::Nothing,

        [user, index] => Route::Index(user, index),
        [user, index, "+simple"] => Route::SimpleList(At::Index(user, index)),
        [user, index, "+simple", project] => Route::SimpleProject(At::Index(user, index), project, Depth::Index),
        [user, index, "+simple", project, "refresh"] => Route::Refresh(user, index, project),
        [user, index, "+f", first, more, filename] => Route::HashedFile(user, index, first, more, filename),
        [user, index, "+e", folder, filename] => Route::PlainFile(user, index, folder, filename),
        [user, index, "pypi", project, "json"] => Route::ProjectJson(At::Index(user, index), project, None),
        [user, index, "pypi", project, version, "json"] => Route::ProjectJson(At::Index(user, index), project, Some(version)),
        // pip-tools asks below the address that it was given, unless that ends in `/simple/`.
        [user, index, "+simple", project, "json"] => Route::ProjectJson(At::Index(user, index), project, None),
        [_, _, third, ..] if third.starts_with('+') => Route::Nothing,
        [user, index, project, "json"] => Route::ProjectJson(At::Index(user, index), project, None),
        [user, index, project] => Route::Project(user, index, project),
        [user, index, project, version] => Route::Version(user, index, project, version),
        [user, index, project, version, "+yank"] => Route::Yank(user, index, project, version),
        [user, index, project, version, "+doc", ref path @ ..] => Route::Docs(DocsPage { user, index, project, version, path }),
        [user, index, project, version, "+d", ref path @ ..] => {
            Route::FramedDocs(DocsPage { user, index, project, version, path })
        }
        _ => Route::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::urls::decode_path;

    fn of(path: &str) -> String {
        let decoded = decode_path(path).unwrap();
        let segments: Vec<&str> = decoded.segments.iter().map(|s| s.as_ref()).collect();
        format!("{:?}", route(&segments))
    }

    #[test]
    fn the_table() {
        let paths = [
            "/",
            "/simple/",
            "/simple/Foo/",
            "//simple//foo",
            "/legacy/",
            "/legacy/%2Bsimple/foo/",
            "/pypi/",
            "/pypi/foo/json",
            "/pypi/foo/1.0/json",
            "/foo/json",
            "/packages/source/f/foo/foo-1.0.tar.gz",
            "/health",
            "/ready",
            "/+api",
            "/+login",
            "/+status",
            "/+authcheck",
            "/+search",
            "/+nothing",
            "/_/oidc/audience",
            "/_/image/AbCd-_12",
            "/metrics",
            "/root",
            "/root/+api",
            "/root/+token-create",
            "/root/+tokens",
            "/root/%2Btokens/AbCd2345",
            "/root/main",
            "/root/main/+api",
            "/root/main/+simple/",
            "/root/main/%2Bsimple/foo/",
            "/root/main/+simple/foo/refresh",
            "/root/main/+f/abc/0123456789abc/foo-1.0%2Bl.whl",
            "/root/main/+e/http_x/foo.zip",
            "/root/main/pypi/foo/json",
            "/root/main/pypi/foo/1/json",
            "/root/main/+simple/foo/json",
            "/root/main/foo/json",
            "/root/main/foo",
            "/root/main/foo/1.0",
            "/root/main/foo/1.0/%2Byank",
            "/root/main/foo/1.0/+doc",
            "/root/main/foo/latest/%2Bdoc/api/x.html",
            "/root/main/foo/1.0/+d/index.html",
            "/root/main/+x/foo",
            "/root/main/foo/1.0/more",
        ];
        let table: Vec<String> = paths.iter().map(|path| format!("{path} -> {}", of(path))).collect();
        insta::assert_snapshot!(table.join("\n"), @r#"
        / -> Root
        /simple/ -> SimpleList(Default)
        /simple/Foo/ -> SimpleProject(Default, "Foo", Default)
        //simple//foo -> SimpleProject(Default, "foo", Default)
        /legacy/ -> Legacy
        /legacy/%2Bsimple/foo/ -> SimpleProject(Default, "foo", Legacy)
        /pypi/ -> Rpc
        /pypi/foo/json -> ProjectJson(Default, "foo", None)
        /pypi/foo/1.0/json -> ProjectJson(Default, "foo", Some("1.0"))
        /foo/json -> ProjectJson(Default, "foo", None)
        /packages/source/f/foo/foo-1.0.tar.gz -> SourceArchive("foo", "foo-1.0.tar.gz")
        /health -> Health
        /ready -> Ready
        /+api -> Api(None, None)
        /+login -> Login
        /+status -> Status
        /+authcheck -> AuthCheck
        /+search -> Search
        /+nothing -> Nothing
        /_/oidc/audience -> Nothing
        /_/image/AbCd-_12 -> Image("AbCd-_12")
        /metrics -> Metrics
        /root -> User("root")
        /root/+api -> Api(Some("root"), None)
        /root/+token-create -> TokenCreate("root")
        /root/+tokens -> Tokens("root")
        /root/%2Btokens/AbCd2345 -> Token("root", "AbCd2345")
        /root/main -> Index("root", "main")
        /root/main/+api -> Api(Some("root"), Some("main"))
        /root/main/+simple/ -> SimpleList(Index("root", "main"))
        /root/main/%2Bsimple/foo/ -> SimpleProject(Index("root", "main"), "foo", Index)
        /root/main/+simple/foo/refresh -> Refresh("root", "main", "foo")
        /root/main/+f/abc/0123456789abc/foo-1.0%2Bl.whl -> HashedFile("root", "main", "abc", "0123456789abc", "foo-1.0+l.whl")
        /root/main/+e/http_x/foo.zip -> PlainFile("root", "main", "http_x", "foo.zip")
        /root/main/pypi/foo/json -> ProjectJson(Index("root", "main"), "foo", None)
        /root/main/pypi/foo/1/json -> ProjectJson(Index("root", "main"), "foo", Some("1"))
        /root/main/+simple/foo/json -> ProjectJson(Index("root", "main"), "foo", None)
        /root/main/foo/json -> ProjectJson(Index("root", "main"), "foo", None)
        /root/main/foo -> Project("root", "main", "foo")
        /root/main/foo/1.0 -> Version("root", "main", "foo", "1.0")
        /root/main/foo/1.0/%2Byank -> Yank("root", "main", "foo", "1.0")
        /root/main/foo/1.0/+doc -> Docs(DocsPage { user: "root", index: "main", project: "foo", version: "1.0", path: [] })
        /root/main/foo/latest/%2Bdoc/api/x.html -> Docs(DocsPage { user: "root", index: "main", project: "foo", version: "latest", path: ["api", "x.html"] })
        /root/main/foo/1.0/+d/index.html -> FramedDocs(DocsPage { user: "root", index: "main", project: "foo", version: "1.0", path: ["index.html"] })
        /root/main/+x/foo -> Nothing
        /root/main/foo/1.0/more -> Nothing
        "#);
    }
}
