-- The SQLite twin of migrations/postgres/0001_init.sql: same tables, same columns, same order (a test compares them).
-- Times are microseconds since 1970 UTC. Digests are raw bytes. AUTOINCREMENT: an id is never used twice.

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL UNIQUE,
    email         TEXT,
    title         TEXT,
    description   TEXT,
    custom_data   TEXT,                                -- JSON
    password_hash TEXT,                                -- PHC string; NULL: cannot sign in by password
    admin         BOOLEAN NOT NULL,
    created       INTEGER NOT NULL,
    modified      INTEGER,
    disabled      INTEGER
);

CREATE TABLE tokens (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name    TEXT NOT NULL,
    hash    BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    scope   TEXT NOT NULL,                             -- JSON
    created INTEGER NOT NULL,
    expires INTEGER,
    used    INTEGER,
    UNIQUE (user_id, name)
);

CREATE TABLE sessions (
    hash    BLOB PRIMARY KEY CHECK (length(hash) = 32),
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE indexes (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id  INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name     TEXT NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('stage', 'mirror')),
    state    TEXT NOT NULL CHECK (state IN ('ready', 'importing')),
    settings TEXT NOT NULL,                            -- JSON object: every option but type and bases
    created  INTEGER NOT NULL,
    UNIQUE (user_id, name)
);

CREATE TABLE index_bases (
    index_id INTEGER NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    base     TEXT NOT NULL,                            -- user/index; may name what does not exist
    PRIMARY KEY (index_id, position)
);

CREATE TABLE projects (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    index_id     INTEGER NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,                        -- normalized
    display_name TEXT NOT NULL,                        -- as last uploaded
    status       TEXT,                                 -- JSON, PEP 792; NULL: active
    reserved     BOOLEAN NOT NULL,                     -- has no file, yet keeps its name from the mirrors
    serial       INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    UNIQUE (index_id, name)
);
CREATE INDEX projects_name ON projects (name);

CREATE TABLE releases (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    version    TEXT NOT NULL,                          -- as uploaded
    canonical  TEXT NOT NULL,                          -- PEP 440, trailing zeros stripped
    sort_key   BLOB NOT NULL,                          -- bytewise order is version order
    metadata   TEXT NOT NULL,                          -- JSON, core metadata
    created    INTEGER NOT NULL,
    UNIQUE (project_id, canonical)
);

CREATE TABLE files (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id      INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    release_id      INTEGER REFERENCES releases (id) ON DELETE SET NULL,
    filename        TEXT NOT NULL,
    kind            TEXT NOT NULL,                     -- bdist_wheel, sdist, ...
    sha256          BLOB NOT NULL CHECK (length(sha256) = 32),
    metadata_sha256 BLOB CHECK (metadata_sha256 IS NULL OR length(metadata_sha256) = 32),
    size            INTEGER NOT NULL,
    requires_python TEXT,
    yanked          TEXT,                              -- NULL: not yanked; '': no reason given
    uploaded        INTEGER NOT NULL,
    uploaded_by     TEXT,
    origin          TEXT,                              -- JSON: where the bytes came from
    state           TEXT NOT NULL CHECK (state IN ('published', 'staged')),
    added_serial    INTEGER NOT NULL,
    removed_serial  INTEGER,                           -- a removed file keeps its row
    removed         INTEGER
);
CREATE UNIQUE INDEX files_live ON files (project_id, filename) WHERE removed_serial IS NULL;
CREATE INDEX files_sha256 ON files (sha256);
CREATE INDEX files_metadata_sha256 ON files (metadata_sha256);
CREATE INDEX files_release ON files (release_id);
CREATE INDEX files_removed ON files (project_id, filename) WHERE removed_serial IS NOT NULL;

CREATE TABLE blobs (
    sha256   BLOB PRIMARY KEY CHECK (length(sha256) = 32),
    size     INTEGER NOT NULL,
    md5      BLOB,
    blake2   BLOB,
    created  INTEGER NOT NULL,
    used     INTEGER NOT NULL,
    deleting INTEGER
);

CREATE TABLE mirror_pages (
    index_id INTEGER NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    name     TEXT NOT NULL,                            -- normalized project; '' is the list of all projects
    etag     TEXT,
    digest   BLOB,                                     -- SHA-256 of the body as upstream sent it
    serial   INTEGER,                                  -- of the last change, ours
    checked  INTEGER NOT NULL,                         -- last answer that could be used
    changed  INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    body     BLOB NOT NULL,                            -- zstd of the JSON record
    PRIMARY KEY (index_id, name)
);

CREATE TABLE mirror_metadata (
    index_id INTEGER NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    name     TEXT NOT NULL,
    filename TEXT NOT NULL,
    sha256   BLOB CHECK (sha256 IS NULL OR length(sha256) = 32),  -- NULL: the wheel has no readable METADATA
    learnt   INTEGER NOT NULL,
    PRIMARY KEY (index_id, name, filename)
);
CREATE INDEX mirror_metadata_sha256 ON mirror_metadata (sha256);

CREATE TABLE journal (
    serial   INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    actor    TEXT NOT NULL,
    index_id INTEGER,                                  -- no foreign key: the journal outlives what it tells of
    project  TEXT,
    action   TEXT NOT NULL,
    detail   TEXT NOT NULL                             -- JSON
);

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
