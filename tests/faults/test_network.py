"""Two nodes whose connections to PostgreSQL and S3 are cut, stalled, slowed, silenced and refused while clients work with both."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Estate, Estates
from rig.client import Client
from rig.fleet import ProxiedFleet
from rig.schedules import dice, schedules
from rig.tcp_proxy import KINDS, TcpProxy

CLIENTS = 2
STEPS_FIRST = 4
"""What each client does before anything goes wrong, so that there is something to lose."""
FAULTS = (2, 5)
CUT_SECONDS = (0.005, 0.1)
"""How long a connection lasts while connections are being cut."""
PAUSE_SECONDS = (0.0, 0.15)
"""How long a client thinks between two steps."""
LONG_SECONDS = (6.0, 9.0)
"""Longer than a node may be silent without saying so."""
SHORT_SECONDS = (0.05, 1.2)


@schedules(usual=12)
def test_network(seed: int, estates: Estates, tmp_path_factory: pytest.TempPathFactory, tell: Callable[[dict], None]) -> None:
    """Whatever the network does: nothing acknowledged is lost, nothing false is said, nothing hangs."""
    with estates.of("network", lambda: ProxiedFleet(tmp_path_factory.mktemp("network"), 2, "--upstream", "none")) as estate:
        ledger, clients = estate.clients("network", seed, CLIENTS)
        for client in clients:
            for _ in range(STEPS_FIRST):
                client.step()
        chance, over = dice("network", seed, CLIENTS), threading.Event()
        with ThreadPoolExecutor(CLIENTS) as pool:
            working = [pool.submit(_work, client, over) for client in clients]
            try:
                for _ in range(chance.randint(*FAULTS)):
                    _trouble(estate, chance)
                    ledger.count("faults")
            finally:
                over.set()
                estate.fleet.heal()
            for work in working:
                work.result()
        estate.check(ledger, clients)
        tell(ledger.counts)


def _work(client: Client, over: threading.Event) -> None:
    while not over.wait(client.dice.uniform(*PAUSE_SECONDS)):
        client.step()


def _trouble(estate: Estate, chance: random.Random) -> None:
    """One disturbance of some connections for some time, and a short rest."""
    ways = _some_ways(estate.fleet, chance)
    kind = chance.choice(KINDS)
    until = time.monotonic() + chance.uniform(*(LONG_SECONDS if chance.random() < 0.04 else SHORT_SECONDS))
    estate.fleet.trouble()
    for way in ways:
        way.disturb(kind, bytes_per_second=chance.choice((2_000, 20_000)))
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, chance.uniform(*CUT_SECONDS)))
        if kind == "cut":
            for way in ways:
                way.disturb(kind)
    estate.fleet.heal()
    time.sleep(chance.uniform(0, 0.3))


def _some_ways(fleet: ProxiedFleet, chance: random.Random) -> list[TcpProxy]:
    """One node or all of them; the database, the store, or both."""
    nodes = fleet.ways if chance.random() < 0.4 else [chance.choice(fleet.ways)]
    what = chance.choice(("database", "database", "store", "both"))
    return [way for ways in nodes for way in {"database": [ways.database], "store": [ways.store], "both": ways.all}[what]]
