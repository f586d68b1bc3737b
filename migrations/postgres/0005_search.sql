-- What search finds of a stage's project: one entry, as its latest release describes it. Entries come with the changes that make
-- them; the job makes those that are missing, at first all of them.

CREATE TABLE search_entries (
    project_id   BIGINT PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    index_id     BIGINT NOT NULL,                      -- the project's
    name         TEXT COLLATE "C" NOT NULL,            -- the project's, normalized
    display_name TEXT NOT NULL,
    version      TEXT NOT NULL,                        -- of the latest release, as uploaded
    summary      TEXT,
    keywords     TEXT,
    head         TEXT,                                 -- name, summary and keywords in lower case
    body         TEXT,                                 -- the same and the beginning of the description
    digest       BYTEA NOT NULL CHECK (length(digest) = 32),  -- of head and body
    released     BIGINT NOT NULL,                      -- when the first file of the latest release came
    serial       BIGINT NOT NULL                       -- the project's, when this was written
);
CREATE INDEX search_entries_name ON search_entries (name, index_id);

CREATE INDEX search_entries_index ON search_entries (index_id);

-- Search is fast with the extension pg_trgm, which the database's owner may make. Where this user may not, or where it is not
-- installed, search reads all entries instead, and the log says so until somebody makes it. The job then makes the indexes.
DO $$
BEGIN
    EXECUTE 'CREATE EXTENSION IF NOT EXISTS pg_trgm' || CASE WHEN to_regnamespace('public') IS NULL THEN '' ELSE ' SCHEMA public' END;
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'search does without pg_trgm: %', SQLERRM;
END
$$;

INSERT INTO jobs (kind, key, payload, run, attempts) VALUES ('search', '', '{}', 0, 0);
