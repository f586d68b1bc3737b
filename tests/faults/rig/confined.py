"""A node that lacks something: room on the disk, leave to write there, file handles, memory. Taken away while it runs, and given back.

The disk is a file system in memory of its own, and leave to write is taken by a second mount over the first: both need root.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from support.node import Node
from support.places import new_place
from support.server import BINARY

from .fleet import Fleet, started

LACKS = ("room for data", "room for blobs", "leave to write blobs", "handles", "memory")
DISK = "96m"
CHUNK = 64 << 10
FREE_BYTES_MAX = 300_000
FREE_HANDLES = (2, 8)
"""Enough for a connection or two: a system that gives not even those is one that nobody reaches."""
FREE_MEMORY = (0, 8 << 20)


def why_not() -> str:
    """Why this machine cannot do it; empty if it can."""
    return "" if os.geteuid() == 0 else "mounting file systems needs root"


class ConfinedFleet(Fleet):
    """One node on SQLite. Its data folder, or its folder of blobs alone, is a small disk of its own."""

    def __init__(self, folder: Path, whole: bool) -> None:
        self.disk = folder / ("node/data" if whole else "blobs")
        self.disk.mkdir(parents=True)
        mount("-t", "tmpfs", "-o", f"size={DISK}", "none", self.disk)
        place = new_place("sqlite")
        if not whole:
            place = replace(place, blobs=str(self.disk))
        self.blobs = self.disk / "blobs" if whole else self.disk
        super().__init__([Node(folder / "node", "--upstream", "none", place=place, binary=BINARY, started=False)])
        started(self)

    @property
    def node(self) -> Node:
        return self.nodes[0]

    @contextmanager
    def without(self, lack: str, dice: random.Random) -> Iterator[None]:
        """While this lasts the node lacks something."""
        if lack.startswith("room"):
            with self._full(dice.choice((0, dice.randrange(FREE_BYTES_MAX)))):
                yield
        elif lack == "leave to write blobs":
            with self._read_only():
                yield
        elif lack == "handles":
            open_now = len(os.listdir(f"/proc/{self.node.pid}/fd"))
            with self._limited(resource.RLIMIT_NOFILE, open_now + dice.randint(*FREE_HANDLES)):
                yield
        else:
            # What it may write to; address space alone is reserved by the allocator long before it is used.
            status = Path(f"/proc/{self.node.pid}/status").read_text()
            kib = int(status.partition("VmData:")[2].split()[0])
            with self._limited(resource.RLIMIT_DATA, (kib << 10) + dice.randint(*FREE_MEMORY)):
                yield

    def revive(self) -> bool:
        """Starts the node anew if it has ended; whether it had."""
        if self.node.ended() is None:
            return False
        self.node.kill()
        self.node.start()
        return True

    @contextmanager
    def _full(self, free: int) -> Iterator[None]:
        ballast = self.disk / "ballast"
        try:
            with ballast.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"\0" * CHUNK)
                except OSError:
                    pass
                os.truncate(ballast, max(0, ballast.stat().st_size - free))
            yield
        finally:
            ballast.unlink()

    @contextmanager
    def _read_only(self) -> Iterator[None]:
        mount("--bind", self.blobs, self.blobs)
        try:
            mount("-o", "remount,ro,bind", self.blobs)
            yield
        finally:
            unmount(self.blobs)

    @contextmanager
    def _limited(self, what: int, limit: int) -> Iterator[None]:
        pid, before = self.node.pid, resource.prlimit(self.node.pid, what)
        resource.prlimit(pid, what, (limit, before[1]))
        try:
            yield
        finally:
            if self.node.ended() is None:
                resource.prlimit(pid, what, before)

    def stop(self) -> None:
        super().stop()
        unmount(self.disk)

    def kill(self) -> None:
        super().kill()
        unmount(self.disk)


def mount(*words: object) -> None:
    subprocess.run(["mount", *map(str, words)], check=True, timeout=30)


def unmount(path: Path) -> None:
    """At once for everybody who looks for it; what is open there stays so."""
    subprocess.run(["umount", "--lazy", str(path)], check=True, timeout=30)
