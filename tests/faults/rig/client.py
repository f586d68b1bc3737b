"""A client that does random things through random nodes, checks each answer, and writes down what it was told."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from support import wire
from support.artifacts import Artifact, wheel
from support.server import Index
from support.uploads import upload

from .answers import ask, is_stale, not_now
from .fleet import Fleet
from .house import House
from .ledger import Fact, Ledger

BLIND_SECONDS = 10.0
"""How long a node that is cut off may take what it has for current: 5 s of silence, one poll, and time for a loaded machine."""


LARGE_BYTES = 20 << 20
"""Three parts (`OBJECT_PART_BYTES` in src/limits.rs)."""


@dataclass
class Client:
    """Owns the projects whose names begin with `name`; nobody else changes them."""

    name: str
    dice: random.Random
    fleet: Fleet
    house: House
    ledger: Ledger
    versions: int = 0
    mirrored: list[Artifact] = field(default_factory=list)

    def step(self, only: tuple[str, ...] = ()) -> None:
        """Does one random thing, or one of the given ones."""
        weights = {name: WEIGHTS.get(name) or ON_DEMAND[name] for name in only or WEIGHTS}
        getattr(self, self.dice.choices(list(weights), list(weights.values()))[0])()

    def upload(self) -> None:
        """A new file."""
        self.versions += 1
        self._send(wheel(self._project(), f"1.{self.versions}"))

    def upload_large(self) -> None:
        """A file that goes to an object store in several parts."""
        self.versions += 1
        payload = self.dice.randbytes(LARGE_BYTES)
        self._send(wheel(self._project(), f"2.{self.versions}", payload=payload))

    def replace(self) -> None:
        """Other bytes under a name that is there."""
        fact = self._one(self.house.dev, lambda fact: fact.settled and fact.there)
        if fact:
            note = f"{self.dice.random()}"
            self._send(wheel(fact.artifact.project, fact.artifact.version, note=note))

    def retry(self) -> None:
        """The same upload again, as tools do that never saw an answer."""
        fact = self._one(self.house.dev, lambda fact: fact.open_upload and not fact.open_removal)
        if fact:
            self._send(fact.artifact)

    def restore(self) -> None:
        """The same bytes again that were removed or replaced: they may be about to be deleted for good."""
        fact = self._one(self.house.dev, lambda fact: fact.settled and fact.gone)
        if fact:
            self._send(fact.artifact)

    def remove(self) -> None:
        """Deletes a release, which has one file."""
        fact = self._one(self.house.dev, lambda fact: fact.settled and fact.there)
        if fact is None:
            return
        url = f"{self._node()}/{fact.index}/{fact.artifact.project}/{fact.artifact.version}"
        self.ledger.begin_removal(fact)
        answer = ask(lambda: wire.request("DELETE", url, headers=self.house.owner.auth))
        assert not_now(answer) or answer.status == 200, f"DELETE {url}: {answer.status} {answer.text}"
        self.ledger.end_removal(fact, None if not_now(answer) else True)

    def push(self) -> None:
        """Copies a release to `prod`."""
        fact = self._one(self.house.dev, lambda fact: fact.settled and fact.there)
        if fact is None or (self.house.prod, fact.artifact.filename) in self.ledger.facts:
            return
        body = {"name": fact.artifact.project, "version": fact.artifact.version, "targetindex": self.house.prod}
        headers = {"Content-Type": "application/json", **self.house.owner.auth}
        url = f"{self._node()}/{fact.index}"
        pushed = self.ledger.begin_upload(self.house.prod, fact.artifact)
        answer = ask(lambda: wire.request("PUSH", url, headers=headers, body=json.dumps(body).encode()))
        assert not_now(answer) or answer.status == 200, f"PUSH {url}: {answer.status} {answer.text}"
        self.ledger.end_upload(pushed, None if not_now(answer) else True)

    def page(self) -> None:
        """Looks at a project's page, as installers do."""
        fact = self._one(self.dice.choice((self.house.dev, self.house.prod)), lambda fact: True)
        if fact:
            node, began = self._node(), time.monotonic()
            expected = self._required(fact.index, fact.artifact.project, began)
            self.judge_page(fact, expected, ask(lambda: page(node, fact.index, fact.artifact.project)))

    def judge_page(self, fact: Fact, expected: list[Fact], answer: wire.Answer | None) -> None:
        """A page is right, or says that it may be old, or does not come. It never denies what is published."""
        if not_now(answer):
            return self.ledger.count("pages not now")
        project = fact.artifact.project
        if answer.status == 404:
            missing = [known.artifact.filename for known in expected if known.there and known.settled]
            assert not missing, f"404 for the page of {project}, which has {missing}"
            return None
        assert answer.status == 200, f"the page of {project}: {answer.status} {answer.text}"
        self.ledger.count("stale pages" if is_stale(answer) else "pages")
        shown = shown_on(answer)
        self._nothing_strange(fact.index, project, shown)
        if not is_stale(answer):
            for known in expected:
                wrong = known.settled and shown.get(known.artifact.filename) not in known.allowed
                assert not wrong, f"a page without a stale mark shows {known.artifact.filename} as it no longer is: {shown}"
        return None

    def download(self) -> None:
        """Fetches a file by the link that pages give."""
        fact = self._one(self.dice.choice((self.house.dev, self.house.prod)), lambda fact: fact.settled and fact.there)
        if fact is None:
            return
        must = fact in self._required(fact.index, fact.artifact.project, time.monotonic())
        self._fetch(fact.index, fact.artifact, must)

    def mirror(self) -> None:
        """Fetches a file from upstream through the mirror: a new one, or one that may be kept by now."""
        if not self.mirrored or self.dice.random() < 0.5:
            self._publish_upstream()
        self._fetch(self.house.dev, self.dice.choice(self.mirrored), must=True)

    def refresh(self) -> None:
        """Has the mirror ask upstream for a project that has just got another file, and looks at its page."""
        self._publish_upstream()
        node, project = self._node(), self._upstream_project
        url = f"{node}/{self.house.mirror}/+simple/{project}/refresh"
        answer = ask(lambda: wire.request("POST", url))
        assert not_now(answer) or answer.status == 302, f"POST {url}: {answer.status} {answer.text}"
        answer = ask(lambda: page(node, self.house.dev, project))
        if not_now(answer):
            return self.ledger.count("pages not now")
        assert answer.status == 200, f"the mirrored page of {project}: {answer.status} {answer.text}"
        shown, sent = shown_on(answer), {artifact.filename: artifact.sha256 for artifact in self.mirrored}
        right = shown.items() <= sent.items() if is_stale(answer) else shown == sent
        assert right, f"the mirrored page of {project} shows {shown}; upstream has {sent}"
        return self.ledger.count("refreshes")

    def private(self) -> None:
        """The owner's page and file of the private index: right or not now. A stranger never gets it."""
        node = self._node()
        auth = self.house.owner.auth if self.dice.random() < 0.7 else {}
        answer = ask(lambda: page(node, self.house.private, self.house.secret.project, auth))
        if not not_now(answer):
            assert answer.status == (200 if auth else 401), f"the private page: {answer.status} {answer.text}"

    def _publish_upstream(self) -> None:
        """Another file of this client's project there."""
        self.versions += 1
        new = wheel(self._upstream_project, f"1.{self.versions}", note=f"{self.dice.random()}")
        self.house.upstream.add(new)
        self.mirrored.append(new)

    @property
    def _upstream_project(self) -> str:
        return f"{self.name}-up"

    def _send(self, artifact: Artifact) -> None:
        index = Index(self.fleet.any(self.dice), self.house.dev)
        fact = self.ledger.begin_upload(index.path, artifact)
        answer = ask(lambda: upload(index, self.house.owner, artifact))
        assert not_now(answer) or answer.status == 200, f"upload of {artifact.filename}: {answer.status} {answer.text}"
        self.ledger.end_upload(fact, None if not_now(answer) else True)

    def _fetch(self, index: str, artifact: Artifact, must: bool) -> None:
        url = file_url(self._node(), index, artifact)
        answer = ask(lambda: wire.get(url))
        if not_now(answer):
            return self.ledger.count("downloads not now")
        if answer.status == 404 and not must:
            return None
        assert answer.status == 200, f"{url}: {answer.status} {answer.text}"
        assert answer.body == artifact.data, f"{url}: {len(answer.body)} other bytes than the {len(artifact.data)} published"
        return self.ledger.count("downloads")

    def _nothing_strange(self, index: str, project: str, shown: dict[str, str]) -> None:
        """However old a page is: it shows only what somebody sent."""
        sent = {fact.artifact.filename: fact.ever for fact in self.ledger.of(index, project)}
        for filename, sha256 in shown.items():
            assert sha256 in sent.get(filename, set()), f"{filename} with {sha256} was never sent"

    def _required(self, index: str, project: str, now: float) -> list[Fact]:
        """The facts that every node must know by now: settled before the present trouble began, or long ago."""
        return [fact for fact in self.ledger.of(index, project) if fact.settled and self.fleet.must_know(fact.since, now, BLIND_SECONDS)]

    def _one(self, index: str, fits: Callable[[Fact], bool]) -> Fact | None:
        mine = [fact for fact in self.ledger.of(index) if fact.artifact.project.startswith(f"{self.name}-") and fits(fact)]
        return self.dice.choice(mine) if mine else None

    def _project(self) -> str:
        return f"{self.name}-{self.dice.choice('ab')}"

    def _node(self) -> str:
        return self.fleet.any(self.dice).url


WEIGHTS = {"upload": 5, "replace": 1, "retry": 3, "restore": 1, "remove": 2, "push": 2, "page": 6, "download": 4, "mirror": 3, "private": 1}
"""What a client does by itself, and how often."""
ON_DEMAND = {"refresh": 4, "upload_large": 1}
"""What it does only where it is asked for."""


def page(node: str, index: str, project: str, auth: dict[str, str] | None = None) -> wire.Answer:
    """A project's page in the JSON form."""
    return wire.request("GET", f"{node}/{index}/+simple/{project}/", headers={"Accept": wire.SIMPLE_JSON, **(auth or {})})


def shown_on(answer: wire.Answer) -> dict[str, str]:
    """The file names of a page with their SHA-256 values."""
    return {entry["filename"]: entry["hashes"]["sha256"] for entry in answer.json()["files"]}


def file_url(node: str, index: str, artifact: Artifact) -> str:
    """Where pages say that a file is."""
    return f"{node}/{index}/+f/{artifact.sha256[:3]}/{artifact.sha256[3:16]}/{artifact.filename}"
