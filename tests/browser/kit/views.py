"""How pages are looked at: two widths, two colour schemes, with and without scripts, by whom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, Page

from support.server import Account

from .guard import Guard
from .measures import Weight

NARROW, WIDE = 390, 1280
"""CSS pixels: a telephone held upright, and a small laptop."""
HEIGHTS = {NARROW: 844, WIDE: 800}
TIME_ZONE = "Asia/Kathmandu"
"""Of the reader: a quarter of an hour beside all others, so that a time which was not converted stands out."""
PATIENCE_MS = 10_000


@dataclass(frozen=True)
class View:
    """One way to look."""

    width: int = WIDE
    scripts: bool = True
    keeps_policy: bool = True
    """False: the browser ignores the Content-Security-Policy, so that only what the pages themselves do protects."""


SCHEMES = ("light", "dark")
WITHOUT_SCRIPTS = View(scripts=False)
UNPROTECTED = View(keeps_policy=False)


@contextmanager
def looking(
    browser: Browser, origin: str, view: View = View(), cookies: list[dict] | None = None, password: Account | None = None
) -> Iterator[Looker]:
    """A window of its own, with an empty store of cookies but for the given ones; what the guard saw is checked at the end. `password` is
    typed when the browser itself asks for one."""
    context = browser.new_context(
        bypass_csp=not view.keeps_policy,
        color_scheme=SCHEMES[0],
        http_credentials={"username": password.name, "password": password.password} if password else None,
        has_touch=view.width == NARROW,
        # Else a page that forgets its viewport element would still be as narrow as the window.
        is_mobile=view.width == NARROW,
        java_script_enabled=view.scripts,
        locale="en-GB",
        reduced_motion="reduce",
        service_workers="block",
        timezone_id=TIME_ZONE,
        viewport={"width": view.width, "height": HEIGHTS[view.width]},
    )
    context.set_default_timeout(PATIENCE_MS)
    try:
        page = context.new_page()
        looker = Looker(page, Guard(context, origin), Weight(page), view)
        if cookies:
            context.add_cookies(cookies)
        yield looker
        looker.guard.check()
    finally:
        context.close()


@dataclass(frozen=True)
class Looker:
    """Somebody before a window."""

    page: Page
    guard: Guard
    weight: Weight
    view: View

    def open(self, path: str, status: int = 200) -> Page:
        """Goes to a page of the server, which must answer with this status."""
        answer = self.page.goto(self.guard.origin + path)
        assert answer and answer.status == status, f"{path}: {answer and answer.status} instead of {status}"
        return self.page
