#!/usr/bin/env python3
"""Server time of the web pages: benches/web.py BINARY [PROJECTS [ROUNDS]]

Fills a server on SQLite and a folder with PROJECTS (100000) projects in one index, and asks for each page ROUNDS (200) times as a browser
does, whenever possible each time for another project, another page of a list, another search. Prints for each page the median and the
95th percentile of the time from the request to the last byte on a kept connection, and the bytes of the page, compressed and not.

How the projects come: one of them is published through the server, three releases of two files with a description of 2 KB. Its rows are
then copied in the database file of the stopped server, under other names: whatever columns the tables have, they are those that the server
wrote. The blobs are not copied, since no page reads them. Needs nothing but Python; everything happens on 127.0.0.1 and in a temporary
folder that is removed at the end.
"""

from __future__ import annotations

import gzip
import http.client
import itertools
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from common.filling import TEMPLATE, fill, wait_for_entries
from support.artifacts import sdist_of, wheel_of
from support.node import Node
from support.uploads import must_upload

INDEX = "root/main"
VERSIONS = ("1.0", "1.1", "2.0")
WARMING = 5
RESTING_SECONDS = 5


def metadata(version: str) -> bytes:
    """Core metadata as projects have them."""
    paragraph = "A paragraph of a description, about as long as paragraphs of descriptions are, with *emphasis* and `code` in it. "
    fields = [
        ("Metadata-Version", "2.1"),
        ("Name", TEMPLATE),
        ("Version", version),
        ("Summary", f"What {TEMPLATE} is for, said in one line"),
        ("Author-email", "The Dairy <dairy@shop.example>"),
        ("License", "MIT"),
        ("Keywords", "jobs,queue,cheese"),
        ("Requires-Python", ">=3.10"),
        *(("Classifier", f"Programming Language :: Python :: 3.{minor}") for minor in range(10, 15)),
        *(("Requires-Dist", f"{name}>=1") for name in ("whey", "rind", "curd")),
        *(("Project-URL", f"{name}, http://code.example/{name}") for name in ("Homepage", "Source", "Changelog")),
        ("Description-Content-Type", "text/markdown"),
    ]
    text = f"# {TEMPLATE}\n\n" + (paragraph * 4 + "\n\n") * 4 + "```python\nimport this\n```\n"
    return ("\n".join(f"{name}: {value}" for name, value in fields) + f"\n\n{text}").encode()


@dataclass
class Page:
    """One kind of page: how it is called, and the paths of it that are asked for, in turn."""

    name: str
    paths: list[str]


class Browser:
    """One kept connection, with the headers of a browser."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self._headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "User-Agent": "Mozilla/5.0", "Accept-Encoding": "gzip"}

    def sign_in(self, user: str, password: str) -> None:
        """Keeps the cookie that the form gives."""
        body = urlencode({"user": user, "password": password})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        answer, _, _ = self._ask("POST", "/_/login", body, headers)
        cookie = answer.getheader("Set-Cookie")
        assert answer.status == 303 and cookie, f"signing in: {answer.status}"
        self._headers["Cookie"] = cookie.partition(";")[0]

    def seconds(self, path: str) -> tuple[float, bytes]:
        """Time to the last byte, and the body as it came."""
        answer, body, seconds = self._ask("GET", path)
        assert answer.status == 200, f"{path}: {answer.status}"
        return seconds, body

    def _ask(
        self, method: str, path: str, body: str | None = None, more: dict | None = None
    ) -> tuple[http.client.HTTPResponse, bytes, float]:
        begin = time.perf_counter()
        self._connection.request(method, path, body=body, headers=self._headers | (more or {}))
        answer = self._connection.getresponse()
        data = answer.read()
        return answer, data, time.perf_counter() - begin


def measure(browser: Browser, page: Page, rounds: int) -> str:
    """A row of the table."""
    paths = itertools.cycle(page.paths)
    for _ in range(WARMING):
        browser.seconds(next(paths))
    times, body = [], b""
    for _ in range(rounds):
        seconds, body = browser.seconds(next(paths))
        times.append(seconds * 1000)
    slow = statistics.quantiles(times, n=20)[-1]
    plain = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    return f"| {page.name} | {statistics.median(times):.1f} ms | {slow:.1f} ms | {len(plain) / 1024:.0f} KiB, {len(body) / 1024:.0f} compressed |"


def pages(every: list[str]) -> list[Page]:
    """The kinds of pages, each with enough paths that no two requests in a row are for the same."""
    dice = random.Random(5)
    some = dice.sample(every, 500)
    parts = [name.partition("-")[2] for name in some]
    typos = [name[:2] + name[3:] for name in some]
    return [
        Page("home", ["/"]),
        Page("index", [f"/{INDEX}"]),
        Page("index, a page of its list", [f"/{INDEX}?{urlencode({'after': name})}" for name in some]),
        Page("project", [f"/{INDEX}/{name}" for name in some]),
        Page("release", [f"/{INDEX}/{name}/{VERSIONS[0]}" for name in some]),
        Page("search, a whole name", [_search(name) for name in some]),
        Page("search, a word of many names", [_search(part) for part in parts]),
        Page("search, three letters", [_search(name[:3]) for name in some]),
        Page("search, a letter is missing", [_search(typo) for typo in typos]),
        Page("search, a word of every description", [_search("paragraph")]),
        Page("search, nothing found", [_search(f"zzq{number}xk") for number in range(100)]),
        Page("activity", ["/_/activity"]),
        Page("status", ["/_/status"]),
    ]


def _search(words: str) -> str:
    return f"/_/search?{urlencode({'q': words})}"


def main() -> None:
    binary = Path(sys.argv[1]).resolve()
    given = [int(argument) for argument in sys.argv[2:4]]
    count, rounds = given + [100_000, 200][len(given) :]
    with tempfile.TemporaryDirectory() as folder:
        node = Node(Path(folder) / "server", "--upstream", "none", binary=binary)
        try:
            for version in VERSIONS:
                made = metadata(version), TEMPLATE, version
                must_upload(node.index(INDEX), node.root, wheel_of(*made), sdist_of(*made))
            node.stop()
            begin = time.monotonic()
            every = fill(node.data_dir, count)
            print(f"{count} projects written in {time.monotonic() - begin:.0f} s", file=sys.stderr)
            node.start()
            wait_for_entries(node.data_dir, count)
            time.sleep(RESTING_SECONDS)
            browser = Browser(node.url)
            browser.sign_in(node.root.name, node.root.password)
            print("| page | median | 95 % | size |\n|---|---|---|---|")
            for page in pages(every):
                print(measure(browser, page, rounds), flush=True)
        finally:
            node.kill()


if __name__ == "__main__":
    main()
