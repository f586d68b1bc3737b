"""Many projects in a moment: the rows of one that a server wrote are copied in the database file of that server while it is stopped.

Whatever columns the tables have, they are those that the server wrote. Blobs are not copied: all copies have the same bytes.
"""

from __future__ import annotations

import itertools
import random
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

TEMPLATE = "template-of-all"
"""The name of the project that is copied."""
MODULE = TEMPLATE.replace("-", "_")
WORDS = """aged amber basic blue bold brisk calm clear cold crisp dark deep dry early fast fine firm fresh gold grand green grey hard hot
keen large late light little long loud mild new noble old open pale plain proud pure quick quiet rare raw red rich ripe round salty sharp
short slow small smart soft solid sour spicy square stark steep strong sweet swift tall tame thick thin tidy tiny vast warm white wide wild
young async cache client cloud code config core crypto data date db docs event file form graph grid hash http image index json key lang log
mail map math mesh mock net parser path pipe plot pool proxy query queue random route rule schema server shell signal socket sort sql state
stream string sync table task test text time token tool tree type url util vector view watch web worker xml yaml zone""".split()
BATCH = 2000
PATIENCE_SECONDS = 3600


def names(count: int) -> Iterator[str]:
    """Different names of two words and sometimes a number, always the same ones."""
    dice = random.Random(3)
    pairs = [f"{one}-{two}" for one in WORDS for two in WORDS if one != two]
    dice.shuffle(pairs)
    every = itertools.chain(pairs, (f"{pair}{number}" for number in itertools.count(2) for pair in pairs))
    return itertools.islice(every, count)


class Copier:
    """Writes copies of one project's rows. Columns that it does not know are copied as they are."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.row_factory = sqlite3.Row
        [self._project] = self._rows("SELECT * FROM projects WHERE name = ?", TEMPLATE)
        self._releases = self._rows("SELECT * FROM releases WHERE project_id = ?", self._project.id)
        self._files = self._rows("SELECT * FROM files WHERE project_id = ?", self._project.id)
        self._journal = self._rows("SELECT * FROM journal WHERE project = ?", TEMPLATE)
        self._ids = {table: self._next_id(table) for table in ("projects", "releases", "files")}
        self._serial = self._next_id("journal", "serial")
        self._made: dict[str, list[dict]] = {}

    def copy(self, batch: Iterable[str], index: int | None = None, files: int | None = None) -> None:
        """The project once more under each of these names, in another index or in its own. With another number of files: each release
        gets as many more of the same wheel, which differ by build tag, as it takes."""
        self._made = {"projects": [], "releases": [], "files": [], "journal": []}
        for name in batch:
            self._add(name, index or self._project.values["index_id"], files or len(self._files))
        for table, rows in self._made.items():
            columns = ", ".join(rows[0])
            places = ", ".join(f":{column}" for column in rows[0])
            self._database.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)
        self._database.commit()

    def _add(self, name: str, index: int, files: int) -> None:
        project = self._id("projects")
        for row in self._journal:
            self._made["journal"].append(row.renamed(name) | {"serial": self._next_serial(), "index_id": index})
        self._made["projects"].append(self._project.renamed(name) | {"id": project, "index_id": index, "serial": self._serial - 1})
        releases = {}
        for row in self._releases:
            releases[row.id] = self._id("releases")
            self._made["releases"].append(row.renamed(name) | {"id": releases[row.id], "project_id": project})
        wheels = [row for row in self._files if "-py3-" in row.values["filename"]]
        for number in range(files):
            row = self._files[number] if number < len(self._files) else wheels[number % len(wheels)]
            release = releases[row.values["release_id"]]
            place = {"id": self._id("files"), "project_id": project, "release_id": release, "added_serial": self._serial - 1}
            made = row.renamed(name) | place
            if number >= len(self._files):
                made["filename"] = made["filename"].replace("-py3-", f"-{number}-py3-")
            self._made["files"].append(made)

    def _rows(self, query: str, *values: object) -> list[Row]:
        return [Row(dict(row)) for row in self._database.execute(query, values)]

    def _next_id(self, table: str, column: str = "id") -> int:
        return self._database.execute(f"SELECT coalesce(max({column}), 0) + 1 FROM {table}").fetchone()[0]

    def _id(self, table: str) -> int:
        self._ids[table] += 1
        return self._ids[table] - 1

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial - 1


class Row:
    """A row of the project that is copied, and which of its columns have the project's name in them."""

    def __init__(self, values: dict) -> None:
        self.values = values
        self._named = [column for column, value in values.items() if isinstance(value, str) and (TEMPLATE in value or MODULE in value)]

    @property
    def id(self) -> int:
        return self.values["id"]

    def renamed(self, name: str) -> dict:
        module = name.replace("-", "_")
        return self.values | {column: self.values[column].replace(TEMPLATE, name).replace(MODULE, module) for column in self._named}


def fill(data_dir: Path, count: int) -> list[str]:
    """Makes of one project `count`; returns the names of the copies."""
    every = list(names(count - 1))
    with opened(data_dir) as copier:
        for batch in batches(every):
            copier.copy(batch)
    return every


@contextmanager
def opened(data_dir: Path) -> Iterator[Copier]:
    """A copier for the database of a stopped server."""
    with closing(sqlite3.connect(data_dir / "cheeseshop.db")) as database:
        database.execute("PRAGMA synchronous = OFF")
        yield Copier(database)
        # What makes the search's entries has run already, and is to look again.
        database.execute("UPDATE jobs SET run = 0 WHERE kind = 'search'")
        database.commit()


def wait_for_entries(data_dir: Path, count: int) -> None:
    """Until the search of the running server knows so many projects; it makes their entries in the background."""
    with closing(sqlite3.connect(f"file:{data_dir / 'cheeseshop.db'}?mode=ro", uri=True)) as database:
        for _ in range(PATIENCE_SECONDS):
            if database.execute("SELECT count(*) FROM search_entries").fetchone()[0] >= count:
                return
            time.sleep(1)
    raise SystemExit("the search's entries are not made")


def batches(every: list[str]) -> Iterator[list[str]]:
    """Names that are written in one transaction."""
    return (every[start : start + BATCH] for start in range(0, len(every), BATCH))
