#!/usr/bin/env python3
"""An index far away: common/upstream.py PORT DELAY_MS, a process of its own.

Answers each request DELAY_MS late, on any number of connections. `/simple/` lists projects, `/simple/NAME/` has one wheel of 8 MiB with
bytes of its own, `/files/NAME` is it. Counts what it is asked. `/_/counts` gives the counts by path, `/_/mode/MODE` resets them and
changes how it behaves: `well`, `down` (hangs up without an answer), `cut` (files end in the middle), `lie` (a wrong byte at the end).
"""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

JSON = "application/vnd.pypi.simple.v1+json"
FILE_BYTES = 8 << 20
NOISE = random.Random(1).randbytes(FILE_BYTES)


READY = 100
"""Projects whose pages are made before the first request comes, so that none waits for the hash of a file."""


def content(filename: str) -> bytes:
    """Bytes that no other file has, so that no mirror has them already."""
    mark = hashlib.sha256(filename.encode()).digest()
    return mark + NOISE[len(mark) :]


@cache
def listing(names: tuple[str, ...], as_json: bool) -> bytes:
    """The list of all projects."""
    if as_json:
        return json.dumps({"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in names]}).encode()
    links = "".join(f'<a href="/simple/{name}/">{name}</a>\n' for name in names)
    return f"<!DOCTYPE html><html><body>{links}</body></html>".encode()


def filename(project: str) -> str:
    return f"{project}-1.0-py3-none-any.whl"


@cache
def page(project: str, as_json: bool) -> bytes:
    name = filename(project)
    digest = hashlib.sha256(content(name)).hexdigest()
    if not as_json:
        link = f'<a href="/files/{name}#sha256={digest}" data-requires-python="&gt;=3.8">{name}</a>'
        return f"<!DOCTYPE html><html><body>{link}</body></html>".encode()
    file = {
        "filename": name, "url": f"/files/{name}", "hashes": {"sha256": digest}, "requires-python": ">=3.8", "size": FILE_BYTES,
        "upload-time": "2026-01-01T00:00:00Z", "yanked": False,
    }  # fmt: skip
    return json.dumps({"meta": {"api-version": "1.1"}, "name": project, "versions": ["1.0"], "files": [file]}).encode()


class State:
    """What all connections share."""

    def __init__(self, delay: float, names: tuple[str, ...]) -> None:
        self.delay, self.names, self.mode = delay, names, "well"
        self.counts: dict[str, int] = {}
        self.lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    state: State

    def do_GET(self) -> None:
        state, parts = self.state, self.path.partition("?")[0].strip("/").split("/")
        if parts[0] == "_":
            self._control(parts[1:])
            return
        with state.lock:
            state.counts[self.path] = state.counts.get(self.path, 0) + 1
        if state.mode == "down":
            self.close_connection = True
            return
        time.sleep(state.delay)
        as_json = JSON in self.headers.get("Accept", "")
        kind = JSON if as_json else "text/html"
        match parts:
            case ["simple"]:
                self._answer(kind, listing(state.names, as_json))
            case ["simple", project] if project.startswith("m"):
                self._answer(kind, page(project, as_json))
            case ["files", name] if name.endswith(".whl"):
                self._file(content(name))
            case _:
                self._answer(kind, b"", 404)

    do_HEAD = do_GET

    def _file(self, body: bytes) -> None:
        if self.state.mode == "lie":
            body = body[:-1] + bytes([body[-1] ^ 1])
        self._answer("application/octet-stream", body, sent=len(body) // 2 if self.state.mode == "cut" else None)

    def _answer(self, kind: str, body: bytes, status: int = 200, sent: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{len(body)}-{hash(body)}"')
        self.end_headers()
        self.wfile.flush()
        if self.command != "HEAD":
            self.connection.sendall(memoryview(body)[:sent])
        self.close_connection = self.close_connection or sent is not None

    def _control(self, parts: list[str]) -> None:
        with self.state.lock:
            if parts[0] == "mode":
                self.state.mode = parts[1]
                self.state.counts.clear()
            body = json.dumps(self.state.counts).encode()
        self._answer("application/json", body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Listener(ThreadingHTTPServer):
    """Many connections at once."""

    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are expected."""


class Upstream:
    """The process, for those who measure."""

    def __init__(self, port: int, delay_ms: float = 20, names: int = 300, core: int | None = None) -> None:
        from common.process import on_core
        from support import wire

        self.url = f"http://127.0.0.1:{port}"
        self._wire = wire
        command = [sys.executable, str(Path(__file__).resolve()), str(port), str(delay_ms), str(names)]
        self._process = subprocess.Popen(command, preexec_fn=None if core is None else on_core(core))
        for _ in range(400):
            try:
                self.mode("well")
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the upstream does not start")

    def mode(self, mode: str) -> None:
        """From now on it behaves so; the counts begin anew."""
        self._wire.get(f"{self.url}/_/mode/{mode}")

    def counts(self, beginning: str) -> int:
        """Requests for paths that begin so."""
        found = self._wire.get(f"{self.url}/_/counts").json()
        return sum(count for path, count in found.items() if path.startswith(beginning))

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def main(port: int, delay_ms: float, names: int) -> None:
    every = tuple(f"m{number:06}" for number in range(names))
    for project in every[:READY]:
        page(project, True)
        page(project, False)
    for as_json in (True, False):
        listing(every, as_json)
    Handler.state = State(delay_ms / 1000, every)
    Listener(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
