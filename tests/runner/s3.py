"""An S3 server for one run of the tests: Garage if this machine has built it, else the `moto` server; removed at the end.

Garage is a real object store. It comes from the crate registry and takes a quarter of an hour to compile, once a machine, into a cache
outside the tree (`--full` does that). `moto` is an imitation in Python, good enough for a first run. Which of them it was is told.
"""

from __future__ import annotations

import http.client
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .ports import free_port
from .report import Failure, run

VERSION = "2.5.0"
BUCKET = "cheeseshop-tests"
REGION = "garage"
START_SECONDS = 60
STOP_SECONDS = 10
GARAGE_SETTINGS = """\
metadata_dir = "{folder}/meta"
data_dir = "{folder}/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{rpc_port}"
rpc_public_addr = "127.0.0.1:{rpc_port}"
rpc_secret = "{rpc_secret}"

[s3_api]
s3_region = "{region}"
api_bind_addr = "127.0.0.1:{port}"
"""


@dataclass
class S3:
    """A running server with an empty bucket. `env` is what the tests are given."""

    name: str
    env: dict[str, str]
    _process: subprocess.Popen
    _folder: Path

    def stop(self) -> None:
        """Ends the server and deletes its data."""
        _end(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)


def cache() -> Path:
    """Where what is built once a machine lies."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "cheeseshop-tests"


def find_garage() -> Path | None:
    """Garage of the wanted version, if it has been built."""
    binary = cache() / "bin/garage"
    if not binary.is_file():
        return None
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
    return binary if re.search(rf"\bv?{re.escape(VERSION)}\b", told) else None


def build_garage() -> list[str]:
    """Compiles Garage into the cache if it is not there."""
    if find_garage():
        return [f"kept: {cache() / 'bin/garage'}"]
    command = ["cargo", "install", "garage", "--version", VERSION, "--locked", "--root", cache()]
    env = {name: value for name, value in os.environ.items() if name not in ("CARGO_TARGET_DIR", "RUSTFLAGS")}
    return run(command, env=env, cwd=Path.home(), closing=lambda line: line.startswith("Installed package"))


def start(target: Path, moto_server: Path) -> S3:
    """Starts a fresh server with its data in `target/s3`."""
    folder = target / "s3"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    garage = find_garage()
    return _start_garage(garage, folder) if garage else _start_moto(moto_server, folder)


def _start_garage(binary: Path, folder: Path) -> S3:
    port, settings = free_port(), folder / "garage.toml"
    values = {"folder": folder, "port": port, "rpc_port": free_port(), "rpc_secret": secrets.token_hex(32), "region": REGION}
    settings.write_text(GARAGE_SETTINGS.format(**values))
    settings.chmod(0o600)

    def garage(*command: str) -> str:
        return _told([binary, "-c", settings, *command])

    env = _variables(port, f"GK{secrets.token_hex(12)}", secrets.token_hex(32))
    process = _launch([binary, "-c", settings, "server"], folder)
    try:
        _wait(process, folder, lambda: _succeeds([binary, "-c", settings, "status"]))
        garage("layout", "assign", "--zone", "here", "--capacity", "100G", garage("node", "id", "--quiet").split("@")[0].strip())
        garage("layout", "apply", "--version", "1")
        garage("key", "import", "--yes", "-n", "tests", env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
        garage("bucket", "create", BUCKET)
        garage("bucket", "allow", "--read", "--write", "--owner", BUCKET, "--key", env["AWS_ACCESS_KEY_ID"])
    except BaseException:
        _end(process)
        raise
    return S3(f"Garage {VERSION}", env, process, folder)


def _start_moto(moto_server: Path, folder: Path) -> S3:
    port = free_port()
    process = _launch([moto_server, "--host", "127.0.0.1", "--port", str(port)], folder)
    try:
        _wait(process, folder, lambda: _make_bucket(port))
    except BaseException:
        _end(process)
        raise
    return S3(f"moto, an imitation ({cache() / 'bin/garage'} is not built: `tests/run --full` does)", _variables(port), process, folder)


def _variables(port: int, key: str = "testing", secret: str = "testing") -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": REGION if key != "testing" else "us-east-1",
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "CHEESESHOP_TEST_S3_BUCKET": BUCKET,
    }


def _make_bucket(port: int) -> bool:
    """moto checks no signature, so that a plain PUT makes a bucket."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("PUT", f"/{BUCKET}")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _launch(command: list[object], folder: Path) -> subprocess.Popen:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(list(map(str, command)), cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _wait(process: subprocess.Popen, folder: Path, answers: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failure(f"The S3 server did not start. Its log:\n{(folder / 'log').read_text(errors='replace')[-2000:]}")
        time.sleep(0.2)


def _succeeds(command: list[object]) -> bool:
    return subprocess.run(list(map(str, command)), capture_output=True, check=False).returncode == 0


def _told(command: list[object]) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"`{' '.join(map(str, command))}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
