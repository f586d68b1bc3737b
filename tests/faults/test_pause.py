"""A node stands still for more than three polls, anywhere or at a named step, while clients work with another; then it goes on.

What it held in its memory is old by then, and it does not know that it has slept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import DEBUG_BINARY, Estate, Estates
from rig.answers import ask, not_now
from rig.client import Client, page
from rig.fleet import Fleet, on_backend
from rig.ledger import Fact
from rig.schedules import dice, schedules
from rig.steps import actions, client_steps, pair
from support.node import Node

WHERE = ("anywhere", "page-gathered", *client_steps())
"""The paused builder of a page is what this is about most: it comes twice."""
BACKENDS = ("postgres", "s3")
PAUSE_SECONDS = 6.5
"""Three polls of the journal, and then some."""
THINKING_SECONDS = (0.1, 0.6)
ARRIVALS = 3
REACH_SECONDS = 20
AGAIN_SECONDS = 15


@schedules(usual=8)
def test_pause(seed: int, estates: Estates, tmp_path_factory: pytest.TempPathFactory, tell: Callable[[dict], None]) -> None:
    """The other node goes on meanwhile; and whatever the sleeper is asked afterwards, it does not show the past as the present."""
    where, backend = pair(seed, WHERE, BACKENDS)
    make = lambda: on_backend(backend, tmp_path_factory.mktemp(backend), "--upstream", "none", binary=DEBUG_BINARY)  # noqa: E731
    with estates.of(f"pause {backend}", make) as estate:
        sleeper, other = estate.fleet.nodes
        ledger, (here, there) = estate.clients("pause", seed, 2)
        here.fleet, there.fleet = Fleet([sleeper]), Fleet([other])
        if where != "anywhere":
            sleeper.stop()
            sleeper.start(CHEESESHOP_FAULT=f"{where}:stop:{dice('pause', seed, 2).randint(1, ARRIVALS)}")
        for _ in range(2):
            there.step(("upload",))
        if where != "page-gathered":
            _look_from_both(estate, there)
        with ThreadPoolExecutor(1) as pool:
            over = threading.Event()
            working = pool.submit(_work_until, over, here, where, there)
            try:
                _wait_for_sleep(sleeper, where)
                _work_for(PAUSE_SECONDS, there)
            finally:
                over.set()
                sleeper.resume()
            _must_not_show_the_past(sleeper, estate.house.dev, there)
            working.result()
        if where != "anywhere":
            sleeper.stop()
            sleeper.start()
        estate.check(ledger, [here, there])
        tell({**ledger.counts, f"on {backend}": 1})


def _look_from_both(estate: Estate, client: Client) -> None:
    """So that the sleeper has the pages in its memory."""
    for fact in client.ledger.of(client.house.dev):
        for node in estate.fleet.nodes:
            ask(lambda node=node, fact=fact: page(node.url, fact.index, fact.artifact.project))


def _work_until(over: threading.Event, client: Client, where: str, other: Client) -> None:
    """Works with the node that is to fall asleep. For its page builder: changes through the other node, and asks it for the page."""
    while not over.is_set():
        if where == "page-gathered":
            client.step(("upload",))
            for fact in other.ledger.of(other.house.dev):
                ask(lambda fact=fact: page(client.fleet.nodes[0].url, fact.index, fact.artifact.project))
        else:
            client.step(() if where == "anywhere" else actions(where))
        over.wait(0.02)


def _wait_for_sleep(sleeper: Node, where: str) -> None:
    if where == "anywhere":
        time.sleep(0.2)
        sleeper.pause()
    deadline = time.monotonic() + REACH_SECONDS
    while not sleeper.is_paused:
        assert time.monotonic() < deadline, f"{where} was not reached"
        time.sleep(0.01)


def _work_for(seconds: float, client: Client) -> None:
    """At least one upload and one removal, if there is anything to remove: the pages that the sleeper knows change."""
    until = time.monotonic() + seconds
    client.step(("upload",))
    client.step(("remove", "replace"))
    while time.monotonic() < until:
        client.step()
        time.sleep(client.dice.uniform(*THINKING_SECONDS))


def _must_not_show_the_past(sleeper: Node, index: str, client: Client) -> None:
    """The first answer that it gives about each project shows what was acknowledged while it slept, or says that it may be old."""
    seen: dict[str, Fact] = {fact.artifact.project: fact for fact in client.ledger.of(index)}
    for project, fact in seen.items():
        facts = [known for known in client.ledger.of(index, project) if known.settled]
        deadline = time.monotonic() + AGAIN_SECONDS
        while not_now(answer := ask(lambda project=project: page(sleeper.url, index, project))):
            assert time.monotonic() < deadline, f"{sleeper.url} gives no page of {project} {AGAIN_SECONDS} s after it went on"
            time.sleep(0.1)
        client.judge_page(fact, facts, answer)
