"""How each installing tool is told to install from one index and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .tools import Workshop


@dataclass(frozen=True)
class Installer:
    """One tool. `install(workshop, index_url, requirement)` returns the interpreter that can then import what was installed."""

    name: str
    install: Callable[[Workshop, str, str], Path]

    def __str__(self) -> str:
        return self.name


def project_folder(workshop: Workshop, pyproject: str, name: str = "consumer") -> Path:
    """A project that uses packages: a folder with the given pyproject.toml."""
    folder = workshop.home / name
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_text(pyproject)
    return folder


CONSUMER = '[project]\nname = "consumer"\nversion = "0.1"\nrequires-python = ">=3.10,<4"\ndependencies = []\n\n'


def _pip(workshop: Workshop, index_url: str, requirement: str) -> Path:
    python = workshop.venv()
    workshop.run("pip", "--python", python, "install", "--index-url", index_url, requirement)
    return python


def _uv_pip(workshop: Workshop, index_url: str, requirement: str) -> Path:
    python = workshop.venv()
    workshop.run("uv", "pip", "install", "--python", python, "--default-index", index_url, requirement)
    return python


def uv_project(workshop: Workshop, index_url: str) -> Path:
    """A uv project whose only index is ours."""
    return project_folder(workshop, CONSUMER + f'[[tool.uv.index]]\nname = "team"\nurl = "{index_url}"\ndefault = true\n')


def _uv(workshop: Workshop, index_url: str, requirement: str) -> Path:
    folder = uv_project(workshop, index_url)
    workshop.run("uv", "add", requirement, cwd=folder)
    return folder / ".venv/bin/python"


def poetry_project(workshop: Workshop, index_url: str) -> Path:
    """A poetry project whose only source is ours."""
    source = f'[[tool.poetry.source]]\nname = "team"\nurl = "{index_url}"\npriority = "primary"\n'
    return project_folder(workshop, CONSUMER + "[tool.poetry]\npackage-mode = false\n\n" + source)


def _poetry(workshop: Workshop, index_url: str, requirement: str) -> Path:
    folder = poetry_project(workshop, index_url)
    workshop.run("poetry", "add", requirement, cwd=folder)
    return folder / ".venv/bin/python"


def pdm_project(workshop: Workshop, index_url: str) -> Path:
    """A pdm project; a source called `pypi` takes the place of the default one."""
    source = f'[[tool.pdm.source]]\nname = "pypi"\nurl = "{index_url}"\n'
    return project_folder(workshop, CONSUMER + "[tool.pdm]\ndistribution = false\n\n" + source)


def _pdm(workshop: Workshop, index_url: str, requirement: str) -> Path:
    folder = pdm_project(workshop, index_url)
    workshop.run("pdm", "add", requirement, cwd=folder)
    return folder / ".venv/bin/python"


def pipenv_project(workshop: Workshop, index_url: str) -> Path:
    """A folder with a Pipfile whose only source is ours."""
    folder = workshop.home / "consumer"
    folder.mkdir(exist_ok=True)
    (folder / "Pipfile").write_text(
        f'[[source]]\nname = "team"\nurl = "{index_url}"\nverify_ssl = false\n\n[packages]\n\n[requires]\npython_version = "*"\n'
    )
    return folder


def _pipenv(workshop: Workshop, index_url: str, requirement: str) -> Path:
    folder = pipenv_project(workshop, index_url)
    workshop.run("pipenv", "install", requirement, cwd=folder)
    return folder / ".venv/bin/python"


def _pip_tools(workshop: Workshop, index_url: str, requirement: str) -> Path:
    (workshop.home / "requirements.in").write_text(f"{requirement}\n")
    workshop.run("pip-compile", "--generate-hashes", "--no-emit-index-url", "--index-url", index_url, "requirements.in")
    python = workshop.venv()
    workshop.run("pip", "--python", python, "install", "--index-url", index_url, "--require-hashes", "-r", "requirements.txt")
    return python


def _hatch(workshop: Workshop, index_url: str, requirement: str) -> Path:
    folder = project_folder(workshop, CONSUMER + f'[tool.hatch.envs.default]\nskip-install = true\ndependencies = ["{requirement}"]\n')
    shown = workshop.run("hatch", "run", "python", "-c", "import sys; print(sys.executable)", cwd=folder, env={"PIP_INDEX_URL": index_url})
    return Path(shown.output.strip().splitlines()[-1])


INSTALLERS = (
    Installer("pip", _pip),
    Installer("uv-pip", _uv_pip),
    Installer("uv", _uv),
    Installer("poetry", _poetry),
    Installer("pdm", _pdm),
    Installer("pipenv", _pipenv),
    Installer("pip-tools", _pip_tools),
    Installer("hatch", _hatch),
)
