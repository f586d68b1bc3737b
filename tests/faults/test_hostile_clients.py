"""Clients that mean harm, against the real program by raw sockets: what is refused is refused, memory stays bounded, others are served.

Every kind prints how many cases it tried, what they came to, and what an ordinary client beside them noticed. That client's times are
printed, not asserted: they are of the machine as much as of the program.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rig.hostile import LONG, MIB, Attack, Raw, attacked, exchange, statuses
from support import wire
from support.artifacts import Artifact, wheel, wheel_of_size
from support.node import Node
from support.server import Account, Index
from support.uploads import must_upload, upload_fields

HEAD_SECONDS = 10
"""HEAD_TIME_MAX in src/limits.rs."""
HEAD_BYTES = 32 * 1024
IDLE = 10_000
PLACES = 2048
"""`CONNECTIONS_MAX` of src/limits.rs."""
PLACE_BYTES = 96 * 1024
"""What a connection that has been served once may hold, beyond a server that nobody has asked for anything."""
AT_ONCE = 1000
LARGE = wheel_of_size("large", "1.0", MIB)
SMALL = wheel("small", "1.0", payload=bytes(range(256)))
HUGE = wheel_of_size("huge", "1.0", 8 * MIB)
MARK = b"GET /+smuggled HTTP/1.1\r\nHost: index.example\r\n\r\n"


class House:
    """The program and what is in it."""

    def __init__(self, folder: Path) -> None:
        self.node = Node(folder, "--upstream", "none", "--max-file-size", "64MiB")
        self.owner: Account = self.node.add_user("owner")
        self.index: Index = self.node.add_index("owner/dev", volatile=True)
        must_upload(self.index, self.owner, LARGE, SMALL, HUGE)

    def file(self, artifact: Artifact) -> str:
        return f"/owner/dev/+f/{artifact.sha256[:3]}/{artifact.sha256[3:16]}/{artifact.filename}"

    def post(self, body: bytes, content_type: str, path: str = "/owner/dev/", length: int | None = None) -> bytes:
        """An upload of the owner's, whose announced length need not be the truth."""
        head = f"POST {path} HTTP/1.1\r\nHost: index.example\r\nContent-Type: {content_type}\r\n"
        head += f"Authorization: {self.owner.auth['Authorization']}\r\nConnection: close\r\n"
        return f"{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode("latin-1") + body


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("hostile"))
    yield house
    house.node.stop()


@pytest.fixture
def attack(house: House, record_property: Callable[[str, object], None]):
    """`with attack("half heads") as attempt:`."""
    return lambda kind, **bounds: attacked(
        house.node, "owner/dev", LARGE, lambda line: record_property("line", f"hostile clients: {line}"), kind, **bounds
    )


def get(path: bytes | str, *lines: str) -> bytes:
    path = path.encode() if isinstance(path, str) else path
    return b"GET " + path + b" HTTP/1.1\r\nHost: index.example\r\nConnection: close\r\n" + "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"


def one(answers: bytes) -> object:
    """The status of the one answer, or that there was none."""
    found = statuses(answers)
    assert len(found) <= 1, f"{len(found)} answers to one request: {answers[:2000]!r}"
    return found[0] if found else "no answer"


def must_refuse(attempt: Attack, answers: bytes, what: object) -> None:
    """An answer that blames the client, or none; never an error of the server's."""
    status = one(answers)
    assert status == "no answer" or 400 <= status < 500 or status in (501, 505), f"{what!r}: {status}: {answers[:500]!r}"
    attempt.case(status)


def must_not_fail(attempt: Attack, answers: bytes, what: object) -> None:
    """Any answer but an error of the server's."""
    status = one(answers)
    assert status == "no answer" or status < 500 or status in (501, 505), f"{what!r}: {status}: {answers[:500]!r}"
    attempt.case(status)


def test_nobody(house: House, attack) -> None:
    """The measure: what the ordinary client sees while nobody is hostile."""
    with attack("nobody") as attempt:
        for _ in range(100):
            assert one(exchange(house.node, get("/+api", "Accept: application/json"))) == 200
            attempt.case("ordinary requests")
            time.sleep(0.05)


def test_half_heads(house: House, attack) -> None:
    """A request is cut after each of its bytes, with an orderly end and with a reset."""
    whole = get(house.file(LARGE), "Accept: */*", "Range: bytes=0-9")
    with attack("half heads") as attempt:
        for end in range(len(whole)):
            must_refuse(attempt, exchange(house.node, whole[:end]), whole[:end])
            raw = Raw(house.node)
            raw.send(whole[:end])
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raw.close()
            attempt.case("reset")


def test_silent_and_slow_heads(house: House, attack) -> None:
    """Sockets that say nothing, and heads that come a byte a second: both are ended after ten seconds."""
    whole = get("/+api")
    with attack("silent sockets, and heads byte by byte") as attempt:
        silent, slow = [Raw(house.node) for _ in range(300)], [Raw(house.node) for _ in range(300)]
        for at in range(HEAD_SECONDS + 3):
            for raw in slow:
                raw.send(whole[at : at + 1])
            time.sleep(1)
        for raw in silent + slow:
            must_refuse(attempt, raw.read(), "silence")
            raw.close()


def _asking(raw: Raw, head: bytes) -> Raw:
    """One that has asked at once: who says nothing for ten seconds is ended, however slow the machine is."""
    raw.send(head)
    return raw


def test_slow_bodies_and_readers(house: House, attack) -> None:
    """Uploads that come a byte at a time, and downloads that nobody takes: they hold what a connection may hold, and no more."""
    body, content_type = wire.multipart(upload_fields(SMALL))
    with attack("slow uploads, and downloads that nobody takes", grows=256 * MIB) as attempt:
        writers = [_asking(Raw(house.node), house.post(body, content_type)[: -len(body)]) for _ in range(200)]
        readers = [_asking(Raw(house.node, receive_buffer=4096), get(house.file(HUGE))) for _ in range(200)]
        for at in range(10):
            for raw in writers:
                assert raw.send(body[at : at + 1]), "a slow upload was ended before its time"
            time.sleep(1)
        for raw in readers:
            taken = raw.socket.recv(1000)
            assert taken.startswith(b"HTTP/1.1 200 "), taken
            attempt.case("download not taken")
            raw.close()
        for raw in writers:
            raw.send(body[10:])
            status = one(raw.read())
            assert status in (200, 503), f"an upload that was slow: {status}"
            attempt.case(f"slow upload {status}")
            raw.close()


def test_idle_connections(house: House, attack) -> None:
    """As many connections as this machine lets one client open, up to 10,000, each of which asks once and then says nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(IDLE, max(100, hard - 1000))
    idle: list[socket.socket] = []
    try:
        with attack("idle connections", grows=PLACES * PLACE_BYTES) as attempt:
            address = ("127.0.0.1", int(house.node.url.rpartition(":")[2]))
            for _ in range(count):
                connection = socket.create_connection(address, timeout=LONG)
                connection.setblocking(False)
                try:
                    connection.send(b"GET /+api HTTP/1.1\r\nHost: index.example\r\n\r\n")
                except OSError:
                    pass
                idle.append(connection)
            time.sleep(5)
            for connection in idle:
                attempt.case(_state(connection))
            assert any(what.startswith("served") for what in attempt.outcome), attempt.outcome
    finally:
        for connection in idle:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _state(connection: socket.socket) -> str:
    """Whether it was served, and whether it is still open."""
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
        end = "closed"
    except BlockingIOError:
        end = "open"
    except OSError:
        end = "closed"
    return f"{'served' if got.startswith(b'HTTP/1.1 200 ') else 'not served'} and {end}"


def test_giant_heads(house: House, attack) -> None:
    """More than 32 KiB before the body, in every part of a head."""
    sizes = (HEAD_BYTES, 10 * HEAD_BYTES, 4 * MIB)
    with attack("giant heads") as attempt:
        for size in sizes:
            filler = "x" * size
            for data in (
                get(f"/{filler}"),
                get(f"/+api?{filler}"),
                get("/+api", f"Cookie: {filler}"),
                get("/+api", f"{filler}: x"),
                get("/+api", *(f"X-{number}: {'y' * 50}" for number in range(size // 60))),
                get("/+api", *(f"A{number}:" for number in range(size // 8))),
                get("/+api", *("Cookie: a=b" for _ in range(size // 13))),
                filler.encode() + b" / HTTP/1.1\r\nHost: a\r\n\r\n",
                b"GET / HTTP/" + filler.encode() + b"\r\nHost: a\r\n\r\n",
                filler.encode(),
                b"\r\n" * (size // 2) + get("/+api"),
                get("/+api", f"Authorization: Basic {filler}"),
                get("/+api", f"Accept: {','.join(['text/html;q=0.1'] * (size // 16))}"),
            ):
                must_refuse(attempt, exchange(house.node, data), data[:60])
        for size in (4097, 8000, 30_000):
            must_refuse(attempt, exchange(house.node, get("/" + "x" * size)), size)
        accept = ",".join(["text/html;q=0.1"] * 1900)
        for name in ("Accept", "Accept-Encoding", "If-None-Match", "Range", "If-Range", "X-Forwarded-For", "Cookie", "Authorization"):
            must_not_fail(attempt, exchange(house.node, get(house.file(SMALL), f"{name}: {accept}")), name)


def _smuggling() -> Iterator[tuple[str, bytes, str]]:
    """What two servers in a row might read differently: its name, the bytes, and what has to become of them. `refuse`: an error and the end
    of the connection. `alone`: one answer, and the end. `one`: what comes behind is a request of its own, beyond doubt."""

    def post(*lines: str, body: bytes = b"", version: str = "1.1") -> bytes:
        head = f"POST /+login HTTP/{version}\r\nHost: index.example\r\n" + "".join(f"{line}\r\n" for line in lines) + "\r\n"
        return head.encode() + body + MARK

    chunked = b"0\r\n\r\n"
    for first, second in itertools.permutations(("Content-Length: 5", "Transfer-Encoding: chunked")):
        yield "length and chunks", post(first, second, body=chunked), "alone"
    for value in ("4, 5", "5, 4", "+5", "-5", "-0", "0x5", "5 5", "5a", "５", "1e1", "", "99999999999999999999999", "18446744073709551616", "5;"):
        yield "a length that is none", post(f"Content-Length: {value}", body=chunked), "refuse"
    for one_, other in (("5", "6"), ("0", "5"), ("5", "0"), ("5", ""), ("5", "x")):
        yield "two lengths", post(f"Content-Length: {one_}", f"Content-Length: {other}", body=chunked), "refuse"
    yield "a length with a zero before it", post("Content-Length: 05 ", body=chunked), "one or refuse"
    yield "one length twice", post("Content-Length: 5", "Content-Length: 5", body=chunked), "one or refuse"
    for value in (
        "identity", "xchunked", "chunked, identity", "chunked, gzip", "gzip", "chunked;q=1", "\x0bchunked", "chunked\x0b", "chunked\x00",
        '"chunked"', "chu nked", ",", "chunkedchunked", "cow",
    ):  # fmt: skip
        yield "odd transfer codings", post(f"Transfer-Encoding: {value}", body=chunked), "refuse"
        yield "odd transfer codings with a length", post("Content-Length: 5", f"Transfer-Encoding: {value}", body=chunked), "refuse"
    yield "a coding without a value", post("Transfer-Encoding:", body=chunked), "refuse"
    for value in ("Chunked", "CHUNKED", " chunked "):
        yield "chunks otherwise written", post(f"Transfer-Encoding: {value}", body=chunked), "one or refuse"
    for value in ("gzip, chunked", "chunked, chunked", "identity, chunked", ",chunked"):
        yield "several codings", post(f"Transfer-Encoding: {value}", body=chunked), "refuse"
    yield "two codings", post("Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=chunked), "refuse"
    yield "two codings", post("Transfer-Encoding: identity", "Transfer-Encoding: chunked", body=chunked), "refuse"
    yield "two codings", post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=chunked), "refuse"
    yield "chunks in HTTP/1.0", post("Transfer-Encoding: chunked", body=chunked, version="1.0"), "refuse"
    for name in ("Transfer-Encoding ", "Transfer-Encoding\t", "Content-Length ", " Transfer-Encoding", "\tContent-Length", "Content\x00Length", "Content Length", "Content-Length\x0b", "Tränsfer-Encoding"):
        yield "names that are none", post(f"{name}: chunked", body=chunked), "refuse"
        yield "names that are none", post(f"{name}: 5", body=chunked), "refuse"
    for fold in (" ", "\t", " \t "):
        yield "folded lines", post("Content-Length:", f"{fold}5", body=chunked), "refuse"
        yield "folded lines", post("X: y", f"{fold}Transfer-Encoding: chunked", body=chunked), "refuse"
        yield "folded lines", post("Transfer-Encoding:", f"{fold}chunked", body=chunked), "refuse"
    for ending in ("\r", "\n\r", "\r\r\n"):
        yield "odd line ends", post(f"X: y{ending}Content-Length: 5", body=chunked), "refuse"
    for size in ("-1", "+5", "0x5", "5g", "", " ", "g", "10000000000000000", "ffffffffffffffffff", "5 5", "５"):
        body = f"{size}\r\nhello\r\n0\r\n\r\n".encode()
        yield "chunk sizes that are none", post("Transfer-Encoding: chunked", body=body), "refuse"
    for body in (
        b"5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", b"5;" + b"x" * 20_000 + b"\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n", b"5\rhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhelloworld\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    ):  # fmt: skip
        yield "broken chunks", post("Transfer-Encoding: chunked", body=body), "alone or refuse"
    for body in (
        b"5;ext=1\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n", b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"5;\x00\r\nhello\r\n0\r\n\r\n", b"00000000000000005\r\nhello\r\n0\r\n\r\n", b"1;x\r\na\r\n" * 5000 + b"0\r\n\r\n",
    ):  # fmt: skip
        yield "chunks with more than their bytes", post("Transfer-Encoding: chunked", body=body), "one or refuse"
    for head in (
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\x00\r\n\r\n", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    ):  # fmt: skip
        yield "hosts", head + MARK, "refuse"
    yield "bare line feeds", b"GET / HTTP/1.1\nHost: index.example\n\n" + MARK, "one or refuse"
    for line in (
        b"GET  / HTTP/1.1", b"GET\t/\tHTTP/1.1", b"GET / HTTP/1.1 ", b"GET / HTTP/1.2", b"GET / HTTP/2.0", b"GET / HTTP/0.9", b"GET / http/1.1", b"GET /",
        b"GET", b"G\x00T / HTTP/1.1", b"GET /\x00 HTTP/1.1", b"GET /\x7f HTTP/1.1", b"GET / HTTP/1.1\x00", b"GET / HTTPS/1.1", b"GET / HTTP/11",
        b" GET / HTTP/1.1", b"PRI * HTTP/2.0", b"GET / FTP/1.1", b"(x) / HTTP/1.1", b"\x16\x03\x01\x02\x00\x01",
    ):  # fmt: skip
        yield "odd request lines", line + b"\r\nHost: index.example\r\n\r\n" + MARK, "refuse"
    for target in (b"*", b"index.example:80", b"http://index.example/+api", b"http://other.example/../+api", b"//other.example/+api", b"?x", b"+api"):
        for method in (b"GET", b"OPTIONS", b"CONNECT", b"TRACE"):
            yield "odd targets", method + b" " + target + b" HTTP/1.1\r\nHost: index.example\r\nConnection: close\r\n\r\n", "alone or refuse"
    for method in (b"GET", b"HEAD", b"DELETE"):
        yield "a body that nobody expects", method + b" /+api HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(MARK) + MARK, "alone"


def test_smuggling(house: House, attack) -> None:
    """No shape makes this server find a request where a server before it may have seen none."""
    with attack("smuggling shapes") as attempt:
        for name, data, wanted in _smuggling():
            answers = exchange(house.node, data)
            found = statuses(answers, to_head=data.startswith(b"HEAD "))
            what = f"{name}: {data[:200]!r}: {found} {answers[:300]!r}"
            assert all(status < 500 or status in (501, 505) for status in found), what
            # What was smuggled would be the second answer.
            smuggled = len(found) > 1
            refused = not smuggled and (not found or found[0] in (400, 405, 404, 414, 417, 431, 501, 505))
            fits = {
                "refuse": not smuggled and (not found or found[0] in (400, 414, 431, 501, 505)),
                "alone": len(found) == 1,
                "alone or refuse": not smuggled,
                "one or refuse": refused or len(found) == 2,
            }[wanted]
            assert fits, what
            attempt.case("refused" if refused else "one answer" if not smuggled else "two requests, beyond doubt")


TRICKS = (
    "..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%2f..", "..%5c..", "..\\..", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "....//", "%c0%ae%c0%ae", "%c0%af",
    "%e0%80%ae", "%ff", "%fe%ff", "%80", "%ed%a0%80", "%f4%90%80%80", "%00", "a%00b", "%00..", "%0a", "%0d%0aX:%20y", "%7f", "%09", "%20", "%", "%2", "%zz", "%2%65",
    ".", "...", "~root", "file:%2f%2f%2fetc%2fpasswd", "http:%2f%2f127.0.0.1", "con", "nul.", "a" * 255, "a" * 1000, "%61" * 1000, "é".encode().hex(), "%c3%a9",
    "%ef%bc%8e%ef%bc%8e", "%e2%80%ae", "'", '"', "<script>", "%3Cscript%3E", "`id`", "$(id)", ";id", "|id", "{{7*7}}", "*", "?", "%3f", "%23", "+f", "%2bf", "+simple", "_", "%5f",
    "a/../b", "a//b", "-", "--help", "0", "-1", "9" * 400, "1.0%2b" + "x" * 200, "1!" + "9" * 200,
)  # fmt: skip
PATHS = (
    "/{}", "/{}/dev", "/owner/{}", "/owner/dev/{}", "/owner/dev/{}/1.0", "/owner/dev/small/{}", "/owner/dev/+simple/{}", "/owner/dev/+simple/{}/",
    "/owner/dev/+f/{}", "/owner/dev/+f/{}/{}/{}", "/owner/dev/+f/abc/0123456789abc/{}", "/owner/dev/+f/abc/0123456789abc/{}.metadata", "/owner/dev/+e/{}/{}",
    "/owner/dev/small/1.0/+doc/{}", "/owner/dev/small/1.0/+d/{}", "/simple/{}/", "/pypi/{}/json", "/packages/source/{}/{}/{}", "/_/{}", "/_/static/x/{}",
    "/_/static/{}/site.css", "/_/users/{}", "/_/indexes/owner/{}/settings", "/_/projects/owner/dev/{}/compare", "/_/image/{}", "/owner/+tokens/{}", "/+search?q={}",
    "/+search?q=a&index={}", "/_/activity?project={}", "/_/activity?index={}&before={}", "/_/search?q={}&page={}", "/owner/dev?after={}", "/_/login?next={}",
)  # fmt: skip
LEAKS = (b"root:x:0", b"SQLite format", b"BEGIN PRIVATE", b"/data/blobs", b"panicked")


def test_paths(house: House, attack) -> None:
    """Each trick in each place of each address, for tools and for browsers."""
    with attack("path tricks") as attempt:
        raw_bytes = (b"\xff\xfe", "é".encode(), b"\x80", b"a\tb", b"a\\b", b"^`{|}")
        for path, trick in itertools.product(PATHS, TRICKS):
            target = path.replace("{}", trick)
            for accept in ("application/json", "text/html"):
                answers = exchange(house.node, get(target, f"Accept: {accept}"))
                must_not_fail(attempt, answers, target)
                assert not any(leak in answers for leak in LEAKS), f"{target}: {answers[:500]!r}"
                head, _, body = answers.partition(b"\r\n\r\n")
                assert b"\r\nX: y" not in head, f"{target}: {head!r}"
                # In JSON, which no browser takes for a page, it may stand as it is.
                assert b"<script>" not in body or b"\r\ncontent-type: text/html" not in head, f"{target}: {answers[:2000]!r}"
        for path, trick in itertools.product(PATHS, raw_bytes):
            must_not_fail(attempt, exchange(house.node, get(path.encode().replace(b"{}", trick))), (path, trick))
        for depth in (10, 500, 2000):
            must_not_fail(attempt, exchange(house.node, get("/" + "a/" * depth)), depth)
            must_not_fail(attempt, exchange(house.node, get("/" + "../" * (depth // 2) + "etc/passwd")), depth)


def _forms(house: House) -> Iterator[tuple[str, bytes]]:
    """Forms that no uploader sends; the name of each, and the request."""
    fields = upload_fields(SMALL)
    as_form = lambda fields: house.post(*wire.multipart(fields))  # noqa: E731
    yield "20,001 fields", as_form([*fields[:1], *((f"f{number}", "x") for number in range(20_001)), *fields[1:]])
    yield "50,000 fields of one name", as_form([*((("classifiers", "x"),) * 50_000), *fields])
    yield "a field of 33 MiB", as_form([("description", "x" * (33 * MIB)), *fields])
    yield "many fields, 40 MiB in all", as_form([*((f"f{number}", "x" * MIB) for number in range(40)), *fields])
    for name in ("name", "version", ":action", "sha256_digest", "filetype", "metadata_version"):
        yield f"{name} a thousand times", as_form([*((name, "other") for _ in range(1000)), *fields])
        yield f"{name} twice", as_form([*fields, (name, "other")])
    content = fields[-1]
    yield "two files", as_form([*fields, content])
    yield "200 files", as_form([*fields, *[content] * 200])
    for filename in (
        "../../x-1.0.tar.gz", "/etc/passwd", "x\\..\\y-1.0-py3-none-any.whl", "a\0b-1.0.tar.gz", "x" * 300 + "-1.0.tar.gz", "", ".", "..", "small-1.0-py3-none-any.whl\r\nX: y",
        "small-1.0-py3-none-any.whl.", "smàll-1.0-py3-none-any.whl", "-1.0.tar.gz", "small-1.0-py3-none-any.whl.metadata", "small-1.0-py3-none-any.whl%00.exe", "+f", "con.whl",
    ):  # fmt: skip
        yield f"a file named {filename[:20]!r}", as_form([*fields[:-1], ("content", wire.FilePart(filename, SMALL.data))])
    for name, value in (("name", "\0"), ("name", "../x"), ("name", "x" * 5000), ("version", "1" * 5000), ("version", "1.0\n2"), ("name", "small\r\nX: y"), ("requires_dist", "(" * 10_000),
                        ("requires_python", ">" * 10_000), ("description", "\0" * 1000), ("summary", "a\nb"), ("metadata_version", "9" * 500), ("sha256_digest", "x" * 64), ("blake2_256_digest", "0" * 64),
                        ("filetype", "bdist_evil"), (":action", "../"), ("protocol_version", "2")):  # fmt: skip
        yield f"{name} {value[:8]!r}", as_form([field for field in fields if field[0] != name and field[0] != "content"] + [(name, value), content])
    body, content_type = wire.multipart(fields)
    for wrong in ("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 5000, "multipart/mixed; boundary=a", "text/plain", "application/x-www-form-urlencoded",
                  "multipart/form-data; boundary=other", content_type + "; boundary=second", content_type.upper(), 'multipart/form-data; boundary="'):  # fmt: skip
        yield f"as {wrong[:40]}", house.post(body, wrong)
    boundary = content_type.partition("=")[2].encode()
    part = lambda head, data=b"x": b"--" + boundary + b"\r\n" + head + b"\r\n\r\n" + data + b"\r\n"  # noqa: E731
    end = b"--" + boundary + b"--\r\n"
    for head in (
        b"Content-Disposition: form-data", b"Content-Disposition: attachment; name=\"x\"", b"X: y", b"Content-Disposition: form-data; name=\"" + b"n" * 100_000 + b"\"",
        b"Content-Disposition: form-data; name=\"a\"\r\n" + b"X: y\r\n" * 5000 + b"Z: z", b"Content-Disposition: form-data; name=\"\xff\"", b"Content-Disposition: form-data; name=\"a\0b\"",
        b"Content-Disposition: form-data; name=\"content\"", b"Content-Disposition: form-data; name=\"content\"; filename*=UTF-8''%2e%2e%2fx", b"Content-Disposition: form-data; name=a; name=b",
        b"Content-Disposition: form-data; name=\"f\"\r\nContent-Transfer-Encoding: base64", b"Content-Type: multipart/mixed; boundary=inner\r\nContent-Disposition: form-data; name=\"files\"", b"\0",
    ):  # fmt: skip
        yield f"a part {head[:40]!r}", house.post(part(head) + body, content_type)
    for junk in (b"", b"\r\n", b"--", end, b"--" + boundary, part(b"Content-Disposition: form-data; name=\"a\"") * 30_000, body[:-10], body[: len(body) // 2], b"x" * MIB + body, body + b"x" * MIB, body.replace(b"\r\n", b"\n")):
        yield f"{len(junk)} bytes of a form", house.post(junk, content_type)
    yield "more announced than comes", house.post(body, content_type, length=len(body) + 1000)
    yield "less announced than comes", house.post(body, content_type, length=len(body) - 1000)
    yield "a file above the limit", house.post(body, content_type, length=65 * MIB + (33 << 20))
    for path, text in (
        ("/+login", b"[" * 100_000), ("/+login", b'{"user":' * 10_000), ("/+login", b'{"user": "' + b"x" * (2 * MIB) + b'"}'), ("/+login", b"\xff"), ("/+login", b"null"), ("/+login", b"[]"),
        ("/+login", b'{"user": 1, "password": []}'), ("/+login", b'{"user": "a", "user": "b", "password": "x"}'), ("/+login", b'{"user": "a\\u0000b", "password": "\\ud800"}'), ("/+login", b"1e999999"),
        ("/+login", b'{"user": "owner", "password": "' + b"x" * 100_000 + b'"}'), ("/owner/+token-create", b'{"expires": 1e400}'), ("/owner/+token-create", b'{"indexes": [' + b'"a/b",' * 50_000 + b'"a/b"]}'),
        ("/owner/dev", b'{"name": "../x", "version": "\\u0000", "targetindex": "owner/dev"}'), ("/owner/dev", b'{"name": "small", "version": "1.0", "targetindex": "a/b/c"}'),
    ):  # fmt: skip
        yield f"JSON {text[:20]!r}", house.post(text, "application/json", path)
    laughs = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + b"".join(b'<!ENTITY a%d "&a;&a;&a;&a;&a;&a;&a;&a;">' % number for number in range(30)) + b"]>"
    for text in (laughs + b"<methodCall><methodName>&a29;</methodName></methodCall>", b"<a>" * 10_000, b"<methodCall>" + b"x" * 100_000, b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><methodCall/>', b"<", b"\xff\xfe",
                 b"<methodCall><methodName>search</methodName><params>" + b"<param><value><struct>" * 100):  # fmt: skip
        yield f"XML {text[:20]!r}", house.post(text, "text/xml", "/pypi/")
    for path in ("/_/login", "/_/users", "/_/users/owner/tokens", "/_/indexes/new", "/_/projects/owner/dev/small/yank"):
        for text in (b"a=" + b"x" * (300 * 1024), b"a=b&" * 50_000, b"&" * 200_000, b"%" * 1000, b"user=%00&password=%00", b"name=" * 1000, b"\xff=\xfe"):
            yield f"a web form {text[:10]!r}", house.post(text, "application/x-www-form-urlencoded", path)


def test_forms(house: House, attack) -> None:
    """Huge, duplicate, broken and misleading fields: refused by an error of the client's, or taken for what they say."""
    with attack("forms", grows=192 * MIB) as attempt:
        for name, request in _forms(house):
            must_not_fail(attempt, exchange(house.node, request), name)
    names = set(house.node.index("owner/dev").filenames("small"))
    assert names <= {SMALL.filename, "small-1.0.tar.gz"}, names


def test_many_uploads_at_once(house: House, attack) -> None:
    """A thousand at the same moment: each is taken or told to come again, and what was taken is there."""
    files = [wheel("crowd", f"1.{number}", payload=b"x") for number in range(AT_ONCE)]
    with attack("uploads at once", grows=256 * MIB) as attempt:
        answers = asyncio.run(_all_at_once(house, [house.post(*wire.multipart(upload_fields(file))) for file in files]))
        taken = set()
        for file, answer in zip(files, answers, strict=True):
            status = one(answer)
            assert status in (200, 503), f"{file.filename}: {status} {answer[:300]!r}"
            attempt.case(status)
            if status == 200:
                taken.add(file.filename)
        assert taken, "not one was taken"
    assert house.node.index("owner/dev").filenames("crowd") >= taken


async def _all_at_once(house: House, requests: list[bytes]) -> list[bytes]:
    port = int(house.node.url.rpartition(":")[2])

    async def send(request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            return await asyncio.wait_for(reader.read(), 20 * LONG)
        finally:
            writer.close()

    return await asyncio.gather(*(send(request) for request in requests))


def _ranges(size: int) -> Iterator[str]:
    """What clients may ask parts by, and what they may not."""
    dice = random.Random(17)
    yield from ("", "bytes", "bytes=", "bytes=-", "bytes=--1", "bytes=0--1", "bytes=a-b", "bytes=0x0-0x5", "bytes=1.0-2", "items=0-5", "BYTES=0-5", "bytes =0-5", "bytes= 0 - 5", "bytes=0-5;", "bytes=+1-+2")
    yield from (f"bytes={first}-{last}" for first in (0, 1, size - 1, size, size + 1, 2**31, 2**63, 2**64, 10**30) for last in ("", 0, 1, size - 1, size, 2**32, 2**63, 2**64, 10**40))
    yield from (f"bytes=-{last}" for last in (0, 1, size, size + 1, 2**63, 2**64, 10**30))
    yield from ("bytes=" + ",".join(["0-"] * count) for count in (2, 10, 100, 1000))
    yield from ("bytes=" + ",".join(f"{at}-{at}" for at in range(count)) for count in (2, 100, 1000))
    yield from ("bytes=" + ",".join(f"-{at}" for at in range(1, count)) for count in (2, 100, 1000))
    yield from ("bytes=" + "," * count + "0-5" for count in (1, 1000))
    for _ in range(300):
        parts = [f"{dice.choice(['', dice.randrange(size * 2)])}-{dice.choice(['', dice.randrange(size * 2)])}" for _ in range(dice.choice((1, 1, 2, 5, 50)))]
        yield f"bytes={','.join(parts)}"


def test_ranges(house: House, attack) -> None:
    """No range gives more bytes than the file has, or other bytes than it names."""
    with attack("range abuse") as attempt:
        for artifact, wanted in ((artifact, wanted) for artifact in (SMALL, LARGE) for wanted in _ranges(len(artifact.data))):
            answers = exchange(house.node, get(house.file(artifact), f"Range: {wanted}"))
            status = one(answers)
            head, _, body = answers.partition(b"\r\n\r\n")
            assert status in (200, 206, 400, 416, 431), f"{wanted}: {status}"
            if status == 200:
                assert body == artifact.data, wanted
            if status == 206:
                place = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-range: bytes "))
                first, last = map(int, place.split(b" ")[2].partition(b"/")[0].split(b"-"))
                assert body == artifact.data[first : last + 1] and body, wanted
            attempt.case(status)
