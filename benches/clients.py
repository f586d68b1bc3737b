#!/usr/bin/env python3
"""Installers against us and against nginx: benches/clients.py BINARY [--rounds N] [--client uv|pip]… [REQUIREMENT…]

Resolves and installs REQUIREMENT (jupyter), one after the other, from a mirror of PyPI (--upstream auto) once, so that everything is kept;
copies each page and file that the client asked for into a folder for nginx, byte by byte and with the same headers for caches; starts the
server again --offline, and measures `uv pip compile`, `uv pip install` and `pip install` from both in turn, --rounds (5) times each with
an empty cache of the client and with a full one. Servers on core 0, clients on core 1. Prints medians and ratios. A requirement that
begins with @ is a file with requirements, as constraints name them. Takes some minutes for each requirement, most of it unpacking.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from common import keep, tools
from common.load import Kept
from common.process import LOAD_CORE, on_core
from common.servers import JSON, Cheeseshop, Nginx, Server, stopped
from common.tables import number, spread, table

INDEX = "root/pypi"
SIMPLE = f"/{INDEX}/+simple/"
ACCEPT = f"{JSON}, text/html;q=0.1"
CLIENTS = ("uv", "pip")


class Shop(Cheeseshop):
    """Warm, then without an upstream. Its log names every request while it is made warm."""

    simple = SIMPLE
    offline = False

    def command(self) -> list[object]:
        listen = ["--listen", f"127.0.0.1:{self.port}", "--data-dir", self.data, "--log-format", "json"]
        log = ["--log", "warn", "--offline"] if self.offline else ["--log", "info,cheeseshop=debug"]
        return [self.binary, "serve", *listen, *log]

    def asked(self) -> set[str]:
        """Paths of pages, metadata and files that were asked for."""
        lines = (self.folder / "log").read_text(errors="replace")
        found = (unquote(path) for path in re.findall(rf'"(/{INDEX}/[^"?\s\\]+)', lines))
        return {path for path in found if path.startswith((SIMPLE, f"/{INDEX}/+f/"))}


class Copy(Nginx):
    """The same answers from files, pages with their gzip beside them."""

    simple = SIMPLE

    def prepare(self) -> None:
        self.write_config()
        config = self.folder / "nginx.conf"
        text = config.read_text()
        place = text.index("location /simple/")
        caching = (
            f"location {SIMPLE} {{ gzip_static on; default_type {JSON}; index page; add_header Cache-Control '{self.caching['page']}'; "
            "add_header Vary 'Accept, Accept-Encoding'; }\n    "
            f"location /{INDEX}/+f/ {{ default_type application/octet-stream; add_header Cache-Control '{self.caching['file']}'; }}\n    "
        )
        config.write_text(text[:place] + caching + text[place:])

    def __init__(self, folder: Path, shop: Shop, paths: set[str]) -> None:
        super().__init__(folder)
        self.caching = {"page": "max-age=0", "file": "max-age=0"}
        self.data.mkdir()
        for path in sorted(paths):
            self._copy(shop, path)

    def _copy(self, shop: Shop, path: str) -> None:
        """One answer; a page also compressed."""
        page = path.startswith(SIMPLE)
        target = self.data / path.strip("/")
        if page:
            target.mkdir(parents=True, exist_ok=True)
            target /= "page"
        target.parent.mkdir(parents=True, exist_ok=True)
        for encoding in ("identity", "gzip") if page else ("identity",):
            done = fetch(shop, path, encoding)
            if done is None:
                return
            body, caching = done
            self.caching["page" if page else "file"] = caching
            name = target if encoding == "identity" else target.with_name("page.gz")
            name.write_bytes(body)

    def missed(self) -> list[str]:
        """What was asked for and is not there: then the two did not do the same work."""
        errors = (self.folder / "errors").read_text()
        return re.findall(r'\(2: No such file or directory\).*request: "([^"]+)"', errors)


def fetch(shop: Shop, path: str, encoding: str) -> tuple[bytes, str] | None:
    """The body, and for how long caches may use it."""
    kept = Kept(shop.url)
    status, body, headers = kept.ask_all("GET", path.replace("+", "%2B"), {"Accept": ACCEPT, "Accept-Encoding": encoding})
    return (body, headers.get("Cache-Control", "max-age=0")) if status == 200 else None


@dataclass(frozen=True)
class Task:
    """One thing that a client does. `command` gets the address of the index, the client's cache and an empty folder."""

    label: str
    client: str
    command: Callable[[str, Path, Path], list[object]]


def tasks(requirement: str, clients: list[str]) -> Iterator[Task]:
    """What each client does with one requirement."""
    given = ["-r", requirement[1:]] if requirement.startswith("@") else [requirement]
    if "uv" in clients:
        uv = tools.environment("uv") / "uv"

        def compile_(url: str, cache: Path, folder: Path) -> list[object]:
            (folder / "in.txt").write_text(Path(given[1]).read_text() if len(given) > 1 else f"{requirement}\n")
            return [uv, "pip", "compile", "--index-url", url, "--cache-dir", cache, "-o", folder / "out.txt", folder / "in.txt", "--no-config"]

        def install(url: str, cache: Path, folder: Path) -> list[object]:
            return [uv, "pip", "install", "--index-url", url, "--cache-dir", cache, "--target", folder / "site", "--no-config", *given]

        yield Task(f"uv pip compile {requirement}", "uv", compile_)
        yield Task(f"uv pip install {requirement}", "uv", install)
    if "pip" in clients:
        pip = tools.environment("pip") / "pip"

        def pip_install(url: str, cache: Path, folder: Path) -> list[object]:
            options = ["--no-input", "--disable-pip-version-check", "--no-compile", "--cache-dir", cache, "--target", folder / "site"]
            return [pip, "install", "--quiet", "--index-url", url, *options, *given]

        yield Task(f"pip install {requirement}", "pip", pip_install)


def run(task: Task, server: Server, cache: Path) -> float:
    """Seconds; a client that fails ends the program."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = task.command(f"{server.url}{SIMPLE}", cache, folder)
        environment |= {"HOME": name, "PIP_CONFIG_FILE": os.devnull}
        began = time.monotonic()
        done = subprocess.run(
            list(map(str, command)), env=environment, capture_output=True, text=True, preexec_fn=on_core(LOAD_CORE), check=False
        )
        took = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"{task.label} from {server.label}: {done.stderr[-2000:]}")
    return took


def compare(task: Task, servers: list[Server], rounds: int, folder: Path) -> list[list[str]]:
    """A row with an empty cache, and one with what that left."""
    cold: dict[str, list[float]] = {server.label: [] for server in servers}
    warm: dict[str, list[float]] = {server.label: [] for server in servers}
    for turn in range(rounds):
        for server in servers if turn % 2 else reversed(servers):
            cache = folder / f"cache-{server.name}"
            shutil.rmtree(cache, ignore_errors=True)
            cold[server.label].append(run(task, server, cache))
            warm[server.label].append(run(task, server, cache))
    return [row(f"{task.label}, {state} cache", found, servers) for state, found in (("empty", cold), ("full", warm))]


def row(label: str, found: dict[str, list[float]], servers: list[Server]) -> list[str]:
    medians = [statistics.median(found[server.label]) for server in servers]
    cells = [f"{number(median)} s {spread(found[server.label])}" for median, server in zip(medians, servers, strict=True)]
    return [label, *cells, f"{medians[1] / medians[0]:.3f}"]


def warm_up(shop: Shop, every: list[Task], folder: Path) -> None:
    """Everything is asked for once, from upstream."""
    shop.start()
    for task in every:
        tools.say(f"for the first time: {task.label}")
        run(task, shop, folder / f"first-{task.label.replace(' ', '-').replace('/', '-')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path)
    parser.add_argument("requirements", nargs="*")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--client", action="append", choices=CLIENTS, default=[])
    given = parser.parse_intermixed_args()
    every = [task for requirement in given.requirements or ["jupyter"] for task in tasks(requirement, given.client or list(CLIENTS))]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shop = Shop(folder / "cheeseshop", given.binary.resolve())
        servers: list[Server] = [shop]
        with stopped(servers):
            warm_up(shop, every, folder)
            nginx = Copy(folder / "nginx", shop, shop.asked())
            servers.insert(0, nginx)
            shop.stop()
            shop.offline = True
            for server in servers:
                server.start()
            rows = [row for task in every for row in compare(task, servers, given.rounds, folder)]
            if missed := nginx.missed():
                raise SystemExit(f"nginx was asked for what it does not have: {missed[:5]}")
    versions = ", ".join(f"{server.label} {server.version()}" for server in servers)
    clients = ", ".join(tools.ENVIRONMENTS[client][0] for client in given.client or CLIENTS)
    print(f"{tools.machine()}; {versions}; {clients}\n\n{table(['work', 'from nginx', 'from Cheeseshop', 'ratio'], rows)}")
    keep("clients", rows)


if __name__ == "__main__":
    main()
