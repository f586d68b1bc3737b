"""A proxy before S3 that reads HTTP and fails chosen calls: by number, and in one of several ways."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from .tcp_proxy import RESET

UPSTREAM_SECONDS = 30
KINDS = ("500", "503", "cut-request", "cut-answer", "lost-answer")
"""500 and 503: answered by the proxy, the store never hears of it. cut-request: half the body arrives, then both sides break off.
cut-answer: half the answer arrives. lost-answer: the store has done it, and nobody is told."""
NOT_PASSED_ON = ("connection", "keep-alive", "transfer-encoding")


class S3Proxy:
    """Passes calls on to `endpoint`; the Host header stays as the client signed it."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self.target = (parts.hostname, parts.port)
        self.failed = 0
        self._calls = 0
        self._plan: dict[int, str] = {}
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def plan(self, faults: dict[int, str]) -> None:
        """Which of the calls from now on fail, and how; the first is number 1."""
        with self._lock:
            self._plan, self._calls = faults, 0

    def heal(self) -> int:
        """No more faults; returns how many calls there were since `plan`."""
        with self._lock:
            self._plan = {}
            return self._calls

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def next_fault(self) -> str | None:
        """Counts a call, and says how it is to fail."""
        with self._lock:
            self._calls += 1
            kind = self._plan.get(self._calls)
            self.failed += kind is not None
            return kind


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        """A side that breaks off is what this is about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: S3Proxy

    def log_message(self, *args) -> None:
        """Nothing on the terminal."""

    def _pass_on(self) -> None:
        kind = self.proxy.next_fault()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if kind in ("500", "503"):
            return self._answer_failure(int(kind))
        there = http.client.HTTPConnection(*self.proxy.target, timeout=UPSTREAM_SECONDS)
        try:
            self._send(there, body[: len(body) // 2] if kind == "cut-request" else body)
            if kind == "cut-request":
                return self._break_off()
            answer = there.getresponse()
            self._answer(answer, answer.read(), kind)
        finally:
            there.close()
        return None

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on

    def _send(self, there: http.client.HTTPConnection, body: bytes) -> None:
        there.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in NOT_PASSED_ON:
                there.putheader(name, value)
        there.endheaders()
        if body:
            there.send(body)

    def _answer(self, answer: http.client.HTTPResponse, body: bytes, kind: str | None) -> None:
        if kind == "lost-answer":
            return self._break_off()
        self.send_response_only(answer.status, answer.reason)
        bodiless = self.command == "HEAD" or answer.status in (204, 304)
        for name, value in answer.headers.items():
            if name.lower() not in NOT_PASSED_ON and (bodiless or name.lower() != "content-length"):
                self.send_header(name, value)
        if not bodiless:
            self.send_header("Content-Length", str(len(body)))
        if kind == "cut-answer" and len(body) < 2:
            return self._break_off()
        self.end_headers()
        if not bodiless:
            self.wfile.write(body[: len(body) // 2] if kind == "cut-answer" else body)
        return self._break_off() if kind == "cut-answer" else None

    def _answer_failure(self, status: int) -> None:
        body = b"<Error><Code>InternalError</Code><Message>told to fail</Message></Error>"
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _break_off(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.connection.close()
