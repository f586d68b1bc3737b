-- The PostgreSQL twin of migrations/sqlite/0004_upkeep.sql. Housekeeping: what gc may free, the jobs that are to be done, and how
-- often files are downloaded.

ALTER TABLE files ADD COLUMN purged BIGINT;            -- from then on a removed file's row keeps no blob; NULL: it does
CREATE INDEX files_unpurged ON files (id) WHERE removed IS NOT NULL AND purged IS NULL;
CREATE INDEX blobs_deleting ON blobs (sha256) WHERE deleting IS NOT NULL;

CREATE TABLE jobs (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind     TEXT NOT NULL,
    key      TEXT NOT NULL,                            -- what it is about; '' if its kind says all
    payload  JSONB NOT NULL,                            -- JSON
    run      BIGINT NOT NULL,                          -- not before; whoever does it moves this on first
    attempts BIGINT NOT NULL,                          -- begun since it was last done
    error    TEXT,                                     -- why the last attempt failed
    UNIQUE (kind, key)
);

CREATE TABLE downloads (
    file_id BIGINT NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    day     BIGINT NOT NULL,                           -- days since 1970 UTC
    count   BIGINT NOT NULL,
    PRIMARY KEY (file_id, day)
);
CREATE INDEX downloads_day ON downloads (day);
