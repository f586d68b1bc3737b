"""The plugin devpi-tokens of devpi's client, as its users have it: making, narrowing, using and revoking tokens."""

from __future__ import annotations

import json

import pytest

from conftest import Team
from support import tools, wire
from support.artifacts import Artifact, wheel
from support.server import Account, Index, Server
from support.tools import Workshop
from support.uploads import must_upload, upload

APP, OTHER = wheel("app"), wheel("other")
NARROW = """
import sys, time, pypitoken
token, now = pypitoken.Token.load(sys.argv[1]), int(time.time())
token.restrict(project_names=["app"], not_before=now - 1, not_after=now + 60)
print(token.dump())
"""
"""What devpi's client does before an upload to PyPI, for any token."""


class Devpi:
    """devpi's client, signed in as the owner of an index."""

    def __init__(self, workshop: Workshop, index: Index, owner: Account) -> None:
        self.workshop, self.owner = workshop, owner
        self.run("use", index.server.url)
        self.login()
        self.run("use", index.path)

    def run(self, *args: object, ok: bool = True) -> tools.Run:
        return self.workshop.run("devpi", *args, ok=ok)

    def login(self) -> None:
        self.run("login", self.owner.name, "--password", self.owner.password)

    def token(self, *args: object) -> str:
        """Runs a command that prints a token alone on its last line."""
        return self.run(*args).output.strip().splitlines()[-1]

    def upload(self, artifact: Artifact, ok: bool = True) -> tools.Run:
        return self.run("upload", artifact.write_to(self.workshop.home / "dist"), ok=ok)


@pytest.fixture
def private(team: Team) -> Index:
    """Readable and writable by its owner alone."""
    return team.dev.server.add_index(f"{team.owner.name}/private", volatile=True, acl_read=[team.owner.name])


@pytest.fixture
def devpi(workshop: Workshop, private: Index, team: Team) -> Devpi:
    return Devpi(workshop, private, team.owner)


def status(index: Index, user: str, token: str) -> int:
    return index.page("app", auth=wire.basic(user, token)).status


def test_a_token_from_its_making_to_its_end(devpi: Devpi, private: Index, team: Team):
    """`token-create`, `token-list`, `token-inspect`, `token-login`, `token-delete`."""
    must_upload(private, team.owner, APP)
    token = devpi.token("token-create", "--allowed", "upload,pkg_read", "--indexes", private.path)
    assert token.startswith("devpi-")
    inspected = devpi.run("token-inspect", "--token", token).words
    identity = inspected.split(" id : ")[1].split()[0]
    assert f"user : {team.owner.name}" in inspected and "restriction: allowed=pkg_read,upload" in inspected
    listed = devpi.run("token-list").words
    assert identity in listed and f"indexes={private.path}" in listed and token not in listed
    assert [status(private, user, token) for user in (team.owner.name, "__token__", team.stranger.name)] == [200, 200, 401]
    devpi.run("logoff")
    devpi.run("token-login", "--token", token)
    devpi.upload(OTHER)
    assert private.filenames("other", auth=team.owner.auth) == {OTHER.filename}
    for refused in (("token-create",), ("token-list",), ("user", "-m", team.owner.name, "email=a@b.example"), ("remove", "-y", "app")):
        assert "403" in devpi.run(*refused, ok=False).output
    devpi.run("logoff")
    devpi.login()
    assert f"token {identity} deleted" in devpi.run("token-delete", identity).output
    assert status(private, team.owner.name, token) == 401
    assert f"No token with id {identity}" in devpi.run("token-delete", identity, ok=False).output
    assert "No tokens for" in devpi.run("token-list").output


def test_a_derived_token_is_narrower_and_ends_with_its_parent(devpi: Devpi, private: Index, team: Team):
    """`token-derive` asks no server, and writes the token without its prefix."""
    must_upload(private, team.owner, APP, OTHER)
    parent = devpi.token("token-create")
    child = devpi.token("token-derive", "--token", parent, "--allowed", "pkg_read", "--projects", "app", "--expires", "1 hour")
    gone = devpi.token("token-derive", "--token", parent, "--expires", "-1 hour")
    owner = team.owner.name
    assert [status(private, owner, token) for token in (parent, child, gone)] == [200, 200, 401]
    assert private.page("other", auth=wire.basic(owner, child)).status == 404
    assert upload(private, Account(owner, child), APP).status == 403
    identity = devpi.run("token-inspect", "--token", child).words.split(" id : ")[1].split()[0]
    devpi.run("token-delete", identity)
    assert [status(private, owner, token) for token in (parent, child)] == [401, 401]


def test_pypitoken_narrows_it_too(devpi: Devpi, private: Index, team: Team):
    """Caveats in PyPI's words, as devpi's client adds them for one upload."""
    parent = devpi.token("token-create")
    python = tools.VENVS / "devpi-client/bin/python"
    child = devpi.workshop.run(str(python), "-c", NARROW, parent).output.strip()
    assert child.startswith("devpi-") and len(child) > len(parent)
    for artifact, wanted in ((APP, 200), (OTHER, 403)):
        assert upload(private, Account("__token__", child), artifact).status == wanted


def test_only_root_makes_tokens_without_an_end(devpi: Devpi, server: Server, team: Team):
    """And for others: `--user`."""
    assert "Not allowed to create token with no expiration" in devpi.run("token-create", "--expires", "never", ok=False).output
    devpi.run("login", "root", "--password", server.root.password)
    token = devpi.token("token-create", "--user", team.owner.name, "--expires", "never")
    api = wire.request("GET", f"{server.url}/+api", headers=wire.basic("", token) | {"Accept": "application/json"})
    assert json.loads(api.body)["result"]["authstatus"] == ["ok", team.owner.name, []]
