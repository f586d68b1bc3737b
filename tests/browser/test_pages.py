"""What is asked of every page: it fits its window, axe finds nothing, a keyboard reaches all of it, it is light, it works without scripts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from kit.axe import violations
from kit.measures import keyboard, overflow, scriptless, structure
from kit.pages import PAGES, Shown
from kit.views import NARROW, VIEWS, WITHOUT_SCRIPTS, Looker, View

every_page = pytest.mark.parametrize("shown", PAGES, ids=str)
every_view = pytest.mark.parametrize("view", VIEWS, ids=str)
Present = Callable[..., AbstractContextManager[Looker]]


@every_view
@every_page
def test_it_fits(present: Present, screenshots: Path, shown: Shown, view: View):
    """Nothing is wider than the window; the photograph is for people."""
    with present(shown, view) as looker:
        looker.page.screenshot(path=screenshots / f"{shown}-{view}.png", full_page=True)
        assert not (complaints := overflow(looker.page, view.width)), "\n".join(complaints)


@every_view
@every_page
def test_axe_finds_nothing(present: Present, shown: Shown, view: View):
    with present(shown, view) as looker:
        assert not (found := violations(looker.page)), "\n".join(found)


@pytest.mark.parametrize("view", [View(), View(NARROW)], ids=str)
@every_page
def test_a_keyboard_is_enough(present: Present, shown: Shown, view: View):
    with present(shown, view) as looker:
        assert not (complaints := keyboard(looker.page)), "\n".join(complaints)


@every_page
def test_scripts_are_not_needed(present: Present, shown: Shown):
    """The same words stand there, and nothing that only a script could carry out."""
    with present(shown) as looker:
        words = structure(looker.page)
    with present(shown, WITHOUT_SCRIPTS) as looker:
        assert structure(looker.page) == words
        assert not (complaints := scriptless(looker.page)), "\n".join(complaints)


@every_page
def test_it_is_light(present: Present, shown: Shown):
    with present(shown) as looker:
        assert not (complaints := looker.weight.complaints()), "\n".join(complaints)
