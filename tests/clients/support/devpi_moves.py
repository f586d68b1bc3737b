"""Moving between devpi servers and Cheeseshop: what is moved, the moves themselves, and all that can be asked about it afterwards.

What is moved is the house of `devpi_state.py` and what only an older server can have: odd archives, kept files.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from . import wire
from .artifacts import Artifact
from .devpi_questions import INSTALLER, get
from .devpi_state import TOX_RESULT, UPSTREAM_FILES, docs, file_path, house, register, upload
from .places import Place
from .server import BINARY, clean_environment
from .side_by_side import Ask, Side
from .upstream_pages import normalized

KEPT = UPSTREAM_FILES[0]
"""The file that the mirror `alice/mirror` keeps."""
MOVE_SECONDS = 60


def _odd(filename: str, project: str, version: str, data: bytes) -> Artifact:
    return Artifact(filename, data, b"", project, version)


EGG = _odd("odd_lib-1.0-py3.11.egg", "odd-lib", "1.0", b"an egg that nobody can open")
BROKEN = _odd("odd-lib-1.1.zip", "odd-lib", "1.1", b"PK\x03\x04 and then nothing of an archive")
UNSORTED = _odd("odd-lib-next.tar.gz", "odd-lib", "next", b"a version that PEP 440 does not know")
INSTALLER_EXE = _odd("odd_lib-1.0.win-amd64-py3.11.exe", "odd-lib", "1.0", b"MZ an installer of Windows")
ODD = ((EGG, "bdist_egg"), (BROKEN, "sdist"), (UNSORTED, "sdist"), (INSTALLER_EXE, "bdist_wininst"))


def old_house(upstream_url: str, plain_url: str) -> Iterator[Ask]:
    """The requests that fill the old server, in the words of devpi-server 6."""
    yield from house(upstream_url, plain_url)
    mirror = {"type": "mirror", "mirror_url": upstream_url, "mirror_cache_expiry": 600, "mirror_use_external_urls": True}
    yield Ask("PUT", "/alice/direct", "alice", mirror)
    yield Ask("PUT", "/bob/both", "bob", {"bases": ["bob/open", "alice/prod"], "mirror_whitelist": ["*"], "acl_upload": []})
    options = {"acl_upload": ":AUTHENTICATED:", "title": "Käse", "description": "", "custom_data": {"a": [None]}}
    yield Ask("PUT", "/bob/odd", "bob", options)
    yield from (upload("bob/odd", artifact, "bob", filetype=filetype) for artifact, filetype in ODD)
    yield register("bob/odd", "odd-lib", "next", "bob", keywords="ü, ö", home_page="http://index.example/")
    yield docs("bob/odd", "odd-lib", "1.1", "odd, too", "bob")
    yield Ask("POST", file_path("bob/odd", EGG), "bob", TOX_RESULT | {"host": "third.example"}, note="tox result")
    yield Ask("PATCH", "/bob", "root", {"email": "bob@index.example", "custom_data": [1, "two"]})
    yield Ask("GET", file_path("alice/mirror", KEPT), accept="*/*", note="so that it is kept")


WORDS_OF_7 = {
    "mirror_url": "remote_url",
    "mirror_web_url_fmt": "remote_web_url_fmt",
    "mirror_cache_expiry": "remote_refresh_delay",
    "mirror_use_external_urls": "remote_use_external_urls",
}


def in_words_of_7(ask: Ask) -> Iterator[Ask]:
    """The same request to devpi-server 7, where a mirror is a `remote` and each project has rules of its own."""
    if ask.method != "PUT" or not isinstance(ask.body, dict) or ask.path.count("/") != 2:
        yield ask
        return
    body = {WORDS_OF_7.get(key, key): value for key, value in ask.body.items() if key != "mirror_whitelist"}
    if body.get("type") == "mirror":
        body["type"] = "remote"
    allowed = ask.body.get("mirror_whitelist", [])
    if "*" in allowed:
        body["project_inheritance_rules"] = "allow all"
    yield dataclasses.replace(ask, body=body)
    for name in set(allowed) - {"*"}:
        yield Ask("PATCH", f"{ask.path}/{normalized(name)}", ask.who, {"inheritance_rules": "allow all"})


@dataclass(frozen=True)
class Move:
    """A finished import or export: the exit status, all that it printed, and what `--report` wrote (None if it wrote nothing)."""

    status: int
    output: str
    report: dict | None

    @property
    def skipped(self) -> dict[str, str]:
        """What did not come, and why."""
        return {skipped["name"]: skipped["reason"] for skipped in self.report["skipped"]}


def cheeseshop(folder: Path, *command: str, place: Place | None = None) -> Move:
    """Runs an import or export with the data folder `folder/data`, which is where a `Node(folder)` looks for it."""
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    place = place or Place()
    where = ["--data-dir", str(folder / "data"), *place.options]
    run = subprocess.run(
        [BINARY, *command, *where, "--report", str(report)],
        env={**clean_environment(folder), **place.env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=MOVE_SECONDS,
        check=False,
    )
    return Move(run.returncode, run.stdout, json.loads(report.read_text()) if report.exists() else None)


def everything(side: Side) -> Iterator[Ask]:
    """Every question that can be asked of a server about what it holds, without changing it: each user, index, project, version, file."""
    yield get("/")
    for user, profile in side.ask(get("/")).json()["result"].items():
        yield get(f"/{user}")
        for name, options in profile["indexes"].items():
            index = f"{user}/{name}"
            yield get(f"/{index}?no_projects=")
            yield get(f"/{index}/+api")
            if options["type"] in ("stage", "local"):
                yield from _everything_on(side, index)


def _everything_on(side: Side, index: str) -> Iterator[Ask]:
    """`ignore_bases` shows what the stage itself holds, without it what an installer gets from it."""
    yield get(f"/{index}")
    yield get(f"/{index}/+simple/", accept=wire.SIMPLE_JSON)
    for project in side.ask(get(f"/{index}")).json()["result"]["projects"]:
        yield get(f"/{index}/{project}")
        yield get(f"/{index}/{project}?ignore_bases=")
        yield get(f"/{index}/+simple/{project}/", accept=wire.SIMPLE_JSON)
        yield get(f"/{index}/+simple/{project}/", accept="text/html", headers=INSTALLER)
        for version in side.ask(get(f"/{index}/{project}?ignore_bases=")).json()["result"]:
            yield get(f"/{index}/{project}/{version}")
            for link in side.ask(get(f"/{index}/{project}/{version}?ignore_bases=")).json()["result"].get("+links", []):
                path = urlsplit(link["href"]).path
                yield get(path)
                yield get(path, accept="*/*")


ONE_RELEASE_ONLY = {
    *("hash_spec", "hashes", "relpath", "for_relpath", "size", "features", "type"),
    *("mirror_whitelist", "mirror_whitelist_inheritance", "project_inheritance_rules", "trust_inheritance_rules_from"),
}
"""What only one of devpi-server 6 and 7 tells, or tells in other words; hashes stand in pages and addresses, too."""
WORDS_OF_6 = {theirs: ours for ours, theirs in WORDS_OF_7.items()}


def told_by_every_release(value: object) -> object:
    """Of an answer what both releases tell, in the words of devpi-server 6; times in the form of ISO 8601."""
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if key not in ONE_RELEASE_ONLY}
        return {WORDS_OF_6.get(key, key): told_by_every_release(_time(key, inner)) for key, inner in kept.items()}
    if isinstance(value, list):
        return [told_by_every_release(inner) for inner in value]
    return value


def _time(key: str, value: object) -> object:
    """A time as text, for example `2026-01-31T12:00:00Z`; any other value as it is."""
    if key == "when" and isinstance(value, list):
        return datetime(*value).isoformat() + "Z"
    if key == "last_modified" and isinstance(value, str) and value.endswith("GMT"):
        return parsedate_to_datetime(value).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value
