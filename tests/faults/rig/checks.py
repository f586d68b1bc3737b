"""What must hold when all trouble is over: the promises to clients, on every node, and the program's own verdict about its data."""

from __future__ import annotations

import time
from collections.abc import Iterable

from support import wire
from support.node import Node

from .client import Client, file_url, page, shown_on
from .fleet import Fleet
from .ledger import Fact, Ledger

AGREE_SECONDS = 15
"""How long requests whose clients have given up may still change something."""
DOCTOR_SECONDS = 120


def check_promises(fleet: Fleet, ledger: Ledger, clients: Iterable[Client]) -> None:
    """Every node shows what was acknowledged and delivers what it shows; all nodes show the same."""
    pages = sorted({(fact.index, fact.artifact.project) for fact in ledger.facts.values()})
    for index, project in pages:
        facts = ledger.of(index, project)
        shown = [_check_page(node, index, project, facts) for node in fleet.nodes]
        if any(other != shown[0] for other in shown):
            _wait_until_they_agree(fleet, index, project)
    for client in clients:
        for artifact in client.mirrored:
            for node in fleet.nodes:
                _must_deliver(node, client.house.dev, artifact.sha256, file_url(node.url, client.house.dev, artifact))


def check_data(node: Node) -> None:
    """`cheeseshop doctor --deep` finds nothing: every row's blob is there and has the right bytes."""
    run = node.command("doctor", "--deep", seconds=DOCTOR_SECONDS)
    assert run.returncode == 0, f"doctor --deep ended with status {run.returncode}:\n{run.stdout}\n{run.stderr}"


def _check_page(node: Node, index: str, project: str, facts: list[Fact]) -> dict[str, str]:
    """One node's page: nothing lost, nothing back from the dead, nothing that cannot be had."""
    answer = page(node.url, index, project)
    assert answer.status in (200, 404), f"{node.url}: the page of {project}: {answer.status} {answer.text}\n{node.log()}"
    shown = shown_on(answer) if answer.status == 200 else {}
    for fact in facts:
        name, seen = fact.artifact.filename, shown.get(fact.artifact.filename)
        assert seen in fact.allowed, f"{node.url}: {index} shows {name} as {seen}; told to clients: {fact.allowed}"
        if seen is None:
            _must_not_deliver(node, fact)
        else:
            _must_deliver(node, index, seen, f"{node.url}/{index}/+f/{seen[:3]}/{seen[3:16]}/{name}")
    unknown = set(shown) - {fact.artifact.filename for fact in facts}
    assert not unknown, f"{node.url}: {index} shows {unknown}, which nobody sent"
    return shown


def _must_deliver(node: Node, index: str, sha256: str, url: str) -> None:
    answer = wire.get(url)
    assert answer.status == 200, f"{url}: {answer.status} {answer.text}, though {index} shows it\n{node.log()}"
    assert wire.sha256(answer.body) == sha256, f"{url}: wrong bytes"
    metadata = wire.get(f"{url}.metadata")
    assert metadata.status == 200, f"{url}.metadata: {metadata.status} {metadata.text}\n{node.log()}"


def _must_not_deliver(node: Node, fact: Fact) -> None:
    url = file_url(node.url, fact.index, fact.artifact)
    status = wire.get(url).status
    assert status in (404, 410), f"{url}: {status}, though no page shows it"


def _wait_until_they_agree(fleet: Fleet, index: str, project: str) -> None:
    """A request that outlived its client may have changed the page between two looks at it."""
    deadline = time.monotonic() + AGREE_SECONDS
    while True:
        answers = [page(node.url, index, project) for node in fleet.nodes]
        shown = [shown_on(answer) if answer.status == 200 else {} for answer in answers]
        if all(other == shown[0] for other in shown):
            return
        assert time.monotonic() < deadline, f"the nodes do not agree about {project} on {index}: {shown}"
        time.sleep(0.2)
