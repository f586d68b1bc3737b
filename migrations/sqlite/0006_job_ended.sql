-- The SQLite twin of migrations/postgres/0006_job_ended.sql. When a job was last at its end, for those who look after the server.

ALTER TABLE jobs ADD COLUMN ended INTEGER;             -- when the last attempt ended, well or not; NULL: none has
