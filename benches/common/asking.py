"""One client with one kept connection, who notes how long each answer took and what was wrong with it."""

from __future__ import annotations

import hashlib
import http.client
import random
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 120
NEW_CONNECTIONS = 0.2
"""Share of requests that open a connection."""
BROKEN_OFF = 0
"""The status of what got no answer because its client left."""


class Wrong(Exception):
    """An answer that must not be."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@dataclass
class Notes:
    """What happened since they were last taken: kind of work, seconds to the last byte, status; and what was wrong."""

    asked: list[tuple[str, float, int]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Asker:
    """The connection. All that its answers must be is said with the question."""

    def __init__(self, url: str, dice: random.Random) -> None:
        parts = urlsplit(url)
        self.host, self.port, self.dice = parts.hostname or "", parts.port or 80, dice
        self.notes = Notes()
        self._connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_SECONDS)

    def ask(
        self,
        kind: str,
        path: str,
        headers: dict[str, str] | None = None,
        *,
        method: str = "GET",
        body: bytes | None = None,
        expect: tuple[int, ...] = (200,),
        origin: str = "",
    ) -> Answer:
        """One request to its last byte. Never repeated: no connection rests long enough for the server to close it. `origin` is an
        address of this machine, for a connection of its own."""
        if origin:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_SECONDS, source_address=(origin, 0))
        else:
            connection = self._connection
            if self.dice.random() < NEW_CONNECTIONS:
                connection.close()
        began = time.perf_counter()
        try:
            connection.request(method, path, body, headers or {})
            got = connection.getresponse()
            answer = Answer(got.status, got.headers, got.read())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Wrong(f"{method} {path}: {error!r} after {time.perf_counter() - began:.1f} s") from error
        self.notes.asked.append((kind, time.perf_counter() - began, answer.status))
        if origin:
            connection.close()
        must(answer.status in expect, f"{method} {path}: {answer.status} instead of {expect}: {answer.body[:300]!r}")
        return answer

    def left(self, kind: str) -> None:
        """Notes a request whose client did not wait for the answer."""
        self.notes.asked.append((kind, 0.0, BROKEN_OFF))

    def take_notes(self) -> Notes:
        notes, self.notes = self.notes, Notes()
        return notes


def must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Wrong(otherwise)
