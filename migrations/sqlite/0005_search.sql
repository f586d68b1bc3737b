-- The SQLite twin of migrations/postgres/0005_search.sql. What search finds of a stage's project: one entry, as its latest release
-- describes it. Entries come with the changes that make them; the job makes those that are missing, at first all of them.

CREATE TABLE search_entries (
    project_id   INTEGER PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    index_id     INTEGER NOT NULL,                     -- the project's
    name         TEXT NOT NULL,                        -- the project's, normalized
    display_name TEXT NOT NULL,
    version      TEXT NOT NULL,                        -- of the latest release, as uploaded
    summary      TEXT,
    keywords     TEXT,
    head         TEXT,                                 -- PostgreSQL: name, summary and keywords in lower case
    body         TEXT,                                 -- PostgreSQL: the same and the beginning of the description
    digest       BLOB NOT NULL CHECK (length(digest) = 32),  -- of head and body
    released     INTEGER NOT NULL,                     -- when the first file of the latest release came
    serial       INTEGER NOT NULL                      -- the project's, when this was written
);
CREATE INDEX search_entries_name ON search_entries (name, index_id);

-- SQLite keeps the words of head and body in these alone. Each text begins with three characters that stand for its index.
CREATE VIRTUAL TABLE fts_names USING fts5 (text, content = '', contentless_delete = 1, tokenize = 'trigram');
CREATE VIRTUAL TABLE fts_heads USING fts5 (text, content = '', contentless_delete = 1, tokenize = 'trigram');
CREATE VIRTUAL TABLE fts_bodies USING fts5 (text, content = '', contentless_delete = 1, tokenize = 'trigram');
CREATE TRIGGER search_entries_gone AFTER DELETE ON search_entries BEGIN
    DELETE FROM fts_names WHERE rowid = old.project_id;
    DELETE FROM fts_heads WHERE rowid = old.project_id;
    DELETE FROM fts_bodies WHERE rowid = old.project_id;
END;

INSERT INTO jobs (kind, key, payload, run, attempts) VALUES ('search', '', '{}', 0, 0);
