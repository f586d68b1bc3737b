"""A node runs out of room, of leave to write, of file handles or of memory while clients work with it, and gets them back.

Meanwhile it says so (507, 503), and what it has it gives; afterwards nothing is lost, and nobody had to start it anew. Only a process that
gets no memory at all ends: then it is started anew, as its supervisor would do it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Estate, Estates
from rig.answers import ask, not_now
from rig.client import Client, file_url, page
from rig.confined import LACKS, ConfinedFleet, why_not
from rig.schedules import dice, schedules
from support import wire

CLIENTS = 2
BEFORE = ("upload", "upload", "mirror", "page")
STEPS = 12
GUESSES = 6
REST_SECONDS = 15
"""An upstream is left alone for ten seconds after what it said could not be stored (`MIRROR_REST_AFTER_FAILURE` in src/limits.rs)."""
UNEXPECTED = "a request failed"
"""What the log says of a 500."""


@schedules(usual=2 * len(LACKS))
def test_exhaustion(seed: int, estates: Estates, tmp_path_factory: pytest.TempPathFactory, tell: Callable[[dict], None]) -> None:
    """The seed chooses in turn what is lacking."""
    if reason := why_not():
        pytest.skip(reason)
    lack = LACKS[seed % len(LACKS)]
    whole = lack == "room for data"
    make = lambda: ConfinedFleet(tmp_path_factory.mktemp("confined"), whole)  # noqa: E731
    with estates.of(f"exhaustion {whole}", make) as estate:
        fleet, chance = estate.fleet, dice("exhaustion", seed, CLIENTS)
        ledger, clients = estate.clients("exhaustion", seed, CLIENTS)
        for client in clients:
            for action in BEFORE:
                client.step((action,))
        logged = fleet.node.log_path.stat().st_size
        fleet.trouble()
        with fleet.without(lack, chance):
            with ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(_work, clients))
                if lack == "memory":
                    list(pool.map(lambda _: _guess(estate), range(GUESSES)))
            if lack not in ("handles", "memory"):
                _must_read_on(estate, clients)
        ended = fleet.revive()
        assert not ended or lack == "memory", f"without {lack} the node ended:\n{fleet.node.log()}"
        _wait_for_mirrors(estate, clients)
        estate.check(ledger, clients)
        said = fleet.node.log_path.read_bytes()[logged:].decode(errors="replace")
        assert UNEXPECTED not in said, f"a 500 without {lack}:\n{said}"
        tell({**ledger.counts, f"without {lack}": 1, "ends for want of memory": int(ended)})


def _work(client: Client) -> None:
    for _ in range(STEPS):
        client.step()


def _guess(estate: Estate) -> None:
    """A sign-in with a wrong password: to check one takes more memory than anything else does (19 MiB)."""
    body = {"user": "root", "password": "not this one"}
    answer = ask(lambda: wire.send_json("POST", f"{estate.fleet.node.url}/+login", body, {}))
    assert not_now(answer) or answer.status == 401, f"{answer.status} {answer.text}"


def _must_read_on(estate: Estate, clients: list[Client]) -> None:
    """Every page that has something, and every file that was published or mirrored, can be had."""
    url, ledger = estate.fleet.node.url, clients[0].ledger
    for fact in ledger.facts.values():
        if not (fact.settled and fact.there):
            continue
        listed = ask(lambda fact=fact: page(url, fact.index, fact.artifact.project))
        assert listed and listed.status == 200, f"no page of {fact.artifact.project}: {listed and (listed.status, listed.text)}"
        read = ask(lambda fact=fact: wire.get(file_url(url, fact.index, fact.artifact)))
        assert read and read.status == 200, f"no {fact.artifact.filename}: {read and (read.status, read.text)}"


def _wait_for_mirrors(estate: Estate, clients: list[Client]) -> None:
    """Until they ask upstream again."""
    url, deadline = estate.fleet.node.url, time.monotonic() + REST_SECONDS
    for client in clients:
        for artifact in client.mirrored:
            address = file_url(url, client.house.dev, artifact)
            while not_now(ask(lambda address=address: wire.get(address))):
                assert time.monotonic() < deadline, f"{address} does not come {REST_SECONDS} s after all is well:\n{estate.fleet.node.log()}"
                time.sleep(0.2)
