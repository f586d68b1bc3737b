"""The same requests to a real devpi-server and to Cheeseshop, which hold the same: the answers must be the same, field by field."""

from __future__ import annotations

import re
import uuid
from hashlib import sha256
from urllib.parse import urlsplit

import pytest

from support import wire
from support.devpi_conversations import CONVERSATIONS
from support.devpi_questions import READS
from support.devpi_state import LIB_SDIST, file_path, upload_form
from support.side_by_side import Ask, Pair, Side, differences, judge, links_of


@pytest.mark.parametrize("ask", READS, ids=str)
def test_question(pair: Pair, ask: Ask):
    """Nothing is changed by these, so each can be asked alone."""
    pair.compare(ask)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversation(pair: Pair, name: str, subtests: pytest.Subtests):
    """Every answer on the way is compared, also those after one that differs."""
    for number, ask in enumerate(CONVERSATIONS[name], start=1):
        with subtests.test(f"{number}. {ask}"):
            pair.compare(ask)


def test_the_house_is_built(pair: Pair, subtests: pytest.Subtests):
    """The answers to the requests that made what the questions are about."""
    for ask, found in pair.built:
        with subtests.test(str(ask)):
            judge(str(ask), found)


HEX_UUID = "[0-9a-f]{32}"
DEVPI_HEADERS = {
    "X-DEVPI-API-VERSION": "2",
    "X-DEVPI-SERVER-VERSION": r"\d+\.\d+.*",
    "X-DEVPI-SERIAL": r"\d+",
    "X-DEVPI-UUID": HEX_UUID,
    "X-DEVPI-MASTER-UUID": HEX_UUID,
    "X-DEVPI-PRIMARY-UUID": HEX_UUID,
}
EVERYWHERE = (
    Ask("GET", "/+api"),
    Ask("GET", "/alice/dev/+simple/my-lib/", accept="text/html", headers={"User-Agent": "pip/26.3"}),
    Ask("GET", file_path("alice/dev", LIB_SDIST), accept="*/*"),
    Ask("GET", "/nobody"),
    Ask("DELETE", "/alice"),
    Ask("POST", "/alice/dev/", form=upload_form(LIB_SDIST), accept="*/*", note="anonymous upload"),
    Ask("GET", "/+no-such-route", accept="*/*"),
)


@pytest.mark.parametrize("ask", EVERYWHERE, ids=str)
def test_every_answer_has_the_headers_of_devpi(pair: Pair, ask: Ask):
    """Whatever is asked, and whether it goes well or not: devpi-client warns of an answer without them."""
    for side in (pair.theirs, pair.ours):
        answer = side.ask(ask)
        for name, pattern in DEVPI_HEADERS.items():
            assert re.fullmatch(pattern, answer.header(name) or ""), f"{side.url}: {name}: {answer.header(name)}"


def test_list_of_users(pair: Pair):
    """`/` tells all users with their indexes; those of the house, for others come and go meanwhile."""
    theirs, ours = (side.seen("/", side.ask(Ask("GET", "/")))["body"] for side in (pair.theirs, pair.ours))
    assert theirs["type"] == ours["type"]
    house = ("alice", "bob", "root")
    judge("GET /", list(differences(*({name: body["result"].get(name) for name in house} for body in (theirs, ours)))))


def test_serial_counts_changes(pair: Pair):
    """It grows with a change and at no other time."""
    for side in (pair.theirs, pair.ours):
        serials = [
            int(side.ask(ask).header("X-DEVPI-SERIAL"))
            for ask in (Ask("GET", "/"), Ask("GET", "/"), Ask("PATCH", "/bob", "bob", {"title": uuid.uuid4().hex}), Ask("GET", "/"))
        ]
        assert serials[0] == serials[1] < serials[2] == serials[3], f"{side.url}: {serials}"
        assert side.ask(Ask("PATCH", "/bob", "bob", {"title": ""})).status == 200


@pytest.mark.parametrize("rel", ["releasefile", "toxresult", "doczip"])
@pytest.mark.parametrize("index", ["alice/dev", "alice/prod"])
def test_linked_files(pair: Pair, index: str, rel: str):
    """What `+links` name can be fetched and is the same: files, test results, documentation."""

    def fetched(side: Side) -> dict:
        links = side.ask(Ask("GET", f"/{index}/my-lib/1.0?ignore_bases=")).json()["result"]["+links"]
        paths = [urlsplit(link["href"]).path for link in links if link["rel"] == rel]
        answers = {side.plain(path): side.ask(Ask("GET", path, accept="*/*")) for path in paths}
        return {path: (answer.status, sha256(answer.body).hexdigest()) for path, answer in answers.items()}

    theirs = fetched(pair.theirs)
    assert theirs and fetched(pair.ours) == theirs


@pytest.mark.parametrize("page", ["alice/dev/+simple/my-lib", "alice/prod/+simple/upstream-lib", "alice/plain/+simple/plain-lib"])
def test_links_of_pages(pair: Pair, page: str):
    """Every file that a page lists comes, whole, by the link on that page: with a slash at its end, without one, and as pip knows it."""

    def fetched(side: Side, path: str) -> dict:
        answer = side.ask(Ask("GET", path, accept="text/html", headers={"User-Agent": "pip/26.3"}))
        assert answer.status == 200, f"{side.url}{path}: {answer.status}"
        files = {link["text"]: wire.get(wire.absolute(side.url + path, link["href"])) for link in links_of(answer.text)}
        return {name: (answer.status, sha256(answer.body).hexdigest()) for name, answer in files.items()}

    theirs = fetched(pair.theirs, f"/{page}/")
    assert theirs and {status for status, _ in theirs.values()} == {200}
    for path in (f"/{page}/", f"/{page}", f"/{page}/".replace("+simple/", ""), f"/{page}".replace("+simple/", "")):
        assert fetched(pair.ours, path) == theirs


def test_status(pair: Pair):
    """Whatever devpi's status tells, ours tells too, in the same types; `devpi --version` reads `versioninfo`."""
    theirs, ours = (side.ask(Ask("GET", "/+status")).json() for side in (pair.theirs, pair.ours))
    assert ours["type"] == theirs["type"]
    told = {name: type(value) for name, value in ours["result"].items()}
    assert {name: type(value) for name, value in theirs["result"].items()}.items() <= told.items()
    assert ours["result"]["role"] == theirs["result"]["role"]
    assert all(len(metric) == 3 and metric[1] in ("counter", "gauge") for metric in ours["result"]["metrics"])
