"""Raw sockets for those who do not speak HTTP as it is meant, what the process needs meanwhile, and a bystander who must not notice."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.artifacts import Artifact
from support.node import Node

MIB = 1 << 20
LONG = 30
"""Seconds: longer than any answer here may take."""


class Raw:
    """One connection. Whatever the server does to it is an answer: bytes, an orderly end, or a reset."""

    def __init__(self, node: Node, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(LONG)
        self.socket.connect(("127.0.0.1", int(node.url.rpartition(":")[2])))

    def send(self, data: bytes) -> bool:
        """Whether all of it went."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def ends(self) -> None:
        """Nothing more is sent; answers can still be read."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def read(self) -> bytes:
        """Everything up to the end of the connection."""
        got = bytearray()
        try:
            while piece := self.socket.recv(65536):
                got += piece
        except ConnectionResetError:
            pass
        return bytes(got)

    def close(self) -> None:
        self.socket.close()


def exchange(node: Node, data: bytes) -> bytes:
    """Sends it, says that nothing more comes, and reads to the end."""
    raw = Raw(node)
    try:
        raw.send(data)
        raw.ends()
        return raw.read()
    finally:
        raw.close()


def statuses(answers: bytes, to_head: bool = False) -> list[int]:
    """The status of each answer, in order; `100 Continue` is none. Answers `to_head` have no body."""
    found, rest = [], answers
    while rest.startswith(b"HTTP/1."):
        head, _, rest = rest.partition(b"\r\n\r\n")
        status = int(head[9:12])
        if status != 100:
            found.append(status)
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        rest = rest if to_head else rest[length:]
    return found


class Bystander(threading.Thread):
    """An ordinary client beside them: a page and a file by turns on one connection, each checked and timed."""

    def __init__(self, node: Node, index: str, artifact: Artifact) -> None:
        super().__init__(daemon=True)
        self.node, self.index, self.artifact = node, index, artifact
        self.times: list[float] = []
        self.trouble: list[str] = []
        self._over = threading.Event()

    def run(self) -> None:
        digest = self.artifact.sha256
        file = f"/{self.index}/+f/{digest[:3]}/{digest[3:16]}/{self.artifact.filename}"
        while not self._over.is_set():
            for path, is_right in (
                (f"/{self.index}/+simple/{self.artifact.project}/", lambda body: self.artifact.filename.encode() in body),
                (file, lambda body: body == self.artifact.data),
            ):
                began = time.monotonic()
                try:
                    status, right = self._get(path, is_right)
                    if status != 200 or not right:
                        self.trouble.append(f"{path}: {status}")
                except (OSError, http.client.HTTPException) as error:
                    self.trouble.append(f"{path}: {error!r}")
                self.times.append(time.monotonic() - began)
            self._over.wait(0.02)

    def _get(self, path: str, is_right: Callable[[bytes], bool]) -> tuple[int, bool]:
        """On a new connection, as installers come."""
        connection = http.client.HTTPConnection("127.0.0.1", int(self.node.url.rpartition(":")[2]), timeout=LONG)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, is_right(answer.read())
        finally:
            connection.close()

    def stop(self) -> None:
        self._over.set()
        self.join()

    def percentile(self, share: float) -> int:
        """Milliseconds."""
        ordered = sorted(self.times)
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000) if ordered else 0


def memory(node: Node, field: str) -> int:
    """`VmRSS` or `VmHWM` of the process, in bytes."""
    status = Path(f"/proc/{node.pid}/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) << 10


def forget_peak(node: Node) -> None:
    """From now on `VmHWM` is the peak since now."""
    Path(f"/proc/{node.pid}/clear_refs").write_text("5")


class Attack:
    """What one kind of hostility came to."""

    def __init__(self) -> None:
        self.cases = 0
        self.outcome: dict[str, int] = {}

    def case(self, outcome: object) -> None:
        self.cases += 1
        self.outcome[str(outcome)] = self.outcome.get(str(outcome), 0) + 1


@contextmanager
def attacked(node: Node, index: str, artifact: Artifact, tell: Callable[[str], None], kind: str, grows: int = 64 * MIB) -> Iterator[Attack]:
    """While this lasts somebody is hostile and somebody else works. Afterwards: the process is the same and healthy, it never needed more
    than `grows` bytes beyond what it had, the bystander got everything; `tell` is given the line for the report."""
    pid, before = node.pid, memory(node, "VmRSS")
    forget_peak(node)
    attack, bystander = Attack(), Bystander(node, index, artifact)
    bystander.start()
    try:
        yield attack
    finally:
        bystander.stop()
    assert node.ended() is None and node.pid == pid, f"the server ended:\n{node.log()[-4000:]}"
    assert node.ready(), "the server is not ready afterwards"
    assert not bystander.trouble, f"others were harmed: {bystander.trouble[:5]} and {len(bystander.trouble)} in all"
    assert attack.cases > 0, "nothing was tried"
    peak = memory(node, "VmHWM") - before
    assert peak <= grows, f"{peak >> 20} MiB more than before"
    outcome = ", ".join(f"{count} x {what}" for what, count in sorted(attack.outcome.items(), key=lambda item: -item[1])[:6])
    tell(
        f"{kind}: {attack.cases} cases ({outcome}); memory at most +{max(peak, 0) >> 20} MiB; "
        f"a bystander's {len(bystander.times)} requests: p50 {bystander.percentile(0.5)} ms, p99 {bystander.percentile(0.99)} ms"
    )
