"""A PostgreSQL server for one run of the tests: found or installed, started on a loopback port, removed at the end.

Its data is worthless, so everything that makes PostgreSQL durable is off. It never touches a server that is already on the machine.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from . import debian
from .ports import free_port
from .report import Failure

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "synchronous_commit": "off",
    "unix_socket_directories": "",
}
START_SECONDS = 60


@dataclass
class Postgres:
    """A running server. `url` goes to the tests as TEST_PG_URL, `bin` as the folder of `createdb`."""

    bin: Path
    folder: Path
    owner: str | None
    url: str

    def stop(self) -> None:
        """Ends the server and deletes its data."""
        _stop(self.bin, self.folder, self.owner)
        shutil.rmtree(self.folder, ignore_errors=True)


def start(target: Path) -> Postgres:
    """Starts a fresh server with its data in `target/pg`, or in the temporary folder when its user cannot reach that."""
    binaries = find_binaries() or _install()
    owner = _owner()
    folder = _data_folder(target, owner)
    _stop(binaries, folder, owner)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    if owner:
        shutil.chown(folder, owner)
    password, port = secrets.token_hex(16), free_port()
    _initialize(binaries, folder, owner, password)
    options = " ".join(f"-c {name}={value or repr('')}" for name, value in SETTINGS.items())
    start_command = [
        binaries / "pg_ctl",
        "start",
        "-w",
        "-t",
        START_SECONDS,
        "-D",
        folder / "data",
        "-l",
        folder / "log",
        "-o",
        f"-p {port} {options}",
    ]
    if _as(owner, start_command, folder).returncode != 0:
        log = (folder / "log").read_text(errors="replace") if (folder / "log").exists() else ""
        raise Failure(f"PostgreSQL did not start. Its log:\n{log[-2000:]}")
    return Postgres(binaries, folder, owner, f"postgres://postgres:{password}@127.0.0.1:{port}/postgres")


def find_binaries() -> Path | None:
    """The folder that holds initdb and pg_ctl: from the PATH, else Debian's place (the newest version there)."""
    on_path = shutil.which("initdb")
    if on_path and shutil.which("pg_ctl"):
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def _install() -> Path:
    debian.install(("postgresql",), "PostgreSQL", "put its `initdb` and `pg_ctl` on the PATH")
    binaries = find_binaries()
    if binaries is None:
        raise Failure("Debian's package `postgresql` is installed, but /usr/lib/postgresql has no initdb.")
    return binaries


def _owner() -> str | None:
    """PostgreSQL refuses to run as root; then it runs as `postgres`, else as `nobody`. None: as whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return name
    raise Failure("PostgreSQL does not run as root, and this machine has neither a user `postgres` nor `nobody`.")


def _data_folder(target: Path, owner: str | None) -> Path:
    """`target/pg`, unless the owner may not walk there; then a folder of this checkout's own below the temporary folder."""
    target.mkdir(parents=True, exist_ok=True)
    if owner is None or _as(owner, ["test", "-x", target], Path("/")).returncode == 0:
        return target / "pg"
    return Path(tempfile.gettempdir()) / f"cheeseshop-tests-pg-{sha256(str(target).encode()).hexdigest()[:12]}"


def _initialize(binaries: Path, folder: Path, owner: str | None, password: str) -> None:
    password_file = folder / "password"
    password_file.write_text(password)
    password_file.chmod(0o600)
    if owner:
        shutil.chown(password_file, owner)
    options = ["--no-sync", "--encoding=UTF8", "--locale=C", "--username=postgres", "--auth=scram-sha-256", f"--pwfile={password_file}"]
    made = _as(owner, [binaries / "initdb", *options, "-D", folder / "data"], folder)
    if made.returncode != 0:
        raise Failure(f"initdb failed:\n{made.stdout}")


def _stop(binaries: Path, folder: Path, owner: str | None) -> None:
    """Also ends what an earlier run left behind when it was killed."""
    if (folder / "data" / "postmaster.pid").exists():
        _as(owner, [binaries / "pg_ctl", "stop", "-w", "-m", "immediate", "-D", folder / "data"], folder)


def _as(owner: str | None, command: list[object], cwd: Path) -> subprocess.CompletedProcess:
    """Runs a command as `owner`. Its output goes to a file, since a server started this way keeps the descriptors open."""
    identity = {"user": owner, "group": pwd.getpwnam(owner).pw_gid, "extra_groups": []} if owner else {}
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            list(map(str, command)),
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            **identity,
        )
        output.seek(0)
        done.stdout = output.read()
    return done
