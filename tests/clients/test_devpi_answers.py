"""The same requests to a real devpi-server and to Cheeseshop, which hold the same: the answers must be the same, field by field."""

from __future__ import annotations

import pytest

from support.devpi_requests import CONVERSATIONS, READS
from support.side_by_side import Ask, Pair, judge


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
