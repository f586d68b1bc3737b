"""nginx, which stands before the nodes of a cluster: found or installed here, started by the tests themselves."""

from __future__ import annotations

import os
import shutil
import subprocess

from . import debian
from .report import Failure

WHERE = f"{os.environ.get('PATH', '')}:/usr/sbin"


def ensure() -> list[str]:
    """Installs it if it is missing; returns its version."""
    if not shutil.which("nginx", path=WHERE):
        debian.install(("nginx",), "nginx", "put it on the PATH")
    binary = shutil.which("nginx", path=WHERE)
    if binary is None:
        raise Failure("Debian's package of nginx is installed, but there is no `nginx` in /usr/sbin.")
    return [subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stderr.strip()]
