"""Source trees of tiny projects, one for each build backend."""

from __future__ import annotations

import json
from pathlib import Path

from .artifacts import module_name, module_source

BACKENDS = ("setuptools", "hatchling", "flit_core", "poetry-core", "pdm-backend", "maturin")

CLASSIFIERS = ["Private :: Do Not Upload"]
"""What careful teams write so that PyPI refuses the project; a private index takes it. (flit would fetch the list of classifiers.)"""

_BUILD_SYSTEM = {
    "setuptools": ("setuptools", "setuptools.build_meta"),
    "hatchling": ("hatchling", "hatchling.build"),
    "flit_core": ("flit_core", "flit_core.buildapi"),
    "poetry-core": ("poetry-core", "poetry.core.masonry.api"),
    "pdm-backend": ("pdm-backend", "pdm.backend"),
    "maturin": ("maturin", "maturin"),
}

_EXTRA = {
    "setuptools": '[tool.setuptools]\npy-modules = ["{module}"]\n',
    "hatchling": '[tool.hatch.build.targets.wheel]\nonly-include = ["{module}.py"]\n',
    "poetry-core": '[tool.poetry]\npackages = [{{ include = "{module}.py" }}]\n',
    "pdm-backend": '[tool.pdm.build]\nincludes = ["{module}.py"]\n',
    "maturin": '[tool.maturin]\nbindings = "bin"\nstrip = true\n',
}


def write_project(
    folder: Path, name: str, version: str = "1.0", *, backend: str = "flit_core", requires: tuple[str, ...] = (), note: str = ""
) -> Path:
    """Writes a buildable project into `folder` and returns the folder. `note` goes into the module: it changes the built bytes only."""
    folder.mkdir(parents=True, exist_ok=True)
    module = module_name(name)
    package, api = _BUILD_SYSTEM[backend]
    classifiers = "" if backend == "flit_core" else f"classifiers = {json.dumps(CLASSIFIERS)}\n"
    dependencies = ", ".join(f'"{requirement}"' for requirement in requires)
    (folder / "pyproject.toml").write_text(
        f'[build-system]\nrequires = ["{package}"]\nbuild-backend = "{api}"\n\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\ndescription = "{name}, made for tests"\nreadme = "README.md"\n'
        f'requires-python = ">=3.8"\ndependencies = [{dependencies}]\nauthors = [{{ name = "Tests", email = "tests@index.example" }}]\n'
        f'keywords = ["cheese", "shop"]\n{classifiers}'
        f'[project.urls]\nHomepage = "http://index.example/{name}"\n\n' + _EXTRA.get(backend, "").format(module=module)
    )
    (folder / "README.md").write_text(f"# {name}\n\nMade for tests: ünïcode, `code`.\n")
    (folder / f"{module}.py").write_bytes(module_source(name, version, note))
    if backend == "maturin":
        _write_crate(folder, name, version)
    return folder


def _write_crate(folder: Path, name: str, version: str) -> None:
    """A Rust program without dependencies: builds offline in seconds."""
    cargo_version = version if version.count(".") == 2 else f"{version}.0"
    (folder / "Cargo.toml").write_text(f'[package]\nname = "{name}"\nversion = "{cargo_version}"\nedition = "2021"\n\n[workspace]\n')
    (folder / "src").mkdir(exist_ok=True)
    (folder / "src/main.rs").write_text(f'fn main() {{\n    println!("{name} {version}");\n}}\n')
