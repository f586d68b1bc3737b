-- The SQLite twin of migrations/postgres/0004_upkeep.sql. Housekeeping: what gc may free, the jobs that are to be done, and how
-- often files are downloaded.

ALTER TABLE files ADD COLUMN purged INTEGER;            -- from then on a removed file's row keeps no blob; NULL: it does
CREATE INDEX files_unpurged ON files (id) WHERE removed IS NOT NULL AND purged IS NULL;
CREATE INDEX blobs_deleting ON blobs (sha256) WHERE deleting IS NOT NULL;

CREATE TABLE jobs (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT NOT NULL,
    key      TEXT NOT NULL,                            -- what it is about; '' if its kind says all
    payload  TEXT NOT NULL,                            -- JSON
    run      INTEGER NOT NULL,                          -- not before; whoever does it moves this on first
    attempts INTEGER NOT NULL,                          -- begun since it was last done
    error    TEXT,                                     -- why the last attempt failed
    UNIQUE (kind, key)
);

CREATE TABLE downloads (
    file_id INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    day     INTEGER NOT NULL,                           -- days since 1970 UTC
    count   INTEGER NOT NULL,
    PRIMARY KEY (file_id, day)
);
CREATE INDEX downloads_day ON downloads (day);
