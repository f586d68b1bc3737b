#!/usr/bin/env python3
"""A million files: benches/scale.py BINARY [PROJECTS…]

Fills one server for each of PROJECTS (0 10000 100000), 10 files a project, over 50 indexes four levels deep, with 50 projects of 100 files
and 5 of 10,000 beside them; the server with 0 has no project at all. All run at once, and each question is put to one after the other, so
that a busy moment meets all of them. Prints how each cost grows, then memory, and what a list of 900,000 names costs that a mirror gets
from an upstream on 127.0.0.1.

How the projects come: `common/filling.py` copies the rows of one that was uploaded, all with the same blobs. Needs nothing but Python, 5 GB
of disk and about a quarter of an hour; everything happens on 127.0.0.1 and in a temporary folder that is removed at the end.
"""

from __future__ import annotations

import gzip
import itertools
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from common import keep, tools
from common.corpus import small
from common.filling import TEMPLATE, batches, names, opened, wait_for_entries
from common.load import Kept
from common.servers import JSON, PASSWORD, Cheeseshop, stopped
from common.tables import number, table
from common.upstream import Upstream
from runner.ports import free_port
from support import wire
from support.artifacts import sdist, wheel
from support.uploads import upload_fields

INDEXES, LEVELS = 50, 4
VERSIONS = ("1.0", "1.1", "1.2", "2.0", "2.1")
WIDE = {100: 50, 10_000: 5}
"""Files of a project, and how many such projects there are."""
STARTS, WRITES, MISSES = 5, 40, 200
PAGES_FOR_MEMORY = 20_000
NAMES = 900_000
AUTH = wire.basic("root", PASSWORD)


class Filled(Cheeseshop):
    """A server with so many projects."""

    def __init__(self, folder: Path, binary: Path, projects: int) -> None:
        super().__init__(folder, binary, "--upstream", "none", "--private-mirrors")
        self.core = None
        self.projects = projects
        self.indexes: list[str] = []
        self.names: dict[str, list[str]] = {}
        """By index, from where most is inherited."""

    def build(self) -> None:
        """Starts it, and goes on once all that a new database brings about is done."""
        self.start()
        self._make_indexes()
        if self.projects:
            self._upload_template()
            self.stop()
            self._copy()
            self.start()
            wait_for_entries(self.data, self.projects + sum(WIDE.values()))

    def _make_indexes(self) -> None:
        """Chains of four, each index with the one before it as base."""
        for place in range(INDEXES):
            bases = [self.indexes[-1]] if place % LEVELS else []
            path = f"root/team{place:02}"
            answer = wire.send_json("PUT", f"{self.url}/{path}", {"bases": bases, "volatile": True}, AUTH)
            assert answer.status == 200, answer.text
            self.indexes.append(path)

    def _upload_template(self) -> None:
        for version in VERSIONS:
            for artifact in (wheel(TEMPLATE, version, requires_python=">=3.8"), sdist(TEMPLATE, version, requires_python=">=3.8")):
                body, kind = wire.multipart(upload_fields(artifact))
                answer = wire.request("POST", f"{self.url}/{self.indexes[0]}/", headers={"Content-Type": kind, **AUTH}, body=body)
                assert answer.status == 200, answer.text

    def _copy(self) -> None:
        """All indexes get as many. The wide ones are in the lowest, so that a page looks for them in four."""
        every = list(names(self.projects))
        with closing(sqlite3.connect(self.data / "cheeseshop.db")) as database:
            ids = dict(database.execute("SELECT name, id FROM indexes"))
        with opened(self.data) as copier:
            for place, path in enumerate(self.indexes):
                self.names[path] = every[place::INDEXES]
                for batch in batches(self.names[path]):
                    copier.copy(batch, ids[path.partition("/")[2]])
            for files, count in WIDE.items():
                copier.copy([f"wide-{files}-{place}" for place in range(count)], ids["team00"], files)

    def restart(self) -> float:
        """Seconds from the start of the process to the answer to the first page."""
        self.stop()
        self.start()
        return self.start_seconds

    def miss(self, path: str) -> float:
        """Seconds for a page that was not asked for before."""
        kept = Kept(self.url)
        kept.ask("GET", "/+api", {})
        began = time.perf_counter()
        status, body = kept.ask("GET", path, {"Accept": JSON})
        took = time.perf_counter() - began
        assert status == 200, f"{path}: {status} {body[:300]!r}"
        return took

    def top(self, below: str = "") -> str:
        """The uppermost index of the first chain."""
        return f"/{self.indexes[LEVELS - 1]}/{below}"


Question = Callable[[Filled, int], float]
"""Seconds of one try, by its number; asked of each server in turn."""


def wide(files: int) -> Question:
    return lambda server, turn: server.miss(server.top(f"+simple/wide-{files}-{turn}/"))


def ordinary(server: Filled, turn: int) -> float:
    return server.miss(server.top(f"+simple/{server.names[server.indexes[turn % LEVELS]][turn]}/"))


def upload(server: Filled, turn: int) -> float:
    body, kind = wire.multipart(upload_fields(small(f"new-{turn}")))
    return timed(server, "POST", f"/{server.indexes[0]}/", {"Content-Type": kind}, body)


def push(server: Filled, turn: int) -> float:
    wanted = {"name": f"corpus-new-{turn}", "version": "1.0.0", "targetindex": server.indexes[1]}
    return timed(server, "PUSH", f"/{server.indexes[0]}", {"Content-Type": "application/json"}, json.dumps(wanted).encode())


def delete(server: Filled, turn: int) -> float:
    return timed(server, "DELETE", f"/{server.indexes[1]}/corpus-new-{turn}/1.0.0", {"Accept": "application/json"})


def timed(server: Filled, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> float:
    kept = Kept(server.url)
    kept.ask("GET", "/+api", {})
    began = time.perf_counter()
    status, text = kept.ask(method, path, {**headers, **AUTH}, body)
    took = time.perf_counter() - began
    assert status in (200, 201), f"{method} {path}: {status} {text[:300]!r}"
    return took


QUESTIONS: list[tuple[str, Question, int, bool]] = [
    ("start to the first answer", lambda server, _: server.restart(), STARTS, True),
    ("page of 10 files, not in memory", ordinary, MISSES, False),
    ("page of 100 files, not in memory", wide(100), WIDE[100], False),
    ("page of 10,000 files, not in memory", wide(10_000), WIDE[10_000], False),
    ("upload", upload, WRITES, True),
    ("push to another index", push, WRITES, True),
    ("delete of a release", delete, WRITES, True),
]
"""Label, question, how often, whether the empty server can be asked too."""


def ask_all(servers: list[Filled]) -> dict[str, dict[int, list[float]]]:
    """Seconds by label and by number of projects."""
    found: dict[str, dict[int, list[float]]] = {}
    for label, question, times, also_empty in QUESTIONS:
        tools.say(label)
        for turn, server in itertools.product(range(times), servers):
            if server.projects or also_empty:
                if turn < enough(server, question, times):
                    found.setdefault(label, {}).setdefault(server.projects, []).append(question(server, turn))
    return found


def enough(server: Filled, question: Question, times: int) -> int:
    """Small servers have fewer pages to ask for."""
    return min(times, server.projects // INDEXES) if question is ordinary else times


def times_table(found: dict[str, dict[int, list[float]]], sizes: list[int]) -> str:
    """Medians, and the last column as a multiple of the first."""
    rows = []
    for label, by in found.items():
        medians = [statistics.median(by[size]) * 1e3 if size in by else None for size in sizes]
        known = [median for median in medians if median is not None]
        cells = [f"{number(median)} ms" if median is not None else "–" for median in medians]
        rows.append([label, *cells, number(known[-1] / known[0]) if len(known) > 1 else "–"])
    return table(["median", *(f"{size:,} projects" for size in sizes), "last / first"], rows)


def memory_table(servers: list[Filled]) -> str:
    """Once many pages were asked for, each of another project."""
    rows = []
    for server in servers:
        idle = server.process.memory_mib()
        kept, asked = Kept(server.url), 0
        for path in itertools.islice(every_page(server), PAGES_FOR_MEMORY):
            status, _ = kept.ask("GET", path, {"Accept": JSON})
            assert status == 200, path
            asked += 1
        size = sum(path.stat().st_size for path in server.data.glob("cheeseshop.db*")) / 2**20
        rows.append([f"{server.projects:,}", f"{number(size)} MiB", f"{number(idle)} MiB", f"{asked:,}", f"{number(server.process.memory_mib())} MiB"])
    return table(["projects", "database", "memory before", "pages asked for", "memory after, page budget 64 MiB"], rows)


def every_page(server: Filled) -> Iterator[str]:
    return (f"/{path}/+simple/{name}/" for path, every in server.names.items() for name in every)


def list_table(server: Filled) -> str:
    """The list of a mirror: from upstream, and again in each packing."""
    upstream = Upstream(free_port(), delay_ms=0, names=NAMES)
    try:
        options = {"type": "mirror", "mirror_url": f"{upstream.url}/simple/"}
        answer = wire.send_json("PUT", f"{server.url}/root/far", options, AUTH)
        assert answer.status == 200, answer.text
        rows = []
        for label, encoding in (("from upstream", "gzip"), ("again", "gzip"), ("again", "identity")):
            before = server.process.memory_mib()
            server.process.forget_peak()
            kept = Kept(server.url)
            began = time.perf_counter()
            status, body = kept.ask("GET", "/root/far/+simple/", {"Accept": JSON, "Accept-Encoding": encoding})
            took = time.perf_counter() - began
            text = gzip.decompress(body) if encoding == "gzip" else body
            assert status == 200 and len(json.loads(text)["projects"]) == NAMES, f"{status} {body[:300]!r}"
            size, peak = len(body) / 2**20, server.process.peak_mib()
            rows.append([f"{label}, {encoding}", f"{number(took * 1e3)} ms", *(f"{number(mib)} MiB" for mib in (size, peak, before))])
        return table([f"list of {NAMES:,} names", "time", "body", "peak of memory", "memory before"], rows)
    finally:
        upstream.stop()


def main(binary: Path, sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        servers = [Filled(Path(name) / f"with-{size}", binary, size) for size in sizes]
        with stopped(servers):
            for server in servers:
                began = time.monotonic()
                server.build()
                tools.say(f"{server.projects:,} projects are there after {time.monotonic() - began:.0f} s")
            found = ask_all(servers)
            more = sum(files * count for files, count in WIDE.items())
            files = [size * 2 * len(VERSIONS) + more if size else 0 for size in sizes]
            print(f"{tools.machine()}; {', '.join(f'{count:,}' for count in files)} files\n\n{times_table(found, sizes)}\n", flush=True)
            print(memory_table(servers) + "\n", flush=True)
            servers[-1].restart()
            print(list_table(servers[-1]))
    keep("scale", found)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve(), [int(size) for size in sys.argv[2:]] or [0, 10_000, 100_000])
