"""A proxy that stands between a client and the server and writes down every request: how often, with what, answered how.

Page links are relative, so a client that is given the recorder's address as its index sends everything through it.
"""

from __future__ import annotations

import http.client
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Exchange:
    """One request and the status of its answer. `path` is decoded, without the query."""

    method: str
    path: str
    status: int
    headers: dict[str, str]

    @property
    def is_page(self) -> bool:
        return "/+simple/" in self.path

    @property
    def is_file(self) -> bool:
        return "/+f/" in self.path and not self.path.endswith(".metadata")

    @property
    def is_metadata(self) -> bool:
        return self.path.endswith(".metadata")


class Recorder:
    """Forwards everything to `target` (`http://host:port`). Use as a context manager."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.exchanges: list[Exchange] = []

        class Handler(_Handler):
            recorder = self

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Recorder:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._http.shutdown()
        self._http.server_close()

    def through(self, url: str) -> str:
        """The same URL, by way of the recorder."""
        parts = urlsplit(url)
        credentials = parts.netloc.rpartition("@")[0]
        own = urlsplit(self.url).netloc
        return parts._replace(netloc=f"{credentials}@{own}" if credentials else own).geturl()

    def take(self) -> list[Exchange]:
        """Everything since the last call."""
        taken, self.exchanges = self.exchanges, []
        return taken


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    recorder: Recorder

    def log_message(self, *args) -> None:
        """Nothing on the terminal: the exchanges tell."""

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = self.recorder.target
        connection = http.client.HTTPConnection(target.hostname, target.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        connection.request(self.command, self.path, body=body or None, headers=headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        self.recorder.exchanges.append(
            Exchange(self.command, unquote(urlsplit(self.path).path), response.status, dict(self.headers.items()))
        )
        self._reply(response, content)

    do_GET = do_HEAD = do_POST = do_PUT = _forward

    def _reply(self, response: http.client.HTTPResponse, content: bytes) -> None:
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        if response.status not in (204, 304) and response.getheader("Content-Length") is None:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
