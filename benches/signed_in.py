#!/usr/bin/env python3
"""What signing in costs, and whether downloads stall: benches/signed_in.py BINARY [--rounds N] [--seconds N]

One server on core 0, load on core 1. The same wheels are in an index that everybody may read and in one that only root may; each kind of
work is done by nobody in the first, and in the second by root with a password and with a token, in turn, --rounds (5) times --seconds (2).
Prints the medians as ratios to nobody's. Then p50 and p99 of downloads of 1 MiB over 16 connections, beside nginx: a delayed
acknowledgement or a small write that waits shows as a p99 of 40 ms or more. Takes about three minutes.
"""

from __future__ import annotations

import argparse
import base64
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path

from common import keep, tools
from common.corpus import Corpus
from common.load import Figure, Kept, ask
from common.servers import JSON, PASSWORD, Cheeseshop, Nginx, Server, stopped
from common.tables import number, spread, table
from support import wire

PRIVATE = "root/private"
CONNECTIONS = 16
TARGETS: list[tuple[str, str, int]] = [
    ("JSON page, 500 files", "corpus-many/", CONNECTIONS),
    ("small JSON page", "corpus-p00007/", CONNECTIONS),
    ("page not changed (304)", "corpus-many/", CONNECTIONS),
    ("file of 1 MiB", "", 4),
]
"""Label, page below `+simple/` ('' is the file), connections."""


def fill(server: Cheeseshop, corpus: Corpus) -> None:
    """Both indexes get everything."""
    options = {"bases": [], "acl_read": ["root"]}
    answer = wire.send_json("PUT", f"{server.url}/{PRIVATE}", options, wire.basic("root", PASSWORD))
    assert answer.status == 200, answer.text
    kept = Kept(server.url)
    for artifact in [*corpus.singles, *corpus.many, corpus.medium]:
        form = server.form(artifact)
        for path in (server.upload_path, f"/{PRIVATE}/"):
            status, body = kept.ask("POST", path, form.headers, form.body)
            assert status == 200, body


def callers(server: Cheeseshop) -> dict[str, tuple[str, dict[str, str]]]:
    """Who asks which index, with which headers."""
    token = server.cli("token", "add", "root", "--name", "bench", "--allow", "read").strip().splitlines()[-1]
    secret = base64.b64encode(f"__token__:{token}".encode()).decode()
    return {
        "nobody": ("root/main", {}),
        "password": (PRIVATE, wire.basic("root", PASSWORD)),
        "token": (PRIVATE, {"Authorization": f"Basic {secret}"}),
        "token, Bearer": (PRIVATE, {"Authorization": f"Bearer {token}"}),
    }


def address(server: Server, index: str, target: tuple[str, str, int], auth: dict[str, str]) -> tuple[str, dict[str, str], int]:
    """Where, with which headers, and the status to expect."""
    label, page, _ = target
    simple, headers = f"{server.url}/{index}/+simple/", {"Accept": JSON, **auth}
    if not page:
        answer = wire.request("GET", f"{simple}corpus-medium/", headers=headers)
        return wire.absolute(f"{simple}corpus-medium/", answer.json()["files"][0]["url"]), auth, 200
    if "304" in label:
        etag = wire.request("GET", simple + page, headers=headers).header("ETag")
        return simple + page, {**headers, "If-None-Match": etag}, 304
    return simple + page, headers, 200


def sign_in_table(server: Cheeseshop, rounds: int, seconds: int) -> tuple[str, dict]:
    who = callers(server)
    found: dict[str, dict[str, list[Figure]]] = {}
    asked = {(target[0], name): address(server, index, target, auth) for target in TARGETS for name, (index, auth) in who.items()}
    for _ in range(rounds):
        for label, _, connections in TARGETS:
            tools.say(label)
            for name in who:
                url, headers, status = asked[label, name]
                figure = ask(server.process, url, headers, connections, seconds, status)
                found.setdefault(label, {}).setdefault(name, []).append(figure)
    rows = [[label, *_cells(by)] for label, by in found.items()]
    head = ["work", "nobody, a second", *(f"{name}, private index" for name in who if name != "nobody")]
    return table(head, rows), {label: {name: [asdict(one) for one in many] for name, many in by.items()} for label, by in found.items()}


def _cells(by: dict[str, list[Figure]]) -> list[str]:
    """Requests a second of nobody, then the ratios by requests and by processor time."""
    base = statistics.median(figure.per_second for figure in by["nobody"])
    cost = statistics.median(figure.cpu for figure in by["nobody"])
    cells = [f"{number(base)} {spread([figure.per_second for figure in by['nobody']])}"]
    for name, figures in by.items():
        if name != "nobody":
            mine = statistics.median(figure.cpu for figure in figures)
            rate = number(statistics.median(figure.per_second for figure in figures) / base)
            cells.append(f"{rate}; by processor time {number(cost / mine) if mine else '–'}")
    return cells


def stall_table(servers: list[Server], rounds: int, seconds: int) -> str:
    """The median of the rounds of both percentiles."""
    found: dict[str, list[Figure]] = {}
    for _ in range(rounds):
        for server in servers:
            figure = ask(server.process, server.file("corpus-medium"), {}, CONNECTIONS, seconds)
            found.setdefault(server.label, []).append(figure)
    rows = []
    for label, figures in found.items():
        p50, p99 = (statistics.median(getattr(figure, name) for figure in figures) * 1e3 for name in ("p50", "p99"))
        rows.append([label, f"{p50:.1f} ms", f"{p99:.1f} ms", f"{p99 / p50:.1f}"])
    return table([f"1 MiB, {CONNECTIONS} connections", "p50", "p99", "p99 / p50"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    given = parser.parse_args()
    corpus = Corpus()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        servers = [Cheeseshop(folder / "cheeseshop", given.binary.resolve()), Nginx(folder / "nginx")]
        with stopped(servers):
            for server in servers:
                server.start()
            fill(servers[0], corpus)
            servers[1].fill(corpus)
            text, figures = sign_in_table(servers[0], given.rounds, given.seconds)
            print(text, flush=True)
            print("\n" + stall_table(servers, given.rounds, given.seconds))
    keep("signed_in", figures)


if __name__ == "__main__":
    main()
