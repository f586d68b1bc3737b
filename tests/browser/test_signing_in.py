"""Signing in and out, and what other sites and other people cannot make of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Page

from kit.shop import Shop
from kit.views import WITHOUT_SCRIPTS, Looker, View
from kit.world import World
from support import wire

Look = Callable[..., AbstractContextManager[Looker]]
SESSION = "cheeseshop_session"
HOURS = 12
either_way = pytest.mark.parametrize("view", [View(), WITHOUT_SCRIPTS], ids=["scripts", "no-scripts"])


def sign_in(page: Page, user: str, password: str) -> None:
    """Fills in the form that is shown, and sends it."""
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()


def is_signed_in(page: Page) -> bool:
    return page.get_by_role("button", name="Sign out").is_visible()


@either_way
def test_in_and_out(full: World, look: Look, view: View):
    """Back to the page where it began, and really out: the old cookie opens nothing."""
    with look(full, view) as looker:
        page = looker.open("/team/dev")
        page.get_by_role("link", name="Sign in").click()
        sign_in(page, "carol", full.people["carol"].password)
        assert page.url == f"{full.origin}/team/dev" and is_signed_in(page)
        before = page.context.cookies()
        page.get_by_role("button", name="Sign out").click()
        assert not is_signed_in(page)
        page.context.add_cookies(before)
        looker.open("/team/dev")
        assert not is_signed_in(page)


def test_the_cookie_is_kept_from_scripts_and_other_sites(full: World, look: Look):
    with look(full) as looker:
        page = looker.open("/_/login")
        sign_in(page, "carol", full.people["carol"].password)
        [cookie] = [cookie for cookie in page.context.cookies() if cookie["name"] == SESSION]
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"], cookie["secure"]) == (True, "Lax", "/", False)
        assert 0 <= time.time() + HOURS * 3600 - cookie["expires"] < 60
        assert SESSION not in page.evaluate("document.cookie")


def test_a_wrong_password_tells_nothing(full: World, look: Look):
    """Nobody learns from it who exists. What was typed as the name stays; the password does not."""
    said = []
    with look(full) as looker:
        for user in ("carol", "nobody-of-this-name"):
            page = looker.open("/_/login")
            sign_in(page, user, "wrong")
            said.append(" ".join(page.get_by_role("main").inner_text().split()))
            assert (page.get_by_label("User name").input_value(), page.get_by_label("Password").input_value()) == (user, "")
            assert not is_signed_in(page)
    assert said[0] == said[1]


@pytest.mark.parametrize("elsewhere", ["//elsewhere.example/", "https://elsewhere.example/", "/\\elsewhere.example", "javascript:alert(1)"])
def test_nobody_is_led_away(full: World, look: Look, elsewhere: str):
    with look(full) as looker:
        page = looker.open(f"/_/login?next={elsewhere}")
        sign_in(page, "carol", full.people["carol"].password)
        assert page.url == f"{full.origin}/" and is_signed_in(page)


def test_a_new_password_ends_the_sessions(new_shop: Callable[..., Shop], look: Look):
    shop = new_shop()
    shop.people["zoe"] = shop.server.add_user("zoe")
    with look(shop, View(), "zoe") as looker:
        assert is_signed_in(looker.open("/"))
        changed = wire.send_json("PATCH", f"{shop.origin}/zoe", {"password": "another-password"}, shop.server.root.auth)
        assert changed.status == 200, changed.text
        assert not is_signed_in(looker.open("/"))


def test_guessing_is_slowed_down(new_shop: Callable[..., Shop], look: Look):
    """After some different wrong passwords even the right one is refused, with words that say for how long; who is signed in stays so."""
    shop = new_shop()
    for name in ("zoe", "yan"):
        shop.people[name] = shop.server.add_user(name)
    with look(shop, View(), "zoe") as owner, look(shop) as looker:
        owner.open("/")
        for number in range(100):
            page = looker.open("/_/login")
            sign_in(page, "yan", f"wrong {number}")
            if "minute" in page.get_by_role("alert").inner_text():
                break
        else:
            pytest.fail("a hundred wrong passwords were taken")
        looker.open("/_/login")
        sign_in(page, "yan", shop.people["yan"].password)
        assert "minute" in page.get_by_role("alert").inner_text() and not is_signed_in(page)
        assert is_signed_in(owner.open("/"))
        looker.guard.forgive()


@contextmanager
def other_site(body: str) -> Iterator[str]:
    """A page on another port, which for cookies is the same site: nothing but the server itself stops its forms."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args) -> None:
            """Nothing on the terminal."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_address[1]}/"
    http.shutdown()
    http.server_close()


def test_forms_of_other_sites_do_nothing(full: World, browser: Browser):
    """Their browser sends the cookie along; the server looks where the form came from."""
    form = f'<form method="post" action="{full.origin}/_/logout"><button>A cat!</button></form>'
    with other_site(form) as url, browser.new_context() as context:
        context.add_cookies(full.cookies("carol"))
        page = context.new_page()
        page.goto(url)
        with page.expect_navigation() as navigation:
            page.get_by_role("button").click()
        assert navigation.value.status == 403
        assert "another site" in page.get_by_role("main").inner_text()
        page.goto(full.origin)
        assert is_signed_in(page)


def test_other_sites_cannot_frame_a_page(full: World, browser: Browser):
    with other_site(f'<iframe src="{full.origin}/"></iframe>') as url, browser.new_context() as context:
        page = context.new_page()
        page.goto(url)
        page.wait_for_timeout(300)
        assert "Python packages" not in page.frames[1].content()
