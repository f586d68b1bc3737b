"""Virtual environments, one a tool, so that no tool's dependencies change another's. Kept until the wanted versions change."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from .report import Failure

TOOLS: dict[str, list[str]] = {
    "backends": ["build", "setuptools", "wheel", "hatchling", "flit_core", "poetry-core", "pdm-backend", "maturin"],
    "build": ["build"],
    "devpi-client": ["devpi-client", "devpi-tokens[client]", "flit_core", "pypitoken", "tox"],
    "devpi-server-6": ["devpi-server==6.20.3", "devpi-tokens", "setuptools==81.0.0"],
    "devpi-server-7": ["devpi-server==7.0.0b4", "setuptools==81.0.0"],
    "flit": ["flit"],
    "hatch": ["hatch"],
    "maturin": ["maturin"],
    "moto": ["moto[s3]", "Flask", "flask-cors", "python-dateutil==2.9.0.post0"],
    "pdm": ["pdm[locked]"],
    "pip": [],
    "pip-tools": ["pip-tools"],
    "pipenv": ["pipenv"],
    "poetry": ["poetry"],
    "pytest": ["pytest", "pytest-xdist", "dockerfile-parse", "ruamel.yaml", "playwright", "axe-playwright-python"],
    "twine": ["twine"],
    "uv": ["uv"],
}
"""What is installed into each environment, besides pip. A version given here wins over the constraints, and over `--newest`."""

PINS_ITSELF = {"pdm"}
"""Tools whose extra pins every dependency: the constraints give their own version only."""

AT_ONCE = 2
INSTALL_SECONDS = 900


def make_all(folder: Path, constraints: Path, newest: bool, tools: Iterable[str] = TOOLS) -> list[str]:
    """Makes what is missing or out of date, two at a time. `newest`: whatever is newest, instead of the constraints."""
    wanted = "newest" if newest else constraints.read_text()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = list(pool.map(lambda tool: _make(folder / tool, tool, wanted, None if newest else constraints), tools))
    return [f"{sum(made)} made, {len(made) - sum(made)} kept, in {folder}"]


def _make(folder: Path, tool: str, wanted: str, constraints: Path | None) -> bool:
    """One environment; False if it was already there, made from the same wishes."""
    stamp = folder / "made-from"
    wish = sha256(f"{sys.version}\n{folder}\n{TOOLS[tool]}\n{wanted}".encode()).hexdigest()
    if constraints and stamp.exists() and stamp.read_text() == wish:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    _run(
        [sys.executable, "-m", "venv", folder], "python3 cannot make virtual environments (Debian: `apt-get install python3-venv` as root)"
    )
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    _run([*pip, "--upgrade", *_requirements(["pip"], constraints)], f"pip could not be installed for {tool}")
    if TOOLS[tool]:
        pins = ["--constraint", _constraints_of(folder, tool, constraints)] if constraints and tool not in PINS_ITSELF else []
        _run([*pip, *pins, *_requirements(TOOLS[tool], constraints)], f"{tool} could not be installed")
    stamp.write_text(wish)
    print(f"made {tool}", flush=True)
    return True


def _constraints_of(folder: Path, tool: str, constraints: Path) -> Path:
    """The constraints without the names whose version `TOOLS` gives: pip takes two versions of a name for a conflict."""
    own = {name.partition("==")[0] for name in TOOLS[tool] if "==" in name}
    lines = [line for line in constraints.read_text().splitlines() if line.partition("==")[0] not in own]
    copy = folder / "constraints.txt"
    copy.write_text("\n".join(lines) + "\n")
    return copy


def _requirements(names: list[str], constraints: Path | None) -> list[str]:
    """The names, each with the version that the constraints give it."""
    if constraints is None:
        return names
    pinned = dict(line.split("==") for line in constraints.read_text().splitlines() if "==" in line)
    return [name if "==" in name else f"{name}=={pinned[name.partition('[')[0]]}" for name in names]


def _run(command: list[object], complaint: str) -> None:
    done = subprocess.run(
        list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode != 0:
        raise Failure(f"{complaint}:\n{(done.stdout + done.stderr)[-2000:]}")
