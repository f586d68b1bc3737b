//! Makes what an operator has declared in a bootstrap file: users, indexes and tokens that are to exist.
//!
//! What is declared wins, what is not stays, and nothing is removed. Everything is checked before anything is changed, and a
//! declaration that holds already writes nothing. Reading the file is `app`'s business.

use super::access::{Caller, Scope};
use super::core::Core;
use super::settings::{Edit, Kind, UploadChecks, apply as apply_edits, defaults};
use super::{account, admin, credentials, follow, setup};
use crate::clock::Timestamp;
use crate::db::journal::Action;
use crate::db::{self, users::Profile};
use crate::error::{Error, Result};
use crate::limits;
use crate::names::{IndexPath, UserName};
use crate::pypi::Sha256;
use crate::secret::Secret;
use crate::upstream::Origin;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What is to exist.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// Users.
    pub users: Vec<DeclaredUser>,
    /// Indexes, in any order.
    pub indexes: Vec<DeclaredIndex>,
    /// Tokens.
    pub tokens: Vec<DeclaredToken>,
}

/// A user who is to exist; `None` leaves what is there.
#[derive(Debug, Clone)]
pub struct DeclaredUser {
    /// Name.
    pub name: UserName,
    /// Taken when the user is made, and never again. A user made without one can use tokens only.
    pub password: Option<Secret>,
    /// Free text; empty clears it.
    pub email: Option<String>,
    /// Free text; empty clears it.
    pub title: Option<String>,
}

/// An index that is to exist.
#[derive(Debug, Clone)]
pub struct DeclaredIndex {
    /// Where.
    pub path: IndexPath,
    /// What it is; if absent, a new one becomes a stage.
    pub kind: Option<Kind>,
    /// Its options, bases included.
    pub edits: Vec<Edit>,
}

/// A token that is to exist, with exactly these bounds.
#[derive(Debug, Clone)]
pub struct DeclaredToken {
    /// Whose rights it carries.
    pub user: UserName,
    /// Its name, unique for the user.
    pub name: String,
    /// The token itself.
    pub secret: Secret,
    /// What it may be used for.
    pub scope: Scope,
    /// From when on it is refused.
    pub expires: Option<Timestamp>,
}

/// What there is before anything is made, on a first start also what that is about to make.
struct World {
    users: HashSet<UserName>,
    indexes: HashMap<IndexPath, (Kind, Map<String, Value>)>,
}

impl World {
    async fn look_at(core: &Core) -> Result<Self> {
        let rows = db::users::all(&mut core.db.read().await?).await?;
        let tree = core.tree.load();
        let known = |index: &super::tree::Index| (index.path.clone(), (index.kind, index.settings.stored.clone()));
        let mut world = Self {
            users: rows.into_iter().map(|user| user.name).collect(),
            indexes: tree.all().into_iter().map(|place| known(&place.index)).collect(),
        };
        if world.users.is_empty() {
            let root = UserName::root();
            for (path, kind) in [(setup::root_pypi()?, Kind::Mirror), (setup::root_main()?, Kind::Stage)] {
                world.indexes.insert(path, (kind, defaults(kind, root.as_str(), UploadChecks::default())));
            }
            world.users.insert(root);
        }
        Ok(world)
    }
}

/// Refuses what cannot be made, with the name of the thing and the reason; [`apply`] then meets no surprise but a failing
/// database. `default` is an index that the operator wants to be the default one.
pub async fn check(core: &Core, declared: &Declared, default: Option<&IndexPath>) -> Result<()> {
    let mut world = World::look_at(core).await?;
    world.users.extend(declared.users.iter().map(|user| user.name.clone()));
    for index in &declared.indexes {
        check_index(&mut world, index).map_err(|text| Error::BadRequest(format!("index {}: {text}", index.path)))?;
    }
    for index in &declared.indexes {
        check_bases(&world, index).map_err(|text| Error::BadRequest(format!("index {}: {text}", index.path)))?;
    }
    let (mut names, mut hashes) = (HashSet::new(), HashSet::new());
    for token in &declared.tokens {
        let refused = |text: String| Error::BadRequest(format!("token '{}' of {}: {text}", token.name, token.user));
        check_token(&world, token).map_err(refused)?;
        let hash = Sha256::of(token.secret.reveal().as_bytes());
        let known = db::tokens::by_hash(&mut core.db.read().await?, &hash).await?;
        let is_another = known.is_some_and(|known| known.user_name != token.user || known.name != token.name);
        if is_another || !hashes.insert(hash) {
            return Err(refused("its secret is already that of another token".into()));
        }
        if !names.insert((&token.user, &token.name)) {
            return Err(refused("it is declared twice".into()));
        }
    }
    match default {
        Some(path) if !world.indexes.contains_key(path) => {
            Err(Error::BadRequest(format!("the default index is to be {path}, and there is no such index")))
        }
        _ => Ok(()),
    }
}

fn check_index(world: &mut World, index: &DeclaredIndex) -> Result<(), String> {
    if !world.users.contains(&index.path.user) {
        return Err(format!("there is no user '{}'", index.path.user));
    }
    let known = world.indexes.get(&index.path);
    if let (Some((kind, _)), Some(wanted)) = (known, index.kind)
        && *kind != wanted
    {
        return Err(format!("it is a {} and cannot become a {}", kind.word(), wanted.word()));
    }
    let kind = known.map(|(kind, _)| *kind).or(index.kind).unwrap_or(Kind::Stage);
    let current =
        known.map_or_else(|| defaults(kind, index.path.user.as_str(), UploadChecks::default()), |(_, options)| options.clone());
    let options = apply_edits(kind, &current, &index.edits)?;
    if let Some(address) = options.get("mirror_url").and_then(Value::as_str) {
        Origin::parse(address).map_err(|error| error.to_string())?;
    }
    world.indexes.insert(index.path.clone(), (kind, options));
    Ok(())
}

/// After all declared indexes are known, because they may be declared in any order.
fn check_bases(world: &World, index: &DeclaredIndex) -> Result<(), String> {
    let Some((_, options)) = world.indexes.get(&index.path) else { return Ok(()) };
    let bases = options.get("bases").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for base in bases {
        check_known(world, base)?;
    }
    Ok(())
}

fn check_known(world: &World, path: &str) -> Result<(), String> {
    let path = IndexPath::parse(path).map_err(|error| error.to_string())?;
    match world.indexes.contains_key(&path) {
        true => Ok(()),
        false => Err(format!("there is no index {path}")),
    }
}

fn check_token(world: &World, token: &DeclaredToken) -> Result<(), String> {
    if !world.users.contains(&token.user) {
        return Err(format!("there is no user '{}'", token.user));
    }
    let rest = token.secret.reveal().strip_prefix(credentials::TOKEN_PREFIX).unwrap_or_default();
    let plain = rest.bytes().all(|byte| byte.is_ascii_graphic());
    if rest.len() < limits::TOKEN_SECRET_BYTES_MIN || token.secret.reveal().len() > limits::PASSWORD_BYTES_MAX || !plain {
        return Err(format!(
            "its secret must be '{}' and at least {} random letters and digits",
            credentials::TOKEN_PREFIX,
            limits::TOKEN_SECRET_BYTES_MIN
        ));
    }
    for path in token.scope.indexes.iter().flatten() {
        check_known(world, path)?;
    }
    account::check_token_request(&Caller::system(), token.user.as_str(), &token.name, &token.scope).map_err(|e| e.to_string())
}

/// Makes what was declared and is not so yet. Call [`check`] first. Interrupted, it goes on at the next start.
pub async fn apply(core: &Arc<Core>, declared: &Declared) -> Result<()> {
    for user in &declared.users {
        apply_user(core, user).await?;
    }
    for index in &declared.indexes {
        create_index(core, index).await?;
    }
    // Bases can be set once all indexes are there. An edit that changes nothing is passed over.
    for index in &declared.indexes {
        admin::modify(core, &Caller::system(), &index.path, index.edits.clone(), false).await?;
    }
    for token in &declared.tokens {
        apply_token(core, token).await?;
    }
    Ok(())
}

async fn apply_user(core: &Arc<Core>, user: &DeclaredUser) -> Result<()> {
    let caller = Caller::system();
    let wanted = |new: &Option<String>, old: &Option<String>| match new {
        Some(text) => text.as_str() != old.as_deref().unwrap_or_default(),
        None => false,
    };
    let known = db::users::by_name(&mut core.db.read().await?, user.name.as_str()).await?;
    let Some(known) = known else {
        // Without a password it is one that nobody ever learns.
        let unknown = || credentials::new_secret("").map(Secret::from);
        let password = user.password.clone().map_or_else(unknown, Ok)?;
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let profile = Profile { email: text(&user.email), title: text(&user.title), ..Profile::default() };
        account::create_user(core, &caller, user.name.as_str(), password.reveal(), profile).await?;
        return Ok(());
    };
    if wanted(&user.email, &known.email) || wanted(&user.title, &known.title) {
        let patch = account::UserPatch { email: user.email.clone(), title: user.title.clone(), ..Default::default() };
        account::modify_user(core, &caller, user.name.as_str(), patch).await?;
    }
    Ok(())
}

async fn create_index(core: &Arc<Core>, index: &DeclaredIndex) -> Result<()> {
    if core.tree.load().at(&index.path).is_some() {
        return Ok(());
    }
    let is_bases = |edit: &Edit| matches!(edit, Edit::Set(key, _) if key == "bases");
    let edits = index.edits.iter().filter(|edit| !is_bases(edit)).cloned().collect();
    let kind = index.kind.unwrap_or(Kind::Stage);
    admin::create(core, &Caller::system(), &index.path, kind, edits).await.map(drop)
}

async fn apply_token(core: &Arc<Core>, token: &DeclaredToken) -> Result<()> {
    let hash = Sha256::of(token.secret.reveal().as_bytes());
    let known = db::tokens::by_hash(&mut core.db.read().await?, &hash).await?;
    let scope = serde_json::to_value(&token.scope).map_err(|error| Error::Internal(error.into()))?;
    if known.is_some_and(|known| known.scope.0 == scope && known.expires == token.expires) {
        return Ok(());
    }
    let (task, token) = (core.clone(), token.clone());
    follow::change(core, async move {
        let user = account::find_user(&task, token.user.as_str()).await?;
        let now = task.clock.now();
        let new = db::tokens::NewToken { user_id: user.id, name: &token.name, hash, scope: &scope, expires: token.expires };
        let mut c = task.db.begin().await?;
        db::tokens::put(&mut c, &new, now).await?;
        let detail = json!({"user": user.name, "token": token.name, "scope": scope});
        account::note(&mut c, &Caller::system().actor(), Action::TokenAdd, detail, now).await?;
        c.commit().await?;
        Ok(())
    })
    .await
}
