"""Uploads without a tool: the same form that twine sends, as one function call."""

from __future__ import annotations

import hashlib

from . import wire
from .artifacts import Artifact
from .server import Account, Index


def upload_fields(artifact: Artifact) -> list[tuple[str, str | wire.FilePart]]:
    """The usual form: action, metadata, digests, then the file."""
    return [
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("metadata_version", "2.1"),
        ("name", artifact.project),
        ("version", artifact.version),
        ("filetype", "bdist_wheel" if artifact.is_wheel else "sdist"),
        ("pyversion", "py3" if artifact.is_wheel else "source"),
        ("sha256_digest", artifact.sha256),
        ("blake2_256_digest", hashlib.blake2b(artifact.data, digest_size=32).hexdigest()),
        ("content", wire.FilePart(artifact.filename, artifact.data)),
    ]


def post_form(url: str, fields, auth: dict[str, str], **form) -> wire.Answer:
    """Posts a form in exactly the given order; `form` goes to `wire.multipart`."""
    body, content_type = wire.multipart(fields, **form)
    return wire.request("POST", url, headers={"Content-Type": content_type, **auth}, body=body)


def upload(index: Index, account: Account, artifact: Artifact) -> wire.Answer:
    """Uploads one file as twine would."""
    return post_form(index.upload_url, upload_fields(artifact), account.auth)


def must_upload(index: Index, account: Account, *artifacts: Artifact) -> None:
    """Uploads that have to work, for tests about something else."""
    for artifact in artifacts:
        answer = upload(index, account, artifact)
        assert answer.status == 200, f"{artifact.filename}: {answer.status} {answer.reason}: {answer.text}"
