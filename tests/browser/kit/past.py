"""Gives the full shop a past. No door lets anybody choose when a file came or how often it was fetched, so this writes to the SQLite
database of a server that has stopped: dates are spread over two years, more of them lately, and downloads are counted.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

DAYS = 700
COUNTED_DAYS = 120
"""Days for which downloads are written."""
DAY_SECONDS = 86_400
MICRO = 1_000_000
SERIALS = (
    ("journal", "at", "serial"),
    ("files", "uploaded", "added_serial"),
    ("projects", "created", "(SELECT min(added_serial) FROM files WHERE files.project_id = projects.id)"),
    ("releases", "created", "(SELECT min(added_serial) FROM files WHERE files.release_id = releases.id)"),
    ("attachments", "uploaded", "(SELECT max(added_serial) FROM files WHERE files.release_id = attachments.release_id)"),
)
"""Table, its time, and the serial of the change that made the row."""


def give(data_dir: Path) -> None:
    """Moves every date; the order of things stays."""
    with closing(sqlite3.connect(data_dir / "cheeseshop.db")) as database, database:
        last = database.execute("SELECT max(serial) FROM journal").fetchone()[0]
        database.create_function("moment", 1, _moments(time.time(), last), deterministic=True)
        for table, column, serial in SERIALS:
            database.execute(f"UPDATE {table} SET {column} = moment({serial}) WHERE {serial} IS NOT NULL")
        database.execute("UPDATE users SET created = moment(1)")
        database.execute("UPDATE indexes SET created = moment(1)")
        _count_downloads(database, int(time.time() // DAY_SECONDS))


def _moments(now: float, last: int) -> Callable[[int], int]:
    """The time of each serial: 700 days ago for the first, a minute ago for the last, ever denser."""

    def moment(serial: int) -> int:
        left = 1 - serial / last
        return int((now - 60 - DAYS * DAY_SECONDS * left**2) * MICRO)

    return moment


def _count_downloads(database: sqlite3.Connection, today: int) -> None:
    """Newer files are fetched more, weekends are quiet, and the dice are always the same."""
    dice = random.Random(7)
    files = [row[0] for row in database.execute("SELECT id FROM files WHERE removed IS NULL ORDER BY id")]
    rows = []
    for age in range(COUNTED_DAYS):
        busy = (0.25 if (today - age) % 7 in (2, 3) else 1.0) * (1.6 - age / COUNTED_DAYS)
        rows += [(file, today - age, int(dice.expovariate(1 / 40) * busy) + 1) for file in files if dice.random() < 0.3]
    database.executemany("INSERT OR REPLACE INTO downloads (file_id, day, count) VALUES (?, ?, ?)", rows)
