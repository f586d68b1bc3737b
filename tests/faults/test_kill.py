"""A node is killed at a named step of a change while clients work with it, and started again: what was acknowledged is there."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import DEBUG_BINARY, Estates
from rig.client import Client
from rig.fleet import Fleet, on_backend
from rig.schedules import dice, schedules
from rig.steps import actions, client_steps, pair
from support.node import Node

BACKENDS = ("sqlite", "postgres", "s3")
STEPS = client_steps()
CLIENTS = 2
ARRIVALS = 4
TRIES = 60
KILLED = -9
ENDING_SECONDS = 0.3


@schedules(usual=len(STEPS))
def test_kill(seed: int, estates: Estates, tmp_path_factory: pytest.TempPathFactory, tell: Callable[[dict], None]) -> None:
    """The seed chooses step and backend in turn, so that so many runs as there are pairs have seen every pair."""
    step, backend = pair(seed, STEPS, BACKENDS)
    make = lambda: on_backend(backend, tmp_path_factory.mktemp(backend), "--upstream", "none", binary=DEBUG_BINARY)  # noqa: E731
    with estates.of(f"kill {backend}", make) as estate:
        victim = estate.fleet.nodes[0]
        ledger, clients = estate.clients("kill", seed, CLIENTS, Fleet([victim]))
        for client in clients:
            client.step(("upload",))
        arrival = dice("kill", seed, CLIENTS).randint(1, ARRIVALS)
        victim.stop()
        victim.start(CHEESESHOP_FAULT=f"{step}:kill:{arrival}")
        estate.fleet.trouble()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda client: _work_until_it_dies(client, victim, step), clients))
        assert victim.ended(ENDING_SECONDS) == KILLED, f"{step} was not reached {arrival} times"
        victim.start()
        estate.check(ledger, clients)
        tell({**ledger.counts, f"on {backend}": 1})


def _work_until_it_dies(client: Client, victim: Node, step: str) -> None:
    """What leads to the step, and now and then something else beside it."""
    for _ in range(TRIES):
        client.step(actions(step) if client.dice.random() < 0.8 else ())
        if victim.ended() is not None:
            return
