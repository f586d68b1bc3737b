"""Chromium, which the browser tests drive: found or installed here, started by the tests themselves."""

from __future__ import annotations

import shutil
import subprocess

from . import debian
from .report import Failure

NAMES = ("chromium", "chromium-browser", "google-chrome")
OTHERWISE = "put a Chromium that Playwright can drive on the PATH as `chromium`"


def ensure() -> list[str]:
    """Installs it if it is missing; returns its path and version."""
    if find() is None:
        # The fonts: with none at all, Chromium measures and draws nothing.
        debian.install(("chromium", "fonts-dejavu-core"), "Chromium", OTHERWISE)
    binary = find()
    if binary is None:
        raise Failure("Debian's package of Chromium is installed, but there is no `chromium` on the PATH.")
    return [f"{binary}: {_version(binary)}"]


def find() -> str | None:
    """The first of the usual names that is on the PATH."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def _version(binary: str) -> str:
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    if told.returncode != 0:
        raise Failure(f"`{binary} --version` failed:\n{told.stdout}{told.stderr}")
    return told.stdout.strip()
