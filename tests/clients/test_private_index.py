"""An index that only some may read, and every way in which tools hand over credentials."""

from __future__ import annotations

import time

import pytest

from conftest import Team
from support import wire
from support.artifacts import wheel
from support.installers import poetry_project, uv_project
from support.recorder import Recorder
from support.server import Account, Index
from support.tools import Workshop
from support.uploads import must_upload, upload

SECRET = wheel("secret-lib", requires=("other-lib",))
OTHER = wheel("other-lib")


@pytest.fixture
def private(team: Team) -> Index:
    """Readable by its owner alone."""
    index = team.dev.server.add_index(f"{team.owner.name}/private", volatile=False, acl_read=[team.owner.name])
    must_upload(index, team.owner, SECRET, OTHER)
    return index


def installed(workshop: Workshop, python) -> None:
    workshop.run(str(python), "-c", "import secret_lib, other_lib")


def pip_install(workshop: Workshop, index_url: str, ok: bool = True):
    python = workshop.venv()
    run = workshop.run("pip", "--python", python, "install", "--index-url", index_url, "secret-lib", ok=ok)
    if ok:
        installed(workshop, python)
    return run


def test_everything_below_a_private_index_asks_for_credentials(private: Index, team: Team):
    """401 with the realm that old distutils insists on, for page, file, metadata and HEAD alike; nothing leaks to another user."""
    entry = private.page("secret-lib", auth=team.owner.auth).json()["files"][0]
    file_url = wire.absolute(f"{private.simple_url}secret-lib/", entry["url"])
    for url in (f"{private.simple_url}secret-lib/", file_url, f"{file_url}.metadata", f"{private.simple_url}no-such-lib/"):
        for method in ("GET", "HEAD"):
            anonymous = wire.request(method, url)
            assert (anonymous.status, anonymous.header("WWW-Authenticate")) == (401, 'Basic realm="pypi"'), url
            assert wire.request(method, url, headers=team.stranger.auth).status == 404, url
    assert wire.request("GET", file_url, headers=team.owner.auth).body == SECRET.data


def test_pip_with_credentials_in_the_url(workshop: Workshop, private: Index, team: Team):
    """They never come back to light: not in the log, not in a page."""
    pip_install(workshop, private.simple_url_as(team.owner))
    assert team.owner.password not in private.server.log()
    assert team.owner.password not in private.page("secret-lib", auth=team.owner.auth).text


def test_pip_with_netrc(workshop: Workshop, private: Index, team: Team):
    workshop.netrc("127.0.0.1", team.owner.name, team.owner.password)
    pip_install(workshop, private.simple_url)


def test_pip_with_a_token(workshop: Workshop, private: Index, team: Team):
    """As the password of `__token__`, and of any other name: CI systems send their own."""
    token = private.server.add_token(team.owner, "read", "--index", private.path, "--expires", "90d")
    for name in ("__token__", "gitlab-ci-token"):
        pip_install(workshop, private.simple_url_as(Account(name, token)))


def test_pip_with_a_wrong_password(workshop: Workshop, private: Index, team: Team):
    run = pip_install(workshop, private.simple_url_as(Account(team.owner.name, "wrong")), ok=False)
    assert "401 Error, Credentials not correct" in run.words


def test_uv_with_credentials_of_the_index(workshop: Workshop, private: Index, team: Team):
    """Credentials from the environment go out first, and count for files too: no request is answered by 401."""
    with Recorder(private.server.url) as recorder:
        folder = uv_project(workshop, recorder.through(private.simple_url))
        env = {"UV_INDEX_TEAM_USERNAME": team.owner.name, "UV_INDEX_TEAM_PASSWORD": team.owner.password}
        workshop.run("uv", "add", "secret-lib", cwd=folder, env=env)
        installed(workshop, folder / ".venv/bin/python")
        exchanges = recorder.take()
    assert [exchange for exchange in exchanges if exchange.is_file]
    assert {exchange.status for exchange in exchanges} == {200}


def test_uv_with_netrc(workshop: Workshop, private: Index, team: Team):
    """uv asks without credentials first and looks into netrc after the 401."""
    workshop.netrc("127.0.0.1", team.owner.name, team.owner.password)
    python = workshop.venv()
    workshop.run("uv", "pip", "install", "--python", python, "--default-index", private.simple_url, "secret-lib")
    installed(workshop, python)


def test_uv_with_a_wrong_password_stops(workshop: Workshop, private: Index, team: Team):
    """401 makes uv stop instead of asking the next index, where somebody else might own the name."""
    url = private.simple_url_as(Account(team.owner.name, "wrong"))
    run = workshop.run("uv", "pip", "install", "--python", workshop.venv(), "--default-index", url, "secret-lib", ok=False)
    assert "401 Unauthorized" in run.words


def test_poetry_with_http_basic(workshop: Workshop, private: Index, team: Team):
    folder = poetry_project(workshop, private.simple_url)
    env = {"POETRY_HTTP_BASIC_TEAM_USERNAME": team.owner.name, "POETRY_HTTP_BASIC_TEAM_PASSWORD": team.owner.password}
    workshop.run("poetry", "add", "secret-lib", cwd=folder, env=env)
    installed(workshop, folder / ".venv/bin/python")


def test_a_base_that_may_not_be_read_is_not_there(workshop: Workshop, private: Index, team: Team):
    """Whoever may read the upper index but not its base sees the upper index only, and no name of the base."""
    server = private.server
    upper = server.add_index(f"{team.owner.name}/upper", bases=[private.path], volatile=False)
    assert upper.filenames("secret-lib") == set()
    assert upper.filenames("secret-lib", auth=team.stranger.auth) == set()
    assert upper.filenames("secret-lib", auth=team.owner.auth) == {SECRET.filename}


def test_expired_token_is_401(private: Index, team: Team):
    """Never 404 and never the anonymous view: uv would go on to the next index."""
    token = private.server.add_token(team.owner, "read", "--index", private.path, "--expires", "1s")
    time.sleep(1.5)
    assert private.page("secret-lib", auth=wire.basic("__token__", token)).status == 401
    assert team.dev.page("secret-lib", auth=wire.basic("__token__", token)).status == 401


def test_token_is_held_to_its_scope(private: Index, team: Team):
    """A token to read one index neither uploads there nor reads another private one."""
    token = private.server.add_token(team.owner, "read", "--index", private.path)
    holder = Account("__token__", token)
    assert private.filenames("secret-lib", auth=holder.auth) == {SECRET.filename}
    assert upload(private, holder, wheel("secret-lib", "2.0")).status == 403
    second = private.server.add_index(f"{team.owner.name}/second", acl_read=[team.owner.name])
    must_upload(second, team.owner, OTHER)
    assert second.filenames("other-lib", auth=holder.auth) == set()
