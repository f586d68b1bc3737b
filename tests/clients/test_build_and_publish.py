"""A project of every build backend: built for real, published, installed again."""

from __future__ import annotations

import pytest

from conftest import FULL, Team
from support import tools
from support.projects import BACKENDS, write_project
from support.tools import Workshop
from support.uploaders import UPLOADERS, Job, Uploader

USUAL = {
    "twine": "setuptools",
    "uv": "setuptools",
    "hatch": "hatchling",
    "flit": "flit_core",
    "poetry": "poetry-core",
    "pdm": "pdm-backend",
    "maturin": "maturin",
}
PAIRS = [
    (backend, uploader)
    for uploader in UPLOADERS
    for backend in BACKENDS
    if backend == USUAL[uploader.name] or (FULL and uploader.name != "flit")
]
"""Each uploader with the backend its users have; with `--full`, with all (but flit publishes only what flit builds)."""


@pytest.mark.parametrize(("backend", "uploader"), PAIRS, ids=str)
def test_built_project_is_published_and_installed(backend: str, uploader: Uploader, workshop: Workshop, team: Team):
    """The server accepts what each backend writes, and the wheel installs from an index that inherits the one it was published to."""
    name = f"made-by-{backend.replace('_', '-')}"
    sources = write_project(workshop.home / "project", name, "1.0.0", backend=backend)
    build(workshop, sources, backend)
    uploader.publish(Job(workshop, sources, team.dev.upload_url, team.owner.name, team.owner.password), True)
    published = team.prod.filenames(name)
    assert {filename.rpartition(".")[2] for filename in published} == {"whl", "gz"}
    python = workshop.venv()
    workshop.run("pip", "--python", python, "install", "--only-binary", ":all:", "--index-url", team.prod.simple_url, name)
    assert "Version: 1.0.0" in workshop.run("pip", "--python", python, "show", name).output


def build(workshop: Workshop, sources, backend: str) -> None:
    """`python -m build` with the backends already installed: nothing is downloaded."""
    env = tools.toolchain_environment()
    env["PATH"] = f"{tools.BACKENDS_PYTHON.parent}:{env['PATH']}"
    workshop.run(str(tools.BACKENDS_PYTHON), "-m", "build", "--no-isolation", sources, env=env if backend == "maturin" else None)
