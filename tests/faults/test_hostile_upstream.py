"""An upstream that means harm: nothing that it says is taken for more than it is, memory stays bounded, other indexes are served.

Every kind prints how many cases it tried and what clients were told. What a client is told is 502, an honest part of the page, or a body that
breaks off; never a 500, and never other bytes than those that were announced.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.client
import itertools
import json
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rig.hostile import MIB, Attack, attacked
from rig.liar import JSON, PIECE, Liar, Script, endless, page, reply, says
from support import wire
from support.artifacts import wheel, wheel_of_size
from support.node import Node
from support.uploads import must_upload

AT_ONCE = 16
PATIENCE = 120
"""Seconds: a project's page may take 30 (UPSTREAM_PAGE_WAIT in src/limits.rs), and several wait for each other."""
PAGE_MAX = 64 * MIB
LIST_MAX = 256 * MIB
HONEST = wheel_of_size("honest", "1.0", MIB)
GOOD = wheel("good", "1.0", payload=bytes(range(256)) * 1000)
HTML = "text/html"


class House:
    """A node with a stage that everybody uses, a mirror of the liar, and somebody on another private address who must not be asked."""

    def __init__(self, folder: Path) -> None:
        self.liar, self.decoy = Liar(), Liar("127.0.0.2")
        self.node = Node(folder, "--upstream", "none", "--max-file-size", "4MiB")
        owner = self.node.add_user("owner")
        must_upload(self.node.add_index("owner/dev", volatile=True), owner, HONEST)
        self.node.add_index("root/liar", type="mirror", mirror_url=self.liar.url)
        self._names = itertools.count()

    def mirror(self, script: Script) -> str:
        """A new mirror, on which upstream's page of the project good is this."""
        name = f"m{next(self._names)}"
        self.liar.scripts[f"/{name}/simple/good/"] = script
        return self.node.add_index(f"root/{name}", type="mirror", mirror_url=f"http://{self.liar.address}/{name}/simple/").path

    def address(self, mirror: str, file: dict) -> str:
        """The path of a file of the page of good."""
        return urlsplit(wire.absolute(f"{self.node.url}/{mirror}/+simple/good/", file["url"])).path

    def ask(self, path: str, **headers: str) -> tuple[int, bytes, bool]:
        """Status, body, and whether it came to its end."""
        connection = http.client.HTTPConnection(urlsplit(self.node.url).netloc, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"Accept": JSON, **headers})
            answer = connection.getresponse()
            try:
                return answer.status, answer.read(), True
            except http.client.IncompleteRead as cut:
                return answer.status, cut.partial, False
            except OSError:
                return answer.status, b"", False
        finally:
            connection.close()

    def page(self, script: Script) -> tuple[str, int, list[dict]]:
        """What a client gets of such a page: the mirror, the status, the files."""
        mirror = self.mirror(script)
        status, body, whole = self.ask(f"/{mirror}/+simple/good/")
        assert whole, "a page of ours broke off"
        return mirror, status, json.loads(body)["files"] if status == 200 else []


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("upstream"))
    yield house
    assert house.decoy.asked == [], "a private address was asked"
    house.node.stop()
    house.liar.stop()
    house.decoy.stop()


@pytest.fixture
def attack(house: House, record_property: Callable[[str, object], None]):
    return lambda kind, **bounds: attacked(
        house.node, "owner/dev", HONEST, lambda line: record_property("line", f"hostile upstream: {line}"), kind, **bounds
    )


def each(work: Callable, cases: Iterator) -> None:
    """All cases, some at a time; the first that fails is raised."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(work, *case) for case in cases]:
            done.result()


def file_of(url: str, filename: str = GOOD.filename, **more: object) -> dict:
    return {"filename": filename, "url": url, "hashes": {"sha256": GOOD.sha256}, **more}


def _answers() -> Iterator[tuple[str, Script]]:
    """What is no page, and no answer."""
    sound = page(file_of("/files/good"))
    for status in ("100 Continue", "204 No Content", "206 Partial Content", "300 Multiple Choices", "304 Not Modified", "400 Bad", "401 Who", "402 Pay", "403 No", "405 No", "407 Proxy", "418 Tea",
                   "429 Slow down", "500 Oh", "501 No", "502 Bad", "503 Later", "504 Late", "599 Odd", "999 Odd"):  # fmt: skip
        yield status, says(reply(sound, status=status))
    for raw in (b"", b"\0", b"hello", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK\r\nContent-Le", b"\x16\x03\x01\x02\0\1", sound, b"SSH-2.0-x\r\n",
                b"HTTP/1.1 200 OK\r\nX\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000 + b"\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"b" * 2_000_000, b"HTTP/1.1 100 Continue\r\n\r\n" * 5000):  # fmt: skip
        yield f"raw {raw[:20]!r}", says(raw)
    yield "headers without end", endless(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000)
    for lines in (("Content-Length: 5", "Content-Length: 6"), ("Content-Length: -1",), ("Content-Length: x",), ("Content-Length: 99999999999999999999",), ("Transfer-Encoding: gzip",), ("Transfer-Encoding: chunked",)):
        yield f"{lines}", says(reply(sound, *lines, length=None))
    for cut in (0, 1, len(sound) // 2, len(sound) - 1):
        yield f"cut at {cut}", says(reply(sound[:cut], length=len(sound)))
    for chunks in (b"5\r\nhel", b"zz\r\n", b"ffffffffffffffffff\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello", b"0\r\n"):
        yield f"chunks {chunks[:10]!r}", says(reply(b"", "Transfer-Encoding: chunked", length=None) + chunks)


def _encodings() -> Iterator[tuple[str, Script]]:
    """Compression that is none, and bombs."""
    sound = page(file_of("/files/good"))
    packed = gzip.compress(sound)
    for coding, body in (("gzip", sound), ("gzip", packed[:-9]), ("gzip", packed[:5]), ("gzip", b""), ("gzip", packed[:-4] + b"oops"), ("zstd", sound), ("zstd", b"\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
                         ("br", sound), ("deflate", zlib.compress(sound)), ("gzip, gzip", gzip.compress(packed)), ("evil", sound), ("gzip", packed * 2), ("gzip", packed + b"\0" * 100)):  # fmt: skip
        yield f"{coding} of {len(body)} bytes", says(reply(body, f"Content-Encoding: {coding}"))
    for size in (65 * MIB, 200 * MIB, 1024 * MIB):
        yield f"a bomb of {size >> 20} MiB", says(reply(_bomb(size), "Content-Encoding: gzip"))
        yield f"the same within a page, {size >> 20} MiB", says(reply(_bomb(size, b'{"meta": {"api-version": "1.0"}, "files": [' + b" "), "Content-Encoding: gzip"))


@functools.cache
def _bomb(size: int, begin: bytes = b"") -> bytes:
    """A gzip of so many spaces."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed, blank = [packer.compress(begin)], b" " * MIB
    packed += [packer.compress(blank) for _ in range(size // MIB)]
    return b"".join([*packed, packer.flush()])


def test_answers_that_are_none(house: House, attack) -> None:
    """Statuses, garbage, cut and contradictory answers in the place of a page."""

    def check(what: str, script: Script, attempt: Attack) -> None:
        _, status, files = house.page(script)
        assert (status in (404, 502, 503, 504) and not files) or (status == 200 and what == "('Transfer-Encoding: gzip',)"), f"{what}: {status} {files}"
        attempt.case(status)

    with attack("answers that are none") as attempt:
        each(check, ((what, script, attempt) for what, script in _answers()))


def test_compression(house: House, attack) -> None:
    """What does not unpack, and what unpacks to far too much: a page is bounded by what it unpacks to."""

    def check(what: str, script: Script, attempt: Attack) -> None:
        _, status, files = house.page(script)
        assert status in (200, 502), f"{what}: {status}"
        assert status == 502 or [file["filename"] for file in files] == [GOOD.filename], f"{what}: {files}"
        attempt.case(status)

    with attack("compression and bombs", grows=1024 * MIB) as attempt:
        each(check, ((what, script, attempt) for what, script in _encodings()))


def test_large_and_endless(house: House, attack) -> None:
    """200 MB pages, pages without end, and the same of the list of projects, one after the other."""
    blank = b" " * MIB

    def large(size: int, length: int | None) -> Script:
        head = reply(b'{"meta": {"api-version": "1.0"}, "files": [', length=length)
        return Script(lambda: itertools.chain([head], itertools.repeat(blank, size // MIB), [b"]}"]))

    with attack("large and endless pages", grows=512 * MIB) as attempt:
        for what, script in (
            ("200 MB, announced", large(200 * MIB, 200 * MIB + 45)),
            ("200 MB, not announced", large(200 * MIB, None)),
            ("endless JSON", endless(reply(b'{"meta": {"api-version": "1.0"}, "files": [', length=None), blank)),
            ("endless HTML", endless(reply(b"<html>", length=None, kind=HTML), b"<a href='good-1.0.tar.gz'>x</a>" * 1000)),
            ("endless tag", endless(reply(b"<a href='", length=None, kind=HTML), b"x" * PIECE)),
            ("endless chunks", endless(reply(b"", "Transfer-Encoding: chunked", length=None), b"1\r\n \r\n" * 1000)),
            ("500,000 anchors", says(reply(b"<a href='good-1.0.tar.gz'>good-1.0.tar.gz</a>" * 500_000, kind=HTML))),
            ("500,000 files", says(reply(page(*[file_of("/f")] * 500_000)))),
        ):
            _, status, files = house.page(script)
            assert status == 502 and not files, f"{what}: {status}, {len(files)} files"
            attempt.case(status)
        house.liar.scripts["/simple/"] = large(LIST_MAX + 10 * MIB, None)
        status, body, _ = house.ask("/root/liar/+simple/")
        assert status in (200, 502, 503) and len(body) < MIB, f"a list that is too large: {status}"
        attempt.case(f"list {status}")
        del house.liar.scripts["/simple/"]


def test_slow(house: House, attack) -> None:
    """Silence, and a byte now and then: a page has thirty seconds in all, and twenty between two bytes."""
    sound = page(file_of("/files/good"))
    cases = [
        ("silence", Script(lambda: iter([b"x"]), 60)),
        ("half a head, then silence", Script(lambda: iter([b"HTTP/1.1 200", b"x" * 100]), 15)),
        ("a byte every second", says(reply(sound), pause=1, piece=1)),
        ("a byte every ten seconds", says(reply(sound), pause=10, piece=1)),
        ("a page that drips", says(reply(sound + b" " * 200), pause=0.5, piece=1)),
    ]

    def check(what: str, script: Script, attempt: Attack) -> None:
        _, status, files = house.page(script)
        assert status in (502, 504) and not files, f"{what}: {status}"
        attempt.case(status)

    with attack("slow pages") as attempt:
        each(check, ((what, script, attempt) for what, script in cases * 4))


def test_redirects(house: House, attack) -> None:
    """Loops, chains, and redirects to what must not be asked."""
    liar = house.liar
    for number in range(100):
        liar.scripts[f"/chain/{number}"] = says(reply(b"", f"Location: /chain/{number + 1}", status="302 Found"))
    liar.scripts["/loop/a"] = says(reply(b"", "Location: /loop/b", status="302 Found"))
    liar.scripts["/loop/b"] = says(reply(b"", "Location: /loop/a", status="307 Again"))
    places = [
        "/loop/a", "/chain/0", "", " ", "#", "?", "//", "http://", "http://[::1", "http:///x", "file:///etc/passwd", "file://localhost/etc/passwd", "FILE:/etc/passwd", "ftp://127.0.0.1/x", "data:application/json,{}",
        "gopher://127.0.0.1:70/x", "javascript:alert(1)", "unix:/run/x.sock", "jar:http://x!/y", "http://user:pw@127.0.0.2/x", "\x01", "x" * 100_000, "%00", "http://%00/", "http://127.0.0.1:99999/", "http://a b/",
        *_private(house.decoy),
    ]  # fmt: skip

    def check(place: str, status: str, attempt: Attack) -> None:
        _, told, files = house.page(says(reply(b"", f"Location: {place}", status=status)))
        assert told in (404, 502) and not files, f"{place[:80]}: {told} {files}"
        attempt.case(told)

    with attack("redirects") as attempt:
        each(check, ((place, status, attempt) for place in places for status in ("301 Moved", "302 Found", "307 Again", "308 Moved")))
        _, told, _ = house.page(says(reply(b"", status="302 Found")))
        assert told == 502
        attempt.case(told)


def _private(decoy: Liar) -> list[str]:
    """Addresses of machines that are none of upstream's business, in the spellings that hide them."""
    port = decoy.address.rpartition(":")[2]
    hosts = ["127.0.0.2", "127.2", "2130706434", "0x7f000002", "0177.0.0.2", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]", "[64:ff9b::7f00:2]", "localhost", "LOCALHOST", "localhost.", "x.localhost", "127.0.0.2.", "0", "0.0.0.0",
             "[::]", "[::1]", "１２７.0.0.2", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "[fe80::1]", "[fd00::1]", "169.254.169.254", "[fd00:ec2::254]"]  # fmt: skip
    return [f"http://{host}:{port}/simple/x/" for host in hosts]


def _nonsense() -> Iterator[tuple[str, str, bytes]]:
    """What is no page of files, or one with files that are none: what, its type, the bytes."""
    anchor = f"<a href='/files/good#sha256={GOOD.sha256}'>{GOOD.filename}</a>".encode()
    for html in (
        b"", b"\0" * 1000, b"<" * 100_000, b"<a " * 100_000, b"<a>" * 100_000, b"</a>" * 100_000, b"<div>" * 200_000 + anchor, b"<!--" + anchor, b"<!-- " * 50_000, b"<script>" + anchor, b"<style>" + anchor, b"<textarea>" + anchor,
        b"<a href=" + b"x" * 5_000_000 + b">", b"<a " + b" ".join(b"a%d=b" % number for number in range(200_000)) + b">", b"<base href='file:///etc/'>" + anchor, b"<base href='javascript:x'>" + anchor,
        b"<base href='http://127.0.0.2/'>" + anchor, b"<meta http-equiv=refresh content='0;url=file:///etc/passwd'>" + anchor, b"&" * 1_000_000, b"&#x110000;" * 10_000, "ü".encode("utf-16") * 1000, b"\xff\xfe" * 1000,
        b"<svg><a href='good-1.0.tar.gz'>", b"<template>" + anchor, b"<frameset>" + anchor, b"<plaintext>" + anchor, b"<table><a><table><a>" * 20_000, b"<a><b><i>" * 50_000, b"]]>" * 1000, b"<?xml?>" * 1000, b"<!DOCTYPE " * 10_000,
        *(b"<a href='%s'>%s</a>" % (href, text) for href in (b"file:///etc/passwd", b"javascript:x", b"", b"#", b"../../..", b"\0", b"//x", b"http://[") for text in (b"../../etc/passwd", b"good-1.0.tar.gz", b"a/good-1.0.tar.gz", b"\0", b"x" * 100_000, b".", b"-")),
    ):  # fmt: skip
        yield f"HTML {html[:24]!r}", HTML, html
    deep = 100_000
    for text in (
        b"", b"null", b"[]", b"{}", b"0", b'"x"', b"{", b"[" * deep, b'{"files":' * deep, b'{"files": null}', b'{"files": {}}', b'{"files": [null]}', b'{"files": [[]]}', b'{"files": [{}]}', b'{"files": 5, "files": []}', b"\xff", b"\xef\xbb\xbf{}",
        b'{"meta": {"api-version": "2.0"}, "files": []}', b'{"meta": {"api-version": "99999999999999999999.1"}, "files": []}', b'{"meta": 5, "files": []}', b'{"meta": {"api-version": "1.0"}, "name": [], "files": []}', b'{"files": [' + b"1," * 500_000 + b"1]}",
        b'{"meta": {"api-version": "1.0"}, "x": ' + b"[" * deep + b"]" * deep + b', "files": []}', b'{"a": 1e999999, "files": []}', b'{"files": [{"filename": "\\ud800", "url": "x"}]}', b"{" + b'"a": 1,' * 500_000 + b'"files": []}',
    ):  # fmt: skip
        yield f"JSON {text[:24]!r}", JSON, text
    for name in ("../../good-1.0.tar.gz", "/etc/passwd", "a/good-1.0.tar.gz", "a\\good-1.0.tar.gz", "\0", "good\0-1.0.tar.gz", ".", "..", "", "x" * 100_000, "-", "x\r\nY: good-1.0.tar.gz", "good-1.0<script>.tar.gz", "good-1.0.tar.gz\u202e", 5, None, []):
        yield f"a file named {str(name)[:20]!r}", JSON, json.dumps({"meta": {"api-version": "1.0"}, "files": [file_of("/files/good", name)]}).encode()  # type: ignore[arg-type]
    for key, values in (("hashes", (None, [], 5, {"sha256": None}, {"sha256": "zz"}, {"sha256": "0" * 10_000}, {"sha256": []}, {"x" * 1000: "y"}, {"md5": "../x"})), ("size", (-1, 1e308, 2**70, "5", None, [])),
                        ("url", (None, 5, "", "file:///etc/passwd", "http://[", "x" * 100_000, "\0")), ("requires-python", (5, "<script>", "\0", ">" * 100_000, "\r\nX: y")), ("yanked", (5, {}, "x" * 100_000, "\0")),
                        ("upload-time", ("x", 5, "9" * 1000, "-1-1-1")), ("core-metadata", (5, {"sha256": 5}, [], "x")), ("provenance", (5, "file:///x", "javascript:x"))):  # fmt: skip
        for value in values:
            yield f"{key} {str(value)[:20]!r}", JSON, json.dumps({"meta": {"api-version": "1.0"}, "files": [{**file_of("/files/good"), key: value}]}).encode()
    for kind in ("text/plain", "application/json; charset=utf-16", "", "x" * 5000, "application/vnd.pypi.simple.v9+json", "text/html; charset=utf-7", "multipart/mixed; boundary=a"):
        yield f"type {kind[:30]!r}", kind, page(file_of("/files/good"))


def test_nonsense(house: House, attack) -> None:
    """Pages of nonsense, for tools as JSON and as HTML: 502, 404, or what is sound of them; no name that is a path, no markup of theirs."""
    house.liar.scripts["/files/good"] = says(reply(GOOD.data, kind="application/octet-stream"))

    def check(what: str, kind: str, body: bytes, attempt: Attack) -> None:
        mirror, status, files = house.page(says(reply(body, kind=kind)))
        assert status in (200, 404, 502), f"{what}: {status}"
        for file in files:
            assert not set(file["filename"]) & set("/\\\0\r\n") and file["filename"] not in ("", ".", ".."), f"{what}: {file}"
            assert not file["url"].startswith(("file:", "javascript:")), f"{what}: {file}"
        shown, text, _ = house.ask(f"/{mirror}/+simple/good/", Accept="text/html")
        assert shown in (200, 404, 502) and b"<script" not in text, f"{what}: {text[:500]!r}"
        shown, text, _ = house.ask(f"/{mirror}/good", Accept="text/html,*/*")
        assert shown in (200, 404, 502) and b"1.0<script>" not in text, f"{what}: {shown}"
        attempt.case(status)

    with attack("nonsense", grows=1024 * MIB) as attempt:
        each(check, ((what, kind, body, attempt) for what, kind, body in _nonsense()))


RIGHT_AGAIN_SECONDS = 60
"""Much longer than a mirror that failed rests (`MIRROR_REST_AFTER_FAILURE` in src/limits.rs)."""


def _files(data: bytes) -> list[tuple[str, Script, bool]]:
    """What comes in the place of such a file, whose page tells the truth; whether a whole answer of it can be right."""
    return list(_each_file(data, "application/octet-stream"))


def _each_file(data: bytes, kind: str) -> Iterator[tuple[str, Script, bool]]:
    answer = lambda body, *lines, **how: says(reply(body, *lines, kind=kind, **how))  # noqa: E731
    yield "the truth", answer(data), True
    for at in (0, len(data) // 2, len(data) - 1):
        wrong = bytearray(data)
        wrong[at] ^= 1
        yield f"a wrong bit at {at}", answer(bytes(wrong)), False
    for size in (0, 1, len(data) - 1):
        yield f"{size} bytes", answer(data[:size]), False
        yield f"cut after {size} bytes", answer(data[:size], length=len(data)), False
        yield f"{size} bytes without a length", answer(data[:size], length=None), False
    yield "one byte more", answer(data + b"x"), False
    yield "one byte more than announced", answer(data + b"x", length=len(data)), True
    yield "twice", answer(data * 2), False
    yield "200 MB", Script(lambda: itertools.chain([reply(data, length=200 * MIB, kind=kind)], itertools.repeat(b"x" * MIB, 200))), False
    yield "endless", endless(reply(data, length=None, kind=kind), b"x" * PIECE), False
    yield "endless chunks", endless(reply(b"", "Transfer-Encoding: chunked", length=None), b"1\r\nx\r\n" * 1000), False
    yield "gzip", answer(gzip.compress(data), "Content-Encoding: gzip"), False
    yield "a bomb", answer(_bomb(200 * MIB), "Content-Encoding: gzip"), False
    for status in ("204 No", "206 Part", "304 Not Modified", "401 Who", "403 No", "404 No", "410 Gone", "416 No", "429 Later", "500 Oh", "503 Later", "999 Odd"):
        yield status, answer(data, status=status), False
    yield "a part that is another", answer(data[10:], f"Content-Range: bytes 10-{len(data) - 1}/{len(data)}", status="206 Part"), False
    yield "parts", answer(b"--a\r\n\r\n" + data, status="206 Part"), False
    yield "HTML", says(reply(b"<html>please sign in", kind=HTML)), False
    yield "silence", Script(lambda: iter([b"x"]), 60), False
    yield "half, then silence", Script(lambda: iter([reply(data)[: len(data) // 2], b"", b"x"]), 15), False
    for place in ("/files/itself", "file:///etc/passwd", "data:,x", "ftp://127.0.0.1/x", "http://127.0.0.2:1/x", "http://169.254.169.254/latest/meta-data/", ""):
        yield f"a redirect to {place}", says(reply(b"", f"Location: {place}", status="302 Found")), False


def test_files(house: House, attack) -> None:
    """Wrong, cut, endless and slow files: never whole unless right, never kept unless right, and right again once upstream is."""
    house.liar.scripts["/files/itself"] = says(reply(b"", "Location: /files/itself", status="302 Found"))

    def check(number: int, attempt: Attack) -> None:
        # Bytes of its own: what is kept is kept for every project.
        true = wheel("good", f"1.{number}", payload=bytes(range(256)) * 1000)
        what, script, can_be_right = _files(true.data)[number]
        place = f"/files/{number}/{true.filename}"
        house.liar.scripts[place] = script
        mirror, status, files = house.page(says(reply(page({"filename": true.filename, "url": place, "hashes": {"sha256": true.sha256}}))))
        assert status == 200 and len(files) == 1, f"{what}: {status}"
        url = house.address(mirror, files[0])
        status, body, whole = house.ask(url)
        right = status == 200 and whole and body == true.data
        assert right or status in (403, 404, 410, 502, 503, 504) or not whole, f"{what}: {status}, {len(body)} bytes, whole"
        assert can_be_right or not right, f"{what}: taken for right"
        assert right or what != "the truth", f"{what}: {status}"
        house.liar.scripts[place] = says(reply(true.data, kind="application/octet-stream"))
        again = time.monotonic() + RIGHT_AGAIN_SECONDS
        while (told := house.ask(url))[:2] != (200, true.data):
            assert not (told[0] == 200 and told[2]), f"{what}: wrong, whole and kept"
            assert time.monotonic() < again, f"{what}: not right again: {told[0]}"
            time.sleep(1)
        attempt.case("whole" if right else "broken off" if status == 200 else status)

    with attack("files") as attempt:
        each(check, ((number, attempt) for number in range(len(_files(GOOD.data)))))


def test_private_links(house: House, attack) -> None:
    """Links of a page to private addresses and to files of this machine: they are not followed. That the decoy was not asked is looked at in the end."""

    def check(url: str, attempt: Attack) -> None:
        mirror, status, files = house.page(says(reply(page(file_of(url, hashes={"sha256": hashlib.sha256(url.encode()).hexdigest()})))))
        assert status in (200, 404, 502), f"{url}: {status}"
        for file in files:
            place = house.address(mirror, file)
            for path in (place, f"{place}.metadata"):
                told, body, whole = house.ask(path)
                assert told in (403, 404, 502) and b"root:x:0" not in body, f"{url}: {told} {body[:200]!r}"
        attempt.case(f"listed {len(files)}")

    urls = ["file:///etc/passwd", "file://127.0.0.1/etc/passwd", "FILE:///etc/passwd", "ftp://127.0.0.1/x.whl", "data:,x", "javascript:x", "gopher://127.0.0.2/", *_private(house.decoy)]
    with attack("links to private addresses and files") as attempt:
        each(check, ((url, attempt) for url in urls))
        stranger = house.node.add_user("stranger")
        for url in [*_private(house.decoy), house.liar.url, "file:///etc/", "http://127.0.0.1:1/"]:
            answer = wire.send_json("PUT", f"{house.node.url}/stranger/m", {"type": "mirror", "mirror_url": url}, stranger.auth)
            assert answer.status in (400, 403), f"a stranger's mirror of {url}: {answer.status} {answer.text}"
            attempt.case(f"a mirror of it {answer.status}")
