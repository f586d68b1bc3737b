#!/usr/bin/env python3
"""What a disk allows: benches/syncs.py [FOLDER] [--seconds N]

A bare program that keeps small files as durably as an upload is kept here, with nothing around it: a file of 9 KiB and one of 150 bytes
are written and synced side by side, each gets its name in a new folder, the folders are synced, and a row is committed to SQLite in a group
with those who wait (WAL, synchronous=FULL). Beside it the one `fdatasync` of a file that pypiron makes. Printed: how many a second, one
after the other and several at once, in a folder of its own below FOLDER (the temporary folder).
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common.tables import number, table

AT_ONCE = (1, 8, 32)
FILES = (os.urandom(9 << 10), os.urandom(150))


class Rows:
    """One writer; whoever gets the turn commits for all who wait."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE files (name TEXT PRIMARY KEY, said BLOB)")
        self._turn, self._lock, self._waiting = threading.Lock(), threading.Lock(), []

    def add(self, name: str) -> None:
        done = threading.Event()
        with self._lock:
            self._waiting.append((name, done))
        with self._turn:
            if done.is_set():
                return
            with self._lock:
                group, self._waiting = self._waiting, []
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT INTO files VALUES (?, ?)", [(name, FILES[1]) for name, _ in group])
            self._db.execute("COMMIT")
            for _, event in group:
                event.set()


def sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def keep(folder: Path, name: str, data: bytes) -> None:
    """The bytes first, then the name, then the folders."""
    spooled, place = folder / f"spool-{name}", folder / name[-2:] / name
    spooled.write_bytes(data)
    place.mkdir(parents=True)
    sync(spooled)
    spooled.rename(place / "blob")
    for one in (place, place.parent, folder):
        sync(one)


def upload(folder: Path, pool: ThreadPoolExecutor, rows: Rows, name: str) -> None:
    for done in [pool.submit(keep, folder, f"{part}-{name}", data) for part, data in enumerate(FILES)]:
        done.result()
    rows.add(name)


def one_sync(folder: Path, name: str) -> None:
    with (folder / f"one-{name}").open("wb") as file:
        file.write(FILES[0])
        file.flush()
        os.fdatasync(file.fileno())


def a_second(work: Callable[[str], None], at_once: int, seconds: float) -> float:
    until, counts = time.monotonic() + seconds, [0] * at_once

    def again(thread: int) -> None:
        while time.monotonic() < until:
            work(f"{at_once}-{thread}-{counts[thread]}")
            counts[thread] += 1

    threads = [threading.Thread(target=again, args=(thread,)) for thread in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seconds", type=float, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name, ThreadPoolExecutor(2 * max(AT_ONCE)) as pool:
        folder = Path(name)
        rows = Rows(folder / "rows.db")
        works = {
            "files, folders and row": lambda name: upload(folder, pool, rows, name),
            "one file, its bytes only": lambda name: one_sync(folder, name),
        }
        found = [[label, *(number(a_second(work, count, given.seconds)) for count in AT_ONCE)] for label, work in works.items()]
    print(table(["synced, a second", *(f"{count} at once" for count in AT_ONCE)], found))


if __name__ == "__main__":
    main()
