"""What is asked of every page: it fits its window, axe finds nothing, a keyboard reaches all of it, it is light, it works without scripts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from kit.axe import COLOURS, violations
from kit.measures import keyboard, overflow, scriptless, structure
from kit.pages import PAGES, Shown
from kit.views import NARROW, SCHEMES, WIDE, WITHOUT_SCRIPTS, Looker, View

every_page = pytest.mark.parametrize("shown", PAGES, ids=str)
Present = Callable[..., AbstractContextManager[Looker]]


@pytest.mark.parametrize("width", [NARROW, WIDE])
@every_page
def test_everybody_can_use_it(present: Present, screenshots: Path, shown: Shown, width: int):
    """Looked at once, asked everything. The photographs are for people."""
    with present(shown, View(width)) as looker:
        page = looker.page
        complaints = [*looker.weight.complaints(), *overflow(page, width), *violations(page)]
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=screenshots / f"{shown}-{width}-{scheme}.png", full_page=True)
        complaints += violations(page, COLOURS) if width == WIDE else []
        complaints += keyboard(page)
        assert not complaints, "\n".join(complaints)


@every_page
def test_scripts_are_not_needed(present: Present, shown: Shown):
    """The same words stand there, and nothing that only a script could carry out."""
    with present(shown) as looker:
        words = structure(looker.page)
    with present(shown, WITHOUT_SCRIPTS) as looker:
        assert structure(looker.page) == words
        assert not (complaints := scriptless(looker.page)), "\n".join(complaints)
