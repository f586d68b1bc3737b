-- The SQLite twin of migrations/postgres/0002_devpi.sql. What devpi keeps beside release files: documentation, test results,
-- a log of each file, and tokens that their owners may restrict further.

ALTER TABLE files ADD COLUMN log TEXT;                 -- JSON list as devpi shows it; NULL: one upload, by uploaded_by

CREATE TABLE attachments (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    release_id  INTEGER NOT NULL REFERENCES releases (id) ON DELETE CASCADE,
    file_id     INTEGER REFERENCES files (id) ON DELETE CASCADE,  -- the tested file; NULL for documentation
    kind        TEXT NOT NULL CHECK (kind IN ('doczip', 'toxresult')),
    filename    TEXT NOT NULL,
    sha256      BLOB NOT NULL CHECK (length(sha256) = 32),
    size        INTEGER NOT NULL,
    uploaded    INTEGER NOT NULL,
    uploaded_by TEXT,
    log         TEXT                                   -- as in files
);
CREATE UNIQUE INDEX attachments_docs ON attachments (release_id) WHERE kind = 'doczip';
CREATE UNIQUE INDEX attachments_results ON attachments (file_id, filename) WHERE kind = 'toxresult';
CREATE INDEX attachments_filename ON attachments (filename);
CREATE INDEX attachments_release ON attachments (release_id);
CREATE INDEX attachments_sha256 ON attachments (sha256);

CREATE TABLE devpi_tokens (
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id           TEXT NOT NULL,                        -- the end of the macaroon's identifier
    secret       BLOB NOT NULL,                        -- the macaroon's root key
    restrictions TEXT NOT NULL,                        -- JSON list, as shown
    created      INTEGER NOT NULL,
    used         INTEGER,
    PRIMARY KEY (user_id, id)
);
