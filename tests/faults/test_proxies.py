"""The proxies misbehave as they say, and pass everything on when they do not."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from rig.s3_proxy import S3Proxy
from rig.tcp_proxy import TcpProxy
from support import wire
from support.artifacts import Artifact, wheel_of_size
from support.fake_upstream import FakeUpstream
from support.upstream_pages import file_path

FILE = wheel_of_size("beech", "1.0", 64_000)
BROKEN = (OSError, http.client.HTTPException)
IMPATIENT_SECONDS = 0.5


@pytest.fixture
def server() -> Iterator[FakeUpstream]:
    """Something that answers HTTP."""
    fake = FakeUpstream()
    fake.add(FILE)
    yield fake
    fake.stop()


@pytest.fixture
def tcp(server: FakeUpstream) -> Iterator[TcpProxy]:
    proxy = TcpProxy(server.url)
    yield proxy
    proxy.close()


def _get(server: FakeUpstream, proxy: TcpProxy, artifact: Artifact = FILE) -> bytes:
    return wire.get(proxy.url(server.url.removesuffix("/simple/")) + file_path(artifact)).body


@pytest.mark.parametrize("kind", ["stall", "mute", "refuse"])
def test_tcp_proxy_lets_nothing_through_until_it_heals(kind: str, server: FakeUpstream, tcp: TcpProxy, monkeypatch: pytest.MonkeyPatch):
    """And a server behind a mute proxy is asked all the same."""
    monkeypatch.setattr(wire, "TIMEOUT_SECONDS", IMPATIENT_SECONDS)
    assert _get(server, tcp) == FILE.data
    tcp.disturb(kind)
    before = server.count(file_path(FILE))
    with pytest.raises(OSError):
        _get(server, tcp)
    assert server.count(file_path(FILE)) == before + (kind == "mute")
    tcp.heal()
    assert _get(server, tcp) == FILE.data


def test_tcp_proxy_cuts_what_is_open(server: FakeUpstream, tcp: TcpProxy):
    """A kept connection is reset; the next one works."""
    address = wire.urlsplit(tcp.url(server.url))
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=wire.TIMEOUT_SECONDS)
    connection.request("GET", file_path(FILE))
    assert connection.getresponse().read() == FILE.data
    tcp.disturb("cut")
    with pytest.raises(BROKEN):
        connection.request("GET", file_path(FILE))
        connection.getresponse()
    connection.close()
    assert _get(server, tcp) == FILE.data


@pytest.mark.parametrize(("kind", "asked"), [("500", 0), ("503", 0), ("cut-answer", 1), ("lost-answer", 1)])
def test_s3_proxy_fails_the_planned_call(kind: str, asked: int, server: FakeUpstream):
    """The second of three, and whether the server behind heard of it."""
    proxy = S3Proxy(server.url)
    url = proxy.url + file_path(FILE)
    proxy.plan({2: kind})
    assert wire.get(url).body == FILE.data
    before = server.count(file_path(FILE))
    if kind in ("500", "503"):
        assert wire.get(url).status == int(kind)
    else:
        with pytest.raises(BROKEN):
            wire.get(url)
    assert server.count(file_path(FILE)) == before + asked
    assert wire.get(url).body == FILE.data
    assert (proxy.heal(), proxy.failed) == (3, 1)
    proxy.close()
