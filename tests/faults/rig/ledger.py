"""What clients were told about each file, and so what must, may and must not be there afterwards.

A request whose answer never came may have been carried out, or be carried out later. From then on either state is right, and no client
touches the file again, save to send the same upload once more: the answer to that settles it.
"""

from __future__ import annotations

import threading
import time
from copy import deepcopy
from dataclasses import dataclass, field

from support.artifacts import Artifact


@dataclass
class Fact:
    """One file of one index. `allowed`: the SHA-256 values that its page may show; None stands for no such file."""

    index: str
    artifact: Artifact
    allowed: set[str | None]
    since: float
    open_upload: bool = False
    open_removal: bool = False
    ever: set[str] = field(default_factory=set)

    @property
    def there(self) -> bool:
        """It was acknowledged, and nothing since could have removed it."""
        return None not in self.allowed

    @property
    def gone(self) -> bool:
        """It was never kept, or its removal was acknowledged."""
        return self.allowed == {None}

    @property
    def settled(self) -> bool:
        """No request about it is open, so that clients may go on with it."""
        return not (self.open_upload or self.open_removal)


class Ledger:
    """The facts of one schedule, written by several clients at once; each file belongs to one client."""

    def __init__(self) -> None:
        self.facts: dict[tuple[str, str], Fact] = {}
        self.counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def of(self, index: str, project: str | None = None) -> list[Fact]:
        """The facts about an index, or about one of its projects."""
        with self._lock:
            facts = list(self.facts.values())
        return [fact for fact in facts if fact.index == index and project in (None, fact.artifact.project)]

    def copy(self) -> Ledger:
        """What clients have been told by now, for a place that parts from this one."""
        other = Ledger()
        with self._lock:
            other.facts = deepcopy(self.facts)
        return other

    def count(self, what: str) -> None:
        """Counts for the closing line."""
        with self._lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def begin_upload(self, index: str, artifact: Artifact) -> Fact:
        """Before the request is sent: from now on the file may be there."""
        fact = self._fact(index, artifact)
        fact.allowed.add(artifact.sha256)
        fact.ever.add(artifact.sha256)
        fact.artifact, fact.open_upload = artifact, True
        return fact

    def end_upload(self, fact: Fact, done: bool | None) -> None:
        """The answer: done, refused for good (False), or nobody knows (None)."""
        self.count({True: "uploads acknowledged", False: "uploads refused", None: "uploads without an answer"}[done])
        if done:
            self._settle(fact, {fact.artifact.sha256})
        elif done is False:
            self._settle(fact, fact.allowed - {fact.artifact.sha256} or {None})

    def begin_removal(self, fact: Fact) -> None:
        fact.allowed.add(None)
        fact.open_removal = True

    def end_removal(self, fact: Fact, done: bool | None) -> None:
        self.count({True: "removals acknowledged", False: "removals refused", None: "removals without an answer"}[done])
        if done:
            self._settle(fact, {None})
        elif done is False:
            self._settle(fact, fact.allowed - {None})

    def _fact(self, index: str, artifact: Artifact) -> Fact:
        with self._lock:
            return self.facts.setdefault((index, artifact.filename), Fact(index, artifact, {None}, time.monotonic()))

    def _settle(self, fact: Fact, allowed: set[str | None]) -> None:
        fact.allowed, fact.since = allowed, time.monotonic()
        fact.open_upload = fact.open_removal = False
