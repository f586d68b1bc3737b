//! Indexes: making, changing and removing them, and which one `/simple/` stands for.

use super::access::{self, Action as Wanted, Caller, User};
use super::core::Core;
use super::settings::{Edit, Kind, allow_private, apply, defaults};
use super::tree::{Index, Tree};
use super::{account, follow};
use crate::db::indexes::{NewIndex, State};
use crate::db::journal::{Action, Change};
use crate::db::settings::Setting;
use crate::db::{self, Conn, IndexId};
use crate::error::{Error, Result};
use crate::names::IndexPath;
use crate::upstream;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Makes an index from options as sent.
pub async fn create(core: &Arc<Core>, caller: &Caller, path: &IndexPath, kind: Kind, edits: Vec<Edit>) -> Result<Arc<Index>> {
    let owner = account::find_user(core, path.user.as_str()).await?;
    if !may_administer(core, caller, Wanted::Create, path) {
        return Err(Error::Forbidden(format!("no permission to create index {path}")));
    }
    let mut options =
        apply(kind, &defaults(kind, path.user.as_str(), core.rules.upload_checks), &edits).map_err(Error::BadRequest)?;
    check_bases(&core.tree.load(), caller, &options, &[])?;
    check_mirror(core, caller, kind, &mut options).await?;
    let (task, path, actor) = (core.clone(), path.clone(), caller.actor());
    let id = follow::change(core, async move {
        let (stored, bases) = split(options)?;
        let now = task.clock.now();
        let mut c = task.db.begin().await?;
        let index = NewIndex { user: owner.id, name: &path.index, kind: kind.word(), state: State::Ready, settings: &stored };
        let Some(id) = db::indexes::add(&mut c, &index, now).await? else {
            return Err(Error::Conflict(format!("index '{path}' exists")));
        };
        db::indexes::set_bases(&mut c, id, &bases).await?;
        note(&mut c, &actor, id, Action::IndexAdd, json!({"index": path.to_string(), "type": kind.word()}), now).await?;
        c.commit().await?;
        Ok(id)
    })
    .await?;
    made(core, id)
}

fn made(core: &Core, id: IndexId) -> Result<Arc<Index>> {
    core.tree
        .load()
        .by_id(id)
        .cloned()
        .ok_or_else(|| Error::Internal(anyhow::anyhow!("index {} is not in the tree after its change", id.0)))
}

/// Whether the caller may make, change or remove the index at this path, be it there or not: root and the owner, or with
/// `--restrict-modify` those named there; by a token only within its scope.
fn may_administer(core: &Core, caller: &Caller, wanted: Wanted, path: &IndexPath) -> bool {
    let named = |user: &User| match &core.rules.restrict_modify {
        Some(names) => names.contains(&user.name),
        None => user.name == path.user,
    };
    caller.user.as_ref().is_some_and(|user| user.admin || named(user)) && access::within(caller, wanted, path, None)
}

/// Whose indexes somebody may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Anybody's.
    Anybody,
    /// Their own.
    Themselves,
    /// Nobody's.
    Nobody,
}

/// Whose indexes this caller may make, as far as that can be told before one is named.
pub fn owners(core: &Core, caller: &Caller) -> Owners {
    match (&caller.user, &core.rules.restrict_modify) {
        (None, _) => Owners::Nobody,
        (Some(user), _) if user.admin => Owners::Anybody,
        (Some(user), Some(names)) if names.contains(&user.name) => Owners::Anybody,
        (Some(_), Some(_)) => Owners::Nobody,
        (Some(_), None) => Owners::Themselves,
    }
}

/// The index, if the caller may do this with it. As in devpi the right is asked before existence: who lacks it learns nothing.
pub fn administered(core: &Core, caller: &Caller, path: &IndexPath, wanted: Wanted) -> Result<Arc<Index>> {
    let tree = core.tree.load();
    let index = tree.at(path).map(|place| place.index.clone());
    match index.filter(|_| may_administer(core, caller, wanted, path)) {
        Some(index) => Ok(index),
        None if caller.is_admin() => Err(Error::no_index(path)),
        None if caller.is_anonymous() && tree.any_private => {
            Err(Error::Unauthorized("Sign in to change this index, if it exists"))
        }
        None => {
            let what = if wanted == Wanted::Delete { "delete" } else { "modify" };
            Err(Error::Forbidden(format!("no permission to {what} index {path}")))
        }
    }
}

/// Changes options; returns the index as it is then. With `noop_is_error` a change that changes nothing is refused.
pub async fn modify(
    core: &Arc<Core>,
    caller: &Caller,
    path: &IndexPath,
    edits: Vec<Edit>,
    noop_is_error: bool,
) -> Result<Arc<Index>> {
    // Another process may have changed the index a moment ago, and the options are written as a whole.
    follow::catch_up(core).await?;
    let index = administered(core, caller, path, Wanted::Configure)?;
    for edit in &edits {
        if let Edit::Set(key, value) = edit
            && key == "type"
            && value.as_str().is_some_and(|word| Kind::parse(word) != Ok(index.kind))
        {
            return Err(Error::BadRequest("the 'type' of an index can't be changed".into()));
        }
    }
    let before = config(&index);
    let mut after = apply(index.kind, &before, &edits).map_err(Error::BadRequest)?;
    if after == before {
        return match noop_is_error {
            true => Err(Error::BadRequest("The requested modifications resulted in no changes".into())),
            false => Ok(index),
        };
    }
    check_bases(&core.tree.load(), caller, &after, &index.bases)?;
    let other_upstream = after.get("mirror_url") != before.get("mirror_url");
    if other_upstream {
        check_mirror(core, caller, index.kind, &mut after).await?;
    }
    let (task, actor, id) = (core.clone(), caller.actor(), index.id);
    let differs = |key: &&String| after.get(*key) != before.get(*key);
    let changed: BTreeSet<String> = after.keys().chain(before.keys()).filter(differs).cloned().collect();
    follow::change(core, async move {
        let (stored, bases) = split(after)?;
        let now = task.clock.now();
        let mut c = task.db.begin().await?;
        if !is_still(&mut c, &index).await? {
            return Err(Error::Conflict(
                "the index was changed by somebody else at this moment: look at it and try again".into(),
            ));
        }
        if other_upstream {
            db::mirrors::forget_all(&mut c, id).await?;
        }
        db::indexes::set_settings(&mut c, id, &stored).await?;
        db::indexes::set_bases(&mut c, id, &bases).await?;
        note(&mut c, &actor, id, Action::IndexSet, json!({"options": changed}), now).await?;
        c.commit().await?;
        if other_upstream {
            task.outcomes.forget_all();
        }
        Ok(())
    })
    .await?;
    made(core, id)
}

/// Whether the index has the options and bases that the tree had: they are written as a whole, and what another node has changed
/// meanwhile must not be lost. From here on nobody changes them before the transaction ends.
async fn is_still(c: &mut Conn, index: &Index) -> Result<bool> {
    let Some(settings) = db::indexes::lock(c, index.id).await? else { return Ok(false) };
    if settings != index.settings.stored {
        return Ok(false);
    }
    let bases = db::indexes::bases(c, index.id).await?;
    let stored = bases.iter().flat_map(|text| IndexPath::parse(text));
    Ok(index.kind == Kind::Mirror || stored.eq(index.bases.iter().cloned()))
}

/// Removes an index with all it holds. Other indexes keep naming it among their bases, which does no harm.
pub async fn delete(core: &Arc<Core>, caller: &Caller, path: &IndexPath) -> Result<()> {
    let index = administered(core, caller, path, Wanted::Delete)?;
    if !index.settings.volatile {
        return Err(Error::Forbidden(format!("index {path} non-volatile, cannot delete")));
    }
    let (task, actor) = (core.clone(), caller.actor());
    follow::change(core, async move {
        let mut c = task.db.begin().await?;
        db::indexes::remove(&mut c, index.id).await?;
        note(&mut c, &actor, index.id, Action::IndexRemove, json!({"index": index.path.to_string()}), task.clock.now()).await?;
        c.commit().await?;
        Ok(())
    })
    .await
}

/// Which index `/simple/` and `/legacy/` stand for; `None`: none.
pub async fn set_default(core: &Arc<Core>, path: Option<IndexPath>) -> Result<()> {
    let task = core.clone();
    follow::change(core, async move {
        let text = path.map(|p| p.to_string()).unwrap_or_default();
        let mut c = task.db.begin().await?;
        db::settings::put(&mut c, Setting::DefaultIndex, &text).await?;
        account::note(&mut c, "system", Action::ServerSet, json!({"default-index": text}), task.clock.now()).await?;
        c.commit().await?;
        Ok(())
    })
    .await
}

/// An index's options as one object, bases included: what edits are applied to. Credentials are in it: [`shown`] is for people.
pub fn config(index: &Index) -> Map<String, Value> {
    let mut options = index.settings.stored.clone();
    if index.kind == Kind::Stage {
        let bases: Vec<String> = index.bases.iter().map(IndexPath::to_string).collect();
        options.insert("bases".into(), json!(bases));
    }
    options
}

/// An index's options as anybody who may read it sees them, with `type`, as devpi answers.
pub fn shown(index: &Index) -> Map<String, Value> {
    let mut options = index.settings.shown();
    options.extend(config(index).remove_entry("bases"));
    options.insert("type".into(), json!(index.kind.word()));
    options
}

/// Parts options into those that are stored as such and the bases.
fn split(mut options: Map<String, Value>) -> Result<(Map<String, Value>, Vec<IndexPath>)> {
    let bases = listed_bases(&options)?;
    options.remove("bases");
    Ok((options, bases))
}

fn listed_bases(options: &Map<String, Value>) -> Result<Vec<IndexPath>> {
    let listed = options.get("bases").and_then(|bases| serde_json::from_value::<Vec<String>>(bases.clone()).ok());
    let parse =
        |text: String| IndexPath::parse(&text).map_err(|_| Error::BadRequest(format!("invalid base index spec: '{text}'")));
    listed.unwrap_or_default().into_iter().map(parse).collect()
}

/// A new base must be there for the caller: what an unreadable base holds could be told from what mirrors no longer answer
/// for. `before` are those that somebody has set already.
fn check_bases(tree: &Tree, caller: &Caller, options: &Map<String, Value>, before: &[IndexPath]) -> Result<()> {
    let missing = |path: &IndexPath| {
        !tree.at(path).is_some_and(|place| before.contains(path) || access::may(caller, Wanted::Read, &place.index, None))
    };
    let missing: Vec<String> = listed_bases(options)?
        .iter()
        .filter(|path| missing(path))
        .map(|path| format!("base index '{path}' does not exist"))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::BadRequest(missing.join(", "))) }
}

/// A mirror that anybody may point at a private address would be a way to look around in the company's network.
async fn check_mirror(core: &Core, caller: &Caller, kind: Kind, options: &mut Map<String, Value>) -> Result<()> {
    let Some(text) = options.get("mirror_url").and_then(Value::as_str).filter(|_| kind == Kind::Mirror) else { return Ok(()) };
    let origin = upstream::Origin::parse(text).map_err(|e| Error::BadRequest(e.to_string()))?;
    let trusted = caller.is_admin() || core.rules.private_mirrors;
    // A name that cannot be resolved now is allowed; the guard on each request looks again.
    if !trusted && upstream::address::leads_to_private(origin.list_url()).await.unwrap_or(false) {
        return Err(Error::Forbidden("only root may point a mirror at a private address".into()));
    }
    allow_private(options, trusted);
    Ok(())
}

async fn note(
    c: &mut Conn,
    actor: &str,
    index: IndexId,
    action: Action,
    detail: Value,
    now: crate::clock::Timestamp,
) -> Result<()> {
    let change = Change { actor, index: Some(index), project: None, action, detail };
    db::journal::append(c, &change, now).await?;
    Ok(())
}
