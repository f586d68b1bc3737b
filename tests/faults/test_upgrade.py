"""A rolling upgrade: the version before and this one work side by side on one PostgreSQL, then the old one is replaced."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import Estate
from rig.checks import check_promises
from rig.client import BLIND_SECONDS, Client
from rig.fleet import Fleet
from rig.ledger import Ledger
from rig.schedules import schedules
from support.node import Node
from support.places import Place, new_place

OLD_BINARY = Path(os.environ.get("CHEESESHOP_TEST_OLD_BINARY", ""))
STEPS = 15
OPTIONS = ("--upstream", "none")

pytestmark = pytest.mark.skipif(
    not OLD_BINARY.is_file(), reason="the version before is not built: `tests/run --full` builds it, or CHEESESHOP_TEST_OLD_BINARY names it"
)


@schedules(usual=2)
def test_upgrade(seed: int, tmp_path: Path, tell: Callable[[dict], None]) -> None:
    """The old one goes on serving after the new one has changed the tables, each sees what the other does, and nothing is lost."""
    place = replace(new_place("postgres"), blobs=str(tmp_path / "blobs"))
    estate = Estate(Fleet([_node(tmp_path / "old", place, OLD_BINARY)]))
    try:
        ledger, (client,) = estate.clients("upgrade", seed, 1)
        _work(client)
        estate.fleet.nodes.append(_node(tmp_path / "new", place))
        estate.fleet.trouble()
        _work(client)
        _settle(estate.fleet, ledger, client)
        estate.fleet.nodes.pop(0).stop()
        estate.fleet.nodes.append(_node(tmp_path / "second", place))
        _work(client)
        estate.check(ledger, [client])
    except BaseException:
        estate.close(cleanly=False)
        raise
    estate.close(cleanly=True)
    tell(ledger.counts)


def _settle(fleet: Fleet, ledger: Ledger, client: Client) -> None:
    """An old version may know nothing of waking the others, nor say what it has seen: it is given as long as a node that was cut off."""
    deadline = time.monotonic() + BLIND_SECONDS
    while True:
        try:
            return check_promises(fleet, ledger, [client])
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(1)


def _work(client: Client) -> None:
    for _ in range(STEPS):
        client.step()


def _node(folder: Path, place: Place, binary: Path | None = None) -> Node:
    return Node(folder, *OPTIONS, place=place, **({"binary": binary} if binary else {}))
