"""The texts that pages offer for copying, read off as people do, and a shell in which they are used."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from support.tools import Run, Workshop, find_program

TOKEN = "TOKEN"
"""What stands in the texts where a secret belongs."""
TOOLS = ("devpi", "flit", "hatch", "pdm", "pip", "pipenv", "poetry", "twine", "uv")
READ = """() => Object.fromEntries([...document.querySelectorAll("details[name=guide]")].map((guide) => [
    guide.querySelector("summary").textContent.trim(),
    [...guide.querySelectorAll(".snippet")].map((one) => [one.querySelector(".name").textContent.trim(), one.querySelector("code").textContent]),
]))"""


def read(page: Page) -> dict[str, dict[str, str]]:
    """The guides of a page: for each tool its texts, by the place where they belong."""
    found = page.evaluate(READ)
    assert found, "the page has no guides"
    return {tool: dict(snippets) for tool, snippets in found.items()}


class Person:
    """Somebody with a shell and all the tools, who pastes texts with a token in the place of the word TOKEN."""

    def __init__(self, workshop: Workshop, token: str = TOKEN) -> None:
        self.workshop = workshop
        self.home = workshop.home / "home"
        self._token = token
        self._tools = workshop.home / "tools"
        self._tools.mkdir()
        for tool in TOOLS:
            (self._tools / tool).symlink_to(find_program(tool))

    def type(self, text: str, folder: Path, *, typed: str = "", env: dict[str, str] | None = None, ok: bool = True) -> Run:
        """Pastes lines into a shell; each must succeed, or with `ok=False` the last one fail."""
        # pip reads its file, which the tests' clean environment else forbids.
        setting = {"PATH": f"{self._tools}:/usr/local/bin:/usr/bin:/bin", "PIP_CONFIG_FILE": str(self.home / ".config/pip/pip.conf")}
        return self.workshop.run("/bin/sh", "-ec", self._filled(text), cwd=folder, env=setting | (env or {}), typed=typed, ok=ok)

    def save(self, text: str, path: Path) -> None:
        """Pastes a text into a file, behind what is there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() if path.exists() else ""
        path.write_text(f"{before}{self._filled(text)}\n")

    def _filled(self, text: str) -> str:
        return text.replace(TOKEN, self._token).replace(f"CHEESESHOP_{self._token}", "CHEESESHOP_TOKEN")
