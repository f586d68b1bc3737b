"""A running Cheeseshop as the tests see it, be it one process or several: its address, and its administration."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from . import wire
from .places import Place

ROOT_PASSWORD = "root-password-of-the-tests"
COMMAND_SECONDS = 60
BINARY = Path(os.environ.get("CHEESESHOP_TEST_BINARY", ""))
ENVIRONMENT_KEPT = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")
PORTS = range(10_000, 32_000)
"""Below those that the system gives to outgoing connections, so that none of these is in the way when a server starts again."""
PORT_TRIES = 100


@dataclass(frozen=True)
class Account:
    """Somebody with a password."""

    name: str
    password: str

    @property
    def auth(self) -> dict[str, str]:
        return wire.basic(self.name, self.password)


@dataclass(frozen=True)
class Index:
    """One index of a running server, with the URLs that its clients use."""

    server: Server
    path: str

    @property
    def upload_url(self) -> str:
        return f"{self.server.url}/{self.path}/"

    @property
    def simple_url(self) -> str:
        return f"{self.server.url}/{self.path}/+simple/"

    def simple_url_as(self, account: Account) -> str:
        """The simple URL with credentials in it."""
        return self.simple_url.replace("://", f"://{account.name}:{account.password}@", 1)

    def page(self, project: str, accept: str = wire.SIMPLE_JSON, auth: dict[str, str] | None = None) -> wire.Answer:
        return wire.request("GET", f"{self.simple_url}{project}/", headers={"Accept": accept, **(auth or {})})

    def filenames(self, project: str, auth: dict[str, str] | None = None) -> set[str]:
        """The files that the project's page lists; empty when there is no such page."""
        answer = self.page(project, auth=auth)
        return {entry["filename"] for entry in answer.json()["files"]} if answer.status == 200 else set()


class Server:
    """What `Node` and `Cluster` have in common. `folder` holds the data, the logs and the home of the processes."""

    def __init__(self, folder: Path, place: Place | None = None, env: dict[str, str] | None = None, binary: Path = BINARY) -> None:
        self.data_dir = folder / "data"
        self.place = place or Place()
        self.root = Account("root", ROOT_PASSWORD)
        self.url = ""
        self.binary = binary
        self.env = {**clean_environment(folder), **self.place.env, **(env or {})}
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Starts what does not run, and waits until it answers."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ends what runs, which must end cleanly by itself."""
        raise NotImplementedError

    @property
    def logs(self) -> list[Path]:
        """The log of each process."""
        raise NotImplementedError

    def log(self) -> str:
        """The last part of what was written to each log."""
        return "\n".join(path.read_text(errors="replace")[-8000:] for path in self.logs if path.exists())

    def cli(self, *args: str) -> str:
        """Runs an administration command on the server's data and returns what it printed."""
        run = self.command(*args)
        assert run.returncode == 0, f"{args} ended with status {run.returncode}:\n{run.stdout}\n{run.stderr}"
        return run.stdout

    def command(self, *args: str, env: dict[str, str] | None = None, seconds: float = COMMAND_SECONDS) -> subprocess.CompletedProcess:
        """Runs any command of the program on the server's data; it may fail."""
        return subprocess.run(
            [self.binary, *args, *self.where()],
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def add_user(self, name: str = "") -> Account:
        """A new user, by default with a name nobody else has."""
        account = Account(name or f"u{uuid.uuid4().hex[:10]}", f"pw-{uuid.uuid4().hex}")
        answer = wire.send_json("PUT", f"{self.url}/{account.name}", {"password": account.password}, self.root.auth)
        assert answer.status == 201, f"{answer.status} {answer.reason}: {answer.text}"
        return account

    def add_index(self, path: str, **options: object) -> Index:
        """A new index; `options` as in devpi's API, for example `bases=["root/pypi"]`, `volatile=False`."""
        answer = wire.send_json("PUT", f"{self.url}/{path}", options, self.root.auth)
        assert answer.status == 200, f"{answer.status} {answer.reason}: {answer.text}"
        return self.index(path)

    def index(self, path: str) -> Index:
        return Index(self, path)

    def add_token(self, account: Account, allow: str, *options: str) -> str:
        """A new API token of `account`, as `cheeseshop token add` prints it: alone on the last line."""
        name = f"t{uuid.uuid4().hex[:8]}"
        return self.cli("token", "add", account.name, "--name", name, "--allow", allow, *options).strip().splitlines()[-1]

    def where(self) -> list[str]:
        """The options that say where the data lie."""
        return ["--data-dir", str(self.data_dir), *self.place.options]


def clean_environment(folder: Path) -> dict[str, str]:
    """The server's environment: nothing that would configure it, but what this machine needs to reach the network."""
    kept = {name: os.environ[name] for name in ENVIRONMENT_KEPT if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8", **kept}


def free_port() -> int:
    """A loopback port that nobody listens on at the moment."""
    for _ in range(PORT_TRIES):
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no free port found in {PORTS}")
