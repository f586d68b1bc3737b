"""What the fake upstream says: its project pages as JSON and as HTML, and the paths of its pages and files."""

from __future__ import annotations

import hashlib
import html
import json
from dataclasses import dataclass, field

from .artifacts import Artifact

UPLOAD_TIME = "2024-01-01T00:00:00.000000Z"


@dataclass
class Behaviour:
    """What the upstream offers. Every field may be changed while it runs."""

    speaks_json: bool = True
    """False: HTML whatever the client asks for."""
    with_hashes: bool = True
    with_metadata: bool = True
    """Whether pages advertise core metadata and `.metadata` answers."""
    with_sizes: bool = True
    with_etags: bool = True
    files_redirect: bool = False
    """True: a file is answered by a redirect to another path that has the bytes."""


@dataclass
class Project:
    """One project: its files in the order they were added, and the reason of each yanked version."""

    display_name: str
    files: list[Artifact] = field(default_factory=list)
    yanked: dict[str, str] = field(default_factory=dict)


def page_path(project: str) -> str:
    """The path of a project's page, as `fail` and `count` take it."""
    return f"/simple/{normalized(project)}/"


def file_path(artifact: Artifact) -> str:
    """The path of a file."""
    return f"/files/{artifact.sha256[:8]}/{artifact.filename}"


def metadata_path(artifact: Artifact) -> str:
    """The path of a wheel's core metadata."""
    return file_path(artifact) + ".metadata"


def list_json(names: list[str]) -> bytes:
    """The list of all projects in the form of PEP 691."""
    return json.dumps({"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in names]}).encode()


def list_html(names: list[str]) -> bytes:
    """The list of all projects in the form of PEP 503."""
    rows = "\n".join(f'<a href="/simple/{name}/">{name}</a>' for name in names)
    return f"<!DOCTYPE html><html><body>\n{rows}\n</body></html>\n".encode()


def page_json(project: Project, behaviour: Behaviour) -> bytes:
    """A project page in the form of PEP 691 and PEP 700."""
    files = [_file_json(project, artifact, behaviour) for artifact in project.files]
    versions = sorted({artifact.version for artifact in project.files})
    page = {"meta": {"api-version": "1.1"}, "name": normalized(project.display_name), "versions": versions, "files": files}
    return json.dumps(page).encode()


def _file_json(project: Project, artifact: Artifact, behaviour: Behaviour) -> dict:
    entry = {
        "filename": artifact.filename,
        "url": file_path(artifact),
        "hashes": {"sha256": artifact.sha256} if behaviour.with_hashes else {},
        "upload-time": UPLOAD_TIME,
    }
    if behaviour.with_sizes:
        entry["size"] = len(artifact.data)
    if artifact.requires_python:
        entry["requires-python"] = artifact.requires_python
    if behaviour.with_metadata and artifact.is_wheel:
        entry["core-metadata"] = {"sha256": hashlib.sha256(artifact.metadata).hexdigest()}
    if artifact.version in project.yanked:
        entry["yanked"] = project.yanked[artifact.version]
    return entry


def page_html(project: Project, behaviour: Behaviour) -> bytes:
    """A project page in the form of PEP 503, with the attributes of PEP 592 and PEP 714."""
    rows = []
    for artifact in project.files:
        url = file_path(artifact) + (f"#sha256={artifact.sha256}" if behaviour.with_hashes else "")
        attributes = ""
        if artifact.requires_python:
            attributes += f' data-requires-python="{html.escape(artifact.requires_python)}"'
        if behaviour.with_metadata and artifact.is_wheel:
            attributes += f' data-core-metadata="sha256={hashlib.sha256(artifact.metadata).hexdigest()}"'
        if artifact.version in project.yanked:
            attributes += f' data-yanked="{html.escape(project.yanked[artifact.version])}"'
        rows.append(f'<a href="{html.escape(url)}"{attributes}>{artifact.filename}</a><br/>')
    return ("<!DOCTYPE html><html><body>\n" + "\n".join(rows) + "\n</body></html>\n").encode()


def normalized(name: str) -> str:
    """PEP 503."""
    return "-".join(part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part)
