"""Builds wheels and source archives in a few milliseconds, without any build backend.

The same arguments always give the same bytes, so "upload the same file again" and "upload another file under the same name" can be told
apart. Most tests need *a* package and use this; only the tests about build backends run the real ones.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import itertools
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

EPOCH = (2024, 1, 1, 0, 0, 0)
EPOCH_SECONDS = 1704067200


@dataclass(frozen=True)
class Artifact:
    """One distribution file: its name, its bytes and the core metadata inside it."""

    filename: str
    data: bytes
    metadata: bytes
    project: str
    version: str
    requires_python: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def is_wheel(self) -> bool:
        return self.filename.endswith(".whl")

    def write_to(self, folder: Path) -> Path:
        """Writes the file into `folder` (made if missing) and returns its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.filename
        path.write_bytes(self.data)
        return path


def core_metadata(project: str, version: str, requires: tuple[str, ...] = (), requires_python: str = "") -> bytes:
    """The METADATA / PKG-INFO text of a tiny project (core metadata 2.1)."""
    lines = ["Metadata-Version: 2.1", f"Name: {project}", f"Version: {version}", f"Summary: {project}, made for tests"]
    if requires_python:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return ("\n".join(lines) + "\n\nA project that exists only in tests.\n").encode()


def module_name(project: str) -> str:
    """The import name that goes with a project name: `my-lib` is imported as `my_lib`."""
    return project.lower().replace("-", "_").replace(".", "_")


def module_source(project: str, version: str, note: str = "") -> bytes:
    """A module with a docstring and a version, which is what every backend asks for. `note` changes the bytes and nothing else."""
    return f'"""{project}, made for tests."""\n\n__version__ = "{version}"\nNOTE = "{note}"\n'.encode()


def wheel(
    project: str,
    version: str = "1.0",
    requires: tuple[str, ...] = (),
    requires_python: str = "",
    note: str = "",
    payload: bytes = b"",
) -> Artifact:
    """A pure Python wheel holding one module, and beside it `payload`, if there is any."""
    metadata = core_metadata(project, version, requires, requires_python)
    return wheel_of(metadata, project, version, requires_python=requires_python, note=note, payload=payload)


def wheel_of(
    metadata: bytes,
    project: str,
    version: str,
    tag: str = "py3-none-any",
    *,
    requires_python: str = "",
    note: str = "",
    payload: bytes = b"",
) -> Artifact:
    """A wheel with these core metadata. `tag` is that of the file's name, in which each of the three parts may be several."""
    module = module_name(project)
    info = f"{module}-{version}.dist-info"
    tags = [f"Tag: {'-'.join(parts)}\n" for parts in itertools.product(*(part.split(".") for part in tag.split("-")))]
    members = {
        f"{module}.py": module_source(project, version, note),
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n{''.join(tags)}".encode(),
    }
    if payload:
        members[f"{module}.bin"] = payload
    members[f"{info}/RECORD"] = _record(members, f"{info}/RECORD")
    return Artifact(f"{module}-{version}-{tag}.whl", _zip(members), metadata, project, version, requires_python)


def sdist(project: str, version: str = "1.0", requires: tuple[str, ...] = (), requires_python: str = "", note: str = "") -> Artifact:
    """A source archive that setuptools can build without the network."""
    metadata = core_metadata(project, version, requires, requires_python)
    return sdist_of(metadata, project, version, requires, requires_python=requires_python, note=note)


def sdist_of(
    metadata: bytes, project: str, version: str, requires: tuple[str, ...] = (), *, requires_python: str = "", note: str = ""
) -> Artifact:
    """A source archive with these core metadata."""
    module = module_name(project)
    dependencies = ", ".join(f'"{requirement}"' for requirement in requires)
    pyproject = (
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n\n'
        f'[project]\nname = "{project}"\nversion = "{version}"\ndependencies = [{dependencies}]\n'
        f'\n[tool.setuptools]\npy-modules = ["{module}"]\n'
    )
    top = f"{module}-{version}"
    members = {
        f"{top}/PKG-INFO": metadata,
        f"{top}/pyproject.toml": pyproject.encode(),
        f"{top}/{module}.py": module_source(project, version, note),
    }
    return Artifact(f"{top}.tar.gz", _tar_gz(members), metadata, project, version, requires_python)


def wheel_of_size(project: str, version: str, payload_bytes: int, seed: str = "") -> Artifact:
    """A wheel whose file is a little larger than `payload_bytes`: its payload cannot be compressed. Another seed, other bytes."""
    block = hashlib.sha256(f"{project}{seed}".encode()).digest()
    noise = bytearray()
    while len(noise) < payload_bytes:
        block = hashlib.sha256(block).digest()
        noise += block
    return wheel(project, version, note=base64.b64encode(bytes(noise)).decode())


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return buffer.getvalue()


def _tar_gz(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(data), EPOCH_SECONDS, 0o644
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _record(members: dict[str, bytes], own_name: str) -> bytes:
    rows = []
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(data)}")
    return ("\n".join([*rows, f"{own_name},,"]) + "\n").encode()
