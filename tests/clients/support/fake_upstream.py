"""An upstream index of our own, to test the mirror against: it counts every request and can be told to misbehave.

It runs in this process on a loopback port. It serves `/simple/` and `/simple/{project}/` as JSON or HTML (or HTML only, as old indexes do),
files below `/files/`, and core metadata beside each wheel. What it offers and how it fails can be changed at any time, between two
requests.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from .artifacts import Artifact
from .upstream_pages import Behaviour, Project, list_html, list_json, normalized, page_html, page_json
from .wire import SIMPLE_JSON

STALL_SECONDS = 60


@dataclass(frozen=True)
class Fault:
    """How one path fails. Use the constructors below; `times` limits how often (None: until cleared)."""

    kind: str
    at_byte: int = 0
    status: int = 0
    data: bytes = b""


def stall(at_byte: int) -> Fault:
    """Sends `at_byte` bytes, then nothing more; the connection stays open for a minute or until the fault is cleared."""
    return Fault("stall", at_byte=at_byte)


def cut(at_byte: int) -> Fault:
    """Announces the whole length, sends `at_byte` bytes and closes the connection."""
    return Fault("cut", at_byte=at_byte)


def lie(data: bytes) -> Fault:
    """Sends other bytes than the page promised, with an honest length."""
    return Fault("lie", data=data)


def answer(status: int) -> Fault:
    """Answers with this status and a short text."""
    return Fault("answer", status=status)


class FakeUpstream:
    """The running server. `url` is what a mirror's `mirror_url` takes."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.requests: Counter[str] = Counter()
        self.statuses: list[tuple[str, str, int]] = []
        self._projects: dict[str, Project] = {}
        self._faults: dict[str, Fault] = {}
        self._fault_changed = threading.Event()
        self._lock = threading.Lock()
        self._http: ThreadingHTTPServer | None = None
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/simple/"

    def start(self) -> None:
        """Starts answering; after `stop`, on the same port as before."""
        upstream = self

        class Handler(_Handler):
            pass

        Handler.upstream = upstream
        self._http = _Server(("127.0.0.1", self._port), Handler)
        self._port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Goes down: from now on connections are refused."""
        self._fault_changed.set()
        if self._http:
            self._http.shutdown()
            self._http.server_close()
            self._http.close_connections()
            self._http = None

    def add(self, *artifacts: Artifact) -> None:
        """Publishes files."""
        with self._lock:
            for artifact in artifacts:
                key = normalized(artifact.project)
                self._projects.setdefault(key, Project(artifact.project)).files.append(artifact)

    def remove(self, project: str, filename: str | None = None) -> None:
        """Deletes one file, or the whole project."""
        with self._lock:
            if filename is None:
                del self._projects[normalized(project)]
            else:
                entry = self._projects[normalized(project)]
                entry.files = [artifact for artifact in entry.files if artifact.filename != filename]

    def yank(self, project: str, version: str, reason: str) -> None:
        """Marks a release as yanked."""
        with self._lock:
            self._projects[normalized(project)].yanked[version] = reason

    def fail(self, path: str, fault: Fault | None) -> None:
        """Makes one path fail (`page_path(…)`, `file_path(…)`), or work again with None."""
        with self._lock:
            if fault is None:
                self._faults.pop(path, None)
            else:
                self._faults[path] = fault
        released, self._fault_changed = self._fault_changed, threading.Event()
        released.set()

    def count(self, path: str) -> int:
        """How many requests this path has had, GET and HEAD together."""
        with self._lock:
            return self.requests[path]

    def forget_counts(self) -> None:
        with self._lock:
            self.requests.clear()
            self.statuses.clear()

    # What the handler asks.

    def _note(self, method: str, path: str, status: int) -> None:
        with self._lock:
            self.statuses.append((method, path, status))

    def _project(self, name: str) -> Project | None:
        with self._lock:
            return self._projects.get(normalized(name))

    def _names(self) -> list[str]:
        with self._lock:
            return sorted(self._projects)

    def _file(self, filename: str) -> Artifact | None:
        with self._lock:
            every = (artifact for project in self._projects.values() for artifact in project.files)
            return next((artifact for artifact in every if artifact.filename == filename), None)

    def _begin(self, path: str) -> tuple[Fault | None, threading.Event]:
        with self._lock:
            self.requests[path] += 1
            return self._faults.get(path), self._fault_changed


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *args) -> None:
        self._open = set()
        super().__init__(*args)

    def get_request(self):
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Closes kept-alive connections too: a server that is down answers nobody."""
        for connection in list(self._open):
            self.shutdown_request(connection)

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream: FakeUpstream

    def log_message(self, *args) -> None:
        """Nothing on the terminal: the counters tell."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(self.path.split("?")[0])
        fault, changed = self.upstream._begin(path)
        if fault and fault.kind == "answer":
            return self._send(fault.status, b"told to fail\n", "text/plain")
        parts = path.strip("/").split("/")
        if parts == ["simple"]:
            return self._list(fault, changed)
        if parts[0] == "simple" and len(parts) == 2:
            return self._page(parts[1], fault, changed)
        if parts[0] in ("files", "moved") and len(parts) == 3:
            return self._file(path, parts[2], fault, changed)
        return self._send(404, b"not found\n", "text/plain")

    def _page(self, name: str, fault: Fault | None, changed: threading.Event) -> None:
        project = self.upstream._project(name)
        if project is None:
            return self._send(404, b"no such project\n", "text/plain")
        write, content_type = (page_json, SIMPLE_JSON) if self._wants_json() else (page_html, "text/html; charset=utf-8")
        return self._send(200, write(project, self.upstream.behaviour), content_type, fault, changed)

    def _list(self, fault: Fault | None, changed: threading.Event) -> None:
        write, content_type = (list_json, SIMPLE_JSON) if self._wants_json() else (list_html, "text/html; charset=utf-8")
        return self._send(200, write(self.upstream._names()), content_type, fault, changed)

    def _wants_json(self) -> bool:
        return self.upstream.behaviour.speaks_json and SIMPLE_JSON in self.headers.get("Accept", "")

    def _file(self, path: str, filename: str, fault: Fault | None, changed: threading.Event) -> None:
        behaviour = self.upstream.behaviour
        wants_metadata = filename.endswith(".metadata")
        artifact = self.upstream._file(filename.removesuffix(".metadata"))
        if artifact is None or (wants_metadata and not (behaviour.with_metadata and artifact.is_wheel)):
            return self._send(404, b"no such file\n", "text/plain")
        if behaviour.files_redirect and path.startswith("/files/"):
            return self._send(302, b"", "text/plain", extra={"Location": self.path.replace("/files/", "/moved/", 1)})
        body = artifact.metadata if wants_metadata else artifact.data
        return self._send(200, body, "application/octet-stream", fault, changed)

    def _send(self, status, body, content_type, fault=None, changed=None, extra=None) -> None:
        if fault and fault.kind == "lie":
            body = fault.data
        etag = '"' + hashlib.sha256(body).hexdigest()[:16] + '"'
        if status == 200 and self.upstream.behaviour.with_etags and self.headers.get("If-None-Match") == etag:
            status, body = 304, b""
        total, start = len(body), 0
        if status == 200 and self.headers.get("Range") and not fault:
            status, start, body = _ranged(self.headers["Range"], body)
        self.upstream._note(self.command, self.path, status)
        self.send_response(status)
        if status != 304:
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
        if status in (200, 206):
            self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{total}")
        if status in (200, 206, 304) and self.upstream.behaviour.with_etags:
            self.send_header("ETag", etag)
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(body, fault, changed)

    def _send_body(self, body: bytes, fault: Fault | None, changed: threading.Event | None) -> None:
        if fault is None or fault.kind == "lie":
            self.wfile.write(body)
            return
        self.wfile.write(body[: fault.at_byte])
        self.wfile.flush()
        if fault.kind == "stall":
            changed.wait(STALL_SECONDS)
            self.wfile.write(body[fault.at_byte :])
        else:
            time.sleep(0.05)
            self.close_connection = True


def _ranged(header: str, body: bytes) -> tuple[int, int, bytes]:
    """A single byte range (RFC 9110, 14.1.2); anything else gets the whole body."""
    first, _, last = header.removeprefix("bytes=").partition("-")
    if not header.startswith("bytes=") or "," in header:
        return 200, 0, body
    if not first:
        start, end = max(0, len(body) - int(last)), len(body)
    else:
        start, end = int(first), min(len(body), int(last) + 1) if last else len(body)
    return 206, start, body[start:end]
