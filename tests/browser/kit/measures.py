"""What can be measured on a page: whether it fits its window, whether a keyboard reaches all of it, how heavy it is.

Each returns complaints in words, none if all is well.
"""

from __future__ import annotations

from playwright.sync_api import Page, Response

from .axe import FOREIGN

PAGE_BYTES_MAX = 100 * 1024
EXTRA_TABS = 20
ROUNDS_MAX = 10
"""Presses of the Tab key beyond the expected ones, and how often."""
UNLISTED = -1

SPILLED = """(width) => {
    const clipped = (element) => {
        for (let up = element.parentElement; up && up !== document.documentElement; up = up.parentElement)
            if (getComputedStyle(up).overflowX !== "visible" && up.getBoundingClientRect().right <= width + 1) return true;
        return false;
    };
    return [...document.body.querySelectorAll("*")]
        .filter((element) => element.getBoundingClientRect().right > width + 1 && !clipped(element))
        .slice(0, 5)
        .map((element) => element.outerHTML.slice(0, 200));
}"""

INTERACTIVE = """() => {
    const wanted = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex], [contenteditable]";
    const groups = new Set();
    const reachable = (element) => {
        if (element.disabled || element.tabIndex < 0 || !element.checkVisibility({ visibilityProperty: true })) return false;
        if (element.type !== "radio") return true;
        // Of a group of radio buttons Tab reaches one; the arrows do the rest.
        const group = `${element.form?.action} ${element.name}`;
        const chosen = document.querySelector(`input[type=radio][name="${CSS.escape(element.name)}"]:checked`);
        if (groups.has(group) || (chosen && chosen !== element)) return false;
        groups.add(group);
        return true;
    };
    window.wantedByTest = [...document.querySelectorAll(wanted)].filter(reachable);
    const look = (element) => {
        const style = getComputedStyle(element);
        return [style.outlineStyle, style.outlineWidth, style.outlineColor, style.boxShadow, style.backgroundColor, style.borderColor].join();
    };
    window.looksBefore = new Map(window.wantedByTest.map((element) => [element, look(element)]));
    document.activeElement?.blur();
    window.scrollTo(0, 0);
    // What has the focus is looked at when the next key comes: by then it has been scrolled into sight.
    window.focusedByTest = [];
    const note = () => {
        const element = document.activeElement;
        if (!element || element === document.body || element === document.documentElement) return false;
        // The parts of a date's field are several stops for Tab, and one element.
        if (window.focusedByTest.at(-1)?.number === window.wantedByTest.indexOf(element) && element.type === "date") return true;
        const box = element.getBoundingClientRect();
        const before = window.looksBefore.get(element);
        window.focusedByTest.push({
            number: window.wantedByTest.indexOf(element),
            differs: before !== look(element),
            seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
            html: element.outerHTML.slice(0, 200),
        });
        return true;
    };
    window.noteOfTest = note;
    window.addEventListener("keydown", note, true);
    return window.wantedByTest.length;
}"""

FOCUSED = "() => { window.noteOfTest(); return window.focusedByTest; }"

FOREIGN_BYTES = """(foreign) =>
    [...document.querySelectorAll(foreign)].reduce((sum, one) => sum + new Blob([one.outerHTML]).size, 0)
"""

STRUCTURE = """(foreign) => [...document.querySelectorAll("h1, h2, h3, h4, a[href], input, select, textarea, button, summary, img")]
    .filter((element) => !element.closest(foreign) && !(element.tagName === "BUTTON" && element.type !== "submit"))
    .map((element) => {
        const copy = element.cloneNode(true);
        copy.querySelectorAll("time").forEach((time) => time.remove());
        const words = copy.textContent.trim().replace(/\\s+/g, " ").replace(/\\b[0-9a-f]{8}\\b/g, "…");
        return [element.tagName, element.getAttribute("href") ?? element.name ?? "", words].join(" ");
    })
"""

SCRIPTLESS = """() => {
    const idle = (element) => {
        if (element.tagName === "A") return /^(#?$|javascript:)/i.test(element.getAttribute("href"));
        return !(element.type === "submit" && element.form) && !element.hasAttribute("popovertarget") && !element.hasAttribute("commandfor");
    };
    return [...document.querySelectorAll("button, input[type=button], a[href]")]
        .filter((element) => element.checkVisibility({ visibilityProperty: true }) && idle(element))
        .map((element) => element.outerHTML.slice(0, 200));
}"""


def overflow(page: Page, width: int) -> list[str]:
    """What makes the page wider than its window. Boxes that scroll by themselves may hold what they like."""
    inner, scroll = page.evaluate("[innerWidth, document.documentElement.scrollWidth]")
    if inner <= width and scroll <= width:
        return []
    return [f"{max(inner, scroll)} pixels wide in a window of {width}", *page.evaluate(SPILLED, width)]


def keyboard(page: Page) -> list[str]:
    """Goes through the whole page with the Tab key: everything that can be used must get the focus, be in sight with it, and look different."""
    wanted, seen = page.evaluate(INTERACTIVE), []
    # Boxes that scroll get the focus too, although nobody lists them: so there may be more stops than expected.
    for _ in range(ROUNDS_MAX):
        for _ in range(wanted + 5 if not seen else EXTRA_TABS):
            page.keyboard.press("Tab")
        before, seen = len(seen), page.evaluate(FOCUSED)
        reached = {stop["number"] for stop in seen} - {UNLISTED}
        if len(reached) == wanted or len(seen) == before or len(reached) < len([stop for stop in seen if stop["number"] != UNLISTED]):
            break
    complaints = [f"focused out of sight: {stop['html']}" for stop in seen if not stop["seen"]]
    complaints += [f"the focus cannot be seen: {stop['html']}" for stop in seen if stop["number"] != UNLISTED and not stop["differs"]]
    missed = sorted(set(range(wanted)) - reached)
    outer = "(numbers) => numbers.map((number) => window.wantedByTest[number].outerHTML.slice(0, 200))"
    complaints += [f"Tab does not reach: {html}" for html in page.evaluate(outer, missed[:5])]
    return list(dict.fromkeys(complaints))


class Weight:
    """The bytes of a page and of what it loads, as they are without compression; pictures do not count."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._parts: list[Response] = []
        page.on("response", self._add)

    def _add(self, response: Response) -> None:
        request = response.request
        if request.is_navigation_request() and request.frame == self._page.main_frame:
            self._parts = []
        if request.resource_type in ("document", "stylesheet", "script"):
            self._parts.append(response)

    def complaints(self) -> list[str]:
        """Of the page that was opened last. Text that uploaders wrote is taken off."""
        parts = {part.url: len(part.body()) for part in self._parts}
        total = sum(parts.values()) - self._page.evaluate(FOREIGN_BYTES, FOREIGN)
        return [] if total <= PAGE_BYTES_MAX else [f"{total} bytes beside descriptions; with them: {parts}"]


def structure(page: Page) -> list[str]:
    """What people find on the page: headings, links, fields, buttons that send a form. Times are left out, since a script may write them
    in the reader's zone; and so are the text of uploaders, and the digits that make the names of tokens different."""
    return page.evaluate(STRUCTURE, FOREIGN)


def scriptless(page: Page) -> list[str]:
    """What is offered to people whose browser runs no scripts, and does nothing for them."""
    return [f"does nothing without a script: {html}" for html in page.evaluate(SCRIPTLESS)]
