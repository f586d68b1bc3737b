"""Watches everything that a browser does while a test looks at pages, and tells what no page may do.

No request to another host, no error on the console (the browser reports there what the Content-Security-Policy refused), no exception of a
script, no dialog that nobody asked for, no failed request but a page that is meant to answer with an error.
"""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Request, Response, WebError

LOUD = ("error", "warning")


class Guard:
    """The watch over one context, whose pages are those of `origin`."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.origin = origin
        self.troubles: list[str] = []
        self._documents: set[str] = set()
        context.on("console", self._console)
        context.on("dialog", self._dialog)
        context.on("request", self._request)
        context.on("response", self._response)
        context.on("weberror", self._error)
        # Not even tried: a picture of another host that loads would be seen in `_request`, and stopped here.
        context.route(re.compile(rf"^(?!{re.escape(origin)}/|data:)"), lambda route: route.abort())

    def check(self) -> None:
        """Fails if there was trouble."""
        assert not self.troubles, "\n".join(dict.fromkeys(self.troubles))

    def forgive(self) -> list[str]:
        """What happened so far, which is no trouble any more: for tests of the guard itself."""
        troubles, self.troubles = self.troubles, []
        return troubles

    def _request(self, request: Request) -> None:
        if request.is_navigation_request():
            self._documents.add(request.url)
        if not request.url.startswith((f"{self.origin}/", "data:")):
            self.troubles.append(f"a request to another host: {request.method} {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.url not in self._documents:
            self.troubles.append(f"{response.status}: {response.url}")

    def _console(self, message: ConsoleMessage) -> None:
        failed = message.text.startswith("Failed to load resource")
        if message.type in LOUD and not (failed and message.location["url"] in self._documents):
            self.troubles.append(f"console: {message.text}")

    def _error(self, error: WebError) -> None:
        self.troubles.append(f"exception: {error.error.name}: {error.error.message}")

    def _dialog(self, dialog: Dialog) -> None:
        self.troubles.append(f"a dialog: {dialog.type} {dialog.message!r}")
        dialog.dismiss()
