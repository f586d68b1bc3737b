"""What both servers are filled with before they are compared: a small house with everything that devpi knows.

`alice/mirror` mirrors the upstream, `alice/plain` an old one, `alice/unused` is never asked for a project; `alice/dev` inherits
`alice/mirror` and is volatile; `alice/prod` inherits `alice/dev` and is not. Everybody may upload to `bob/open`. Each request that builds
the house is itself a comparison (`test_the_house_is_built`).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

from . import wire
from .artifacts import EPOCH, Artifact, sdist, wheel
from .fake_upstream import FakeUpstream
from .side_by_side import Ask
from .upstream_pages import normalized

LIB_SDIST = sdist("My.Lib", "1.0", requires_python=">=3.8")
LIB_WHEEL = wheel("My.Lib", "1.0", requires_python=">=3.8")
LIB_FIRST_1_1 = wheel("My.Lib", "1.1", note="first")
LIB_1_1 = wheel("My.Lib", "1.1", note="second")
SHARED = wheel("shared-lib", "1.0", note="ours")
ALLOWED = wheel("allowed-lib", "1.0", note="ours")
REMOVED = wheel("half-gone", "1.0")
LEFT = sdist("half-gone", "1.0")
GONE = wheel("gone-lib", "1.0")
UPSTREAM_FILES = (
    wheel("Upstream.Lib", "1.0", requires_python=">=3.8"),
    sdist("Upstream.Lib", "1.0", requires_python=">=3.8"),
    wheel("Upstream.Lib", "0.9"),
    wheel("shared-lib", "9.0", note="theirs"),
    wheel("allowed-lib", "2.0", note="theirs"),
)
PLAIN = sdist("plain-lib", "1.0")
TOX_RESULT = {
    "reportversion": "1",
    "toxversion": "4.0",
    "host": "build.example",
    "platform": "linux",
    "testenvs": {
        "py3": {
            "python": {"version": "3.11"},
            "setup": [{"command": ["pip", "install"], "retcode": 0, "output": ""}],
            "test": [{"command": ["pytest"], "retcode": 0, "output": "passed"}],
        }
    },
}


def fill_upstreams(upstream: FakeUpstream, plain: FakeUpstream) -> None:
    """What the two mirrors offer; `plain` is an old server that knows neither JSON nor digests."""
    upstream.add(*UPSTREAM_FILES)
    upstream.yank("Upstream.Lib", "0.9", "broken")
    plain.behaviour.speaks_json = plain.behaviour.with_hashes = plain.behaviour.with_metadata = False
    plain.add(PLAIN)


def file_path(index: str, artifact: Artifact) -> str:
    """The path of a file on a stage, and of a mirrored file whose link had a SHA-256."""
    return f"/{index}/+f/{artifact.sha256[:3]}/{artifact.sha256[3:16]}/{artifact.filename}"


def doc_zip(text: str) -> bytes:
    """Documentation of one page; the same text gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("index.html", EPOCH), f"<html><body>{text}</body></html>")
    return buffer.getvalue()


def upload_form(artifact: Artifact, **changed: str | None) -> tuple[bytes, str]:
    """The form that devpi-client sends for a file. `changed` replaces fields; None leaves one out."""
    fields = {
        "metadata_version": "2.1",
        "name": artifact.project,
        "version": artifact.version,
        "summary": f"{artifact.project}, made for tests",
        "description": "A project that exists only in tests.\n",
        "requires_python": artifact.requires_python,
        "pyversion": "py3" if artifact.is_wheel else "",
        "filetype": "bdist_wheel" if artifact.is_wheel else "sdist",
        ":action": "file_upload",
        "protocol_version": "1",
    } | changed
    parts = [(name, value) for name, value in fields.items() if value is not None]
    return wire.multipart([*parts, ("content", wire.FilePart(artifact.filename, artifact.data, content_type=None))])


def form(**fields: str | wire.FilePart) -> tuple[bytes, str]:
    """Any other form; the field `action` is sent as `:action`."""
    return wire.multipart([(":action" if name == "action" else name, value) for name, value in fields.items()])


def upload(index: str, artifact: Artifact, who: str = "alice", note: str = "", **changed: str | None) -> Ask:
    """The upload of one file."""
    return Ask("POST", f"/{index}/", who, form=upload_form(artifact, **changed), accept="*/*", note=note or artifact.filename)


def docs(index: str, project: str, version: str, text: str, who: str = "alice") -> Ask:
    """The upload of documentation."""
    content = wire.FilePart(f"{project}-{version}.doc.zip", doc_zip(text), content_type=None)
    body = form(action="doc_upload", name=project, version=version, content=content)
    return Ask("POST", f"/{index}/", who, form=body, accept="*/*", note=f"docs {project} {version} {text}")


def register(index: str, project: str, version: str, who: str = "alice", **metadata: str) -> Ask:
    """The announcement of a version without a file."""
    body = form(action="submit", name=project, version=version, metadata_version="2.1", **metadata)
    return Ask("POST", f"/{index}/", who, form=body, accept="*/*", note=f"register {project} {version}")


def like_our_first_start(upstream_url: str) -> list[Ask]:
    """What devpi-server needs to begin as Cheeseshop does: the mirror `root/pypi`, of our upstream."""
    return [Ask("PUT", "/root/pypi", "root", {"type": "mirror", "volatile": False, "title": "PyPI", "mirror_url": upstream_url})]


def like_their_first_start() -> list[Ask]:
    """Cheeseshop makes an index `root/main`, which devpi-server does not know."""
    return [Ask("PATCH", "/root/main", "root", {"volatile": True}), Ask("DELETE", "/root/main", "root")]


def house(upstream_url: str, plain_url: str) -> Iterator[Ask]:
    """The requests that build the house, in order."""
    profile = {"email": "alice@index.example", "title": "Alice", "description": "A keeper", "custom_data": {"floor": 2}}
    yield Ask("PUT", "/alice", "root", {"password": "alice-password", **profile}, note="create")
    yield Ask("PUT", "/bob", "root", {"password": "bob-password"}, note="create")
    mirror = {"type": "mirror", "mirror_url": upstream_url, "volatile": False, "title": "The mirror"}
    yield Ask("PUT", "/alice/mirror", "alice", mirror | {"mirror_web_url_fmt": "http://index.example/{name}/"}, note="create")
    yield Ask("PUT", "/alice/plain", "alice", {"type": "mirror", "mirror_url": plain_url}, note="create")
    yield Ask("PUT", "/alice/dev", "alice", {"bases": ["alice/mirror"], "mirror_whitelist": ["Allowed.Lib"]})
    options = {"bases": "alice/dev", "volatile": "False", "acl_upload": ["alice", "bob"], "title": "Released", "custom_data": [1]}
    yield Ask("PUT", "/alice/prod", "alice", options)
    yield Ask("PUT", "/bob/open", "bob", {"acl_upload": ":anonymous:", "acl_toxresult_upload": "bob"})
    yield from (upload("alice/dev", artifact) for artifact in (LIB_SDIST, LIB_WHEEL, LIB_FIRST_1_1, SHARED, ALLOWED, REMOVED, LEFT, GONE))
    yield upload("alice/dev", LIB_1_1, note="overwrite")
    yield register("alice/dev", "My.Lib", "2.0", summary="Only announced", classifiers="Topic :: Cheese")
    yield docs("alice/dev", "My.Lib", "1.0", "the manual")
    yield Ask("POST", file_path("alice/dev", LIB_SDIST), "alice", TOX_RESULT, note="tox result")
    yield Ask("POST", file_path("alice/dev", LIB_SDIST), "", TOX_RESULT | {"host": "other.example"}, note="second tox result")
    yield Ask("DELETE", file_path("alice/dev", REMOVED), "alice")
    yield Ask("DELETE", "/alice/dev/gone-lib", "alice")
    yield upload("bob/open", wheel("bobs-lib", "1.0"), who="")
    yield Ask("PUSH", "/alice/dev", "bob", {"name": "my-lib", "version": "1.0", "targetindex": "alice/prod"})
    yield upload("alice/prod", LIB_1_1, who="bob")
    for name in ("Upstream.Lib", "shared-lib", "allowed-lib"):
        yield Ask("GET", f"/alice/mirror/{normalized(name)}")
    yield Ask("PUT", "/alice/unused", "alice", {"type": "mirror", "mirror_url": upstream_url}, note="create")
