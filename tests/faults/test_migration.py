"""A node that makes or changes the tables is killed at any moment of it: on an empty place, and on what the version before left."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from conftest import Estate
from rig.checks import check_data, check_promises
from rig.client import Client
from rig.fleet import Fleet
from rig.schedules import dice, schedules
from support.node import Node
from support.places import Place, new_place, new_postgres_database

OLD_BINARY = Path(os.environ.get("CHEESESHOP_TEST_OLD_BINARY", ""))
MIGRATIONS = len(list((Path(__file__).resolve().parents[2] / "migrations/sqlite").glob("*.sql")))
KINDS = ("empty sqlite", "old sqlite", "empty postgres", "old postgres")
OPTIONS = ("--upstream", "none")
STEPS = 30
STEPS_AFTER = 5
KILLS_BEFORE = 12
KILLS_AFTER = 2
"""So many kills at most until the tables are as this version wants them, and so many afterwards, in what a start does then."""
START_SECONDS = 0.3
SOONER, LATER = 0.8, 1.05
"""Kills come sooner after one that was too late, and later after one that was not: about four of five are in time."""
_latest: dict[str, float] = {}
"""On each kind of place: the last moment for a kill, in seconds after the start; found out as said above."""


class Old:
    """What the version before has left on one backend: stopped, and never touched again but to be copied."""

    def __init__(self, folder: Path, backend: str) -> None:
        self._data, self._blobs = folder / "node/data", folder / "blobs"
        self.place = replace(new_place(backend), blobs=str(self._blobs))
        node = Node(folder / "node", *OPTIONS, place=self.place, binary=OLD_BINARY)
        self.estate = Estate(Fleet([node]))
        try:
            self.ledger, (self.client,) = self.estate.clients("migration", 0, 1)
            for _ in range(STEPS):
                self.client.step()
        except BaseException:
            self.estate.close(cleanly=False)
            raise
        node.stop()

    def copy(self, folder: Path) -> Node:
        """A node on a copy, not started."""
        shutil.copytree(self._blobs, folder / "blobs")
        database = new_postgres_database(like=self.place.database) if self.place.database else None
        if not database:
            shutil.copytree(self._data, folder / "data")
        place = Place(database, str(folder / "blobs"))
        return Node(folder, *OPTIONS, place=place, started=False)


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Old]]:
    """`old("sqlite")`: filled when it is first asked for."""
    made: dict[str, Old] = {}

    def get(backend: str) -> Old:
        if backend not in made:
            made[backend] = Old(tmp_path_factory.mktemp(f"old-{backend}"), backend)
        return made[backend]

    yield get
    for one in made.values():
        one.estate.close(cleanly=False)


@schedules(usual=2 * len(KINDS))
def test_migration(seed: int, old: Callable[[str], Old], tmp_path: Path, tell: Callable[[dict], None]) -> None:
    """The seed chooses in turn what is found and where. All that was there is there, and clients go on with it."""
    found, backend = (kind := KINDS[seed % len(KINDS)]).split()
    if found == "old" and not OLD_BINARY.is_file():
        pytest.skip("the version before is not built: `tests/run --full` builds it, or CHEESESHOP_TEST_OLD_BINARY names it")
    chance, before = dice("migration", seed), old(backend) if found == "old" else None
    node = before.copy(tmp_path) if before else Node(tmp_path, *OPTIONS, place=new_place(backend), started=False)
    try:
        seen = _kill_until_done(node, kind, chance)
        for _ in range(KILLS_AFTER):
            _kill_after(node, chance.uniform(0, START_SECONDS))
        node.start()
        _check(node, before, seed)
        node.stop()
    finally:
        node.kill()
    early = sum(done < MIGRATIONS for done in seen)
    tell({"kills": len(seen) + KILLS_AFTER, "kills before the last change": early, f"on {kind}": 1})


def _kill_until_done(node: Node, kind: str, chance: random.Random) -> list[int]:
    """How many changes of the tables were done after each kill; all of them only after the last."""
    seen = []
    while len(seen) < KILLS_BEFORE and MIGRATIONS not in seen:
        latest = _latest.get(kind, START_SECONDS)
        _kill_after(node, chance.uniform(0, latest))
        seen.append(_migrations_done(node))
        _latest[kind] = latest * (SOONER if seen[-1] == MIGRATIONS else LATER)
    return seen


def _kill_after(node: Node, seconds: float) -> None:
    node.launch()
    time.sleep(seconds)
    node.kill()


def _check(node: Node, before: Old | None, seed: int) -> None:
    """What clients of the version before were told holds, and clients work here from now on."""
    fleet = Fleet([node])
    estate = Estate(fleet) if before is None else None
    if before:
        ledger, told = before.ledger.copy(), before.client
        # Versions that no other schedule gives: they have one upstream.
        versions = told.versions + STEPS * (seed + 1)
        client = Client(told.name, dice("migration", seed, 1), fleet, told.house, ledger, versions, list(told.mirrored))
    else:
        ledger, (client,) = estate.clients("migration", seed, 1)
    try:
        fleet.recover()
        check_promises(fleet, ledger, [client])
        assert _migrations_done(node) == MIGRATIONS
        client.private()
        for _ in range(STEPS_AFTER):
            client.step()
        check_promises(fleet, ledger, [client])
        check_data(node)
    finally:
        if estate:
            estate.house.upstream.stop()


def _migrations_done(node: Node) -> int:
    """How many changes of the tables are committed. SQLite's files are copied first: to open them would tidy up after the kill."""
    question = "SELECT count(*) FROM _sqlx_migrations WHERE success"
    if node.place.database:
        parts = urlsplit(node.place.database)
        psql = os.path.join(os.environ["CHEESESHOP_TEST_PG_BIN"], "psql")
        asked = [psql, node.place.database, "--no-psqlrc", "--tuples-only", "--no-align", "--command", question]
        env = {"PGPASSWORD": parts.password or "", "PATH": "/usr/bin:/bin"}
        said = subprocess.run(asked, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert said.returncode == 0 or "does not exist" in said.stderr, said.stderr
        return int(said.stdout or 0)
    if not (node.data_dir / "cheeseshop.db").exists():
        return 0
    folder = node.data_dir.with_name("looked-at")
    shutil.copytree(node.data_dir, folder, ignore=shutil.ignore_patterns("blobs"))
    try:
        with contextlib.closing(sqlite3.connect(folder / "cheeseshop.db")) as copy:
            return copy.execute(question).fetchone()[0]
    except sqlite3.OperationalError as error:
        assert "no such table" in str(error), error
        return 0
    finally:
        shutil.rmtree(folder)
