"""Text of uploaders is shown as text and never runs: with the Content-Security-Policy, and with a browser that ignores it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from playwright.sync_api import Browser

from kit import hostile
from kit.pages import PAGES, Shown
from kit.views import UNPROTECTED, Looker, View, looking
from kit.world import World

SETTLED_MS = 300
"""By then pictures have failed to load, and scripts that wait for that would have run."""
ACTIVE = """([origin, static]) => {
    const told = (element, why) => `${why}: ${element.outerHTML.slice(0, 200)}`;
    const found = [];
    for (const element of document.querySelectorAll("*")) {
        const tag = element.localName;
        if (["iframe", "frame", "object", "embed", "base", "style", "portal", "math", "marquee"].includes(tag)) found.push(told(element, "element"));
        if (tag === "meta" && element.httpEquiv) found.push(told(element, "element"));
        if (["script", "link"].includes(tag) && !(element.src ?? element.href).startsWith(origin + static)) found.push(told(element, "source"));
        for (const { name, value } of element.attributes) {
            if (/^on/i.test(name) || ["style", "srcdoc", "srcset", "background", "ping"].includes(name)) found.push(told(element, name));
            if (!/^(href|src|action|formaction|data|poster|xlink:href)$/i.test(name)) continue;
            const url = new URL(value, origin);
            if (!["http:", "https:", "mailto:"].includes(url.protocol) || url.username) found.push(told(element, url.protocol));
        }
        if (element.closest(".description") && ["form", "input", "button", "textarea", "select"].includes(tag)) found.push(told(element, "control"));
    }
    return found;
}"""
POISONED = [shown for shown in PAGES if shown.poisoned]


@pytest.mark.parametrize("view", [View(), UNPROTECTED], ids=["policy", "no-policy"])
@pytest.mark.parametrize("shown", POISONED, ids=str)
def test_nothing_of_an_uploader_runs(present: Callable[..., AbstractContextManager[Looker]], shown: Shown, view: View):
    with present(shown, view) as looker:
        looker.page.wait_for_timeout(SETTLED_MS)
        assert looker.page.evaluate(f"window.{hostile.RAN}") is None
        assert hostile.MARK in looker.page.locator("body").inner_text(), "the text itself is shown"
        assert not (found := looker.page.evaluate(ACTIVE, [looker.guard.origin, "/_/static/"])), "\n".join(found)


def test_documentation_stays_in_its_sandbox(full: World, browser: Browser):
    """It may run scripts, but as a stranger to this server: they set no cookie, and read no page as the one who looks."""
    reads = "fetch('/mallory/dev', { credentials: 'include' }).then((answer) => answer.text(), () => 'refused')"
    with looking(browser, full.origin, cookies=full.cookies("mallory"), password=full.people["mallory"]) as looker:
        page = looker.open(f"/mallory/dev/{hostile.NAME}/{hostile.VERSION}/+doc/index.html")
        page.wait_for_timeout(SETTLED_MS)
        assert page.evaluate(f"window.{hostile.RAN}") == 1, "its scripts run"
        assert page.evaluate("origin") == "null"
        assert page.evaluate(reads) == "refused"
        assert all(hostile.RAN != cookie["name"] for cookie in page.context.cookies())
        looker.guard.forgive()


def test_right_to_left_text_is_set_so(present: Callable[..., AbstractContextManager[Looker]]):
    """A line that begins in Hebrew begins at the right, with its Latin words in the middle."""
    ends = """(element) => {
        const range = document.createRange();
        const text = document.createTreeWalker(element, NodeFilter.SHOW_TEXT).nextNode();
        const at = (place) => (range.setStart(text, place), range.setEnd(text, place + 1), range.getBoundingClientRect().x);
        const length = text.data.trimEnd().length, start = length - text.data.trim().length;
        return [at(start), at(length - 1)];
    }"""
    pages = {shown.name: shown for shown in PAGES}
    places = {"project-hebrew": [".lead", ".description p", ".description li"], "index-hebrew": [".lead"]}
    for name, selectors in places.items():
        with present(pages[name]) as looker:
            for selector in selectors:
                first, last = looker.page.locator(selector).first.evaluate(ends)
                assert first > last, f"{name}: {selector}"
