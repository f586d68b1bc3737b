"""What the benchmarks run beside Cheeseshop: installed where it is missing, in versions that are written here and printed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from runner import debian
from runner.nginx import WHERE

from . import RESULTS, ROOT

ENVIRONMENTS: dict[str, list[str]] = {
    "devpi": ["devpi-server==6.20.3", "setuptools==81.0.0"],
    "pypiserver": ["pypiserver==2.4.2"],
    "pypiron": ["pypiron==0.0.29"],
    "proxpi": ["proxpi==1.3.1", "gunicorn==27.0.1", "setuptools==81.0.0"],
    "uv": ["uv==0.13.8"],
    "pip": ["pip==26.3"],
}
"""From PyPI, by the pip of this machine, each into an environment of its own in target/bench."""


def environment(name: str) -> Path:
    """The folder of its commands. Made anew when the versions above change."""
    folder = RESULTS / f"env-{name}"
    stamp = folder / "made-from"
    wish = f"{sys.version} {ENVIRONMENTS[name]}"
    if not stamp.exists() or stamp.read_text() != wish:
        shutil.rmtree(folder, ignore_errors=True)
        say(f"installing {' '.join(ENVIRONMENTS[name])}")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *ENVIRONMENTS[name]], check=True)
        stamp.write_text(wish)
    return folder / "bin"


def debian_command(command: str, package: str) -> str:
    """The path of a command of Debian's."""
    if not shutil.which(command, path=WHERE):
        debian.install((package,), command, "put it on the PATH")
    found = shutil.which(command, path=WHERE)
    assert found, f"{package} has no {command}"
    return found


def nginx() -> str:
    return debian_command("nginx", "nginx-light")


def wrk() -> str:
    return debian_command("wrk", "wrk")


def floor() -> Path:
    """`examples/floor.rs`, built."""
    subprocess.run(["cargo", "build", "--quiet", "--release", "--locked", "--example", "floor"], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/examples/floor"


def version(command: list[object]) -> str:
    """The first line that a command prints about itself."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]


def machine() -> str:
    """For the head of a table: what it was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{len(names)} cores, {names[0] if names else 'unknown'}, Linux {os.uname().release}"


def say(line: str) -> None:
    """Progress: on standard error, so that standard output has the tables alone."""
    print(line, file=sys.stderr, flush=True)
