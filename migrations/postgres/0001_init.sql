-- The PostgreSQL twin of migrations/sqlite/0001_init.sql: same tables, same columns, same order (a test compares them).
-- Times are microseconds since 1970 UTC. Digests are raw bytes. An identity is never used twice.

CREATE TABLE users (
    id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    email         TEXT,
    title         TEXT,
    description   TEXT,
    custom_data   JSONB,                                -- JSON
    password_hash TEXT,                                -- PHC string; NULL: cannot sign in by password
    admin         BOOLEAN NOT NULL,
    created       BIGINT NOT NULL,
    modified      BIGINT,
    disabled      BIGINT
);

CREATE TABLE tokens (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name    TEXT NOT NULL,
    hash    BYTEA NOT NULL UNIQUE CHECK (length(hash) = 32),
    scope   JSONB NOT NULL,                             -- JSON
    created BIGINT NOT NULL,
    expires BIGINT,
    used    BIGINT,
    UNIQUE (user_id, name)
);

CREATE TABLE sessions (
    hash    BYTEA PRIMARY KEY CHECK (length(hash) = 32),
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE indexes (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id  BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name     TEXT NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('stage', 'mirror')),
    state    TEXT NOT NULL CHECK (state IN ('ready', 'importing')),
    settings JSONB NOT NULL,                            -- JSON object: every option but type and bases
    created  BIGINT NOT NULL,
    UNIQUE (user_id, name)
);

CREATE TABLE index_bases (
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    base     TEXT NOT NULL,                            -- user/index; may name what does not exist
    PRIMARY KEY (index_id, position)
);

CREATE TABLE projects (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    index_id     BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,                        -- normalized
    display_name TEXT NOT NULL,                        -- as last uploaded
    status       JSONB,                                 -- JSON, PEP 792; NULL: active
    reserved     BOOLEAN NOT NULL,                     -- has no file, yet keeps its name from the mirrors
    serial       BIGINT NOT NULL,
    created      BIGINT NOT NULL,
    UNIQUE (index_id, name)
);
CREATE INDEX projects_name ON projects (name);

CREATE TABLE releases (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    version    TEXT NOT NULL,                          -- as uploaded
    canonical  TEXT NOT NULL,                          -- PEP 440, trailing zeros stripped
    sort_key   BYTEA NOT NULL,                          -- bytewise order is version order
    metadata   JSONB NOT NULL,                          -- JSON, core metadata
    created    BIGINT NOT NULL,
    UNIQUE (project_id, canonical)
);

CREATE TABLE files (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id      BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    release_id      BIGINT REFERENCES releases (id) ON DELETE SET NULL,
    filename        TEXT NOT NULL,
    kind            TEXT NOT NULL,                     -- bdist_wheel, sdist, ...
    sha256          BYTEA NOT NULL CHECK (length(sha256) = 32),
    metadata_sha256 BYTEA CHECK (metadata_sha256 IS NULL OR length(metadata_sha256) = 32),
    size            BIGINT NOT NULL,
    requires_python TEXT,
    yanked          TEXT,                              -- NULL: not yanked; '': no reason given
    uploaded        BIGINT NOT NULL,
    uploaded_by     TEXT,
    origin          JSONB,                              -- JSON: where the bytes came from
    state           TEXT NOT NULL CHECK (state IN ('published', 'staged')),
    added_serial    BIGINT NOT NULL,
    removed_serial  BIGINT,                           -- a removed file keeps its row
    removed         BIGINT
);
CREATE UNIQUE INDEX files_live ON files (project_id, filename) WHERE removed_serial IS NULL;
CREATE INDEX files_sha256 ON files (sha256);
CREATE INDEX files_metadata_sha256 ON files (metadata_sha256);
CREATE INDEX files_release ON files (release_id);
CREATE INDEX files_removed ON files (project_id, filename) WHERE removed_serial IS NOT NULL;

CREATE TABLE blobs (
    sha256   BYTEA PRIMARY KEY CHECK (length(sha256) = 32),
    size     BIGINT NOT NULL,
    md5      BYTEA,
    blake2   BYTEA,
    created  BIGINT NOT NULL,
    used     BIGINT NOT NULL,
    deleting BIGINT
);

CREATE TABLE mirror_pages (
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    name     TEXT NOT NULL,                            -- normalized project; '' is the list of all projects
    etag     TEXT,
    digest   BYTEA,                                     -- SHA-256 of the body as upstream sent it
    serial   BIGINT,                                  -- of the last change, ours
    checked  BIGINT NOT NULL,                         -- last answer that could be used
    changed  BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    body     BYTEA NOT NULL,                            -- zstd of the JSON record
    PRIMARY KEY (index_id, name)
);

CREATE TABLE mirror_metadata (
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    name     TEXT NOT NULL,
    filename TEXT NOT NULL,
    sha256   BYTEA CHECK (sha256 IS NULL OR length(sha256) = 32),  -- NULL: the wheel has no readable METADATA
    learnt   BIGINT NOT NULL,
    PRIMARY KEY (index_id, name, filename)
);
CREATE INDEX mirror_metadata_sha256 ON mirror_metadata (sha256);

CREATE TABLE journal (
    serial   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       BIGINT NOT NULL,
    actor    TEXT NOT NULL,
    index_id BIGINT,                                  -- no foreign key: the journal outlives what it tells of
    project  TEXT,
    action   TEXT NOT NULL,
    detail   JSONB NOT NULL                             -- JSON
);

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
