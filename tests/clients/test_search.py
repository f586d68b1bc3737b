"""`pip search`, which PyPI has given up and private indexes have not: XML-RPC at the address of an index."""

from __future__ import annotations

import xmlrpc.client

import pytest

from conftest import Team
from support.artifacts import wheel
from support.server import Index
from support.tools import Run, Workshop
from support.uploads import must_upload

OURS = wheel("cheese-cellar")


@pytest.fixture
def stocked(team: Team) -> Index:
    must_upload(team.dev, team.owner, OURS, wheel("cheese-cellar", "2.0rc1"), wheel("butter"))
    return team.dev


def search(workshop: Workshop, url: str, *words: str, ok: bool = True) -> Run:
    return workshop.run("pip", "search", "--index", url, *words, ok=ok)


@pytest.mark.parametrize("ending", ["", "/", "/+simple/"])
def test_pip_finds_by_name_and_summary(workshop: Workshop, stocked: Index, ending: str):
    url = stocked.upload_url.rstrip("/") + ending
    found = search(workshop, url, "cellar")
    assert "cheese-cellar (1.0)" in found.output and "made for tests" in found.output and "butter" not in found.output
    assert "butter (1.0)" in search(workshop, url, "made", "tests").output
    assert "cheese-cellar (1.0)" in search(workshop, url, "chese-cellar").output, "typing errors are forgiven"


def test_pip_is_told_that_nothing_was_found(workshop: Workshop, stocked: Index):
    nothing = search(workshop, stocked.upload_url, "unheard-of", ok=False)
    assert nothing.status == 23 and not nothing.output.strip()


def test_pip_searches_the_whole_server_at_its_root(workshop: Workshop, stocked: Index, team: Team):
    other = team.dev.server.add_index(f"{team.owner.name}/other", volatile=False)
    must_upload(other, team.owner, wheel("cheese-board"))
    found = search(workshop, f"{other.server.url}/", "cheese").output
    assert "cheese-cellar (1.0)" in found and "cheese-board (1.0)" in found
    assert "cheese-cellar" not in search(workshop, other.upload_url, "cheese").output


def test_pip_signs_in_to_a_private_index(workshop: Workshop, team: Team):
    private = team.dev.server.add_index(f"{team.owner.name}/private", volatile=False, acl_read=[team.owner.name])
    must_upload(private, team.owner, wheel("secret-lib"))
    refused = search(workshop, private.upload_url, "secret", ok=False)
    assert "401" in refused.output and "secret-lib" not in refused.output
    with_password = private.upload_url.replace("://", f"://{team.owner.name}:{team.owner.password}@")
    assert "secret-lib (1.0)" in search(workshop, with_password, "secret").output
    assert "secret-lib" not in search(workshop, f"{private.server.url}/", "secret", ok=None).output


def test_python_gets_a_fault_for_what_there_is_not(stocked: Index):
    with xmlrpc.client.ServerProxy(stocked.upload_url) as proxy:
        assert [hit["name"] for hit in proxy.search({"name": "cellar"})] == ["cheese-cellar"]
        with pytest.raises(xmlrpc.client.Fault) as no_method:
            proxy.package_releases("cheese-cellar")
        assert no_method.value.faultCode == -32601
        with pytest.raises(xmlrpc.client.Fault) as wrong:
            proxy.search({"author": "nobody"})
        assert wrong.value.faultCode == -32602
