"""Runs the packaging tools under test, each from its own virtual environment and in a clean environment.

"Clean" means: nothing of the caller's configuration (`PIP_*`, `UV_*`, `TWINE_*`, netrc, keyrings, caches) reaches the tool, and nothing it
writes outlives the test. Every run has a time limit, and a run that goes wrong shows the whole output.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_SECONDS = 120
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
VENVS = Path(os.environ.get("CHEESESHOP_TEST_VENVS", ""))
BACKENDS_PYTHON = VENVS / "backends/bin/python"
"""An interpreter with every build backend installed, for builds that download nothing."""
SILENT = {
    "CI": "1",
    "COLUMNS": "400",
    "DO_NOT_TRACK": "1",
    "LANG": "C.UTF-8",
    "NO_COLOR": "1",
    "PDM_CHECK_UPDATE": "0",
    "PIPENV_IGNORE_VIRTUALENVS": "1",
    "PIPENV_NOSPIN": "1",
    "PIPENV_VENV_IN_PROJECT": "1",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "POETRY_NO_INTERACTION": "1",
    "POETRY_VIRTUALENVS_IN_PROJECT": "true",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    "SOURCE_DATE_EPOCH": "1704067200",
    "TERM": "dumb",
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
}
"""No colours, no questions, no statistics, no interpreter downloads, reproducible archives."""


@dataclass(frozen=True)
class Run:
    """A finished run: exit status and everything it printed, both streams in one, without colour codes."""

    command: str
    status: int
    output: str

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def words(self) -> str:
        """The output with all white space as single spaces: tools wrap sentences where they like."""
        return " ".join(self.output.split())

    def __str__(self) -> str:
        return f"$ {self.command}\n{self.output}\n(exit status {self.status})"


class Workshop:
    """One test's home: a folder with HOME, caches and projects, in which tools are run."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env: dict[str, str] = {}
        (home / "home").mkdir(parents=True, exist_ok=True)

    def run(
        self,
        program: str,
        *args: object,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        ok: bool | None = True,
        typed: str = "",
    ) -> Run:
        """Runs `program` (a tool's name, or a path) and returns what happened.

        `ok=True`: the run must succeed; `ok=False`: it must fail. Either is asserted here, with the output in the message; `ok=None`: both
        will do. `typed` is what the tool can read from its standard input.
        """
        command = [str(find_program(program)), *map(str, args)]
        where = cwd or self.home
        process = subprocess.Popen(
            command,
            cwd=where,
            env=self._environment(program, env or {}),
            stdin=subprocess.PIPE if typed else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        output, timed_out = _wait(process, typed)
        run = Run(shlex.join(command), process.returncode, ANSI.sub("", output.decode("utf-8", "replace")))
        assert not timed_out, f"no end after {TIMEOUT_SECONDS} s: {run}"
        assert ok is None or run.ok == ok, f"expected {'success' if ok else 'failure'}: {run}"
        return run

    def venv(self, name: str = "venv") -> Path:
        """A new, empty virtual environment without pip; returns its interpreter."""
        folder = self.home / name
        self.run(sys.executable, "-m", "venv", "--without-pip", folder)
        return folder / "bin" / "python"

    def netrc(self, host: str, user: str, password: str) -> None:
        """Leaves credentials where pip, uv and requests look for them."""
        path = self.home / "home" / ".netrc"
        path.write_text(f"machine {host} login {user} password {password}\n")
        path.chmod(0o600)

    def _environment(self, program: str, extra: dict[str, str]) -> dict[str, str]:
        home = self.home / "home"
        folders = {
            "HOME": home,
            "TMPDIR": self.home / "tmp",
            "XDG_CACHE_HOME": home / ".cache",
            "XDG_CONFIG_DIRS": home / "xdg",
            "XDG_CONFIG_HOME": home / ".config",
            "XDG_DATA_HOME": home / ".local/share",
            "XDG_STATE_HOME": home / ".local/state",
        }
        folders["TMPDIR"].mkdir(exist_ok=True)
        path = [str(find_program(program).parent), "/usr/local/bin", "/usr/bin", "/bin"]
        return {**SILENT, **{name: str(folder) for name, folder in folders.items()}, "PATH": ":".join(path), **self.env, **extra}


def find_program(program: str) -> Path:
    """The file of a tool, in the virtual environment made for it."""
    if os.sep in program:
        return Path(program)
    home = {"pyproject-build": "build", "pip-compile": "pip-tools", "devpi": "devpi-client"}.get(program, program)
    return VENVS / home / "bin" / program


def _wait(process: subprocess.Popen, typed: str) -> tuple[bytes, bool]:
    """Waits for the end; after the time limit the whole process group is ended. Returns the output and whether the limit was hit."""
    try:
        return process.communicate(typed.encode() or None, timeout=TIMEOUT_SECONDS)[0], False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0], True


def toolchain_environment() -> dict[str, str]:
    """What a Rust build needs from the caller's environment (maturin), and nothing else; crates are not downloaded."""
    home = Path.home()
    cargo, rustup = (Path(os.environ.get(name, home / default)) for name, default in (("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")))
    path = ":".join([str(cargo / "bin"), "/usr/local/bin", "/usr/bin", "/bin"])
    return {"CARGO_HOME": str(cargo), "RUSTUP_HOME": str(rustup), "CARGO_NET_OFFLINE": "true", "PATH": path}
