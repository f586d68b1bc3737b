"""The version before this one, for the rolling upgrade: built once from the history of this repository, kept outside the tree.

The rule: `tests/faults/previous_version` names a commit. Whoever lands a change of the database's shape names there the last commit before
it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from .report import Failure, run


def commit(root: Path) -> str:
    """What the file says, without its comments."""
    lines = (root / "tests/faults/previous_version").read_text().splitlines()
    return next(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def binary(root: Path, cache: Path) -> Path:
    """Where the built program lies, or will lie."""
    return cache / "versions" / commit(root) / "cheeseshop"


def build(root: Path, cache: Path, env: dict[str, str]) -> list[str]:
    """Builds it if it is not there. The sources come from git, so the history must hold the commit."""
    wanted, target = commit(root), binary(root, cache)
    if target.is_file():
        return [f"kept: {target}"]
    archive = subprocess.run(["git", "archive", wanted], cwd=root, capture_output=True, check=False)
    if archive.returncode != 0:
        raise Failure(f"The history has no commit {wanted} (a shallow clone?):\n{archive.stderr.decode(errors='replace')}")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["tar", "--extract", "--directory", folder], input=archive.stdout, check=True)
        closing = run(
            ["cargo", "build", "--locked", "--release"],
            env={**env, "CARGO_TARGET_DIR": f"{folder}/target"},
            cwd=Path(folder),
            closing=lambda line: line.startswith("Finished"),
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(Path(folder) / "target/release/cheeseshop", target)
    return [*closing, str(target)]
