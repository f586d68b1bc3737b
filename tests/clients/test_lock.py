"""Lock files: every tool writes the hashes we serve, and installs again from the lock file alone."""

from __future__ import annotations

import pytest

from conftest import Team
from support.artifacts import sdist, wheel
from support.fake_upstream import FakeUpstream
from support.installers import pdm_project, pipenv_project, poetry_project, uv_project
from support.recorder import Recorder
from support.tools import Workshop
from support.uploads import must_upload

LIB = wheel("lib", "1.2", requires=("alder",))
LIB_SDIST = sdist("lib", "1.2", requires=("alder",))
ALDER = wheel("alder")
HASHES = [LIB.sha256, LIB_SDIST.sha256, ALDER.sha256]


@pytest.fixture
def stocked(team: Team, upstream: FakeUpstream) -> Team:
    """An own project with a wheel and an sdist, and a mirrored dependency."""
    must_upload(team.dev, team.owner, LIB, LIB_SDIST)
    upstream.add(ALDER)
    return team


def require_hashes(text: str) -> None:
    """All files of all locked releases, not only those this machine would install."""
    missing = [digest for digest in HASHES if digest not in text]
    assert not missing, f"the lock file lacks {missing}:\n{text}"


def test_uv_lock_and_sync(workshop: Workshop, stocked: Team):
    """`[[tool.uv.index]]`; the lock file holds hashes, sizes and upload times."""
    folder = uv_project(workshop, stocked.prod.simple_url)
    workshop.run("uv", "add", "--no-sync", "lib", cwd=folder)
    lock = (folder / "uv.lock").read_text()
    require_hashes(lock)
    assert f"size = {len(LIB.data)}" in lock and "upload-time" in lock
    workshop.run("uv", "sync", "--locked", cwd=folder)
    workshop.run(str(folder / ".venv/bin/python"), "-c", "import lib, alder")


def test_uv_exclude_newer(workshop: Workshop, stocked: Team):
    """`upload-time` is on every file: without it uv would take none of them. Upstream's files are old, ours are from today."""
    (workshop.home / "requirements.in").write_text("alder\n")
    command = ["uv", "pip", "compile", "requirements.in", "--default-index", stocked.prod.simple_url, "--exclude-newer"]
    assert "alder==1.0" in workshop.run(*command, "2024-06-01T00:00:00Z").output
    (workshop.home / "requirements.in").write_text("lib\n")
    workshop.run(*command, "2024-06-01T00:00:00Z", ok=False)
    assert "lib==1.2" in workshop.run(*command, "2999-01-01T00:00:00Z").output


def test_uv_compile_with_hashes(workshop: Workshop, stocked: Team):
    (workshop.home / "requirements.in").write_text("lib\n")
    run = workshop.run("uv", "pip", "compile", "--generate-hashes", "requirements.in", "--default-index", stocked.prod.simple_url)
    require_hashes(run.output)


def test_poetry_lock_and_install(workshop: Workshop, stocked: Team):
    folder = poetry_project(workshop, stocked.prod.simple_url)
    workshop.run("poetry", "add", "--lock", "lib", cwd=folder)
    require_hashes((folder / "poetry.lock").read_text())
    workshop.run("poetry", "sync", cwd=folder)
    workshop.run(str(folder / ".venv/bin/python"), "-c", "import lib, alder")


def test_pdm_lock_and_sync(workshop: Workshop, stocked: Team):
    folder = pdm_project(workshop, stocked.prod.simple_url)
    workshop.run("pdm", "add", "--no-sync", "lib", cwd=folder)
    require_hashes((folder / "pdm.lock").read_text())
    workshop.run("pdm", "sync", cwd=folder)
    workshop.run(str(folder / ".venv/bin/python"), "-c", "import lib, alder")


def test_pipenv_lock_and_sync(workshop: Workshop, stocked: Team):
    """pipenv takes hashes from the HTML page's fragments, and asks for it with an empty path segment: `…/+simple//lib/`."""
    folder = pipenv_project(workshop, stocked.prod.simple_url)
    pipfile = folder / "Pipfile"
    pipfile.write_text(pipfile.read_text().replace("[packages]\n", '[packages]\nlib = "*"\n'))
    workshop.run("pipenv", "lock", cwd=folder)
    require_hashes((folder / "Pipfile.lock").read_text())
    workshop.run("pipenv", "sync", cwd=folder)
    workshop.run(str(folder / ".venv/bin/python"), "-c", "import lib, alder")


def test_pip_compile_with_hashes(workshop: Workshop, stocked: Team):
    """pip-tools reads hashes from the JSON pages; without them it would download every file of every release it pins."""
    (workshop.home / "requirements.in").write_text("lib\n")
    with Recorder(stocked.prod.server.url) as recorder:
        index_url = recorder.through(stocked.prod.simple_url)
        workshop.run("pip-compile", "--generate-hashes", "--no-emit-index-url", "--index-url", index_url, "requirements.in")
        downloads = [exchange.path for exchange in recorder.take() if exchange.is_file]
    require_hashes((workshop.home / "requirements.txt").read_text())
    assert downloads == []


def test_pip_lock(workshop: Workshop, stocked: Team):
    """pip's own lock file (PEP 751)."""
    workshop.run("pip", "lock", "--only-binary", ":all:", "--index-url", stocked.prod.simple_url, "lib")
    lock = (workshop.home / "pylock.toml").read_text()
    assert LIB.sha256 in lock and ALDER.sha256 in lock
