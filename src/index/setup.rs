//! What a server has from its first start on: root, the mirror `root/pypi`, the stage `root/main` as default index, and the
//! installation's id. And what the operator may say anew at each later start: the upstream and the default index.

use super::access::Caller;
use super::core::Core;
use super::credentials::{self, Credentials};
use super::settings::{Edit, Kind, UploadChecks, allow_private, apply, defaults};
use super::{account, admin, follow, passwords};
use crate::clock::Timestamp;
use crate::db::indexes::{NewIndex, State};
use crate::db::journal::{Action, Change};
use crate::db::settings::Setting;
use crate::db::users::Profile;
use crate::db::{self, Conn, UserId};
use crate::error::{Error, Result};
use crate::names::{IndexName, IndexPath, UserName};
use crate::upstream::Origin;
use serde_json::{Value, json};
use std::sync::Arc;

/// Who makes these changes, for the journal.
const ACTOR: &str = "system";

/// The mirror of the first start.
pub fn root_pypi() -> Result<IndexPath> {
    well_known("root/pypi")
}

/// The stage of the first start.
pub fn root_main() -> Result<IndexPath> {
    well_known("root/main")
}

fn well_known(path: &str) -> Result<IndexPath> {
    IndexPath::parse(path).map_err(|error| Error::Internal(error.into()))
}

/// Whether nobody has ever started a server on this database.
pub async fn is_first_start(core: &Core) -> Result<bool> {
    Ok(!db::users::any(&mut core.db.read().await?).await?)
}

/// Makes what a new server has, in one transaction: a crash leaves all of it or nothing. `false` if another process was
/// quicker; then nothing is changed, and `password` is not root's.
pub async fn first_start(
    core: &Arc<Core>,
    password: &str,
    upstream: Option<&Origin>,
    default: Option<IndexPath>,
) -> Result<bool> {
    let hash = passwords::hash(core, password).await?;
    let (task, upstream) = (core.clone(), upstream.cloned());
    follow::change(core, async move {
        let now = task.clock.now();
        let mut c = task.db.begin().await?;
        let root = UserName::root();
        let Some(root_id) = db::users::add(&mut c, &root, &Profile::default(), Some(&hash), true, now).await? else {
            return Ok(false);
        };
        account::note(&mut c, ACTOR, Action::UserAdd, json!({"user": root}), now).await?;
        let (pypi, main, checks) = (root_pypi()?, root_main()?, task.rules.upload_checks);
        let mut edits = vec![set("volatile", false), set("title", "PyPI")];
        edits.extend(upstream.map(|origin| set("mirror_url", origin.with_credentials())));
        add_index(&mut c, root_id, &pypi.index, (Kind::Mirror, checks), &edits, &[], now).await?;
        let edits = [set("volatile", false), set("acl_upload", root.as_str())];
        add_index(&mut c, root_id, &main.index, (Kind::Stage, checks), &edits, &[pypi], now).await?;
        let default = default.map(|path| path.to_string()).unwrap_or_default();
        db::settings::put(&mut c, Setting::DefaultIndex, &default).await?;
        db::settings::put(&mut c, Setting::ServerUuid, &new_uuid()?).await?;
        account::note(&mut c, ACTOR, Action::ServerSet, json!({"default-index": default}), now).await?;
        c.commit().await?;
        Ok(true)
    })
    .await
}

fn set(key: &str, value: impl Into<Value>) -> Edit {
    Edit::Set(key.into(), value.into())
}

async fn add_index(
    c: &mut Conn,
    root: UserId,
    name: &IndexName,
    (kind, checks): (Kind, UploadChecks),
    edits: &[Edit],
    bases: &[IndexPath],
    now: Timestamp,
) -> Result<()> {
    let wrong = |text: String| Error::Internal(anyhow::anyhow!(text));
    let mut options = apply(kind, &defaults(kind, UserName::root().as_str(), checks), edits).map_err(wrong)?;
    options.remove("bases");
    if kind == Kind::Mirror {
        // The operator's word counts as root's.
        allow_private(&mut options, true);
    }
    let index = NewIndex { user: root, name, kind: kind.word(), state: State::Ready, settings: &options };
    let Some(id) = db::indexes::add(c, &index, now).await? else {
        return Err(wrong(format!("a new root has an index {name} already")));
    };
    db::indexes::set_bases(c, id, bases).await?;
    let detail = json!({"index": format!("root/{name}"), "type": kind.word()});
    let change = Change { actor: ACTOR, index: Some(id), project: None, action: Action::IndexAdd, detail };
    db::journal::append(c, &change, now).await?;
    Ok(())
}

/// 32 hex digits.
fn new_uuid() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(anyhow::anyhow!("no randomness: {error}")))?;
    Ok(hex::encode(bytes))
}

/// The id of this installation; made now if the database came to be without a first start.
pub async fn server_uuid(core: &Core) -> Result<String> {
    let mut c = core.db.begin().await?;
    let uuid = match db::settings::get(&mut c, Setting::ServerUuid).await? {
        Some(uuid) => uuid,
        None => {
            let uuid = new_uuid()?;
            db::settings::put(&mut c, Setting::ServerUuid, &uuid).await?;
            uuid
        }
    };
    c.commit().await?;
    Ok(uuid)
}

/// The address that `root/pypi` mirrors; the outer `None` if there is no such mirror any more.
pub fn stored_upstream(core: &Core) -> Result<Option<Option<Origin>>> {
    let tree = core.tree.load();
    let place = tree.at(&root_pypi()?).filter(|place| place.index.kind == Kind::Mirror);
    Ok(place.map(|place| place.index.settings.mirror_url.as_deref().and_then(|text| Origin::parse(text).ok())))
}

/// Points `root/pypi` at another upstream, or at none. Changes nothing, not even the journal, if it does so already.
pub async fn set_upstream(core: &Arc<Core>, upstream: Option<&Origin>) -> Result<()> {
    let Some(stored) = stored_upstream(core)? else {
        return Err(Error::NotFound("there is no mirror root/pypi that an upstream could be set for".into()));
    };
    if stored.as_ref() == upstream {
        return Ok(());
    }
    let address = upstream.map(Origin::with_credentials);
    admin::modify(core, &Caller::system(), &root_pypi()?, vec![set("mirror_url", address)], false).await.map(drop)
}

/// Sets what `/simple/` stands for, unless it does so already.
pub async fn set_default_index(core: &Arc<Core>, path: Option<IndexPath>) -> Result<()> {
    match core.tree.load().default == path {
        true => Ok(()),
        false => admin::set_default(core, path).await,
    }
}

/// Whether anybody could sign in as root without a password.
pub async fn root_is_open(core: &Core) -> Result<bool> {
    let empty = Credentials { user: Some(UserName::root().to_string()), secret: String::new(), from: None };
    match credentials::authenticate(core, &empty).await {
        Ok(_) => Ok(true),
        Err(Error::Unauthorized(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
