-- The SQLite twin of migrations/postgres/0007_by_project.sql. The files of a project, removed ones too, and the test results of a file:
-- what is deleted with its parent is found without reading the whole table, and so are the downloads of a project.

CREATE INDEX files_project ON files (project_id);
CREATE INDEX attachments_file ON attachments (file_id);
