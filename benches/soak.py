#!/usr/bin/env python3
"""An hour of mixed load, and what grows in it: benches/soak.py BINARY [--minutes N] [--rate N] [--out FILE]

Starts the server on an empty folder on core 0, above an upstream on this machine that answers 20 ms late, and has eight people on core 1
(`common/person.py`) do all that can be done, in random order, --rate (200) things a second in all: pages in each form and packing, files and
pieces of them, uploads, replacements, removals, pushes, yanks, projects and files that the mirror has never seen, searches, web pages,
sessions, passwords, tokens, wrong passwords, unknown projects, connections that break off. They check each answer: hashes, what pages show,
the status. What is published is removed later, and housekeeping runs every two minutes with graces of a minute or less, so that what the
server has to hold stays the same. Its page cache is small enough to be full soon.

Each minute is written to --out (target/bench/soak.jsonl) as a line of JSON: memory, handles, threads, disk and rows of the server, its
processor time, answers by status, p50 and p99 of each kind of request, and how busy the machine was. At the end: a table of the first ten
minutes after ten of warming up, ten in the middle and the last ten, with the slope of a straight line through all minutes but the first ten;
what the server holds a while after everybody has left; whether it ends by SIGTERM with status 0; what `doctor --deep` finds. Ends with
status 1 after any answer that must not be, if one of these fails, or if there is more memory or are more handles than there may be. Takes
--minutes (60) and two more.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import queue
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from common import RESULTS, keep, tools
from common.asking import BROKEN_OFF, Notes
from common.corpus import form
from common.person import DEV, OWNER, PASSWORD, PRIVATE, PROD, TEAM, House, Person
from common.process import LOAD_CORE
from common.servers import PASSWORD as ROOT_PASSWORD
from common.servers import Cheeseshop, stopped
from common.tables import number, table
from common.upstream import Upstream
from common.watch import look
from runner.ports import free_port
from support import wire
from support.artifacts import wheel

PEOPLE = 8
RESTING_SECONDS = 20
"""After the last request, before the server is looked at once more: longer than half a request may wait for its other half."""
TELLING_SECONDS = 1.0
WRONG_SHOWN = 20
WRONG_MAX = 1000
"""Answers that must not be, before the run is given up."""
EXPIRY_SECONDS = 120
"""After which the mirror asks upstream for a page again."""
PAGE_CACHE_MIB = 4
HOUSEKEEPING = {
    "--gc-every": "2m", "--gc-grace": "20s", "--keep-removed": "1m", "--keep-journal": "10m", "--mirror-unused": "5m",
    "--mirror-cache": "512MiB", "--page-cache": f"{PAGE_CACHE_MIB}MiB",
}  # fmt: skip
ANONYMOUS_MIB_MAX = PAGE_CACHE_MIB + 64
"""Memory beside the program's own pages, in the middle of the last minutes."""
HANDLES_LEFT_MAX = 16
"""More than before, once everybody has left: the database's connections come on demand, and stay."""


@dataclass
class Minute:
    """What was heard in it."""

    asked: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, notes: Notes) -> None:
        for kind, seconds, status in notes.asked:
            self.statuses[status] += 1
            if status != BROKEN_OFF:
                self.asked[kind].append(seconds)
        self.wrong += notes.wrong

    def kinds(self) -> dict[str, dict[str, float]]:
        """Milliseconds by kind."""
        return {kind: _percentiles(sorted(times)) for kind, times in sorted(self.asked.items())}


def _percentiles(times: list[float]) -> dict[str, float]:
    return {"count": len(times), "p50": times[len(times) // 2] * 1e3, "p99": times[len(times) * 99 // 100] * 1e3}


def live(place: int, house: House, pause: float, end: object, told: multiprocessing.Queue) -> None:
    """The process of one person: a thing every `pause` seconds, or as soon as the one before is done."""
    os.sched_setaffinity(0, {LOAD_CORE})
    person, due, tell = Person(place, house), time.monotonic() + pause * place / PEOPLE, 0.0
    while not end.is_set():
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due + pause, time.monotonic() - pause)
        try:
            person.step()
        except Exception as error:  # noqa: BLE001: whatever it is, it is what this run is to find
            person.notes.wrong.append(f"{type(error).__name__}: {error}")
        if time.monotonic() > tell:
            told.put(person.take_notes())
            tell = time.monotonic() + TELLING_SECONDS
    told.put(person.take_notes())


class Soak:
    """The run."""

    def __init__(self, server: Cheeseshop, house: House, out: Path) -> None:
        self._server, self._house, self._out = server, house, out
        self._told: multiprocessing.Queue = multiprocessing.Queue()
        self.minutes: list[dict] = []
        self.wrong: list[str] = []

    def run(self, minutes: int, rate: float) -> None:
        end = multiprocessing.Event()
        arguments = self._house, PEOPLE / rate, end, self._told
        people = [multiprocessing.Process(target=live, args=(place, *arguments), daemon=True) for place in range(PEOPLE)]
        for person in people:
            person.start()
        before = self.look()
        for place in range(minutes):
            before = self._minute(place, before)
            self.wrong += [f"person {number} is no more" for number, person in enumerate(people) if not person.is_alive()]
            if len(self.wrong) > WRONG_MAX:
                tools.say("too much is wrong: given up")
                break
        end.set()
        self._listen(Minute(), 5)
        for person in people:
            person.join(10)

    def look(self) -> dict[str, float]:
        return look(self._server.process, self._server.data, self._server.url)

    def _minute(self, place: int, before: dict[str, float]) -> dict[str, float]:
        minute, began = Minute(), time.monotonic()
        self._listen(minute, 60)
        now, passed = self.look(), time.monotonic() - began
        busy, asked = now["processor seconds"] - before["processor seconds"], sum(minute.statuses.values())
        record = {
            "minute": place + 1, **now, "busy": busy / passed, "requests a second": asked / passed,
            "processor ms a request": busy / max(asked, 1) * 1e3, "stolen": (now["stolen seconds"] - before["stolen seconds"]) / passed,
            "statuses": {str(status): count for status, count in sorted(minute.statuses.items())}, "kinds": minute.kinds(),
            "wrong": minute.wrong[:WRONG_SHOWN],
        }  # fmt: skip
        self.minutes.append(record)
        self.wrong += minute.wrong
        with self._out.open("a") as out:
            out.write(json.dumps(record) + "\n")
        tools.say(
            f"{place + 1}: {now['resident memory']:.1f} MiB, {now['file handles']} handles, {asked} requests, {busy / passed:.0%} of a core, "
            f"load {now['load']:.1f}, database {now['database']:.1f} MiB, folder {now['folder']:.0f} MiB, {len(minute.wrong)} wrong"
        )
        for line in minute.wrong[:WRONG_SHOWN]:
            tools.say(f"   {line}")
        return now

    def _listen(self, minute: Minute, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                minute.add(self._told.get(timeout=left))
            except queue.Empty:
                continue


def build_house(server: Cheeseshop) -> House:
    """User, indexes, token, and the two files that everybody downloads."""
    root = wire.basic("root", ROOT_PASSWORD)
    indexes = {
        DEV: {"bases": ["root/pypi"]}, TEAM: {"bases": [DEV]}, PROD: {"bases": []}, PRIVATE: {"bases": [], "acl_read": [OWNER]},
    }  # fmt: skip
    wishes = [(OWNER, {"password": PASSWORD}), *indexes.items()]
    for path, options in wishes:
        answer = wire.send_json("PUT", f"{server.url}/{path}", options, root)
        assert answer.status in (200, 201), answer.text
    server.cli("index", "set", "root/pypi", f"mirror_cache_expiry={EXPIRY_SECONDS}")
    token = server.cli("token", "add", OWNER, "--name", "soak", "--allow", "read").strip().splitlines()[-1]
    medium, large = (wheel(f"soak-{name}", "1.0", payload=os.urandom(size << 20)) for name, size in (("medium", 1), ("large", 64)))
    house = House(server.url, token, ROOT_PASSWORD, medium, large)
    for index, artifact in ((DEV, medium), (DEV, large), (PRIVATE, medium)):
        body, content_type = form(artifact)
        answer = wire.request("POST", f"{server.url}/{index}/", headers={"Content-Type": content_type, **house.auth}, body=body)
        assert answer.status == 200, answer.text
    return house


def report(minutes: list[dict]) -> str:
    """The three windows side by side. Of latencies the medians of the minutes' percentiles."""
    size = max(1, len(minutes) // 6)
    rest = minutes[size:] or minutes
    middle = (len(rest) - size) // 2
    windows = [rest[:size], rest[middle : middle + size], rest[-size:]]
    rows = [_row(name, unit, windows, rest) for name, unit in VALUES.items()]
    kinds = sorted({kind for minute in rest for kind in minute["kinds"]})
    rows += [_latency_row(kind, windows, rest) for kind in kinds]
    spans = [f"{window[0]['minute']}–{window[-1]['minute']}" for window in windows]
    return table(["", *(f"minutes {span}" for span in spans), "slope an hour"], rows)


VALUES = {
    "resident memory": "MiB", "of it anonymous": "MiB", "peak of memory": "MiB", "file handles": "", "threads": "", "database": "MiB",
    "its log": "MiB", "folder": "MiB", "rows of files": "", "rows of journal": "", "requests a second": "", "busy": "of a core",
    "processor ms a request": "ms", "load": "", "stolen": "of a core",
}  # fmt: skip


def _row(name: str, unit: str, windows: list[list[dict]], rest: list[dict]) -> list[str]:
    cells = [f"{number(statistics.median(minute[name] for minute in window))} {unit}".strip() for window in windows]
    return [name, *cells, _signed(slope([(minute["minute"], minute[name]) for minute in rest]))]


def _latency_row(kind: str, windows: list[list[dict]], rest: list[dict]) -> list[str]:
    cells = []
    for window in windows:
        found = [minute["kinds"][kind] for minute in window if kind in minute["kinds"]]
        both = [number(statistics.median(one[name] for one in found)) if found else "–" for name in ("p50", "p99")]
        cells.append(f"{both[0]} / {both[1]} ms")
    points = [(minute["minute"], minute["kinds"][kind]["p50"]) for minute in rest if kind in minute["kinds"]]
    return [kind, *cells, f"{_signed(slope(points))} ms"]


def slope(points: list[tuple[float, float]]) -> float:
    """Of the straight line that lies closest, for sixty minutes."""
    if len(points) < 2:
        return 0.0
    return statistics.linear_regression(*zip(*points, strict=True)).slope * 60


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{number(abs(value))}"


def grown(minutes: list[dict], rested: list[dict[str, float]]) -> list[str]:
    """What there is too much of."""
    memory = statistics.median(minute["of it anonymous"] for minute in minutes[-max(1, len(minutes) // 6) :])
    handles = rested[1]["file handles"] - rested[0]["file handles"]
    found = [f"{memory:.0f} MiB of memory instead of {ANONYMOUS_MIB_MAX} at most"] if memory > ANONYMOUS_MIB_MAX else []
    return [*found, f"{handles:.0f} file handles are left over"] if handles > HANDLES_LEFT_MAX else found


def closing(server: Cheeseshop) -> list[str]:
    """Whether it ends as it should and has left everything sound; what did not."""
    status = server.process.end()
    checked = server.command_line("doctor", "--deep")
    print(f"SIGTERM: status {status}\ndoctor --deep: status {checked.returncode}\n{checked.stdout.strip()}")
    log = (server.folder / "log").read_text(errors="replace").splitlines()
    print("end of the log, which has the start and warnings:", *log[-WRONG_SHOWN:], sep="\n")
    failed = [] if status == 0 else [f"it ended with status {status}"]
    return failed if checked.returncode == 0 else [*failed, f"doctor --deep: {checked.stdout}{checked.stderr}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--out", type=Path, default=RESULTS / "soak.jsonl")
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as name:
        upstream = Upstream(free_port(), core=LOAD_CORE)
        options = [word for option in HOUSEKEEPING.items() for word in option]
        server = Cheeseshop(
            Path(name) / "cheeseshop", given.binary.resolve(), "--upstream", f"{upstream.url}/simple/", "--private-mirrors", *options
        )
        try:
            with stopped([server]):
                wrong, found = run(server, given.minutes, given.rate, given.out)
        finally:
            upstream.stop()
    keep("soak", found)
    for line in wrong[:WRONG_SHOWN]:
        print(f"wrong: {line}")
    sys.exit(f"{len(wrong)} things that must not be" if wrong else 0)


def run(server: Cheeseshop, minutes: int, rate: float, out: Path) -> tuple[list[str], dict]:
    """Everything that is printed, and what was wrong."""
    server.start()
    soak = Soak(server, build_house(server), out)
    rested = [soak.look()]
    soak.run(minutes, rate)
    time.sleep(RESTING_SECONDS)
    rested.append(soak.look())
    total = Counter()
    for minute in soak.minutes:
        total.update(minute["statuses"])
    print(f"{tools.machine()}\n\n{report(soak.minutes)}\n")
    print(f"{sum(total.values())} requests; answers by status, {BROKEN_OFF} where the client left: {dict(sorted(total.items()))}")
    for name in ("resident memory", "of it anonymous", "file handles", "threads", "cheeseshop_http_connections"):
        print(f"{name}, before anybody came and {RESTING_SECONDS} s after all had left: {rested[0][name]:.1f}, {rested[1][name]:.1f}")
    wrong = soak.wrong + grown(soak.minutes, rested) + closing(server)
    return wrong, {"minutes": soak.minutes, "rested": rested, "wrong": soak.wrong}


if __name__ == "__main__":
    main()
