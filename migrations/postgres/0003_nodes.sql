-- The PostgreSQL twin of migrations/sqlite/0003_nodes.sql. The servers that run on this database, and how far each has followed
-- the journal.

CREATE TABLE nodes (
    id        TEXT PRIMARY KEY,                        -- random, of one process
    name      TEXT NOT NULL,                           -- where it listens, for people
    version   TEXT NOT NULL,                           -- of the program
    started   BIGINT NOT NULL,
    heartbeat BIGINT NOT NULL,                         -- by the node's own clock: it matters whether it moves, not what it says
    seen      BIGINT NOT NULL                          -- the serial up to which it has followed
);
