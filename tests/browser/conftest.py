"""What the browser tests share: one browser and two shops a test process, an empty one and one in which much has happened."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from kit import chromium, world
from kit.pages import Shown
from kit.shop import Shop
from kit.views import Looker, View, looking
from support import server as servers
from support.node import Node
from support.tools import Workshop


def pytest_configure(config: pytest.Config) -> None:
    """Without a binary or a browser every test would fail for the same reason: say it once."""
    needed = {"CHEESESHOP_TEST_BINARY": servers.BINARY, "CHEESESHOP_TEST_CHROMIUM": chromium.BINARY}
    for name, file in needed.items():
        if not file.is_file():
            raise pytest.UsageError(f"{name} names no file: run these tests through `tests/run --only browser`.")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser of this test process. Each test opens windows of its own."""
    with sync_playwright() as playwright:
        running = chromium.launch(playwright)
        yield running
        running.close()


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[world.World]:
    """The shop in which much has happened. Tests only look at it: those that change something have a shop of their own."""
    built = world.build(tmp_path_factory.mktemp("full"))
    yield built
    built.stop()


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop as it is after the first start. Tests only look at it."""
    server = Node(tmp_path_factory.mktemp("empty"), "--upstream", "none")
    yield Shop(server, {"root": server.root})
    server.stop()


@pytest.fixture
def new_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Opens shops of this test's own: `new_shop("--upstream", url)`."""
    running: list[Node] = []

    def start(*options: str) -> Shop:
        running.append(Node(tmp_path / f"server{len(running)}", *(options or ("--upstream", "none"))))
        return Shop(running[-1], {"root": running[-1].root})

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def look(browser: Browser) -> Callable[..., AbstractContextManager[Looker]]:
    """`with look(shop, view, who) as looker:` a window in which `who` is signed in."""

    def open_window(shop: Shop, view: View = View(), who: str | None = None) -> AbstractContextManager[Looker]:
        return looking(browser, shop.origin, view, shop.cookies(who))

    return open_window


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Where this test's tools run."""
    return Workshop(tmp_path)


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The folder for photographs of pages."""
    folder = Path(os.environ["CHEESESHOP_TEST_SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def present(
    request: pytest.FixtureRequest, look: Callable[..., AbstractContextManager[Looker]]
) -> Callable[..., AbstractContextManager[Looker]]:
    """`with present(shown, view) as looker:` one of `PAGES`, in its state."""

    @contextmanager
    def open_page(shown: Shown, view: View = View()) -> Iterator[Looker]:
        with look(request.getfixturevalue(shown.shop), view, shown.who) as looker:
            page = looker.open(shown.path, shown.status)
            if shown.act:
                shown.act(page)
            yield looker

    return open_page
