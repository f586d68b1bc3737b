"""Every page of the site, each with the state in which it is shown. Whoever adds a page adds it here.

The list is used by everything that is asked of all pages: axe, widths, the keyboard, scripts off, weight, photographs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode
from uuid import uuid4

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
    poisoned: bool = False
    """Whether it shows text of somebody hostile."""

    def __str__(self) -> str:
        return self.name


def of(*segments: str, **query: str) -> str:
    """A path with everything escaped."""
    return "/" + "/".join(quote(part, safe="/") for part in segments) + (f"?{urlencode(query)}" if query else "")


def wrong_password(page: Page) -> None:
    """Leaves the page that says so."""
    page.get_by_label("User name").fill("alice")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()


def open_guide(page: Page) -> None:
    """Shows the texts for one tool."""
    page.locator("summary", has_text="uv").click()


def submit(button: str, **fields: str) -> Callable[[Page], None]:
    """Sends a form as it cannot be accepted; leaves the page that says so, with what was typed."""

    def act(page: Page) -> None:
        for label, value in fields.items():
            page.get_by_role("main").locator("input, textarea").and_(page.get_by_label(label, exact=True)).fill(value)
        page.get_by_role("button", name=button).click()
        page.get_by_role("alert").first.wait_for()

    return act


def make_token(page: Page) -> None:
    """The page that shows a secret once."""
    page.get_by_label("Name", exact=True).fill(f"laptop {uuid4().hex[:8]}")
    page.get_by_label(re.compile(r"^\s*Upload")).first.check()
    page.get_by_role("button", name="Make the token").click()
    page.get_by_role("link", name="I have copied it").wait_for()


def next_page(page: Page) -> None:
    """The second part of a long list."""
    page.get_by_role("link", name="Next").click()
    page.get_by_role("link", name="From the beginning").wait_for()


PROD, DEV = "team/prod", "team/dev"

FIRST_START = (
    Shown("empty-home", "/", shop="empty"),
    Shown("empty-home-root", "/", "root", shop="empty"),
    Shown("empty-index", "/root/main", "root", shop="empty"),
    Shown("empty-index-nobody", "/root/main", shop="empty"),
    Shown("empty-mirror", "/root/pypi", "root", shop="empty"),
    Shown("empty-user", "/root", "root", shop="empty"),
    Shown("empty-tokens", "/_/users/root/tokens", "root", shop="empty"),
    Shown("empty-search", of("_/search", q="cheddar"), shop="empty"),
    Shown("empty-activity", "/_/activity", "root", shop="empty"),
)
SIGNING_IN = (
    Shown("sign-in", "/_/login"),
    Shown("sign-in-refused", "/_/login", act=wrong_password),
)
INDEXES = (
    Shown("home", "/"),
    Shown("home-alice", "/", "alice"),
    Shown("home-mallory", "/", "mallory", poisoned=True),
    Shown("user", "/alice", "alice"),
    Shown("user-nobody", "/alice"),
    Shown("user-hebrew", of(HEBREW_USER), "mallory"),
    Shown("user-long", of(LONG_USER), "mallory"),
    Shown("user-hostile", "/mallory", "root", poisoned=True),
    Shown("index", of(DEV)),
    Shown("index-guide", of(DEV), "alice", act=open_guide),
    Shown("index-owner", of(PROD), "root"),
    Shown("index-uploader", of(DEV), "bob"),
    Shown("index-private", "/team/secret", "alice"),
    Shown("index-with-private-base", "/alice/dev", "alice"),
    Shown("index-without-private-base", "/alice/dev", "carol"),
    Shown("index-missing-base", "/alice/lost", "alice"),
    Shown("index-empty", "/alice/empty", "alice"),
    Shown("index-many", "/alice/many"),
    Shown("index-many-next", "/alice/many", act=next_page),
    Shown("index-hebrew", of(HEBREW_INDEX), "mallory"),
    Shown("index-long", of(LONG_INDEX), "mallory"),
    Shown("index-hostile", "/mallory/dev", "mallory", poisoned=True),
    Shown("mirror", "/root/pypi"),
    Shown("mirror-root", "/root/pypi", "root"),
    Shown("mirror-down", "/alice/silent", "alice"),
)
PROJECTS = (
    Shown("project", of(DEV, goods.FLAGSHIP)),
    Shown("project-owner", of(PROD, goods.FLAGSHIP), "root"),
    Shown("release-yanked", of(PROD, goods.FLAGSHIP, goods.BROKEN)),
    Shown("release-candidate", of(DEV, goods.FLAGSHIP, goods.CANDIDATE)),
    Shown("project-rst", of(PROD, "rind")),
    Shown("project-plain-blocked", of(PROD, "whey")),
    Shown("project-source-only", of(PROD, "source-only")),
    Shown("project-announced", of(DEV, "announced")),
    Shown("project-all-yanked", of(DEV, "regret")),
    Shown("project-half-gone", of(DEV, "half-gone"), "root"),
    Shown("project-pushed", of(PROD, "ready-to-push"), "alice"),
    Shown("project-private", "/team/secret/formula", "alice"),
    Shown("project-mirrored", "/root/pypi/upstream-lib"),
    Shown("project-through-base", of(DEV, "upstream-lib"), "alice"),
    Shown("project-upstream-down", "/alice/silent/quiet-lib", "alice"),
    Shown("project-long", of("mallory/odd", goods.LONG_NAME), "mallory"),
    Shown("project-hebrew", of("mallory/odd", "gvina"), "mallory"),
    Shown("project-bidi", of("mallory/odd", "bidi"), "mallory"),
    Shown("project-bare", of("mallory/odd", "bare"), "mallory"),
    Shown("project-hostile", of("mallory/dev", hostile.NAME), "root", poisoned=True),
    *(
        Shown(f"release-hostile-{version}", of("mallory/dev", hostile.NAME, version), "mallory", poisoned=True)
        for version in ("6.6.5", "6.6.4", "6.6.3", "6.6.2")
    ),
)
FINDING = (
    Shown("search", of("_/search", q="cheddar"), "alice"),
    Shown("search-typo", of("_/search", q="chedar")),
    Shown("search-many", of("_/search", q="crumb")),
    Shown("search-nothing-asked", "/_/search"),
    Shown("search-nothing-found", of("_/search", q="zzzqqqxxx")),
    Shown("search-hostile", of("_/search", q=hostile.TEXT), poisoned=True),
    Shown("search-finds-hostile", of("_/search", q="mouse"), "mallory", poisoned=True),
    Shown("compare", of("_/projects", PROD, goods.FLAGSHIP, "compare", **{"from": goods.PREVIOUS, "to": goods.NEWEST})),
    Shown(
        "compare-hostile",
        of("_/projects", "mallory/dev", hostile.NAME, "compare", **{"from": "6.6.2", "to": hostile.VERSION}),
        "mallory",
        poisoned=True,
    ),
)
KEEPING = (
    Shown("activity", "/_/activity", "alice"),
    Shown("activity-nobody", "/_/activity"),
    Shown("activity-root", "/_/activity", "root"),
    Shown("activity-mallory", of("_/activity", index="mallory/dev"), "mallory", poisoned=True),
    Shown("status", "/_/status", "root"),
    Shown("users", "/_/users", "root"),
    Shown("users-found", of("_/users", q="alice"), "root"),
    Shown("users-none-found", of("_/users", q=hostile.MARK), "root", poisoned=True),
    Shown("user-refused", "/_/users", "root", act=submit("Make the user", Name="a/b", Password="x")),
    Shown("profile", "/_/users/alice", "alice"),
    Shown("profile-root", "/_/users/alice", "root"),
    Shown("profile-hostile", "/_/users/mallory", "root"),
    Shown("user-delete", "/_/users/carol/delete", "root"),
    Shown("user-delete-kept", "/_/users/team/delete", "root"),
    Shown("tokens", "/_/users/alice/tokens", "alice"),
    # Bob's tokens are shown nowhere else: each look makes one more.
    Shown("token-made", "/_/users/bob/tokens", "bob", act=make_token),
    Shown("token-refused", "/_/users/alice/tokens", "alice", act=submit("Make the token", Name="\t")),
    Shown("index-new", "/_/indexes/new", "alice"),
    Shown("mirror-new", "/_/indexes/new?kind=mirror", "root"),
    Shown("index-refused", "/_/indexes/new", "alice", act=submit("Make the index", Name="a/b", Bases="no/such\nalice")),
    Shown("index-settings", "/_/indexes/team/dev/settings", "root"),
    Shown("mirror-settings", "/_/indexes/root/pypi/settings", "root"),
    Shown("index-settings-hostile", "/_/indexes/mallory/dev/settings", "root"),
    Shown("index-delete", "/_/indexes/alice/many/delete", "alice"),
    Shown("index-delete-kept", "/_/indexes/team/prod/delete", "root"),
    Shown("yank", of("_/projects", DEV, "ready-to-push", "yank", version="1.0"), "alice"),
    Shown("yank-which", of("_/projects", PROD, goods.FLAGSHIP, "yank"), "alice"),
    Shown("yank-hostile", of("_/projects", "mallory/dev", hostile.NAME, "yank", version="6.6.5"), "mallory", poisoned=True),
    Shown("remove", of("_/projects", DEV, "regret", "remove"), "alice"),
    Shown("remove-release", of("_/projects", PROD, goods.FLAGSHIP, "remove", version=goods.NEWEST), "alice"),
    Shown("name-reserved", of("_/projects", DEV, "all-gone", "remove"), "alice"),
    Shown("push", of("_/projects", DEV, "ready-to-push", "push"), "alice"),
    Shown("push-elsewhere", of("_/projects", DEV, goods.FLAGSHIP, "push", version=goods.NEWEST), "alice"),
    Shown("refresh", of("_/projects", PROD, "upstream-lib", "refresh"), "alice"),
)
ERRORS = (
    Shown("not-found", of("team/prod/no-such-project"), "alice", status=404),
    Shown("not-found-hostile", of(f"team/prod/{hostile.MARK}".replace("/", "-")), status=404),
    Shown("forbidden", "/_/status", "carol", status=403),
    Shown("sign-in-first", "/_/users"),
)
PAGES = (*FIRST_START, *SIGNING_IN, *INDEXES, *PROJECTS, *FINDING, *KEEPING, *ERRORS)
assert len({shown.name for shown in PAGES}) == len(PAGES)
