#!/usr/bin/env python3
"""Mirrors in front of an index 20 ms away: benches/mirror.py BINARY [NAME…]      NAME: devpi pypiron proxpi

Each mirror, Cheeseshop first, stands before an upstream on 127.0.0.1 (`common/upstream.py`) that answers 20 ms late and counts what it
is asked. Prints what a page and a file of 8 MiB cost that the mirror does not have yet, beside asking upstream directly, in turn; what 60
clients at once cost upstream; and what clients get while upstream hangs up, breaks off, or sends other bytes than it announced. A complete
answer of 200 with wrong bytes is a failure, whatever comes later. Others than Cheeseshop come from PyPI. Takes a minute for each.
"""

from __future__ import annotations

import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

from common import keep, tools
from common.servers import JSON, Cheeseshop, Devpi, Server
from common.tables import number, table
from common.upstream import Upstream, content, filename
from runner.ports import free_port

ACCEPT = f"{JSON}, text/html;q=0.1"
AGENT = "pip/26.3"
PAGES, FILES, CLIENTS = 30, 10, 60
CHUNK = 1 << 20
REST_SECONDS = 15
"""After a failure: mirrors may leave an upstream alone for a while, and are asked again after it."""


class ShopMirror(Cheeseshop):
    simple = "/root/pypi/+simple/"


class DevpiMirror(Devpi):
    """A mirror instead of an index for uploads."""

    simple = "/root/up/+simple/"

    def __init__(self, folder: Path, upstream: str) -> None:
        super().__init__(folder)
        self._upstream = upstream

    def prepare(self) -> None:
        init = [tools.environment("devpi") / "devpi-init", "--serverdir", self.data, "--root-passwd", "", "--no-root-pypi"]
        subprocess.run(init, check=True, capture_output=True)

    def command(self) -> list[object]:
        return [tools.environment("devpi") / "devpi-server", "--serverdir", self.data, "--port", self.port, "--threads", "100"]

    def set_up(self) -> None:
        self.put("/root/up", {"type": "mirror", "mirror_url": f"{self._upstream}/simple/", "volatile": False})


class PypironMirror(Server):
    name, label, ready = "pypiron", "pypiron", "/health"

    def __init__(self, folder: Path, upstream: str) -> None:
        super().__init__(folder)
        self._upstream = upstream

    def command(self) -> list[object]:
        where = ["--data-dir", self.data, "--bind-addr", f"127.0.0.1:{self.port}", "--spool-dir", self.folder]
        return [tools.environment("pypiron") / "pypiron", "serve", *where, "--proxy-upstream", self._upstream, "--allow-insecure-upstream"]


class ProxpiMirror(Server):
    name, label, simple, ready = "proxpi", "proxpi", "/index/", "/health"

    def __init__(self, folder: Path, upstream: str) -> None:
        super().__init__(folder)
        self._upstream = upstream

    def command(self) -> list[object]:
        gunicorn = tools.environment("proxpi") / "gunicorn"
        return [gunicorn, "-b", f"127.0.0.1:{self.port}", "--threads", "100", "-w", "1", "proxpi.server:app"]

    def environment(self) -> dict[str, str]:
        return {"PROXPI_INDEX_URL": f"{self._upstream}/simple/", "PROXPI_CACHE_DIR": str(self.data)}


OTHERS = {"devpi": DevpiMirror, "pypiron": PypironMirror, "proxpi": ProxpiMirror}


@dataclass
class Answer:
    """What one request on a connection of its own gave."""

    status: int
    """0: the connection broke, or the body ended too soon."""
    body: bytes
    first: float
    """Seconds to the first byte of the body."""
    seconds: float


def get(url: str) -> Answer:
    parts, began = urlsplit(url), time.perf_counter()
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        connection.request("GET", parts.path, headers={"Accept": ACCEPT, "User-Agent": AGENT})
        answer = connection.getresponse()
        pieces = [answer.read(1)]
        first = time.perf_counter() - began
        while piece := answer.read(CHUNK):
            pieces.append(piece)
        body = b"".join(pieces)
        whole = answer.headers.get("Content-Length") in (None, str(len(body)))
        return Answer(answer.status if whole else 0, body, first, time.perf_counter() - began)
    except (OSError, http.client.HTTPException):
        return Answer(0, b"", 0, time.perf_counter() - began)
    finally:
        connection.close()


class Trial:
    """One mirror. Every question takes projects that nobody asked for before."""

    def __init__(self, mirror: Server, upstream: Upstream) -> None:
        self._mirror, self._upstream = mirror, upstream
        self._fresh: Iterator[str] = (f"m{number:06}" for number in range(300))
        self._known: list[str] = []
        self.found: dict[str, str | float | None] = {}

    def run(self) -> dict[str, str | float | None]:
        self._get_page(next(self._fresh))
        self._pages()
        self._files()
        self._crowds()
        for mode, label in (("cut", "upstream breaks off a file"), ("lie", "upstream sends other bytes than announced")):
            self.found[label] = self._wrong_bytes(mode)
        self._down()
        return self.found

    def _pages(self) -> None:
        direct, cold, warm = [], [], []
        for project in self._take(PAGES):
            direct.append(get(f"{self._upstream.url}/simple/{project}/").seconds)
            cold.append(self._get_page(project).seconds)
            warm.append(self._get_page(project).seconds)
        self.found["page, cold, beside asking upstream"] = ratio(cold, direct)
        self.found["page, warm, ms"] = statistics.median(warm) * 1e3

    def _files(self) -> None:
        self._known = self._take(FILES)
        direct, cold, warm, failed = [], [], [], 0
        for project in self._known:
            link = self._link(project)
            for answers, url in ((direct, f"{self._upstream.url}/files/{filename(project)}"), (cold, link), (warm, link)):
                answer = get(url)
                if answer.status != 200 and answers is not direct:
                    failed += 1
                    continue
                assert answer.body == content(filename(project)), f"{url}: wrong bytes, status {answer.status}"
                answers.append(answer)
        self.found[f"downloads that failed, of {2 * FILES}"] = str(failed)
        for label, answers in (("cold", cold), ("warm", warm)):
            self.found[f"8 MiB file, {label}, beside asking upstream"] = ratio(seconds(answers), seconds(direct))
            self.found[f"its first byte, {label}"] = ratio([one.first for one in answers], [one.first for one in direct])

    def _crowds(self) -> None:
        project = next(self._fresh)
        self._upstream.mode("well")
        answers = at_once(lambda: self._get_page(project))
        asked, well = self._upstream.counts(f"/simple/{project}"), sum(answer.status == 200 for answer in answers)
        self.found[f"{CLIENTS} at once, page: upstream asked, answered"] = f"{asked}, {well}"
        link, body = self._link(project), content(filename(project))
        self._upstream.mode("well")
        answers = at_once(lambda: get(link))
        asked, well = self._upstream.counts("/files/"), sum(answer.status == 200 and answer.body == body for answer in answers)
        self.found[f"{CLIENTS} at once, file: upstream asked, answered"] = f"{asked}, {well}"

    def _wrong_bytes(self, mode: str) -> str:
        """What a client gets, and what it gets once upstream is well again."""
        project = next(self._fresh)
        link, right = self._link(project), content(filename(project))
        self._upstream.mode(mode)
        answer = get(link)
        self._upstream.mode("well")
        time.sleep(REST_SECONDS)
        again = get(link)
        then = "right" if (again.status, again.body) == (200, right) else f"still wrong ({again.status})"
        if answer.status == 200:
            first = "right" if answer.body == right else "**clean 200, wrong bytes**"
        else:
            first = str(answer.status) if answer.status else "breaks off"
        return f"{first}, then {then}"

    def _down(self) -> None:
        links = [self._link(project) for project in self._known[:1]]
        self._upstream.mode("down")
        kept = get(links[0])
        self.found["upstream down: a page that is known"] = str(self._get_page(self._known[0]).status)
        self.found["upstream down: a file that is kept"] = "right" if kept.body == content(filename(self._known[0])) else str(kept.status)
        self.found["upstream down: a page that is not known"] = str(self._get_page(next(self._fresh)).status or "breaks off")
        self._upstream.mode("well")

    def _take(self, count: int) -> list[str]:
        return [next(self._fresh) for _ in range(count)]

    def _get_page(self, project: str) -> Answer:
        return get(self._mirror.page(project))

    def _link(self, project: str) -> str:
        page = self._mirror.page(project)
        answer = self._get_page(project)
        assert answer.status == 200, f"{page}: {answer.status} {answer.body[:300]!r}"
        text = answer.body.decode()
        link = json.loads(text)["files"][0]["url"] if text.startswith("{") else re.search(r'href="([^"]+)', text)[1]
        return urldefrag(urljoin(page, link)).url


def at_once(work) -> list[Answer]:
    with ThreadPoolExecutor(CLIENTS) as pool:
        return [future.result() for future in [pool.submit(work) for _ in range(CLIENTS)]]


def ratio(some: list[float], others: list[float]) -> float | None:
    return statistics.median(some) / statistics.median(others) if some else None


def seconds(answers: list[Answer]) -> list[float]:
    return [answer.seconds for answer in answers]


def try_mirror(name: str, binary: Path, folder: Path) -> dict[str, str | float | None]:
    """A mirror, and an upstream of its own."""
    upstream = Upstream(free_port())
    if name == "cheeseshop":
        options = ("--upstream", f"{upstream.url}/simple/", "--private-mirrors")
        mirror: Server = ShopMirror(folder / name, binary, *options)
    else:
        mirror = OTHERS[name](folder / name, upstream.url)
    mirror.core = None
    try:
        mirror.start()
        return Trial(mirror, upstream).run()
    finally:
        mirror.stop()
        upstream.stop()


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    names, found = ["cheeseshop", *(sys.argv[2:] or OTHERS)], {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            tools.say(name)
            found[name] = try_mirror(name, Path(sys.argv[1]).resolve(), Path(folder))
    rows = [[label, *(cell(found[name].get(label)) for name in names)] for label in found["cheeseshop"]]
    print(f"{tools.machine()}\n\n{table(['', *names], rows)}")
    keep("mirror", found)


def cell(value: str | float | None) -> str:
    return value if isinstance(value, str) else number(value)


if __name__ == "__main__":
    main()
