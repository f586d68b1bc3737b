"""S3 that fails the nth call, and some after it: refused, broken off half way, or done without an answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import Estates
from rig.client import Client
from rig.fleet import StoreFleet
from rig.s3_proxy import KINDS
from rig.schedules import dice, schedules

CLIENTS = 2
ROUNDS = 3
STEPS = 6
FIRST_CALLS = 12
RUNS = (1, 1, 2, 4, 30)
"""How many calls in a row fail: from one, which a second try mends, to more than anybody tries."""


@schedules(usual=12)
def test_store(seed: int, estates: Estates, tmp_path_factory: pytest.TempPathFactory, tell: Callable[[dict], None]) -> None:
    """An upload that was acknowledged is in the store, and no page lists what is not; half an answer is never taken for a whole one."""
    with estates.of("store", lambda: _fleet(tmp_path_factory.mktemp("store"))) as estate:
        store, chance = estate.fleet.store, dice("store", seed, CLIENTS)
        ledger, clients = estate.clients("store", seed, CLIENTS)
        failed_before = store.failed
        for _ in range(ROUNDS):
            store.plan(_plan(chance))
            with ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(_work, clients))
            store.heal()
        estate.check(ledger, clients)
        tell({**ledger.counts, "failed calls": store.failed - failed_before})


def _fleet(folder: Path) -> StoreFleet:
    return StoreFleet(folder, 2, "--upstream", "none")


def _plan(chance: random.Random) -> dict[int, str]:
    """Two runs of failures among the first calls."""
    plan = {}
    for _ in range(2):
        first, kind = chance.randint(1, FIRST_CALLS), chance.choice(KINDS)
        plan |= dict.fromkeys(range(first, first + chance.choice(RUNS)), kind)
    return plan


def _work(client: Client) -> None:
    for _ in range(STEPS):
        client.step()
