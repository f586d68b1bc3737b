"""An unmodified devpi-client talks to a real devpi-server and to Cheeseshop; whoever uses it must not see which is which."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.devpi_session import CHAPTERS, Person
from support.side_by_side import Ask, Pair, judge, text_differences

POSTER = (
    Ask("PUT", "/poster", "root", {"password": "poster-password"}),
    Ask("PUT", "/poster/post", "poster", {}),
)


@pytest.fixture(scope="module")
def posts(pair: Pair) -> dict[str, str]:
    """Where `devpi push` can post to, outside of the server it is asked of: by the names of the sections in pypirc."""
    for side in (pair.theirs, pair.ours):
        for ask in POSTER:
            assert side.ask(ask).status in (200, 201)
    urls = {"devpi": f"{pair.theirs.url}/poster/post/", "cheeseshop": f"{pair.ours.url}/poster/post/"}
    return urls | {"refused": f"{pair.theirs.url}/root/pypi/"}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_commands(pair: Pair, posts: dict[str, str], chapter: str, tmp_path: Path, subtests: pytest.Subtests):
    """What each command prints, and its exit status."""
    people = [Person(side, tmp_path / name, posts) for side, name in ((pair.theirs, "theirs"), (pair.ours, "ours"))]
    for number, line in enumerate(CHAPTERS[chapter], start=1):
        with subtests.test(f"{number}. devpi {line}"):
            theirs, ours = (person.type(line) for person in people)
            judge(f"{chapter}: {line}", text_differences(theirs, ours))
