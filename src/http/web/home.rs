//! The first page: the indexes that somebody may see, theirs first; what changed lately; how to point tools here.

use super::setup::{self, Facts, Guide};
use super::shell::Shell;
use super::visit::Visit;
use super::words;
use crate::error::Result;
use crate::http::reply::Reply;
use crate::index::access::{Action, Caller, may};
use crate::index::activity::{self, Told};
use crate::index::settings::Kind;
use crate::index::tree::{Place, Tree};
use crate::limits;
use crate::urls::encode_index;
use askama::Template;

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    shell: &'a Shell,
    yours: Vec<Card>,
    others: Vec<Card>,
    may_create: bool,
    news: Vec<Told>,
    default: Option<(String, String)>,
    guides: Vec<Guide>,
}

/// An index on a card.
pub struct Card {
    /// `user/index`
    pub path: String,
    /// Its address below the root, without a slash before it.
    pub link: String,
    /// What its owner says of it.
    pub title: String,
    /// Whether it mirrors another server.
    pub mirror: bool,
    /// Whether it is not for everybody.
    pub private: bool,
    /// Whether it is the one that `/simple/` stands for.
    pub default: bool,
    /// The bases that are shown, in order.
    pub bases: Vec<String>,
}

impl Card {
    /// What a card says of an index, to this caller.
    pub fn of(tree: &Tree, caller: &Caller, place: &Place) -> Self {
        let index = &place.index;
        let readable =
            |path: &&crate::names::IndexPath| tree.at(path).is_none_or(|place| may(caller, Action::Read, &place.index, None));
        Self {
            path: index.path.to_string(),
            link: encode_index(&index.path),
            title: index.settings.stored.get("title").and_then(|title| title.as_str()).unwrap_or_default().to_owned(),
            mirror: index.kind == Kind::Mirror,
            private: !index.is_public(),
            default: tree.default.as_ref() == Some(&index.path),
            bases: index.bases.iter().filter(readable).map(ToString::to_string).collect(),
        }
    }
}

/// Answers `/`.
pub async fn show(visit: &Visit<'_>) -> Result<Reply> {
    let (tree, caller) = (visit.core().tree.load(), visit.caller());
    let readable = tree.all().into_iter().filter(|place| may(caller, Action::Read, &place.index, caller.one_project()));
    let own = |place: &&Place| caller.user.as_ref().is_some_and(|user| user.name == place.index.path.user);
    let (yours, others): (Vec<_>, Vec<_>) = readable.partition(own);
    let cards = |places: Vec<&Place>| places.into_iter().map(|place| Card::of(&tree, caller, place)).collect();
    let default =
        tree.default.as_ref().and_then(|path| tree.at(path)).filter(|place| may(caller, Action::Read, &place.index, None));
    let news = activity::news(visit.core(), caller, limits::WEB_NEWS).await?;
    visit.page(&Home {
        shell: &visit.shell,
        yours: cards(yours),
        others: cards(others),
        may_create: caller.user.is_some() && caller.token.is_none(),
        news,
        guides: default.map(|place| guides(visit, place)).unwrap_or_default(),
        default: default.map(|place| (place.index.path.to_string(), encode_index(&place.index.path))),
    })
}

/// How tools are pointed at an index.
pub fn guides(visit: &Visit<'_>, place: &Place) -> Vec<Guide> {
    let path = place.index.path.to_string();
    let address = format!("{}/{}", visit.shell.base, encode_index(&place.index.path));
    let user = visit.caller().user.as_ref().map_or("USER", |user| user.name.as_str());
    setup::guides(facts(place, &address, &path, user))
}

/// What the guides say of an index.
pub fn facts<'a>(place: &Place, address: &'a str, path: &'a str, user: &'a str) -> Facts<'a> {
    Facts {
        index: address,
        path,
        private: !place.all_public,
        uploads: place.index.kind == Kind::Stage,
        user,
        token: setup::TOKEN,
    }
}
