"""Two servers that are asked the same, and the comparison of what they answer.

"Theirs" is a real devpi-server, "ours" is Cheeseshop. An answer becomes a tree of plain values in which everything that must differ (ports,
times, random tokens) is replaced by a word; two trees become a list of lines, one a difference: `body.result.volatile: true -> false`.
What may differ stands in `devpi_differences.py` and nowhere else.
"""

from __future__ import annotations

import html.parser
import http.client
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import zip_longest
from urllib.parse import urljoin

from . import wire
from .devpi_differences import DIFFERENCES, OUR_OPTIONS

HEADERS = ("Content-Type", "WWW-Authenticate")
PROSE = ("text/html", "text/plain")
INDEX_OF_FILE = re.compile(r"^(?:https?://SERVER)?[./]*(?:[^/]+/[^/]+/)?(?=\+[ef]/)")
PYTHON_OBJECT = re.compile(r"<[^<>]* object at 0x[0-9a-f]+>|<NormalizedName [^<>]*>")
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
        """Its name in test reports and in the table of differences. A note stands for the body."""
        body = "" if self.body is None or self.note else json.dumps(self.body)
        told = [self.method, self.path, self.note, body, f"as {self.who}" if self.who else ""]
        told.append("" if self.accept == "application/json" else f"accept {self.accept or 'nothing'}")
        told += [] if self.note else map(": ".join, self.headers.items())
        return " ".join(filter(None, told))


@dataclass(frozen=True)
class Side:
    """One of the two servers. Everybody's password follows from the name, so that a caller is named in one word."""

    url: str
    root_password: str
    tokens: dict[str, str] = field(default_factory=dict)
    same_times: bool = False
    """Whether times are compared too, and those of files: the two hold the very same, and not only the like."""

    def password(self, who: str) -> str:
        return self.root_password if who == "root" else f"{who}-password"

    def _login(self, who: str) -> str:
        """The token of a login, asked for once: devpi-server hashes a password for a tenth of a second each time."""
        if who not in self.tokens:
            body = {"user": who, "password": self.password(who)}
            answer = wire.send_json("POST", f"{self.url}/+login", body, {})
            assert answer.status == 200, f"{who} cannot log in at {self.url}: {answer.text}"
            self.tokens[who] = answer.json()["result"]["password"]
        return self.tokens[who]

    def ask(self, ask: Ask) -> wire.Answer:
        """Sends the request."""
        headers = {"Accept": ask.accept} if ask.accept else {}
        if ask.who:
            headers["X-Devpi-Auth"] = wire.basic(ask.who, self._login(ask.who))["Authorization"].removeprefix("Basic ")
        data = None
        if ask.form:
            data, headers["Content-Type"] = ask.form
        elif ask.body is not None:
            data, headers["Content-Type"] = json.dumps(ask.body).encode(), "application/json"
        return wire.request(ask.method, self.url + ask.path, headers=headers | ask.headers, body=data)

    def plain(self, text: str) -> str:
        """The text without what differs from server to server and from moment to moment."""
        text = text.replace(self.url.removeprefix("http://"), "SERVER").replace(self.root_password, "ROOT-PASSWORD")
        for pattern, word in () if self.same_times else PLACEHOLDERS:
            text = pattern.sub(word, text)
        return text

    def seen(self, path: str, answer: wire.Answer) -> dict:
        """What a client sees of an answer, as plain values that can be compared."""
        kind = (answer.header("Content-Type") or "").partition(";")[0]
        names = (*HEADERS, "Last-Modified") if self.same_times and "/+f/" in path else HEADERS
        headers = {name: self.plain(value) for name in names if (value := answer.header(name)) is not None}
        if answer.header("Location"):
            headers["Location"] = self.plain(urljoin(self.url + path, answer.header("Location")))
        headers["Content-Type"] = "text" if kind in PROSE else (answer.header("Content-Type") or MISSING).lower()
        return {"status": answer.status, "reason": self.plain(answer.reason), "headers": headers, "body": self._body(kind, answer)}

    def _body(self, kind: str, answer: wire.Answer) -> object:
        """JSON as values, a page as its links, a file as its digest. Prose is nobody's interface."""
        if not answer.body:
            return None
        if kind == wire.SIMPLE_JSON:
            return page_of(self._values(answer.json()))
        if kind.endswith("json"):
            return self._values(answer.json())
        if kind in PROSE:
            return [link_of(self._values(link)) for link in links_of(answer.text)] or None
        return sha256(answer.body).hexdigest()

    def _values(self, value: object) -> object:
        if isinstance(value, dict):
            kept = {key: inner for key, inner in value.items() if key not in OUR_OPTIONS}
            return {self.plain(key): self._field(key, inner) for key, inner in kept.items()}
        if isinstance(value, list):
            return [self._values(inner) for inner in value]
        return self.plain(value) if isinstance(value, str) else value

    def _field(self, key: str, value: object) -> object:
        """Of times in numbers and of secrets only the form counts; links are named, for their order means nothing."""
        if key == "when" and isinstance(value, list) and len(value) == 6 and all(isinstance(part, int) for part in value):
            return value if self.same_times else "TIME"
        if key == "+links":
            links = [self._values(link) for link in value]
            return {f"{link['rel']} {link['href'].rpartition('/')[2]}": link for link in links}
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


def page_of(page: dict) -> dict:
    """What a project page in JSON says in devpi's words: what later PEPs added is not compared, and "not yanked" is as good as silence."""
    if "files" not in page:
        return {"projects": sorted(project["name"] for project in page["projects"])}
    kept = ("filename", "url", "hashes", "requires-python", "yanked")
    files = [{key: entry[key] for key in kept if entry.get(key) not in (None, False, "")} for entry in page["files"]]
    for entry in files:
        entry["url"] = INDEX_OF_FILE.sub("INDEX/", entry["url"])
    return {"name": page["name"], "files": sorted(files, key=lambda entry: entry["filename"])}


def link_of(link: dict) -> dict:
    """The same for a link of an HTML page. Below which index a file is linked is tested by asking for it, not by comparing."""
    kept = {key: link[key] for key in ("text", "href", "data-requires-python", "data-yanked") if key in link}
    if not kept.get("data-requires-python"):
        kept.pop("data-requires-python", None)
    return kept | {"href": INDEX_OF_FILE.sub("INDEX/", kept.get("href", ""))}


def comparable(theirs: dict, ours: dict) -> tuple[dict, dict]:
    """Both answers without what no client reads.

    Where devpi answers in prose, or with an error that its web framework made up (it has a `code`), the prose and its form do not count,
    and a standard reason phrase says nothing: ours may say more. `code` and `title` beside our messages are an addition.
    """
    body = theirs["body"]
    if theirs["status"] >= 300 and (not isinstance(body, dict) or "code" in body):
        theirs, ours = ({**one, "headers": {**one["headers"], "Content-Type": "any"}, "body": None} for one in (theirs, ours))
    elif theirs["status"] >= 300 and isinstance(ours["body"], dict):
        ours = {**ours, "body": {key: value for key, value in ours["body"].items() if key not in ("code", "title")}}
    if not isinstance(body, dict) and theirs["reason"] == http.client.responses.get(theirs["status"]):
        theirs, ours = ({**one, "reason": ""} for one in (theirs, ours))
    return theirs, ours


def _said(answer: dict) -> str:
    """What went wrong, in the server's own words."""
    message = answer["body"].get("message") if isinstance(answer["body"], dict) else None
    return " ".join((message or answer["reason"]).split())


def differences(theirs: object, ours: object, path: str = "") -> Iterator[str]:
    """One line for each value that differs: `path: theirs -> ours`."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs | ours):
            yield from differences(theirs.get(key, MISSING), ours.get(key, MISSING), f"{path}.{key}" if path else key)
    elif isinstance(theirs, list) and isinstance(ours, list) and theirs and ours:
        for number, (one, other) in enumerate(zip_longest(theirs, ours, fillvalue=MISSING)):
            yield from differences(one, other, f"{path}[{number}]")
    elif type(theirs) is not type(ours) or not _equal(theirs, ours):
        yield f"{path}: {_short(theirs)} -> {_short(ours)}"


def _equal(theirs: object, ours: object) -> bool:
    """devpi puts Python objects into some sentences (`<User object at 0x7f>`): any word will do there."""
    if isinstance(theirs, str) and PYTHON_OBJECT.search(theirs):
        return re.fullmatch(".+".join(map(re.escape, PYTHON_OBJECT.split(theirs))), ours) is not None
    return theirs == ours


def text_differences(theirs: list[str], ours: list[str]) -> list[str]:
    """One line for each line that only one of the two printed, and one if the same lines came in another order."""
    only_theirs, only_ours = list(theirs), list(ours)
    for line in theirs:
        if same := next((other for other in only_ours if _equal(line, other)), None):
            only_ours.remove(same)
            only_theirs.remove(line)
    found = [f"theirs: {line}" for line in only_theirs] + [f"ours: {line}" for line in only_ours]
    if found or all(map(_equal, theirs, ours)):
        return found
    return ["order: " + " | ".join(theirs) + " -> " + " | ".join(ours)]


def judge(case: str, lines: list[str]) -> None:
    """Fails for a difference that nobody decided, and for a decision that is no longer true."""
    decided = [one for one in DIFFERENCES if one.covers(case)]
    undecided = [line for line in lines if not any(one.explains(line) for one in decided)]
    untrue = [one for one in decided if not one.sometimes and not any(one.explains(line) for line in lines)]
    complaint = [f"{case}   (devpi-server -> Cheeseshop)", *(f"  {line}" for line in undecided)]
    complaint += [f"  no longer differs, take it out of devpi_differences.py: {one.where} | {one.line}" for one in untrue]
    assert not undecided and not untrue, "\n".join(complaint)


def _short(value: object) -> str:
    text = value if value == MISSING else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"


class Pair:
    """Both servers, and what was found while they were filled. `title` goes before each request in the table of differences."""

    def __init__(self, theirs: Side, ours: Side, title: str = "") -> None:
        self.theirs, self.ours, self.title = theirs, ours, title
        self.built: list[tuple[Ask, list[str]]] = []

    def build(self, asks: Iterable[Ask]) -> None:
        """Fills both; what differs meanwhile is kept for a test that looks at it."""
        self.built = [(ask, self._found(ask)) for ask in asks]

    def compare(self, ask: Ask) -> None:
        """Asks both the same and fails if the answers differ without a decision."""
        judge(self.title + str(ask), self._found(ask))

    def _found(self, ask: Ask) -> list[str]:
        """What differs. Where devpi-server stumbles (500) over a bad request, refusing it is right."""
        theirs, ours = (side.seen(ask.path, side.ask(ask)) for side in (self.theirs, self.ours))
        if theirs["status"] == 500 and 400 <= ours["status"] < 500:
            return []
        if theirs["status"] != ours["status"]:
            return [f"status: {theirs['status']} {_said(theirs)} -> {ours['status']} {_said(ours)}"]
        return list(differences(*comparable(theirs, ours)))
