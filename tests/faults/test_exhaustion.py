"""A node runs out of room, of leave to write, of file handles or of memory while clients work with it, and gets them back.

Meanwhile it says so (507, 503), and what it has it gives; afterwards nothing is lost, and nobody had to start it anew. Only a process that
gets no memory at all ends: then it is started anew, as its supervisor would do it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Estate, Estates
from rig.answers import ask
from rig.client import Client, file_url, page
from rig.confined import LACKS, ConfinedFleet, why_not
from rig.schedules import dice, schedules
from support import wire

CLIENTS = 2
BEFORE = ("upload", "upload", "mirror", "page")
STEPS = 12
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
            if lack not in ("handles", "memory"):
                _must_read_on(estate, clients)
        ended = fleet.revive()
        assert not ended or lack == "memory", f"without {lack} the node ended:\n{fleet.node.log()}"
        estate.check(ledger, clients)
        said = fleet.node.log_path.read_bytes()[logged:].decode(errors="replace")
        assert UNEXPECTED not in said, f"a 500 without {lack}:\n{said}"
        tell({**ledger.counts, f"without {lack}": 1, "ends for want of memory": int(ended)})


def _work(client: Client) -> None:
    for _ in range(STEPS):
        client.step()


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
