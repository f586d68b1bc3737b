"""Which database the servers of this run use: SQLite in the data folder, or a new PostgreSQL database each."""

from __future__ import annotations

import os
import subprocess
import uuid
from urllib.parse import urlsplit


def new_database() -> str | None:
    """The value for `--database`: None for SQLite, else the URL of an empty database made for one server."""
    if os.environ.get("CHEESESHOP_TEST_DATABASE", "sqlite") == "sqlite":
        return None
    return new_postgres_database()


def new_postgres_database() -> str:
    """An empty database on the server that `TEST_PG_URL` names."""
    admin = os.environ["TEST_PG_URL"]
    name = f"clients_{uuid.uuid4().hex[:12]}"
    parts = urlsplit(admin)
    createdb = os.path.join(os.environ["CHEESESHOP_TEST_PG_BIN"], "createdb")
    where = ["--host", parts.hostname, "--port", str(parts.port), "--username", parts.username, "--no-password"]
    subprocess.run([createdb, *where, name], env={"PGPASSWORD": parts.password, "PATH": "/usr/bin:/bin"}, check=True, timeout=60)
    return parts._replace(path=f"/{name}").geturl()
