//! Users and indexes: made in one transaction, the indexes hidden until the import is through.

use super::Import;
use crate::clock::Timestamp;
use crate::db::indexes::{NewIndex, State};
use crate::db::journal::{Action, Change};
use crate::db::settings::Setting;
use crate::db::users::Profile;
use crate::db::{self, Conn, IndexId};
use crate::index::settings::{Kind, Settings, UploadChecks};
use crate::index::tree::Index;
use crate::index::{Core, account, follow, passwords, setup};
use crate::moving::dump::{self, User};
use crate::moving::dump_options::Options as IndexOptions;
use crate::moving::plain;
use crate::names::{IndexPath, UserName};
use anyhow::{Context, Result};
use serde_json::json;
use std::sync::Arc;

/// Who makes these changes, for the journal.
pub const ACTOR: &str = "import";

/// What became of the password of a user.
enum Password {
    /// It goes on.
    Kept(String),
    /// None opens the account until one is set.
    Reset,
}

impl Import<'_> {
    /// Makes what the plan has of users and indexes and is not there yet.
    pub(super) async fn make_accounts(&mut self) -> Result<()> {
        match self.core {
            Some(core) => self.make(&core.clone()).await?,
            None => self.pretend(),
        }
        self.tell();
        Ok(())
    }

    /// A dry run: stand-ins for the indexes, so that what goes into them can be checked.
    fn pretend(&mut self) {
        self.report.came.users = self.plan.users.len() as u64;
        self.report.came.indexes = self.plan.indexes.len() as u64;
        for (path, options) in &self.plan.indexes {
            self.targets.insert(path.clone(), Arc::new(stand_in(path, options)));
        }
    }

    async fn make(&mut self, core: &Arc<Core>) -> Result<()> {
        let now = core.clock.now();
        let mut c = core.db.begin().await?;
        let is_new_server = !db::users::any(&mut c).await?;
        if is_new_server {
            self.plan.users.entry(UserName::root()).or_default();
            // Nothing is chosen for whoever moves in: devpi has no such addresses.
            db::settings::put(&mut c, Setting::DefaultIndex, "").await?;
            account::note(&mut c, ACTOR, Action::ServerSet, json!({"default-index": ""}), now).await.map_err(plain)?;
        }
        for (name, user) in std::mem::take(&mut self.plan.users) {
            self.make_user(&mut c, &name, &user, now).await?;
            self.plan.users.insert(name, user);
        }
        let mut made = Vec::new();
        for (path, options) in &self.plan.indexes {
            made.push((path.clone(), make_index(&mut c, path, options, now).await?));
        }
        c.commit().await?;
        follow::load(core).await.map_err(plain)?;
        setup::server_uuid(core).await.map_err(plain)?;
        self.find_targets(core, made)
    }

    async fn make_user(&mut self, c: &mut Conn, name: &UserName, user: &User, now: Timestamp) -> Result<()> {
        let created = user.created.as_deref().and_then(dump::time).unwrap_or(Timestamp::EPOCH);
        if let Some(there) = db::users::by_name(c, name.as_str()).await? {
            self.report.there.users += 1;
            // Nobody else was made at that very moment: an earlier run of this import made the user, whose password may have
            // changed since.
            if there.created == created {
                self.moved_in.insert(name.clone(), there.id);
            } else {
                self.report.warn(format!("user {name} exists here already and keeps the password and profile of this server"));
            }
            return Ok(());
        }
        let hash = match password(user) {
            Password::Kept(hash) => Some(hash),
            Password::Reset => None,
        };
        let modified = user.modified.as_deref().and_then(dump::time);
        let is_root = *name == UserName::root();
        let id = db::users::restore(c, name, &profile(user), hash.as_deref(), is_root, (created, modified)).await?;
        self.report.came.users += 1;
        self.moved_in.insert(name.clone(), id);
        account::note(c, ACTOR, Action::UserAdd, json!({"user": name}), now).await.map_err(plain)
    }

    /// The indexes to fill: those just made, those that an interrupted run left hidden, and those that were here before.
    fn find_targets(&mut self, core: &Core, made: Vec<(IndexPath, Option<IndexId>)>) -> Result<()> {
        let tree = core.tree.load();
        for (path, id) in made {
            let Some(id) = id else {
                self.report.warn(format!("index {path} disappeared while it was made"));
                continue;
            };
            let index = tree.by_id(id).cloned().with_context(|| format!("index {path} is not in the tree"))?;
            if index.importing {
                self.report.came.indexes += 1;
            } else {
                self.report.there.indexes += 1;
                self.report
                    .warn(format!("index {path} exists here already: it keeps its options and gets the files that it lacks"));
            }
            if index.kind != self.plan.indexes.get(&path).map_or(index.kind, |options| options.kind) {
                self.report.warn(format!(
                    "index {path} is a {} here and something else in the export: it was left alone",
                    index.kind.word()
                ));
                continue;
            }
            self.targets.insert(path, index);
        }
        Ok(())
    }

    /// What whoever reads the report should know of users, tokens and options.
    fn tell(&mut self) {
        for (name, user) in &self.plan.users {
            if matches!(password(user), Password::Reset) {
                self.report.next.push(format!("give {name} a password: cheeseshop user passwd {name}"));
            }
        }
        let no_default = self.core.is_some_and(|core| core.tree.load().default.is_none());
        if no_default {
            self.report.next.push(
                "/simple/ and /legacy/, which devpi does not have, stand for no index: to choose one, start with \
                 cheeseshop serve --default-index USER/INDEX"
                    .into(),
            );
        }
        let stages = self.plan.indexes.values().filter(|options| options.kind == Kind::Stage).count();
        if stages > 0 && self.options.checks == UploadChecks::Lenient {
            self.report.next.push(
                "imported stages check uploads leniently, as devpi does; to have archives looked into: \
                 cheeseshop index set USER/INDEX upload_checks=strict"
                    .into(),
            );
        }
    }
}

/// Makes the index hidden; one that is there is left as it is. `None` if it disappears at this very moment.
async fn make_index(c: &mut Conn, path: &IndexPath, options: &IndexOptions, now: Timestamp) -> Result<Option<IndexId>> {
    let owner = db::users::by_name(c, path.user.as_str()).await?.with_context(|| format!("there is no user {}", path.user))?;
    let index = NewIndex {
        user: owner.id,
        name: &path.index,
        kind: options.kind.word(),
        state: State::Importing,
        settings: &options.stored,
    };
    let made = db::indexes::add(c, &index, now).await?;
    if let Some(id) = made {
        db::indexes::set_bases(c, id, &options.bases).await?;
        return Ok(Some(id));
    }
    let all = db::indexes::all(c).await?;
    Ok(all.into_iter().find(|index| index.user_name == path.user && index.name == path.index).map(|index| index.id))
}

/// devpi's hashes of today go on; those of old versions, which come with a salt of their own, cannot be checked by anybody, and
/// those that ask for more than this server gives would only look like passwords.
fn password(user: &User) -> Password {
    match (&user.pwhash, &user.pwsalt) {
        (Some(hash), None) if passwords::check_hash(hash).is_ok() => Password::Kept(hash.clone()),
        _ => Password::Reset,
    }
}

fn profile(user: &User) -> Profile {
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Profile {
        email: text(&user.email),
        title: text(&user.title),
        description: text(&user.description),
        custom_data: user.custom_data.clone().filter(|value| !value.is_null()),
    }
}

fn stand_in(path: &IndexPath, options: &IndexOptions) -> Index {
    Index {
        id: IndexId(0),
        path: path.clone(),
        kind: options.kind,
        importing: true,
        settings: Settings::read(options.stored.clone()),
        bases: options.bases.clone(),
        created: Timestamp::EPOCH,
    }
}

/// Shows the hidden ones among the indexes, all in one transaction.
pub(super) async fn show(core: &Core, indexes: impl Iterator<Item = &Arc<Index>>) -> Result<()> {
    let now = core.clock.now();
    let mut c = core.db.begin().await?;
    let mut shown = Vec::new();
    for index in indexes {
        if db::indexes::set_ready(&mut c, index.id).await? {
            shown.push(index);
        }
    }
    for index in shown {
        let detail = json!({"index": index.path.to_string(), "type": index.kind.word()});
        let change = Change { actor: ACTOR, index: Some(index.id), project: None, action: Action::IndexAdd, detail };
        db::journal::append(&mut c, &change, now).await?;
    }
    Ok(c.commit().await?)
}
