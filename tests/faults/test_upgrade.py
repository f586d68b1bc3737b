"""A rolling upgrade: the version before and this one work side by side on one PostgreSQL, then the old one is replaced."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import Estate
from rig.checks import check_promises
from rig.fleet import Fleet
from rig.schedules import schedules
from support.node import Node
from support.places import Place, new_place

OLD_BINARY = Path(os.environ.get("CHEESESHOP_TEST_OLD_BINARY", ""))
STEPS = 15
POLL_SECONDS = 4.0
"""An old version may know nothing of waking the others: it looks into the journal every two seconds."""
OPTIONS = ("--upstream", "none")

pytestmark = pytest.mark.skipif(
    not OLD_BINARY.is_file(), reason="the version before is not built: `tests/run --full` builds it, or CHEESESHOP_TEST_OLD_BINARY names it"
)


@schedules(usual=2)
def test_upgrade(seed: int, tmp_path: Path, tell: Callable[[dict], None]) -> None:
    """The old one goes on serving after the new one has changed the tables, each sees what the other does, and nothing is lost."""
    place = replace(new_place("postgres"), blobs=str(tmp_path / "blobs"))
    old = _node(tmp_path / "old", place, OLD_BINARY)
    fleet = Fleet([old])
    try:
        estate = Estate(fleet)
        ledger, clients = estate.clients("upgrade", seed, 1)
        client = clients[0]
        for _ in range(STEPS):
            client.step()
        fleet.nodes.append(_node(tmp_path / "new", place))
        fleet.trouble()
        for _ in range(STEPS):
            client.step()
        time.sleep(POLL_SECONDS)
        check_promises(fleet, ledger, clients)
        old.stop()
        fleet.nodes = [fleet.nodes[1], _node(tmp_path / "second", place)]
        for _ in range(STEPS):
            client.step()
        estate.check(ledger, clients)
        tell(ledger.counts)
        estate.close(cleanly=True)
    finally:
        for node in fleet.nodes:
            node.kill()
    shutil.rmtree(tmp_path / "blobs", ignore_errors=True)


def _node(folder: Path, place: Place, binary: Path | None = None) -> Node:
    return Node(folder, *OPTIONS, place=place, **({"binary": binary} if binary else {}))
