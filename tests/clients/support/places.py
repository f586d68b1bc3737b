"""Where the servers of this run keep their data: a database and a folder or bucket prefix of its own for each."""

from __future__ import annotations

import os
import subprocess
import uuid
from dataclasses import dataclass, field
from urllib.parse import urlsplit

BACKENDS = ("sqlite", "postgres", "s3", "cluster")
BACKEND = os.environ.get("CHEESESHOP_TEST_BACKEND", "sqlite")
"""`sqlite` and `postgres`: with a folder of files; `s3`: PostgreSQL and S3; `cluster`: two nodes on PostgreSQL and S3 behind nginx."""
S3_VARIABLES = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass(frozen=True)
class Place:
    """What `--database` and `--blobs` say (None: the default, in the data folder), and the variables that lead there."""

    database: str | None = None
    blobs: str | None = None
    env: dict[str, str] = field(default_factory=dict)

    @property
    def options(self) -> list[str]:
        """The options of every command."""
        given = {"--database": self.database, "--blobs": self.blobs}
        return [word for name, value in given.items() if value for word in (name, value)]

    @property
    def shared(self) -> bool:
        """Whether several nodes can work on it."""
        return bool(self.database and self.blobs)


def new_place(backend: str = BACKEND) -> Place:
    """An empty place on this run's backend, or the given one."""
    if backend == "sqlite":
        return Place()
    if backend == "postgres":
        return Place(new_postgres_database())
    return Place(new_postgres_database(), new_s3_prefix(), s3_variables())


def new_postgres_database(like: str | None = None) -> str:
    """A database on the server that `TEST_PG_URL` names: empty, or a copy of the one at the URL `like`, which nobody uses now."""
    admin = os.environ["TEST_PG_URL"]
    name = f"clients_{uuid.uuid4().hex[:12]}"
    parts = urlsplit(admin)
    createdb = os.path.join(os.environ["CHEESESHOP_TEST_PG_BIN"], "createdb")
    where = ["--host", parts.hostname, "--port", str(parts.port), "--username", parts.username, "--no-password"]
    env = {"PGPASSWORD": parts.password or "", "PATH": "/usr/bin:/bin"}
    template = ["--template", urlsplit(like).path.lstrip("/")] if like else []
    subprocess.run([createdb, *where, *template, name], env=env, check=True, timeout=60)
    return parts._replace(path=f"/{name}").geturl()


def new_s3_prefix() -> str:
    """The `--blobs` of a new, empty prefix in the bucket of this run."""
    return f"s3://{os.environ['CHEESESHOP_TEST_S3_BUCKET']}/{uuid.uuid4().hex[:12]}"


def s3_variables() -> dict[str, str]:
    """What every program that talks to the S3 server of this run is given."""
    return {name: os.environ[name] for name in S3_VARIABLES}
