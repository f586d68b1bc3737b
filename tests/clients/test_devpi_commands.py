"""An unmodified devpi-client talks to a real devpi-server and to Cheeseshop; whoever uses it must not see which is which."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.devpi_chapters import CHAPTERS
from support.devpi_session import Person
from support.side_by_side import Ask, Pair, judge, text_differences

POSTER = (
    Ask("PUT", "/poster", "root", {"password": "poster-password"}),
    Ask("PUT", "/poster/post", "poster", {}),
)


@pytest.fixture(scope="session", autouse=True)
def poster(pair: Pair) -> None:
    """Somebody on either server to whose index the other server may post."""
    for side in (pair.theirs, pair.ours):
        for ask in POSTER:
            assert side.ask(ask).status in (200, 201)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_commands(pair: Pair, chapter: str, tmp_path: Path, subtests: pytest.Subtests):
    """What each command prints, and its exit status."""
    people = [Person(pair.theirs, pair.ours, tmp_path / "theirs"), Person(pair.ours, pair.theirs, tmp_path / "ours")]
    for number, line in enumerate(CHAPTERS[chapter], start=1):
        with subtests.test(f"{number}. devpi {line}"):
            theirs, ours = (person.type(line) for person in people)
            judge(f"{chapter}: {line}", text_differences(theirs, ours))
