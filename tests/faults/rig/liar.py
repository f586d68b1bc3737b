"""An upstream that says what it is told to say, byte for byte, be it HTTP or not. And one that must never be asked."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

PIECE = 1 << 16
JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True)
class Script:
    """What is sent: pieces of bytes, with a pause before each. The connection is closed behind them, if they end."""

    pieces: Callable[[], Iterator[bytes]]
    pause: float = 0


def says(data: bytes, pause: float = 0, piece: int = PIECE) -> Script:
    """Exactly these bytes."""
    return Script(lambda: (data[at : at + piece] for at in range(0, len(data), piece)), pause)


def reply(body: bytes, *lines: str, status: str = "200 OK", length: int | None = -1, kind: str = JSON) -> bytes:
    """An answer as a server sends it. `length`: what it announces, by default the truth; None: nothing."""
    announced = [] if length is None else [f"Content-Length: {len(body) if length == -1 else length}"]
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Type: {kind}", *announced, *lines])
    return f"{head}\r\nConnection: close\r\n\r\n".encode() + body


def endless(head: bytes, piece: bytes) -> Script:
    """A beginning, and then this again and again, until nobody takes it."""

    def pieces() -> Iterator[bytes]:
        yield head
        while True:
            yield piece

    return Script(pieces)


def page(*files: dict, name: str = "good") -> bytes:
    """A project's page of these files."""
    return json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": list(files)}).encode()


class Liar:
    """Listens on `host`; answers each path by its script, and what has none by 404. It counts what is asked."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.scripts: dict[str, Script] = {}
        self.asked: list[str] = []
        self._listener = socket.create_server((host, 0), backlog=1024)
        self.address = "{}:{}".format(*self._listener.getsockname())
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """What a mirror's `mirror_url` takes."""
        return f"http://{self.address}/simple/"

    def stop(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            head = b""
            try:
                while b"\r\n\r\n" not in head and (piece := connection.recv(PIECE)):
                    head += piece
                path = head.split(b" ")[1].decode() if head.count(b" ") > 1 else ""
                self.asked.append(path)
                script = self.scripts.get(path.partition("?")[0]) or says(reply(b"", status="404 Not Found"))
                for piece in script.pieces():
                    if script.pause:
                        threading.Event().wait(script.pause)
                    connection.sendall(piece)
            except OSError:
                """Who asked has had enough."""
