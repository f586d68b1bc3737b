//! Keys of rows as types, so that a project's id cannot be passed for an index's.

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize, sqlx::Type)]
        #[sqlx(transparent)]
        #[serde(transparent)]
        pub struct $name(pub i64);
    };
}

key!(
    /// A row of `users`.
    UserId
);
key!(
    /// A row of `indexes`.
    IndexId
);
key!(
    /// A row of `projects`.
    ProjectId
);
key!(
    /// A row of `releases`.
    ReleaseId
);
key!(
    /// A row of `files`.
    FileId
);
key!(
    /// A row of `attachments`.
    AttachmentId
);
key!(
    /// A row of `jobs`.
    JobId
);
key!(
    /// A row of `journal`: the place of a change in the order of all changes.
    Serial
);

impl Serial {
    /// Before the first change.
    pub const NONE: Serial = Serial(0);
    /// Before everything: what was made then is never current.
    pub const NEVER: Serial = Serial(-1);
}
