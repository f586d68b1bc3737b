"""SIGTERM: what runs is finished, nothing new is taken, and a second signal ends it at once. An upload that was answered is there."""

from __future__ import annotations

import signal
import socket
import time

import pytest

from support import wire
from support.artifacts import Artifact, wheel_of_size
from support.node import Node
from support.uploads import must_upload, upload_fields

PATIENCE_SECONDS = 20
FILE_BYTES = 3_000_000
LARGE_BYTES = 12_000_000


@pytest.fixture
def node(tmp_path):
    running = Node(tmp_path, "--upstream", "none")
    running.add_index("root/dev")
    yield running
    running.kill()


def connect(node: Node) -> socket.socket:
    host, port = node.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)


def upload_request(node: Node, artifact: Artifact) -> tuple[bytes, bytes]:
    """Head and body."""
    body, content_type = wire.multipart(upload_fields(artifact))
    auth = node.root.auth["Authorization"]
    lines = ["POST /root/dev/ HTTP/1.1", "Host: x", f"Authorization: {auth}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode(), body


def read_all(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def takes_nothing_new(node: Node) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            connect(node).close()
        except ConnectionRefusedError:
            return
        assert time.monotonic() < deadline, "connections are accepted although it stops"
        time.sleep(0.05)


def signalled(node: Node) -> None:
    node._process.send_signal(signal.SIGTERM)  # noqa: SLF001


def test_an_upload_under_way_is_finished_and_kept(node: Node):
    artifact = wheel_of_size("under-way", "1.0", FILE_BYTES)
    head, body = upload_request(node, artifact)
    connection = connect(node)
    connection.sendall(head + body[: len(body) // 2])
    time.sleep(0.2)
    signalled(node)
    takes_nothing_new(node)
    connection.sendall(body[len(body) // 2 :])
    answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 200 ") and b"\r\nconnection: close\r\n" in answer.lower(), answer[:300]
    assert node.ended(PATIENCE_SECONDS) == 0, node.log()
    node.start()
    assert node.index("root/dev").filenames("under-way") == {artifact.filename}


def test_a_slow_download_is_finished(node: Node):
    artifact = wheel_of_size("slow", "1.0", LARGE_BYTES)
    must_upload(node.index("root/dev"), node.root, artifact)
    connection = connect(node)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    path = f"/root/dev/+f/{artifact.sha256[:3]}/{artifact.sha256[3:16]}/{artifact.filename}"
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    first = connection.recv(1 << 16)
    signalled(node)
    takes_nothing_new(node)
    time.sleep(1)
    assert node.ended() is None, "the server did not wait for the download"
    rest = read_all(connection)
    assert (first + rest).endswith(artifact.data)
    assert node.ended(PATIENCE_SECONDS) == 0, node.log()


def test_a_second_signal_ends_it_at_once(node: Node):
    """What was under way was answered to nobody: it is not there, and nothing of it is left."""
    artifact = wheel_of_size("cut", "1.0", FILE_BYTES)
    head, body = upload_request(node, artifact)
    connection = connect(node)
    connection.sendall(head + body[: len(body) // 2])
    time.sleep(0.2)
    signalled(node)
    takes_nothing_new(node)
    assert node.ended() is None
    signalled(node)
    assert node.ended(PATIENCE_SECONDS) == 0, node.log()
    assert b"200" not in read_all(connection)[:20]
    node.start()
    assert node.index("root/dev").filenames("cut") == set()
    assert node.command("doctor", "--deep").returncode == 0
