//! What an empty installation begins with: root, a mirror of PyPI, and an index on top of it that `/simple/` stands for.
//!
//! Each part is made only if it is missing, and the mark that it was done is written last: a start that was interrupted is
//! taken up again, one that was finished is never repeated.

use super::access::Caller;
use super::account::{self, UserPatch};
use super::admin;
use super::core::Core;
use super::credentials;
use super::settings::{Edit, Kind};
use crate::db;
use crate::db::settings::Setting;
use crate::error::{Error, Result};
use crate::names::{IndexPath, UserName};
use serde_json::json;
use std::sync::Arc;

/// The mirror that the first start makes.
pub fn mirror_path() -> Result<IndexPath> {
    path("root/pypi")
}

fn path(text: &str) -> Result<IndexPath> {
    IndexPath::parse(text).map_err(|e| Error::Internal(e.into()))
}

/// Whether the first start has been done.
pub async fn is_done(core: &Core) -> Result<bool> {
    Ok(db::settings::get(&mut core.db.read().await?, Setting::ServerUuid).await?.is_some())
}

/// Makes what is missing. `password` is root's; `upstream` is what `root/pypi` mirrors, credentials included.
pub async fn set_up(core: &Arc<Core>, password: &str, upstream: Option<String>) -> Result<()> {
    let system = Caller::system();
    let root = UserName::root();
    match account::find_user(core, root.as_str()).await {
        Ok(_) => {
            let patch = UserPatch { password: Some(password.into()), ..UserPatch::default() };
            account::modify_user(core, &system, root.as_str(), patch).await?;
        }
        Err(Error::NotFound(_)) => {
            account::create_user(core, &system, root.as_str(), password, Default::default()).await?;
        }
        Err(error) => return Err(error),
    }
    let (mirror, main) = (mirror_path()?, path("root/main")?);
    let mut options = edits(&["volatile=false", "title=PyPI"]);
    options.extend(upstream.map(|url| Edit::Set("mirror_url".into(), json!(url))));
    make(core, &system, &mirror, Kind::Mirror, options).await?;
    make(core, &system, &main, Kind::Stage, edits(&["volatile=false", "bases=root/pypi"])).await?;
    admin::set_default(core, Some(main)).await?;
    write_mark(core).await
}

fn edits(texts: &[&str]) -> Vec<Edit> {
    texts.iter().map(|text| Edit::parse(text)).collect()
}

async fn make(core: &Arc<Core>, system: &Caller, path: &IndexPath, kind: Kind, options: Vec<Edit>) -> Result<()> {
    match core.tree.load().at(path) {
        Some(_) => Ok(()),
        None => admin::create(core, system, path, kind, options).await.map(drop),
    }
}

/// The installation's id, whose presence says that the first start was done.
async fn write_mark(core: &Core) -> Result<()> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| Error::Internal(anyhow::anyhow!("no randomness: {e}")))?;
    let mut c = core.db.begin().await?;
    db::settings::put(&mut c, Setting::ServerUuid, &hex::encode(bytes)).await?;
    c.commit().await?;
    Ok(())
}

/// A password for root where none was given.
pub fn new_password() -> Result<String> {
    credentials::new_secret("").map(|text| text.chars().take(PASSWORD_CHARACTERS).collect())
}

/// 144 bits of randomness, short enough to be typed once.
const PASSWORD_CHARACTERS: usize = 24;

/// Points `root/pypi` at another upstream, or at none.
pub async fn set_upstream(core: &Arc<Core>, upstream: Option<String>) -> Result<()> {
    let edit = match upstream {
        Some(url) => Edit::Set("mirror_url".into(), json!(url)),
        None => Edit::Set("mirror_url".into(), json!("")),
    };
    admin::modify(core, &Caller::system(), &mirror_path()?, vec![edit], false).await.map(drop)
}
