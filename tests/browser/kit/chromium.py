"""This machine's Chromium, without a window and without a word to anybody but the servers of the tests."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Browser, Playwright

BINARY = Path(os.environ.get("CHEESESHOP_TEST_CHROMIUM", ""))
SILENT = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--no-proxy-server",
    # Whatever it may still want to say: there is no host but this one.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


def launch(playwright: Playwright) -> Browser:
    """A browser for one test process. Its sandbox needs a user other than root."""
    sandbox = os.geteuid() != 0
    return playwright.chromium.launch(executable_path=BINARY, args=list(SILENT), chromium_sandbox=sandbox)
