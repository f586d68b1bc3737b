//! The addresses that only browsers use, below `/_/`. Pure: decoded segments in, [`Place`] out.

/// What a path below `/_/` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// `static/{digest}/{name}`: style sheet, script and pictures of the pages.
    Asset(&'a str, &'a str),
    /// `login`
    SignIn,
    /// `logout`
    SignOut,
    /// `search`
    Search,
    /// `activity`: the journal.
    Activity,
    /// `status`: storage, mirrors, nodes and jobs at a glance.
    Status,
    /// `users`: all of them, and a form for a new one.
    Users,
    /// `users/{user}`: profile and password.
    Profile(&'a str),
    /// `users/{user}/delete`
    DeleteUser(&'a str),
    /// `users/{user}/tokens`: a user's tokens, and a form for a new one.
    Tokens(&'a str),
    /// `users/{user}/tokens/revoke`
    RevokeToken(&'a str),
    /// `indexes/new`
    NewIndex,
    /// `indexes/{user}/{index}/settings`
    IndexSettings(&'a str, &'a str),
    /// `indexes/{user}/{index}/delete`
    DeleteIndex(&'a str, &'a str),
    /// `projects/{user}/{index}/{project}/{what}`
    Project(&'a str, &'a str, &'a str, ProjectPlace),
    /// Nothing.
    Nowhere,
}

/// What can be done with a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectPlace {
    /// `compare`: two versions side by side.
    Compare,
    /// `yank`: yank or unyank a release or a file.
    Yank,
    /// `remove`: delete a file, a release or the project.
    Remove,
    /// `push`: copy a release to another index.
    Push,
    /// `refresh`: ask the mirrors again.
    Refresh,
}

impl ProjectPlace {
    const ALL: [(&'static str, Self); 5] = [
        ("compare", Self::Compare),
        ("yank", Self::Yank),
        ("remove", Self::Remove),
        ("push", Self::Push),
        ("refresh", Self::Refresh),
    ];

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, place)| *place)
    }
}

/// Reads the segments behind `/_/`.
pub fn place<'a>(segments: &[&'a str]) -> Place<'a> {
    match *segments {
        ["static", digest, name] => Place::Asset(digest, name),
        ["login"] => Place::SignIn,
        ["logout"] => Place::SignOut,
        ["search"] => Place::Search,
        ["activity"] => Place::Activity,
        ["status"] => Place::Status,
        ["users"] => Place::Users,
        ["users", user] => Place::Profile(user),
        ["users", user, "delete"] => Place::DeleteUser(user),
        ["users", user, "tokens"] => Place::Tokens(user),
        ["users", user, "tokens", "revoke"] => Place::RevokeToken(user),
        ["indexes", "new"] => Place::NewIndex,
        ["indexes", user, index, "settings"] => Place::IndexSettings(user, index),
        ["indexes", user, index, "delete"] => Place::DeleteIndex(user, index),
        ["projects", user, index, project, what] => match ProjectPlace::parse(what) {
            Some(what) => Place::Project(user, index, project, what),
            None => Place::Nowhere,
        },
        _ => Place::Nowhere,
    }
}
