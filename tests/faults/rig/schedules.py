"""How many schedules a loop runs, and with which seeds. The same seed always plans the same faults and the same requests."""

from __future__ import annotations

import os
import random

import pytest

GIVEN = os.environ.get("CHEESESHOP_TEST_SEED")
"""The first seed. Given alone it means: only this one, again."""
COUNT = int(os.environ.get("CHEESESHOP_TEST_SCHEDULES") or 0)


def schedules(usual: int) -> pytest.MarkDecorator:
    """Runs a test once a seed: `usual` times, or as many times as CHEESESHOP_TEST_SCHEDULES says."""
    first = int(GIVEN or 0)
    count = COUNT or (1 if GIVEN else usual)
    return pytest.mark.parametrize("seed", range(first, first + count), ids="seed{}".format)


def dice(loop: str, seed: int, player: int = 0) -> random.Random:
    """The random numbers of one schedule; each thread of it has a `player` number of its own."""
    return random.Random(f"{loop}/{seed}/{player}")
