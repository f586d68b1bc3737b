"""Debian's packages for what the tests run and do not build: installed only when missing, and only by root."""

from __future__ import annotations

import os
import shutil
import subprocess

from .report import Failure


def install(packages: tuple[str, ...], name: str, otherwise: str) -> None:
    """Installs `packages`. `name` is what people call them, `otherwise` what they can do without Debian or root."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Failure(f"{name} is missing. Install it (Debian: `apt-get install {' '.join(packages)}` as root) or {otherwise}.")
    print(f"{name} is missing: installing Debian's package", flush=True)
    # RUNLEVEL=1: the package's own server is not started; the tests start theirs on ports of their own.
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]):
        if subprocess.run(command, env=env, stdin=subprocess.DEVNULL, check=False).returncode != 0:
            raise Failure(f"{name} could not be installed: `{' '.join(command)}` failed.")
