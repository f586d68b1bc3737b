"""The wheels that every server gets: the same bytes in every run."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from support.artifacts import Artifact, wheel
from support.uploads import upload_fields
from support.wire import multipart

SMALL_BYTES = 8 << 10
REQUIRES_PYTHON = ">=3.8"


def _wheel(project: str, version: str, size: int) -> Artifact:
    noise = random.Random(f"{project} {version}").randbytes(size)
    return wheel(project, version, requires_python=REQUIRES_PYTHON, payload=noise)


def small(name: str) -> Artifact:
    """A project with one wheel of 8 KiB."""
    return _wheel(f"corpus-{name}", "1.0.0", SMALL_BYTES)


@dataclass
class Corpus:
    """What is there before anything is measured. Bytes that cannot be compressed, as those of most wheels."""

    files: int = 500
    """On the long page."""
    singles: list[Artifact] = field(default_factory=list)
    many: list[Artifact] = field(default_factory=list)
    medium: Artifact = field(init=False)
    large: Artifact = field(init=False)

    def __post_init__(self) -> None:
        self.singles = [small(f"p{number:05}") for number in range(20)]
        versions = [f"{number // 100}.{number // 10 % 10}.{number % 10}" for number in range(self.files)]
        self.many = [_wheel("corpus-many", version, 64) for version in versions]
        self.medium = _wheel("corpus-medium", "1.0.0", 1 << 20)
        self.large = _wheel("corpus-large", "1.0.0", 64 << 20)

    def all(self) -> list[Artifact]:
        return [*self.singles, *self.many, self.medium, self.large]


def form(artifact: Artifact) -> tuple[bytes, str]:
    """The form that publishes it, as twine sends it, and its Content-Type."""
    fields = upload_fields(artifact)
    return multipart([*fields[:-1], ("requires_python", REQUIRES_PYTHON), fields[-1]])
