"""Every page of the site, each with the state in which it is shown. Whoever adds a page adds it here.

The list is used by everything that is asked of all pages: axe, widths, the keyboard, scripts off, weight, photographs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from playwright.sync_api import Page

from . import goods, hostile
from .world import HEBREW_INDEX, HEBREW_USER, LONG_INDEX, LONG_USER


@dataclass(frozen=True)
class Shown:
    """One page in one state."""

    name: str
    """Of its photographs."""
    path: str
    who: str | None = None
    """Who looks: an account of the shop, or nobody."""
    shop: str = "full"
    """`full`, or `empty`: as after the first start."""
    status: int = 200
    act: Callable[[Page], None] | None = None
    """What is done on it first; it must leave the shop as it was."""

    def __str__(self) -> str:
        return self.name


def of(*segments: str, **query: str) -> str:
    """A path with everything escaped."""
    return "/" + "/".join(quote(part, safe="/") for part in segments) + (f"?{urlencode(query)}" if query else "")
