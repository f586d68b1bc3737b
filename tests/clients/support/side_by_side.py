"""Two servers that are asked the same, and the comparison of what they answer.

"Theirs" is a real devpi-server, "ours" is Cheeseshop. An answer becomes a tree of plain values in which everything that must differ (ports,
times, random tokens) is replaced by a word; two trees become a list of lines, one a difference: `body.result.volatile: true -> false`.
What may differ stands in `devpi_differences.py` and nowhere else.
"""

from __future__ import annotations

import html.parser
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import zip_longest

from . import wire
from .devpi_differences import DIFFERENCES

HEADERS = ("Content-Type", "Location", "WWW-Authenticate")
MISSING = "(missing)"
LONGEST_VALUE = 300

PLACEHOLDERS = (
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"), "DATE"),
    (re.compile(r"toxresult-\d{14}-"), "toxresult-TIME-"),
)


@dataclass(frozen=True)
class Ask:
    """One request, the way devpi-client sends it. `who` is a user's name ("" is nobody); `body` is sent as JSON, `form` as it is."""

    method: str
    path: str
    who: str = ""
    body: object = None
    accept: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    form: tuple[bytes, str] | None = None
    note: str = ""

    def __str__(self) -> str:
        """Its name in test reports and in the table of differences."""
        told = [self.method, self.path, self.note, "" if self.body is None else json.dumps(self.body), f"as {self.who}" if self.who else ""]
        told += ["" if self.accept == "application/json" else f"accept {self.accept or 'nothing'}", *map(": ".join, self.headers.items())]
        return " ".join(filter(None, told))


@dataclass(frozen=True)
class Side:
    """One of the two servers. Everybody's password follows from the name, so that a caller is named in one word."""

    url: str
    root_password: str

    def password(self, who: str) -> str:
        return self.root_password if who == "root" else f"{who}-password"

    def ask(self, ask: Ask) -> wire.Answer:
        """Sends the request."""
        headers = {"Accept": ask.accept} if ask.accept else {}
        if ask.who:
            headers["X-Devpi-Auth"] = wire.basic(ask.who, self.password(ask.who))["Authorization"].removeprefix("Basic ")
        data = None
        if ask.form:
            data, headers["Content-Type"] = ask.form
        elif ask.body is not None:
            data, headers["Content-Type"] = json.dumps(ask.body).encode(), "application/json"
        return wire.request(ask.method, self.url + ask.path, headers=headers | ask.headers, body=data)

    def plain(self, text: str) -> str:
        """The text without what differs from server to server and from moment to moment."""
        text = text.replace(self.url, "http://SERVER").replace(self.root_password, "ROOT-PASSWORD")
        for pattern, word in PLACEHOLDERS:
            text = pattern.sub(word, text)
        return text

    def seen(self, answer: wire.Answer) -> dict:
        """What a client sees of an answer, as plain values that can be compared."""
        headers = {name: self.plain(value) for name in HEADERS if (value := answer.header(name)) is not None}
        headers["Content-Type"] = headers.get("Content-Type", MISSING).lower()
        return {"status": answer.status, "reason": self.plain(answer.reason), "headers": headers, "body": self._body(answer)}

    def _body(self, answer: wire.Answer) -> object:
        """JSON as values, a page as its links, a file as its digest. The prose of an HTML page without links is nobody's interface."""
        kind = (answer.header("Content-Type") or "").partition(";")[0]
        if kind.endswith("json"):
            return self._values(answer.json())
        if kind == "text/html":
            return [self._values(link) for link in links_of(answer.text)] if answer.status == 200 else None
        if kind == "text/plain":
            return None
        return sha256(answer.body).hexdigest()

    def _values(self, value: object) -> object:
        if isinstance(value, dict):
            return {self.plain(key): self._field(key, inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._values(inner) for inner in value]
        return self.plain(value) if isinstance(value, str) else value

    def _field(self, key: str, value: object) -> object:
        """Times in numbers, and the secrets of a login, are only looked at for their form."""
        if key == "when" and isinstance(value, list) and len(value) == 6 and all(isinstance(part, int) for part in value):
            return "TIME"
        if key in ("password", "token") and isinstance(value, str) and value.isascii():
            return "SECRET"
        return self._values(value)


class _Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict] = []
        self._inside = False

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.found.append({**{name: value or "" for name, value in attrs}, "text": ""})
            self._inside = True

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "a"

    def handle_data(self, data):
        if self._inside:
            self.found[-1]["text"] += data


def links_of(page: str) -> list[dict]:
    """The links of an HTML page in a fixed order: their attributes, and their text as `text`."""
    parser = _Links()
    parser.feed(page)
    return sorted(parser.found, key=lambda link: (link["text"], link.get("href", "")))


def differences(theirs: object, ours: object, path: str = "") -> Iterator[str]:
    """One line for each value that differs: `path: theirs -> ours`."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs | ours):
            yield from differences(theirs.get(key, MISSING), ours.get(key, MISSING), f"{path}.{key}" if path else key)
    elif isinstance(theirs, list) and isinstance(ours, list) and theirs and ours:
        for number, (one, other) in enumerate(zip_longest(theirs, ours, fillvalue=MISSING)):
            yield from differences(one, other, f"{path}[{number}]")
    elif type(theirs) is not type(ours) or theirs != ours:
        yield f"{path}: {_short(theirs)} -> {_short(ours)}"


def text_differences(theirs: list[str], ours: list[str]) -> list[str]:
    """One line for each line that only one of the two printed, and one if the same lines came in another order."""
    only_theirs, only_ours = list(theirs), list(ours)
    for line in theirs:
        if line in only_ours:
            only_ours.remove(line)
            only_theirs.remove(line)
    found = [f"theirs: {line}" for line in only_theirs] + [f"ours: {line}" for line in only_ours]
    return found or ([] if theirs == ours else ["order: " + " | ".join(theirs) + " -> " + " | ".join(ours)])


def judge(case: str, lines: list[str]) -> None:
    """Fails for a difference that nobody decided, and for a decision that is no longer true."""
    decided = [one for one in DIFFERENCES if one.covers(case)]
    undecided = [line for line in lines if not any(one.explains(line) for one in decided)]
    untrue = [one for one in decided if not any(one.explains(line) for line in lines)]
    complaint = [f"{case}   (devpi-server -> Cheeseshop)", *(f"  {line}" for line in undecided)]
    complaint += [f"  no longer differs, take it out of devpi_differences.py: {one.where} | {one.line}" for one in untrue]
    assert not undecided and not untrue, "\n".join(complaint)


def _short(value: object) -> str:
    text = value if value == MISSING else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"


class Pair:
    """Both servers, and what was found while they were filled."""

    def __init__(self, theirs: Side, ours: Side) -> None:
        self.theirs, self.ours = theirs, ours
        self.built: list[tuple[Ask, list[str]]] = []

    def build(self, asks: Iterable[Ask]) -> None:
        """Fills both; what differs meanwhile is kept for a test that looks at it."""
        self.built = [(ask, self._found(ask)) for ask in asks]

    def compare(self, ask: Ask) -> None:
        """Asks both the same and fails if the answers differ without a decision."""
        judge(str(ask), self._found(ask))

    def _found(self, ask: Ask) -> list[str]:
        theirs, ours = (side.seen(side.ask(ask)) for side in (self.theirs, self.ours))
        return list(differences(theirs, ours))
