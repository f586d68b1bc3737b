-- The servers that run on this database, and how far each has followed the journal. Empty on SQLite, where a heartbeat would cost
-- a sync of the disk.

CREATE TABLE nodes (
    id        TEXT PRIMARY KEY,                        -- random, of one process
    name      TEXT NOT NULL,                           -- where it listens, for people
    version   TEXT NOT NULL,                           -- of the program
    started   INTEGER NOT NULL,
    heartbeat INTEGER NOT NULL,                        -- by the node's own clock: it matters whether it moves, not what it says
    seen      INTEGER NOT NULL                         -- the serial up to which it has followed
);
