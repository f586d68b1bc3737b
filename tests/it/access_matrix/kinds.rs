//! What there is to ask for, by kind. The matches are exhaustive: a route that is added does not compile here until it has a name, and
//! what has a name must have a row.

use cheeseshop::http::router::{At, Depth, Route};
use cheeseshop::http::web::Target;
use cheeseshop::http::web::places::{Place, ProjectPlace};

/// An enum of kinds, the list of all of them, and the match that finds a value's. Patterns after `apart` have no kind: nothing is there.
macro_rules! kinds {
    ($kinds:ident of $of:ty { $($kind:ident = $pattern:pat,)+ } apart $none:pat) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $kinds { $($kind,)+ }

        impl $kinds {
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            pub fn of(value: $of) -> Option<Self> {
                match value {
                    $($pattern => Some(Self::$kind),)+
                    $none => None,
                }
            }
        }
    };
}

kinds! {
    Kind of Route<'_> {
        DefaultList = Route::SimpleList(At::Default),
        List = Route::SimpleList(At::Index(..)),
        DefaultPage = Route::SimpleProject(At::Default, _, Depth::Default | Depth::Index),
        LegacyPage = Route::SimpleProject(At::Default, _, Depth::Legacy),
        Page = Route::SimpleProject(At::Index(..), ..),
        Refresh = Route::Refresh(..),
        HashedFile = Route::HashedFile(..),
        PlainFile = Route::PlainFile(..),
        Legacy = Route::Legacy,
        DefaultJson = Route::ProjectJson(At::Default, _, None),
        DefaultVersionJson = Route::ProjectJson(At::Default, _, Some(_)),
        Json = Route::ProjectJson(At::Index(..), _, None),
        VersionJson = Route::ProjectJson(At::Index(..), _, Some(_)),
        SourceArchive = Route::SourceArchive(..),
        Search = Route::Search,
        Rpc = Route::Rpc,
        Root = Route::Root,
        Api = Route::Api(None, _),
        UserApi = Route::Api(Some(_), None),
        IndexApi = Route::Api(Some(_), Some(_)),
        Login = Route::Login,
        Status = Route::Status,
        AuthCheck = Route::AuthCheck,
        User = Route::User(_),
        TokenCreate = Route::TokenCreate(_),
        Tokens = Route::Tokens(_),
        Token = Route::Token(..),
        Index = Route::Index(..),
        Project = Route::Project(..),
        Version = Route::Version(..),
        Yank = Route::Yank(..),
        Docs = Route::Docs(_),
        FramedDocs = Route::FramedDocs(_),
        Image = Route::Image(_),
        Health = Route::Health,
        Ready = Route::Ready,
        Metrics = Route::Metrics,
        WebAsset = Route::Web(Place::Asset(..)),
        WebSignIn = Route::Web(Place::SignIn),
        WebSignOut = Route::Web(Place::SignOut),
        WebSearch = Route::Web(Place::Search),
        WebActivity = Route::Web(Place::Activity),
        WebStatus = Route::Web(Place::Status),
        WebUsers = Route::Web(Place::Users),
        WebProfile = Route::Web(Place::Profile(_)),
        WebDeleteUser = Route::Web(Place::DeleteUser(_)),
        WebTokens = Route::Web(Place::Tokens(_)),
        WebRevokeToken = Route::Web(Place::RevokeToken(_)),
        WebNewIndex = Route::Web(Place::NewIndex),
        WebIndexSettings = Route::Web(Place::IndexSettings(..)),
        WebDeleteIndex = Route::Web(Place::DeleteIndex(..)),
        WebCompare = Route::Web(Place::Project(.., ProjectPlace::Compare)),
        WebYank = Route::Web(Place::Project(.., ProjectPlace::Yank)),
        WebRemove = Route::Web(Place::Project(.., ProjectPlace::Remove)),
        WebPush = Route::Web(Place::Project(.., ProjectPlace::Push)),
        WebRefresh = Route::Web(Place::Project(.., ProjectPlace::Refresh)),
        Nothing = Route::Nothing,
    } apart Route::Web(Place::Nowhere)
}

kinds! {
    Shared of Target<'_> {
        Home = Target::Home,
        User = Target::User(_),
        Index = Target::Index(..),
        Project = Target::Project(_, _, _, None),
        Version = Target::Project(_, _, _, Some(_)),
    } apart Target::Own(_)
}
