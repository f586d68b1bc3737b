"""The one test that leaves this machine: the mirror in front of the index that this machine's own pip uses."""

from __future__ import annotations

import os
import warnings

import pytest

from support import tools
from support.backends import serve
from support.projects import write_project
from support.tools import Workshop

pytestmark = pytest.mark.real_upstream

SMALL = "jinja2"
"""Pure Python, small, with one dependency that has many platform wheels."""


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory):
    """A server that finds its upstream by itself. Its PATH has a pip, since it may ask that."""
    folder = tmp_path_factory.mktemp("real")
    path = f"{tools.VENVS / 'pip/bin'}:/usr/local/bin:/usr/bin:/bin"
    configured = {name: value for name, value in os.environ.items() if name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_CONFIG_FILE")}
    server = serve(folder, "--upstream", "auto", env={"PATH": path, **configured})
    yield server.index("root/pypi")
    server.stop()


@pytest.fixture(autouse=True)
def upstream_found(mirror) -> None:
    """Without an upstream the tests are left out, loudly: that is right on a machine that has none, and a fault anywhere else."""
    page = mirror.page(SMALL)
    if page.status == 502:
        warnings.warn(f"NO UPSTREAM FOUND, the mirror was not tested against a real index: {page.text.strip()}", stacklevel=1)
        pytest.skip("no upstream found")


def test_pip_installs_from_the_real_upstream(workshop: Workshop, mirror):
    python = workshop.venv()
    workshop.run("pip", "--python", python, "install", "--index-url", f"{mirror.server.url}/root/main/+simple/", SMALL)
    workshop.run(str(python), "-c", "import jinja2, markupsafe")


def test_uv_installs_from_the_real_upstream(workshop: Workshop, mirror):
    python = workshop.venv()
    workshop.run("uv", "pip", "install", "--python", python, "--default-index", f"{mirror.server.url}/simple/", SMALL)
    workshop.run(str(python), "-c", "import jinja2, markupsafe")


def test_isolated_build_takes_its_backend_from_the_mirror(workshop: Workshop, mirror):
    """`python -m build` in its default, isolated form: pip installs the build backend from `PIP_INDEX_URL`."""
    sources = write_project(workshop.home / "project", "my-lib", backend="flit_core")
    workshop.run("pyproject-build", sources, env={"PIP_INDEX_URL": mirror.simple_url})
    assert len(list((sources / "dist").iterdir())) == 2
