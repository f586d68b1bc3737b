"""The fake upstream itself: if it were wrong, the mirror would be blamed."""

import http.client

import pytest

from support import fake_upstream as fake
from support import wire
from support.artifacts import sdist, wheel
from support.upstream_pages import file_path, metadata_path, page_path

ALDER = wheel("alder", requires_python=">=3.8")


def url(upstream, path):
    return upstream.url.removesuffix("/simple/") + path


def test_speaks_json_or_html(upstream):
    """JSON to those who ask for it, unless told to be an index that knows HTML only."""
    upstream.add(ALDER)
    page = wire.get(url(upstream, page_path("alder")), accept=wire.PIP_ACCEPT)
    assert page.json()["files"][0]["hashes"] == {"sha256": ALDER.sha256}
    upstream.behaviour.speaks_json = False
    page = wire.get(url(upstream, page_path("alder")), accept=wire.PIP_ACCEPT)
    assert page.header("content-type").startswith("text/html")
    assert f"#sha256={ALDER.sha256}" in page.text and 'data-requires-python="&gt;=3.8"' in page.text


def test_serves_files_metadata_and_ranges(upstream):
    upstream.add(ALDER)
    assert wire.get(url(upstream, file_path(ALDER))).body == ALDER.data
    assert wire.get(url(upstream, metadata_path(ALDER))).body == ALDER.metadata
    part = wire.get(url(upstream, file_path(ALDER)), range="bytes=-10")
    assert (part.status, part.body) == (206, ALDER.data[-10:])
    upstream.behaviour.with_metadata = False
    assert wire.get(url(upstream, metadata_path(ALDER))).status == 404


def test_answers_304_and_counts(upstream):
    upstream.add(ALDER)
    path = page_path("alder")
    etag = wire.get(url(upstream, path)).header("etag")
    assert wire.get(url(upstream, path), if_none_match=etag).status == 304
    assert upstream.count(path) == 2


def test_fails_as_told(upstream):
    """A cut download is short of its Content-Length, a lie has other bytes, an answer has the status asked for."""
    upstream.add(ALDER)
    path = file_path(ALDER)
    upstream.fail(path, fake.cut(100))
    with pytest.raises(http.client.IncompleteRead):
        wire.get(url(upstream, path))
    upstream.fail(path, fake.lie(b"something else"))
    assert wire.get(url(upstream, path)).body == b"something else"
    upstream.fail(path, fake.answer(500))
    assert wire.get(url(upstream, path)).status == 500
    upstream.fail(path, None)
    assert wire.get(url(upstream, path)).body == ALDER.data


def test_goes_down_and_comes_back(upstream):
    upstream.add(sdist("alder"))
    upstream.stop()
    with pytest.raises(OSError):
        wire.get(url(upstream, page_path("alder")))
    upstream.start()
    assert wire.get(url(upstream, page_path("alder"))).status == 200
