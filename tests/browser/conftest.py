"""What the browser tests share: one browser and two shops a test process, an empty one and one in which much has happened."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from kit import chromium, world
from kit.world import World
from support import server as servers


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
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The shop in which much has happened. Tests look at it; those that change things have a shop of their own."""
    built = world.build(tmp_path_factory.mktemp("full"))
    yield built
    built.stop()
