//! Who may do what. One function decides, and every route asks it.
//!
//! Pure: it is told who is calling and looks at the index's lists. How a caller proves who they are is `account`'s business.

use super::settings::Principal;
use super::tree::{Index, Place, Tree};
use crate::error::{Error, Result};
use crate::names::{IndexPath, UserName};
use crate::pypi::ProjectName;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Whoever sends a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// The user, if the request proved to be one's; the owner, if it came with a token.
    pub user: Option<User>,
    /// What the token is confined to; `None` for a password, a session or nobody.
    pub token: Option<TokenInfo>,
}

/// A user who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: UserName,
    /// May do everything.
    pub admin: bool,
}

/// A token that calls for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its name.
    pub name: String,
    /// Its bounds.
    pub scope: Scope,
}

/// The bounds of a token. `None` is no bound; an empty list leaves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// What it may be used for.
    pub allow: Vec<Grant>,
    /// `user/index`, each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexes: Option<Vec<String>>,
    /// Normalized project names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projects: Option<Vec<ProjectName>>,
}

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grant {
    /// Reading pages, files and metadata.
    Read,
    /// Publishing files.
    Upload,
    /// Attaching test results.
    Results,
    /// Deleting and yanking.
    Remove,
    /// Changing options, making and deleting indexes.
    Configure,
    /// Both of these.
    Manage,
    /// This alone: devpi's permissions are finer than the words above. Never stored and never typed.
    #[serde(skip)]
    Only(Action),
}

impl Grant {
    /// Reads `read`, `upload`, `results`, `remove`, `configure` or `manage`.
    pub fn parse(word: &str) -> Result<Self, String> {
        match word {
            "read" => Ok(Grant::Read),
            "upload" => Ok(Grant::Upload),
            "results" => Ok(Grant::Results),
            "remove" => Ok(Grant::Remove),
            "configure" => Ok(Grant::Configure),
            "manage" => Ok(Grant::Manage),
            other => Err(format!(
                "'{other}' is not something a token can allow: use read, upload, manage, or the finer results, remove, configure"
            )),
        }
    }

    fn covers(self, action: Action) -> bool {
        use Action::*;
        match self {
            Grant::Read => action == Read,
            Grant::Upload => matches!(action, Upload | AttachResults),
            Grant::Results => action == AttachResults,
            Grant::Remove => matches!(action, RemoveFile | RemoveRelease | RemoveProject),
            Grant::Configure => matches!(action, Create | Configure | Delete),
            Grant::Manage => Grant::Remove.covers(action) || Grant::Configure.covers(action),
            Grant::Only(one) => action == one,
        }
    }
}

/// What somebody wants to do with an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// See the index, its pages, files and metadata.
    Read,
    /// Publish a file.
    Upload,
    /// Attach test results to a file.
    AttachResults,
    /// Delete or yank a file.
    RemoveFile,
    /// Delete or yank a release.
    RemoveRelease,
    /// Delete a project, or let go of its name.
    RemoveProject,
    /// Make an index at this path.
    Create,
    /// Change the index's options.
    Configure,
    /// Delete the index.
    Delete,
}

impl Caller {
    /// Nobody.
    pub const ANONYMOUS: Caller = Caller { user: None, token: None };

    /// The program itself: the command line and the first start.
    pub fn system() -> Self {
        Self { user: Some(User { name: UserName::root(), admin: true }), token: None }
    }

    /// Whether this is nobody.
    pub fn is_anonymous(&self) -> bool {
        self.user.is_none()
    }

    /// How the journal names this caller.
    pub fn actor(&self) -> String {
        match (&self.user, &self.token) {
            (Some(user), Some(token)) => format!("token:{}/{}", user.name, token.name),
            (Some(user), None) => format!("user:{}", user.name),
            (None, _) => "anonymous".into(),
        }
    }

    /// Whether this caller may make, change or remove this user: root and the user, never by a token.
    pub fn may_manage_user(&self, name: &str) -> bool {
        self.token.is_none() && self.user.as_ref().is_some_and(|user| user.admin || user.name.as_str() == name)
    }

    /// Whether this caller is an administrator, signed in without a token.
    pub fn is_admin(&self) -> bool {
        self.token.is_none() && self.user.as_ref().is_some_and(|user| user.admin)
    }
}

/// Decides. A token's rights are the rights of nobody, plus those of its owner within its scope.
pub fn may(caller: &Caller, action: Action, index: &Index, project: Option<&ProjectName>) -> bool {
    if granted(None, action, index) {
        return true;
    }
    let Some(user) = &caller.user else { return false };
    within(caller, action, &index.path, project) && granted(Some(user), action, index)
}

/// Whether the caller's token, if there is one, leaves its owner the right to do this.
pub fn within(caller: &Caller, action: Action, index: &IndexPath, project: Option<&ProjectName>) -> bool {
    caller.token.as_ref().is_none_or(|token| token.scope.covers(action, index, project))
}

/// Whether the caller may upload some project to the index: what can be told before the form is read. Which project it is
/// says only the form, and then [`may`] decides.
pub fn may_upload_something(caller: &Caller, index: &Index) -> bool {
    match caller.token.as_ref().and_then(|token| token.scope.projects.as_ref()) {
        Some(projects) => projects.first().is_some_and(|project| may(caller, Action::Upload, index, Some(project))),
        None => may(caller, Action::Upload, index, None),
    }
}

fn granted(user: Option<&User>, action: Action, index: &Index) -> bool {
    let settings = &index.settings;
    let owns = user.is_some_and(|u| u.admin || u.name == index.path.user);
    match action {
        Action::Read => owns || listed(user, &settings.acl_read),
        Action::Upload => listed(user, &settings.acl_upload),
        Action::AttachResults => listed(user, &settings.acl_toxresult_upload),
        // devpi lets whoever may upload also remove; nobody may do so without signing in.
        Action::RemoveFile | Action::RemoveRelease | Action::RemoveProject => {
            owns || user.is_some() && listed(user, &settings.acl_upload)
        }
        Action::Create | Action::Configure | Action::Delete => owns,
    }
}

fn listed(user: Option<&User>, list: &[Principal]) -> bool {
    list.iter().any(|principal| match principal {
        Principal::Anonymous => true,
        Principal::Authenticated => user.is_some(),
        Principal::User(name) => user.is_some_and(|u| u.name.as_str() == name),
    })
}

impl Scope {
    /// A scope from lists as people write them, where an empty one is no bound.
    pub fn of(allow: Vec<Grant>, indexes: Vec<String>, projects: Vec<ProjectName>) -> Self {
        Self {
            allow,
            indexes: Some(indexes).filter(|list| !list.is_empty()),
            projects: Some(projects).filter(|list| !list.is_empty()),
        }
    }

    fn covers(&self, action: Action, index: &IndexPath, project: Option<&ProjectName>) -> bool {
        let index_fits = self.indexes.as_ref().is_none_or(|indexes| indexes.contains(&index.to_string()));
        // What concerns no project in particular is outside a token for some projects, reading an index's own name aside.
        let project_fits = self.projects.as_ref().is_none_or(|projects| project.is_some_and(|p| projects.contains(p)));
        self.allow.iter().any(|grant| grant.covers(action)) && index_fits && project_fits
    }
}

/// An index as one caller sees it: the order without what they may not read.
#[derive(Debug, Clone)]
pub struct Sight {
    /// The index and its whole order. Rules look at all of it: a name in an index that the caller may not read still keeps
    /// mirrors from answering for it.
    pub place: Place,
    /// The part of the order that is shown.
    pub visible: Arc<[Arc<Index>]>,
}

/// Finds an index for reading. Who may not know of it is told the same as if it did not exist.
pub fn sight(tree: &Tree, caller: &Caller, user: &str, index: &str, project: Option<&ProjectName>) -> Result<Sight> {
    let found = tree.find(user, index).and_then(|place| see(place, caller, project));
    found.ok_or_else(|| hidden(tree, caller, format_args!("{user}/{index}")))
}

/// The same for an index that was found by other means.
pub fn see(place: &Place, caller: &Caller, project: Option<&ProjectName>) -> Option<Sight> {
    if place.all_public {
        return Some(Sight { place: place.clone(), visible: place.order.clone() });
    }
    may(caller, Action::Read, &place.index, project).then(|| {
        let visible = place.order.iter().filter(|i| may(caller, Action::Read, i, project)).cloned().collect();
        Sight { place: place.clone(), visible }
    })
}

/// The answer for an index that is missing or that the caller may not read: 404 to somebody; to nobody 401, if there is
/// anything here that signing in could open.
pub fn hidden(tree: &Tree, caller: &Caller, path: impl std::fmt::Display) -> Error {
    match caller.is_anonymous() && tree.any_private {
        true => Error::Unauthorized("Sign in to read this index, if it exists"),
        false => Error::no_index(path),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::tree;
    use super::*;
    use serde_json::json;

    fn user(name: &str) -> Caller {
        Caller { user: Some(User { name: UserName::parse(name).unwrap(), admin: name == "root" }), token: None }
    }

    fn token(name: &str, allow: &[Grant], indexes: &[&str], projects: &[&str]) -> Caller {
        let projects = projects.iter().map(|p| ProjectName::parse(p).unwrap()).collect();
        let scope = Scope::of(allow.to_vec(), indexes.iter().map(|s| s.to_string()).collect(), projects);
        Caller { token: Some(TokenInfo { name: "ci".into(), scope }), ..user(name) }
    }

    #[test]
    fn the_lists_decide() {
        let t = tree(&[("alice/dev", false, &[], json!({"acl_read": ["bob"], "acl_upload": ["carol", "bob"]}))]);
        let index = &t.find("alice", "dev").unwrap().index;
        // (caller, read, upload, remove, configure)
        for (caller, expected) in [
            (Caller::ANONYMOUS, [false, false, false, false]),
            (user("stranger"), [false, false, false, false]),
            (user("bob"), [true, true, true, false]),
            (user("carol"), [false, true, true, false]),
            (user("alice"), [true, false, true, true]),
            (user("root"), [true, false, true, true]),
        ] {
            let actions = [Action::Read, Action::Upload, Action::RemoveFile, Action::Configure];
            assert_eq!(actions.map(|a| may(&caller, a, index, None)), expected, "{caller:?}");
        }
    }

    #[test]
    fn open_upload_does_not_open_removal() {
        let t = tree(&[("alice/dev", false, &[], json!({"acl_upload": [":ANONYMOUS:"]}))]);
        let index = &t.find("alice", "dev").unwrap().index;
        assert!(may(&Caller::ANONYMOUS, Action::Upload, index, None));
        assert!(!may(&Caller::ANONYMOUS, Action::RemoveProject, index, None));
        assert!(
            may(&user("stranger"), Action::RemoveProject, index, None),
            "whoever signed in and may upload may remove, as in devpi"
        );
    }

    #[test]
    fn a_token_has_its_owners_rights_within_its_scope() {
        let t = tree(&[
            ("alice/dev", false, &[], json!({"acl_read": ["alice"], "acl_upload": ["alice"]})),
            ("alice/open", false, &[], json!({"acl_upload": ["alice"]})),
        ]);
        let (shut, open) = (&t.find("alice", "dev").unwrap().index, &t.find("alice", "open").unwrap().index);
        let project = ProjectName::parse("app").unwrap();
        let other = ProjectName::parse("other").unwrap();
        let uploader = token("alice", &[Grant::Upload], &["alice/dev"], &["App"]);
        assert!(may(&uploader, Action::Upload, shut, Some(&project)));
        assert!(!may(&uploader, Action::Upload, shut, Some(&other)), "another project");
        assert!(!may(&uploader, Action::Upload, open, Some(&project)), "another index");
        assert!(!may(&uploader, Action::Read, shut, Some(&project)), "another action");
        assert!(may(&uploader, Action::Read, open, None), "what nobody needs a right for");
        assert!(!may(&uploader, Action::RemoveProject, shut, Some(&project)) && !may(&uploader, Action::Configure, shut, None));
        let stranger = token("mallory", &[Grant::Read, Grant::Upload, Grant::Manage], &[], &[]);
        assert!(!may(&stranger, Action::Upload, open, None), "an owner without the right cannot give it");
        assert!(!uploader.may_manage_user("alice") && !token("root", &[Grant::Manage], &[], &[]).is_admin());
    }

    #[test]
    fn the_order_is_cut_to_what_the_caller_may_read() {
        let t = tree(&[
            ("alice/top", false, &["alice/shut", "root/pypi"], json!({})),
            ("alice/shut", false, &[], json!({"acl_read": ["alice"]})),
            ("root/pypi", true, &[], json!({})),
        ]);
        let shown = |caller: &Caller| -> Vec<String> {
            sight(&t, caller, "alice", "top", None).unwrap().visible.iter().map(|i| i.path.to_string()).collect()
        };
        assert_eq!(shown(&user("alice")), ["alice/top", "alice/shut", "root/pypi"]);
        assert_eq!(shown(&Caller::ANONYMOUS), ["alice/top", "root/pypi"]);
        assert!(matches!(sight(&t, &Caller::ANONYMOUS, "alice", "shut", None), Err(Error::Unauthorized(_))));
        assert!(matches!(sight(&t, &user("bob"), "alice", "shut", None), Err(Error::NotFound(_))));
        assert!(matches!(sight(&t, &user("bob"), "no", "thing", None), Err(Error::NotFound(_))));
    }
}
