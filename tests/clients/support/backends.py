"""Starts the kind of server that this run is about: see `places.BACKEND`."""

from __future__ import annotations

from pathlib import Path

from .cluster import Cluster
from .node import Node
from .places import BACKEND, Place, new_place
from .server import Server


def serve(folder: Path, *options: str, place: Place | None = None, env: dict[str, str] | None = None) -> Server:
    """A server with its data in a new place, or in the given one: one process, or with the backend `cluster` two behind nginx."""
    kind = Cluster if BACKEND == "cluster" else Node
    return kind(folder, *options, place=place or new_place(), env=env)
