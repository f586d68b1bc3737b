"""Nodes on one place, each with a way of its own to the database and to the store, which can be disturbed."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from pathlib import Path

from support.node import Node
from support.places import Place, new_place
from support.server import BINARY

from .s3_proxy import S3Proxy
from .tcp_proxy import TcpProxy

RECOVERY_SECONDS = 40
"""How long after the end of all trouble a node may take to say that it is ready."""


class Fleet:
    """Some nodes, and since when something is wrong with one of them."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.troubled_since: float | None = None

    def any(self, dice: random.Random) -> Node:
        return dice.choice(self.nodes)

    def trouble(self) -> None:
        """Something begins to be wrong."""
        self.troubled_since = self.troubled_since or time.monotonic()

    def must_know(self, since: float, now: float, blind_seconds: float) -> bool:
        """Whether no node may be ignorant of what was acknowledged at `since`."""
        return self.troubled_since is None or since < self.troubled_since or now - since > blind_seconds

    def recover(self) -> None:
        """Waits until every node is ready again."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        for node in self.nodes:
            while not node.ready():
                assert time.monotonic() < deadline, f"{node.url} is not ready {RECOVERY_SECONDS} s after the last fault:\n{node.log()}"
                time.sleep(0.1)
        self.troubled_since = None

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()


@dataclass
class Ways:
    """The proxies of one node."""

    database: TcpProxy
    store: TcpProxy

    @property
    def all(self) -> list[TcpProxy]:
        return [self.database, self.store]

    def through(self, place: Place) -> Place:
        """The same place, reached through these proxies."""
        env = {**place.env, "AWS_ENDPOINT_URL": self.store.url(place.env["AWS_ENDPOINT_URL"])}
        return replace(place, database=self.database.url(place.database), env=env)


class ProxiedFleet(Fleet):
    """Nodes on PostgreSQL and S3 whose connections can be disturbed, each node's apart from the others'."""

    def __init__(self, folder: Path, count: int, *options: str, binary: Path = BINARY) -> None:
        self.place = new_place("s3")
        endpoint = self.place.env["AWS_ENDPOINT_URL"]
        self.ways = [Ways(TcpProxy(self.place.database), TcpProxy(endpoint)) for _ in range(count)]
        nodes = [
            Node(folder / f"node{number}", *options, place=ways.through(self.place), binary=binary, started=False)
            for number, ways in enumerate(self.ways)
        ]
        super().__init__(nodes)
        started(self)

    def heal(self) -> None:
        """Ends all disturbances; the nodes may need a moment to notice."""
        for ways in self.ways:
            for way in ways.all:
                way.heal()

    def stop(self) -> None:
        super().stop()
        self._close()

    def kill(self) -> None:
        super().kill()
        self._close()

    def _close(self) -> None:
        for ways in self.ways:
            for way in ways.all:
                way.close()


class StoreFleet(Fleet):
    """Nodes on PostgreSQL and S3, all of which reach the store through one proxy that reads HTTP."""

    def __init__(self, folder: Path, count: int, *options: str) -> None:
        place = new_place("s3")
        self.store = S3Proxy(place.env["AWS_ENDPOINT_URL"])
        through = replace(place, env={**place.env, "AWS_ENDPOINT_URL": self.store.url})
        super().__init__([Node(folder / f"node{number}", *options, place=through, started=False) for number in range(count)])
        started(self)

    def stop(self) -> None:
        super().stop()
        self.store.close()

    def kill(self) -> None:
        super().kill()
        self.store.close()


def on_backend(backend: str, folder: Path, *options: str, binary: Path = BINARY) -> Fleet:
    """Nodes on a new place: two where they can share it, else one."""
    place = new_place(backend)
    if backend == "postgres":
        place = replace(place, blobs=str(folder / "blobs"))
    nodes = [
        Node(folder / f"node{number}", *options, place=place, binary=binary, started=False) for number in range(2 if place.shared else 1)
    ]
    return started(Fleet(nodes))


def started(fleet: Fleet) -> Fleet:
    """Starts its nodes, all of them or none."""
    try:
        for node in fleet.nodes:
            node.start()
    except BaseException:
        fleet.kill()
        raise
    return fleet
