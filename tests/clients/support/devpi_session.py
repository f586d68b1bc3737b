"""A person with a shell, some files and devpi-client, who works with one of the two servers, and what that person sees."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from .artifacts import sdist, wheel
from .devpi_differences import OUR_OPTIONS
from .devpi_state import doc_zip, file_path
from .projects import write_project
from .server import free_port
from .side_by_side import Side
from .tools import VENVS, Workshop

SINGLE = wheel("single", "1.0")
FOLDER = (sdist("basket", "1.0"), wheel("basket", "1.0"), wheel("basket", "2.0"))
OLD_FILES = tuple(wheel("basket", f"0.{number}") for number in range(1, 6))
CHANGED = wheel("single", "1.0", note="changed")

TOX_INI = """[tox]
envlist = ours
[testenv]
deps = single
commands = python -c "import sample, single"
"""

SPHINX_STANDIN = """#!/bin/sh
# sphinx-build -E SOURCE BUILD: the client only wants the folder that it makes.
mkdir -p "$3" && echo "<html><body>the manual</body></html>" > "$3/index.html"
"""

WHEN = re.compile(r'"when": \[[\d,\s]*\]')
TOKEN_ID = re.compile(r"^    [A-Za-z0-9_-]{8}$", re.MULTILINE)

VARYING = (
    (re.compile(r"/devpi-(test-)?\w{8}\b"), "/TEMPORARY"),
    (re.compile(r"\(\d[^()]* seconds\)"), "(SOME seconds)"),
    (re.compile(r"\b\d+\.\d+( ?(?:s|MB/s|kB/s)\b)"), r"SOME\1"),
    (re.compile(r"\bdevpi-[A-Za-z0-9_-]{40,}"), "TOKEN"),
    (re.compile(r"^    [A-Za-z0-9_-]{8}$|(?<=^token )[A-Za-z0-9_-]{8}(?= deleted)"), "    TOKEN-ID"),
    (re.compile(r"^    id         : [A-Za-z0-9_-]{8}$"), "    id         : TOKEN-ID"),
    (re.compile(r"\bexpires[=:] ?\d.*"), "expires=SECONDS"),
)
"""What differs between two runs of the client against the same server."""


class Person:
    """Somebody with a shell, devpi-client and some files, who works with one of the two servers."""

    def __init__(self, side: Side, other: Side, home: Path) -> None:
        self.side = side
        self.token_id = "none"
        self.workshop = Workshop(home)
        _lay_out_files(self.workshop)
        _write_pypirc(home / "pypirc", other)

    def type(self, line: str) -> list[str]:
        """Types one command after `devpi`, behind `<<` what is answered to its questions; returns what is seen, the exit status last."""
        command, _, answers = line.partition(" << ")
        places = {"url": self.side.url, "home": self.workshop.home, "single": file_path("piet/high", SINGLE), "token_id": self.token_id}
        words = shlex.split(command.format(**places))
        typed = "".join(f"{answer}\n" for answer in answers.split())
        words += ["--clientdir", str(self.workshop.home / "clientdir")]
        run = self.workshop.run("devpi", *words, cwd=self.workshop.home / "sample", ok=None, typed=typed)
        if found := TOKEN_ID.search(run.output):
            self.token_id = found[0].strip()
        output = WHEN.sub('"when": "TIME"', run.output)
        lines = [self._plain(line) for line in output.splitlines() if not any(option in line for option in OUR_OPTIONS)]
        return [*filter(None, lines), f"exit status {run.status}"]

    def _plain(self, line: str) -> str:
        line = self.side.plain(line).replace(str(self.workshop.home), "HOME")
        for pattern, word in VARYING:
            line = pattern.sub(word, line)
        return line.rstrip()


def _lay_out_files(workshop: Workshop) -> None:
    """The files that the chapters name."""
    home = workshop.home
    SINGLE.write_to(home)
    CHANGED.write_to(home / "changed")
    for artifact in FOLDER:
        artifact.write_to(home / "folder")
    for artifact in OLD_FILES:
        artifact.write_to(home / "old")
    (home / "basket-1.0.doc.zip").write_bytes(doc_zip("the basket"))
    project = write_project(home / "sample", "sample", "1.0")
    (project / "tox.ini").write_text(TOX_INI)
    with (project / "pyproject.toml").open("a") as config:
        config.write('[tool.flit.sdist]\ninclude = ["tox.ini"]\n')
    (project / "docs").mkdir()
    (project / "docs/conf.py").write_text("")
    (home / "patch.json").write_text('{"title": "Patched"}')
    _script(home / "bin/sphinx-build", SPHINX_STANDIN)
    python = workshop.venv()
    _script(python.parent / "pip", f'#!/bin/sh\nexec {VENVS}/pip/bin/python -m pip --python {python} --no-cache-dir "$@"\n')
    workshop.env["PATH"] = f"{home}/bin:{VENVS}/devpi-client/bin:/usr/local/bin:/usr/bin:/bin"


def _write_pypirc(path: Path, other: Side) -> None:
    """Where `devpi push` may post to: the other server, for devpi-server cannot post to itself (it locks its own database)."""
    sections = {
        "other": (f"{other.url}/poster/post/", "poster-password"),
        "shut": (f"{other.url}/poster/post/", "wrong"),
        "down": (f"http://127.0.0.1:{free_port()}/", "poster-password"),
    }
    lines = [f"[{name}]\nrepository = {url}\nusername = poster\npassword = {password}\n" for name, (url, password) in sections.items()]
    path.write_text("\n".join(lines))


def _script(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
