"""A node is killed again and again at random moments, while clients do everything they can, gc runs in it, and while it starts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Estate, Estates
from rig.checks import check_promises
from rig.client import ON_DEMAND, WEIGHTS, Client
from rig.fleet import on_backend
from rig.schedules import dice, schedules
from support.node import Node

BACKENDS = ("sqlite", "sqlite", "postgres", "sqlite", "sqlite", "s3")
OPTIONS = (
    *("--upstream", "none", "--gc-every", "2s", "--gc-grace", "3s", "--keep-removed", "0"),
    *("--mirror-unused", "3s", "--mirror-cache", "1KiB"),
)
"""As in `test_gc.py`: everything goes that may, here by the node itself."""
CLIENTS = 2
ACTIONS = (*WEIGHTS, *ON_DEMAND)
KILLS = 10
STEPS = (0, 12)
"""How many steps all clients together have done when the kill comes, and how many seconds later it comes."""
LATER_SECONDS = (0.0, 0.1)
IN_THE_START = 0.2
"""How many of the kills come while the node starts again; and how many seconds after it began."""
START_SECONDS = (0.0, 0.3)


@schedules(usual=len(BACKENDS))
def test_anywhere(seed: int, estates: Estates, tmp_path_factory: pytest.TempPathFactory, tell: Callable[[dict], None]) -> None:
    """After each kill the promises are checked, at the end the data."""
    backend, chance = BACKENDS[seed % len(BACKENDS)], dice("anywhere", seed, CLIENTS)
    make = lambda: on_backend(backend, tmp_path_factory.mktemp(backend), *OPTIONS)  # noqa: E731
    with estates.of(f"anywhere {backend}", make) as estate:
        ledger, clients = estate.clients("anywhere", seed, CLIENTS)
        kills = 0
        while kills < KILLS:
            victim = estate.fleet.any(chance)
            estate.fleet.trouble()
            _kill_at_work(victim, clients, chance.randint(*STEPS), chance.uniform(*LATER_SECONDS))
            kills += 1
            while chance.random() < IN_THE_START:
                victim.launch()
                time.sleep(chance.uniform(*START_SECONDS))
                victim.kill()
                kills += 1
            victim.start()
            _check_promises(estate, clients)
        estate.check(ledger, clients)
        tell({**ledger.counts, "kills": kills, f"on {backend}": 1})


def _kill_at_work(victim: Node, clients: list[Client], steps: int, seconds: float) -> None:
    """Clients work with all nodes; what they are at when one dies is their last."""
    dead, done = threading.Event(), threading.Semaphore(0)
    with ThreadPoolExecutor(len(clients)) as pool:
        working = [pool.submit(_work, client, dead, done) for client in clients]
        try:
            for _ in range(steps):
                done.acquire()
            time.sleep(seconds)
            assert victim.ended() is None, f"the node ended by itself:\n{victim.log()}"
        finally:
            # First, so that nobody goes on asking a dead node.
            dead.set()
            victim.kill()
    for work in working:
        work.result()


def _work(client: Client, dead: threading.Event, done: threading.Semaphore) -> None:
    try:
        while not dead.is_set():
            client.step(ACTIONS)
            done.release()
    finally:
        # A client that has found something wrong keeps nobody waiting.
        done.release(STEPS[1])


def _check_promises(estate: Estate, clients: list[Client]) -> None:
    estate.fleet.recover()
    check_promises(estate.fleet, clients[0].ledger, clients)
