"""`cheeseshop gc` is killed at each of its steps, beside clients who upload what it is about to delete; then it runs to its end."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import DEBUG_BINARY, Estates
from rig.client import Client
from rig.fleet import on_backend
from rig.schedules import dice, schedules
from rig.steps import command_steps, pair
from support.node import Node

BACKENDS = ("sqlite", "postgres", "s3")
STEPS = command_steps("gc")
GRACE_SECONDS = 3
"""Longer than an upload takes here from its last byte to its rows, on a loaded machine too."""
RULES = (
    *("gc", "--gc-grace", f"{GRACE_SECONDS}s", "--keep-removed", "0", "--keep-journal", "4s"),
    *("--mirror-unused", f"{GRACE_SECONDS}s", "--mirror-cache", "1KiB"),
)
"""Everything goes that may: what was removed, what was mirrored, and a journal so short that a slow follower falls below its floor."""
CLIENTS = 2
GARBAGE = ("upload", "replace", "remove", "mirror")
BESIDE = ("upload", "replace", "remove", "restore", "restore", "push", "mirror", "page", "download")
THINKING_SECONDS = (0.1, 0.8)
ARRIVALS = 2
ROUNDS = 4
KILLED = -9


@schedules(usual=len(STEPS))
def test_gc(seed: int, estates: Estates, tmp_path_factory: pytest.TempPathFactory, tell: Callable[[dict], None]) -> None:
    """What is published stays, whatever is deleted around it and wherever that is interrupted."""
    step, backend = pair(seed, STEPS, BACKENDS)
    make = lambda: on_backend(backend, tmp_path_factory.mktemp(backend), "--upstream", "none", binary=DEBUG_BINARY)  # noqa: E731
    with estates.of(f"gc {backend}", make) as estate:
        node = estate.fleet.nodes[0]
        ledger, clients = estate.clients("gc", seed, CLIENTS)
        arrival, over = dice("gc", seed, CLIENTS).randint(1, ARRIVALS), threading.Event()
        _make_garbage(clients)
        with ThreadPoolExecutor(CLIENTS) as pool:
            working = [pool.submit(_work, client, over) for client in clients]
            try:
                reached = _run_until_killed(node, f"{step}:kill:{arrival}")
                for _ in range(2):
                    time.sleep(GRACE_SECONDS)
                    node.cli(*RULES)
            finally:
                over.set()
            for work in working:
                work.result()
        assert reached, f"{step} was not reached {arrival} times in {ROUNDS} runs"
        estate.check(ledger, clients)
        tell({**ledger.counts, f"on {backend}": 1})


def _make_garbage(clients: list[Client]) -> None:
    """Files that were there, so that there is something to mark, to delete and to prune."""
    for client in clients:
        for action in GARBAGE * 2:
            client.step((action,))


def _work(client: Client, over: threading.Event) -> None:
    while not over.wait(client.dice.uniform(*THINKING_SECONDS)):
        client.step(BESIDE)


def _run_until_killed(node: Node, fault: str) -> bool:
    """What is garbage now is marked by one run and deleted by a later one."""
    for _ in range(ROUNDS):
        time.sleep(GRACE_SECONDS)
        run: subprocess.CompletedProcess = node.command(*RULES, env={"CHEESESHOP_FAULT": fault})
        if run.returncode == KILLED:
            return True
        assert run.returncode == 0, f"gc ended with status {run.returncode}:\n{run.stdout}\n{run.stderr}"
    return False
