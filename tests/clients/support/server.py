"""Starts and stops the real server binary, and speaks its administration for the tests: users, indexes, tokens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from . import wire

ROOT_PASSWORD = "root-password-of-the-tests"
START_SECONDS = 30
STOP_SECONDS = 20
BINARY = Path(os.environ.get("CHEESESHOP_TEST_BINARY", ""))
ENVIRONMENT_KEPT = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")


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
    """One `cheeseshop serve` process on a loopback port, with a data folder of its own."""

    def __init__(self, folder: Path, *options: str, database: str | None = None, env: dict[str, str] | None = None) -> None:
        self.data_dir = folder / "data"
        self.log_path = folder / "server.log"
        self.options = options
        self.database = database
        self.root = Account("root", ROOT_PASSWORD)
        self._env = {**clean_environment(folder), **(env or {})}
        self._process: subprocess.Popen | None = None
        self.url = ""
        folder.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        """Starts the process and waits until `/health` answers 200."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [BINARY, "serve", "--listen", f"127.0.0.1:{port}", *self._where(), "--root-password", ROOT_PASSWORD, *self.options]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._healthy():
            assert self._process.poll() is None, f"the server ended at once:\n{self.log()}"
            assert time.monotonic() < deadline, f"the server did not answer within {START_SECONDS} s:\n{self.log()}"
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGTERM; the server must end by itself, with status 0, in time."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the server was still running {STOP_SECONDS} s after SIGTERM:\n{self.log()}") from None
        assert status == 0, f"the server ended with status {status}:\n{self.log()}"

    def log(self) -> str:
        """The last part of what the server wrote."""
        return self.log_path.read_text(errors="replace")[-8000:] if self.log_path.exists() else ""

    def cli(self, *args: str) -> str:
        """Runs an administration command on the server's data and returns what it printed."""
        command = [BINARY, *args, *self._where()]
        run = subprocess.run(command, env=self._env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        assert run.returncode == 0, f"{args} ended with status {run.returncode}:\n{run.stdout}\n{run.stderr}"
        return run.stdout

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

    def _where(self) -> list[str]:
        return ["--data-dir", str(self.data_dir), *(["--database", self.database] if self.database else [])]

    def _healthy(self) -> bool:
        try:
            return wire.get(f"{self.url}/health").status == 200
        except OSError:
            return False


def clean_environment(folder: Path) -> dict[str, str]:
    """The server's environment: nothing that would configure it, but what this machine needs to reach the network."""
    kept = {name: os.environ[name] for name in ENVIRONMENT_KEPT if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8", **kept}


def free_port() -> int:
    """A loopback port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
