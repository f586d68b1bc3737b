"""What scripts add for those whose browser runs them: dates in the reader's zone, a button that copies, a key that searches. And print."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from kit.measures import overflow
from kit.views import WITHOUT_SCRIPTS, Looker, View
from kit.world import World

Look = Callable[..., AbstractContextManager[Looker]]
KATHMANDU = timezone(timedelta(hours=5, minutes=45))
PAPER_WIDTH = 794
"""CSS pixels of a sheet of A4."""


@pytest.mark.parametrize("path", ["/", "/team/dev", "/team/prod/cheddar"])
def test_dates_are_told_in_the_readers_zone(full: World, look: Look, path: str):
    """The day, or the moment; on hover the exact time. Without scripts it is UTC, and says so."""
    with look(full) as looker:
        times = looker.open(path).locator("time").all()
        assert times
        for time in times[:20]:
            here = datetime.fromisoformat(time.get_attribute("datetime")).astimezone(KATHMANDU)
            title, text = time.get_attribute("title"), time.inner_text()
            assert re.search(rf"\b{here.day} .*{here.year}.*\b{here:%H:%M:%S} GMT\+5:45", title), title
            assert re.match(rf"{here.day} \w+ {here.year}\b", text), text
    with look(full, WITHOUT_SCRIPTS) as looker:
        for time in looker.open(path).locator("time").all()[:20]:
            at = datetime.fromisoformat(time.get_attribute("datetime"))
            assert time.get_attribute("title") == f"{at:%Y-%m-%d %H:%M:%S} UTC"
            assert time.inner_text().startswith(f"{at:%Y-%m-%d}")


def test_the_button_copies_the_text(full: World, look: Look):
    with look(full) as looker:
        page = looker.open("/team/prod/cheddar")
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        snippet = page.locator(".snippet").first
        snippet.get_by_role("button", name="Copy").click()
        snippet.get_by_role("button", name="Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == snippet.locator("code").inner_text()


def test_a_key_leads_to_the_search_field(full: World, look: Look):
    """But in a field it is a character like others."""
    with look(full) as looker:
        page = looker.open("/team/prod")
        page.keyboard.press("/")
        page.keyboard.type("ched/dar")
        field = page.get_by_role("searchbox")
        assert field.input_value() == "ched/dar"
        page.keyboard.press("Enter")
        page.wait_for_url("**/_/search?q=ched*")


@pytest.mark.parametrize("path", ["/", "/team/prod", "/team/prod/cheddar"])
def test_it_can_be_printed(full: World, look: Look, screenshots: Path, path: str):
    """On paper nothing can be clicked, and nothing is cut off."""
    with look(full, View(), "alice") as looker:
        page = looker.open(path)
        page.set_viewport_size({"width": PAPER_WIDTH, "height": 1123})
        page.emulate_media(media="print")
        page.screenshot(path=screenshots / f"print{path.replace('/', '-')}.png", full_page=True)
        assert not (complaints := overflow(page, PAPER_WIDTH)), complaints
        assert page.get_by_role("heading", level=1).is_visible()
        assert not page.get_by_role("button").filter(visible=True).all()
        assert not page.get_by_role("searchbox").is_visible()
