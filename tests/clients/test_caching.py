"""Second runs: what tools keep, and that they see a new release at once all the same."""

from __future__ import annotations

import pytest

from conftest import Team
from support.artifacts import wheel
from support.fake_upstream import FakeUpstream
from support.installers import pdm_project, poetry_project
from support.recorder import Recorder
from support.tools import Workshop
from support.uploads import must_upload


@pytest.fixture
def recorder(team: Team, upstream: FakeUpstream):
    """Between the tool and the server; `lib` is the team's, `alder` is mirrored."""
    upstream.add(wheel("alder"))
    must_upload(team.dev, team.owner, wheel("lib", requires=("alder",)))
    with Recorder(team.prod.server.url) as between:
        yield between


def pip_install(workshop: Workshop, url: str, number: int) -> None:
    command = ["install", "--trusted-host", "127.0.0.1", "--index-url", url, "lib"]
    workshop.run("pip", "--python", workshop.venv(f"venv{number}"), *command)


def uv_install(workshop: Workshop, url: str, number: int) -> None:
    workshop.run("uv", "pip", "install", "--python", workshop.venv(f"venv{number}"), "--default-index", url, "lib")


@pytest.mark.parametrize("install", [pip_install, uv_install])
def test_second_run_gets_304_and_downloads_nothing(install, workshop: Workshop, team: Team, recorder: Recorder):
    """Pages are revalidated by a strong ETag that the 304 repeats; files and their metadata are immutable and not asked for again."""
    url = recorder.through(team.prod.simple_url)
    install(workshop, url, 1)
    first = recorder.take()
    assert [exchange for exchange in first if exchange.is_file]
    install(workshop, url, 2)
    second = recorder.take()
    assert {(exchange.is_page, exchange.status) for exchange in second} <= {(True, 304)}, second


@pytest.mark.parametrize("install", [pip_install, uv_install])
def test_new_release_is_seen_at_once(install, workshop: Workshop, team: Team, recorder: Recorder):
    """What was published after the first run is installed by the second."""
    url = recorder.through(team.prod.simple_url)
    install(workshop, url, 1)
    must_upload(team.dev, team.owner, wheel("lib", "2.0", requires=("alder",)))
    install(workshop, url, 2)
    python = workshop.home / "venv2/bin/python"
    assert "2.0" in workshop.run(str(python), "-c", "import lib; print(lib.__version__)").output


@pytest.mark.parametrize("tool", ["poetry", "pdm"])
def test_project_managers_revalidate(tool: str, workshop: Workshop, team: Team, recorder: Recorder):
    """poetry and pdm keep pages too; pdm only because of `must-revalidate`."""
    folder = {"poetry": poetry_project, "pdm": pdm_project}[tool](workshop, recorder.through(team.prod.simple_url))
    add = {"poetry": ["add", "--lock", "lib"], "pdm": ["add", "--no-sync", "lib"]}[tool]
    workshop.run(tool, *add, cwd=folder)
    recorder.take()
    workshop.run(tool, *{"poetry": ["lock", "--regenerate"], "pdm": ["lock"]}[tool], cwd=folder)
    pages = [exchange.status for exchange in recorder.take() if exchange.is_page]
    assert pages and set(pages) == {304}, pages
