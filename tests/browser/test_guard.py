"""The guard and the measures themselves: each sees the fault that it is there for. A guard that sees nothing would pass every page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser

from kit.axe import violations
from kit.measures import keyboard, overflow, scriptless, structure
from kit.views import NARROW, WITHOUT_SCRIPTS, Looker, View, looking

HEAD = '<!DOCTYPE html><html lang="en"><head><title>A page</title><meta name="viewport" content="width=device-width"></head>'
POLICY = "default-src 'self'"


class Bad:
    """A server whose only page is what a test makes of it."""

    def __init__(self) -> None:
        self.body, self.policy = "", ""
        bad = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = self.path == "/"
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                if bad.policy:
                    self.send_header("Content-Security-Policy", bad.policy)
                self.end_headers()
                self.wfile.write((HEAD + bad.body if found else "nothing").encode())

            def log_message(self, *args) -> None:
                """Nothing on the terminal."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self._http.server_address[1]}"

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def bad() -> Iterator[Bad]:
    running = Bad()
    yield running
    running.stop()


def shown(bad: Bad, looker: Looker, body: str) -> list[str]:
    """What the guard saw on a page with this body."""
    bad.body = body
    looker.open("/").wait_for_timeout(200)
    return looker.guard.forgive()


@pytest.mark.parametrize("view", [View(), WITHOUT_SCRIPTS], ids=["scripts", "no-scripts"])
@pytest.mark.parametrize(
    "body",
    [
        '<img src="http://elsewhere.example/x.png">',
        '<img src="//127.0.0.1:9/x.png">',
        '<link rel="stylesheet" href="https://elsewhere.example/x.css">',
        '<iframe src="http://elsewhere.example/"></iframe>',
        '<style>body { background: url("http://elsewhere.example/x.png") }</style>',
    ],
)
def test_a_request_to_another_host_is_seen(browser: Browser, bad: Bad, view: View, body: str):
    with looking(browser, bad.origin, view) as looker:
        assert any("another host" in trouble for trouble in shown(bad, looker, body))


@pytest.mark.parametrize("view", [View(), WITHOUT_SCRIPTS], ids=["scripts", "no-scripts"])
@pytest.mark.parametrize(
    "body",
    [
        "<style>body { color: red }</style>",
        '<p style="color: red">red</p>',
        '<img src="http://elsewhere.example/x.png">',
    ],
)
def test_what_the_policy_refuses_is_seen(browser: Browser, bad: Bad, view: View, body: str):
    bad.policy = POLICY
    with looking(browser, bad.origin, view) as looker:
        assert any("Content Security Policy" in trouble for trouble in shown(bad, looker, body))


@pytest.mark.parametrize("body", ["<script>document.title = 'ran'</script>", '<p onclick="void 0">click</p>'])
def test_a_script_that_the_policy_refuses_is_seen(browser: Browser, bad: Bad, body: str):
    bad.policy = POLICY
    with looking(browser, bad.origin) as looker:
        assert any("Content Security Policy" in trouble for trouble in shown(bad, looker, body))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<script>alert(1)</script>", "a dialog: alert"),
        ("<script>console.error('broken')</script>", "console: broken"),
        ("<script>throw new Error('thrown')</script>", "exception: Error: thrown"),
        ('<img src="/missing.png" alt="">', "404"),
    ],
)
def test_other_trouble_is_seen(browser: Browser, bad: Bad, body: str, told: str):
    with looking(browser, bad.origin) as looker:
        assert any(told in trouble for trouble in shown(bad, looker, body))


def test_trouble_fails_the_test(browser: Browser, bad: Bad):
    bad.body = "<script>console.error('broken')</script>"
    with pytest.raises(AssertionError, match="broken"), looking(browser, bad.origin) as looker:
        looker.open("/").wait_for_timeout(200)


def test_a_page_may_be_missing(browser: Browser, bad: Bad):
    """The page itself, when the test says so: the browser's own words about it are no trouble."""
    with looking(browser, bad.origin) as looker:
        looker.open("/missing", status=404)
        with pytest.raises(AssertionError, match="404 instead of 200"):
            looker.open("/missing")


def test_axe_sees_what_is_wrong_but_in_descriptions(browser: Browser, bad: Bad):
    bad.policy = POLICY
    picture, heading = '<img src="/">', "<main><h1>A page</h1>{}</main>"
    with looking(browser, bad.origin) as looker:
        for body, wrong in ((heading.format(picture), True), (heading.format(f'<div class="description">{picture}</div>'), False)):
            shown(bad, looker, body)
            told = violations(looker.page)
            assert any(text.startswith("image-alt") for text in told) == wrong, told


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<p>short</p>", None),
        ('<p style="width: 400px">wide</p>', "400 pixels wide"),
        ("<p>" + "x" * 400 + "</p>", "pixels wide"),
        ('<div style="overflow: auto"><p style="width: 4000px">wide</p></div>', None),
    ],
)
def test_overflow_is_seen(browser: Browser, bad: Bad, body: str, told: str | None):
    with looking(browser, bad.origin, View(NARROW)) as looker:
        shown(bad, looker, f"<body style='margin: 0'>{body}")
        complaints = overflow(looker.page, NARROW)
        assert bool(complaints) == bool(told) and (not told or told in complaints[0]), complaints


BUTTONS = '<a href="/">link</a><button>button</button><input type="radio" name="a"><input type="radio" name="a"><details><summary>more</summary></details>'


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (BUTTONS, None),
        ("<style>a:focus { outline: none }</style>" + BUTTONS, "cannot be seen"),
        ("<style>a { position: absolute; left: -9999px }</style>" + BUTTONS, "out of sight"),
        (BUTTONS + '<div inert><a href="/">inert</a></div>', "does not reach"),
    ],
)
def test_what_a_keyboard_cannot_use_is_seen(browser: Browser, bad: Bad, body: str, told: str | None):
    with looking(browser, bad.origin) as looker:
        shown(bad, looker, body)
        complaints = keyboard(looker.page)
        assert [told in complaint for complaint in complaints] == ([True] if told else []), complaints


@pytest.mark.parametrize(
    ("body", "heavy"), [("x" * 102_000, False), ("x" * 103_000, True), (f"<div class=description>{'x' * 103_000}</div>", False)]
)
def test_weight_is_seen(browser: Browser, bad: Bad, body: str, heavy: bool):
    with looking(browser, bad.origin) as looker:
        shown(bad, looker, body)
        assert bool(looker.weight.complaints()) == heavy


@pytest.mark.parametrize(
    ("body", "idle"),
    [
        ('<a href="/">link</a><form><button>send</button></form><details><summary>more</summary></details>', 0),
        ('<button type="button">copy</button>', 1),
        ('<a href="#">top</a>', 1),
        ('<button type="button" hidden>copy</button>', 0),
        ("<button>outside of a form</button>", 1),
    ],
)
def test_what_needs_a_script_is_seen(browser: Browser, bad: Bad, body: str, idle: int):
    with looking(browser, bad.origin, WITHOUT_SCRIPTS) as looker:
        shown(bad, looker, body)
        assert len(scriptless(looker.page)) == idle


def test_what_only_a_script_shows_is_seen(browser: Browser, bad: Bad):
    body = "<h1>A  page</h1><p><time>12:00</time></p><script>document.querySelector('time').textContent = '17:45'; {}</script>"
    for script, same in (("", True), ("document.body.insertAdjacentHTML('beforeend', '<a href=/more>more</a>')", False)):
        found = []
        for view in (View(), WITHOUT_SCRIPTS):
            with looking(browser, bad.origin, view) as looker:
                shown(bad, looker, body.format(script))
                found.append(structure(looker.page))
        assert (found[0] == found[1]) == same, found
