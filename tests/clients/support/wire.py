"""Plain HTTP for tests: one request, one answer, nothing hidden (no redirects followed, no retries, no cookies)."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

TIMEOUT_SECONDS = 30
PIP_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
TRUSTED = ssl.create_default_context()
"""What requests to `https://` trust: the system's authorities, and those that tests add."""


@dataclass(frozen=True)
class Answer:
    """What came back: status, the reason phrase as sent, headers and the whole body."""

    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return self.headers.get(name)


def trust(ca: Path) -> None:
    """From now on this authority too."""
    TRUSTED.load_verify_locations(ca)


def sha256(data: bytes) -> str:
    """The digest in the form in which pages and addresses give it."""
    return hashlib.sha256(data).hexdigest()


def basic(user: str, password: str) -> dict[str, str]:
    """The `Authorization` header of HTTP Basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def request(method: str, url: str, *, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
    """Sends one request on a connection of its own."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS, context=TRUSTED)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target or "/", body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.reason, response.headers, response.read())
    finally:
        connection.close()


def get(url: str, **headers: str) -> Answer:
    """GET; keyword `accept_encoding="gzip"` becomes the header `Accept-Encoding`."""
    return request("GET", url, headers={name.replace("_", "-"): value for name, value in headers.items()})


def absolute(base: str, link: str) -> str:
    """A link of a page as a whole URL, without the digest in its fragment."""
    return urldefrag(urljoin(base, link)).url


def send_json(method: str, url: str, value: object, auth: dict[str, str]) -> Answer:
    """A request of the devpi JSON API."""
    headers = {"Content-Type": "application/json", "Accept": "application/json", **auth}
    return request(method, url, headers=headers, body=json.dumps(value).encode())


@dataclass(frozen=True)
class FilePart:
    """The `content` part of an upload form. `content_type=None` leaves the header away, as uv and flit do."""

    filename: str
    data: bytes
    content_type: str | None = "application/octet-stream"


def multipart(fields: list[tuple[str, str | FilePart]], *, newline: bytes = b"\r\n", space: bytes = b" ") -> tuple[bytes, str]:
    """A multipart/form-data body in exactly the given order, and its Content-Type.

    `newline=b"\\n"` and `space=b""` give the bodies that distutils sent.
    """
    boundary = b"--------------GHSKFJDLGDS7543FJKLFHRE75642756743254"
    out = bytearray()
    for name, value in fields:
        out += b"--" + boundary + newline + b'Content-Disposition: form-data; name="' + name.encode() + b'"'
        if isinstance(value, FilePart):
            out += b";" + space + b'filename="' + value.filename.encode() + b'"'
            if value.content_type:
                out += newline + b"Content-Type: " + value.content_type.encode()
            data = value.data
        else:
            data = value.encode()
        out += newline + newline + data + newline
    out += b"--" + boundary + b"--" + newline
    return bytes(out), f"multipart/form-data; boundary={boundary.decode()}"
