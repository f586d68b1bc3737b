#!/usr/bin/env python3
"""What a second node costs: benches/cluster.py BINARY [REQUESTS]

Starts PostgreSQL, one node and then two nodes on it, and prints two tables: the CPU time (user and system, from /proc) that the nodes spend
on a page request, with REQUESTS (40000) requests over kept connections, in turn a thousand to each node, because a process that sleeps
between two requests pays for waking up, whoever else works on its database; and how long an upload takes through nginx that sends each
request to the next node, with a look at whether what was published can be installed at once. Needs PostgreSQL's binaries and nginx.
Everything happens on 127.0.0.1 and in a temporary folder that is removed at the end.
"""

from __future__ import annotations

import os
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/clients")]

from runner import postgres  # noqa: E402
from support import wire  # noqa: E402
from support.artifacts import wheel  # noqa: E402
from support.cluster import Cluster  # noqa: E402
from support.node import Node  # noqa: E402
from support.places import Place, new_place  # noqa: E402
from support.uploads import must_upload  # noqa: E402

FILES = 200
"""On the page that is asked for."""
WARMING = 500
ROUNDS = 3
TURN = 1000
"""Requests to one node before the next one has its turn."""
PUBLISHED = 100
ACCEPT = wire.PIP_ACCEPT
TICKS = os.sysconf("SC_CLK_TCK")


class Kept:
    """One kept connection, read as cheaply as possible: the answers of one page are all alike."""

    def __init__(self, url: str, path: str, etag: str | None = None) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port))
        lines = [f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", f"Accept: {ACCEPT}", "Accept-Encoding: gzip"]
        lines += [f"If-None-Match: {etag}"] if etag else []
        self._request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self.head, self._length = self._first()

    def ask(self) -> None:
        self._socket.sendall(self._request)
        left = self._length
        while left:
            left -= len(self._socket.recv(min(left, 1 << 20)))

    def _first(self) -> tuple[bytes, int]:
        self._socket.sendall(self._request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._socket.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        while len(body) < length:
            body += self._socket.recv(65536)
        return head, len(head) + 4 + length


def cpu_seconds(nodes: list[Node]) -> float:
    """User and system time of the processes so far."""
    fields = [Path(f"/proc/{node.pid}/stat").read_text().rpartition(") ")[2].split() for node in nodes]
    return sum(int(field[11]) + int(field[12]) for field in fields) / TICKS


def microseconds_a_request(nodes: list[Node], path: str, requests: int, etag: str | None) -> float:
    """The best of some rounds, since whatever disturbs adds."""
    kept = [Kept(node.url, path, etag) for node in nodes]
    for connection in kept:
        for _ in range(WARMING):
            connection.ask()
    rounds = []
    for _ in range(ROUNDS):
        before = cpu_seconds(nodes)
        for number in range(requests):
            kept[number // TURN % len(kept)].ask()
        rounds.append((cpu_seconds(nodes) - before) / requests * 1e6)
    return min(rounds)


def cpu_table(folder: Path, place: Place, requests: int) -> None:
    """One node, then two on the same place, which then has the same page."""
    nodes = [Node(folder / "one", "--upstream", "none", place=place)]
    try:
        index = nodes[0].index("root/main")
        must_upload(index, nodes[0].root, *(wheel("lib", f"1.{number}") for number in range(FILES)))
        path = f"/{index.path}/+simple/lib/"
        etag = wire.request("GET", nodes[0].url + path, headers={"Accept": ACCEPT, "Accept-Encoding": "gzip"}).header("ETag")
        one = {name: microseconds_a_request(nodes, path, requests, tag) for name, tag in (("200", None), ("304", etag))}
        nodes.append(Node(folder / "two", "--upstream", "none", place=place))
        two = {name: microseconds_a_request(nodes, path, requests, tag) for name, tag in (("200", None), ("304", etag))}
    finally:
        for node in nodes:
            node.stop()
    print(f"CPU time a page request, page of {FILES} files, {requests} requests, best of {ROUNDS} rounds")
    print("| answer | one node | two nodes | ratio |\n|---|---|---|---|")
    for name in one:
        print(f"| {name} | {one[name]:.1f} µs | {two[name]:.1f} µs | {two[name] / one[name]:.2f} |")


def publish_table(folder: Path, place: Place) -> None:
    """Uploads through nginx, each followed by the page, the metadata and the file, which other nodes deliver."""
    print(f"\nPublish, then install, {PUBLISHED} times through nginx")
    print("| nodes | upload, median | 95 % | installed at once |\n|---|---|---|---|")
    for count in (1, 2):
        cluster = Cluster(folder / f"cluster{count}", "--upstream", "none", place=place, nodes=count)
        try:
            seconds, found = publish_and_install(cluster, f"app{count}")
        finally:
            cluster.stop()
        late = statistics.quantiles(seconds, n=20)[-1]
        print(f"| {count} | {statistics.median(seconds) * 1e3:.1f} ms | {late * 1e3:.1f} ms | {found} of {PUBLISHED} |")


def publish_and_install(cluster: Cluster, project: str) -> tuple[list[float], int]:
    """The seconds of each upload, and how many files could be had at once."""
    index, seconds, found = cluster.index("root/main"), [], 0
    for number in range(PUBLISHED):
        artifact = wheel(project, f"1.{number}")
        began = time.monotonic()
        must_upload(index, cluster.root, artifact)
        seconds.append(time.monotonic() - began)
        file = f"{index.upload_url}+f/{artifact.sha256[:3]}/{artifact.sha256[3:16]}/{artifact.filename}"
        listed = artifact.filename in index.filenames(project)
        found += listed and wire.get(f"{file}.metadata").status == 200 and wire.get(file).body == artifact.data
    return seconds, found


def main(binary: str, requests: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        database = postgres.start(folder / "target")
        os.environ |= {"TEST_PG_URL": database.url, "CHEESESHOP_TEST_PG_BIN": str(database.bin)}
        try:
            cpu_table(folder, replace(new_place("postgres"), blobs=str(folder / "blobs")), requests)
            publish_table(folder, replace(new_place("postgres"), blobs=str(folder / "more-blobs")))
        finally:
            database.stop()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if os.environ.get("CHEESESHOP_TEST_BINARY") != sys.argv[1]:
        # The support modules read their binary from the environment when they are imported.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "CHEESESHOP_TEST_BINARY": sys.argv[1]})
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 40_000)
