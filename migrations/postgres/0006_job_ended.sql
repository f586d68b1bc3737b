-- The PostgreSQL twin of migrations/sqlite/0006_job_ended.sql. When a job was last at its end, for those who look after the server.

ALTER TABLE jobs ADD COLUMN ended BIGINT;              -- when the last attempt ended, well or not; NULL: none has
