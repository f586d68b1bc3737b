"""The log: what each line says, whose request it belongs to, and that no secret is ever in it, however much is logged."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest

from support import wire
from support.artifacts import wheel
from support.fake_upstream import FakeUpstream
from support.places import BACKEND
from support.uploads import must_upload, upload

CLIENT = "127.0.0.1" if BACKEND == "cluster" else "10.1.2.3"
"""nginx tells from where it was asked, whatever it was told."""


def lines(server) -> list[dict]:
    """The lines of the log as objects; what the program prints at its start is none."""
    return [json.loads(line) for line in everything(server).splitlines() if line.startswith("{")]


def everything(server) -> str:
    """What all nodes have logged."""
    return "".join(path.read_text() for path in server.logs)


def the(server, message: str, **fields: object) -> list[dict]:
    found = [line for line in lines(server) if line.get("message") == message]
    return [line for line in found if all(line.get(name) == value for name, value in fields.items())]


def test_a_line_for_each_request_and_each_change(new_server):
    """Who, what, where, serial, and one name for all lines of a request, which its answer carries too."""
    server = new_server("--upstream", "none", "--log", "info,cheeseshop=debug", "--log-format", "json", "--trusted-proxy", "127.0.0.1")
    owner = server.add_user("alice")
    index = server.add_index("alice/dev", volatile=False)
    form_headers = {"X-Request-ID": "from-the-proxy/1", "X-Forwarded-For": "10.1.2.3"}
    answer = wire.request("GET", f"{server.url}/alice/dev/+simple/nothing/?secret=1", headers={**form_headers, **owner.auth})
    assert (answer.status, answer.header("X-Request-ID")) == (404, "from-the-proxy/1")
    (line,) = the(server, "request", request="from-the-proxy/1")
    wanted = {"method": "GET", "path": "/alice/dev/+simple/nothing/", "status": 404, "by": "user:alice", "from": CLIENT, "level": "DEBUG"}
    assert wanted.items() <= line.items() and line["ms"] >= 0, line
    assert "secret" not in json.dumps(line)
    must_upload(index, owner, wheel("lib"))
    (uploaded,) = the(server, "upload")
    assert {"index": "alice/dev", "file": "lib-1.0-py3-none-any.whl", "by": "user:alice", "outcome": "New", "level": "INFO"}.items() <= uploaded.items()
    (asked,) = the(server, "request", request=uploaded["request"])
    assert (asked["method"], asked["path"], asked["status"]) == ("POST", "/alice/dev/", 200)
    serial = int(wire.get(f"{server.url}/alice/dev/+simple/lib/").header("X-PyPI-Last-Serial"))
    assert uploaded["serial"] == serial
    wire.request("DELETE", f"{server.url}/alice/dev/lib/1.0?force", headers=owner.auth)
    removed, *elsewhere = the(server, "change", project="lib")
    assert all(line["serial"] == removed["serial"] for line in elsewhere) and len(elsewhere) < len(server.logs), "once for each node"
    assert removed["serial"] > serial and removed["by"] == "user:alice" and removed["index"] == "alice/dev", removed
    (followed,) = the(server, "the changes of this request are followed", serial=removed["serial"])
    assert the(server, "request", request=followed["request"])[0]["method"] == "DELETE"


@pytest.mark.skipif(BACKEND in ("s3", "cluster"), reason="what is lost is taken out of a folder")
def test_a_request_that_fails_is_found_by_its_name(new_server):
    """The answer says nothing but the name; the log says why under it."""
    server = new_server("--upstream", "none", "--log-format", "json")
    owner, index = server.root, server.add_index("root/dev")
    lost = wheel("lost")
    must_upload(index, owner, lost)
    (server.data_dir / "blobs" / lost.sha256[:2] / lost.sha256[2:4] / lost.sha256).unlink()
    answer = wire.get(f"{server.url}/root/dev/+f/{lost.sha256[:3]}/{lost.sha256[3:16]}/{lost.filename}")
    assert answer.status == 500
    (line,) = the(server, "a request failed")
    assert line["request"] == answer.header("X-Request-ID") and "missing" in line["cause"], line


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_ever_logged(new_server, upstream: FakeUpstream, form: str):
    """Everything that can be logged is, while secrets of every kind go through the server, good ones and bad ones."""
    server = new_server("--upstream", "none", "--log", "trace", "--log-format", form)
    secrets: dict[str, str] = {"root's password": server.root.password}
    owner = server.add_user("alice")
    secrets["a password"] = owner.password
    server.add_index("alice/dev", volatile=True)
    mirror_password, wrong, changed = "mirror-s3cret-word", "wrong-s3cret-word", "changed-s3cret-word"
    address = upstream.url.replace("://", f"://mirror-user:{mirror_password}@")
    answer = wire.send_json("PUT", f"{server.url}/root/mirror", {"type": "mirror", "mirror_url": address, "volatile": False}, server.root.auth)
    assert answer.status == 200, answer.text
    upstream.add(wheel("mirrored"))
    wire.get(f"{server.url}/root/mirror/+simple/mirrored/")
    mirrored = wheel("mirrored")
    got = wire.get(f"{server.url}/root/mirror/+f/{mirrored.sha256[:3]}/{mirrored.sha256[3:16]}/{mirrored.filename}")
    assert got.body == mirrored.data
    upstream.stop()
    wire.request("POST", f"{server.url}/root/mirror/+simple/mirrored/refresh")
    wire.get(f"{server.url}/root/mirror/+simple/mirrored/")
    wire.get(f"{server.url}/root/mirror/+simple/other/")
    secrets["a mirror's password"] = mirror_password
    # Sign-ins, good and bad; the session that one gives.
    login = wire.send_json("POST", f"{server.url}/+login", {"user": "alice", "password": owner.password}, {})
    secrets["a session"] = login.json()["result"]["password"]
    session = base64.b64encode(f"alice:{secrets['a session']}".encode()).decode()
    assert wire.request("GET", f"{server.url}/+api", headers={"X-Devpi-Auth": session}).json()["result"]["authstatus"][0] == "ok"
    wire.send_json("POST", f"{server.url}/+login", {"user": "alice", "password": wrong}, {})
    for auth in (wire.basic("alice", wrong), wire.basic(wrong, "x"), {"Authorization": f"Bearer {wrong}"}, {"Authorization": wrong}):
        wire.request("GET", f"{server.url}/+api", headers=auth)
    secrets["a wrong password"] = wrong
    # Tokens of both kinds, used in every place.
    secrets["a token"] = server.add_token(owner, "read,upload")
    made = wire.send_json("POST", f"{server.url}/alice/+token-create", {"allowed": ["upload", "pkg_read"]}, owner.auth)
    secrets["a devpi token"] = made.json()["result"]["token"]
    index = server.index("alice/dev")
    for number, token in enumerate((secrets["a token"], secrets["a devpi token"])):
        for auth in (wire.basic("__token__", token), wire.basic("alice", token), {"Authorization": f"Bearer {token}"}):
            assert wire.request("GET", index.simple_url, headers=auth).status == 200
        answer = upload(index, type(owner)("__token__", token), wheel(f"by-token-{number}"))
        assert answer.status == 200, answer.text
    # Changes of what is secret; a push to another server with a password.
    answer = wire.send_json("PATCH", f"{server.url}/alice", {"password": changed}, owner.auth)
    assert answer.status == 200, answer.text
    secrets["a changed password"] = changed
    push = {"name": "by-token-0", "version": "1.0", "posturl": "http://127.0.0.1:9/", "username": "push-user", "password": "push-s3cret-word"}
    auth = {"Content-Type": "application/json", **wire.basic("alice", changed)}
    assert wire.request("PUSH", f"{server.url}/alice/dev", headers=auth, body=json.dumps(push).encode()).status in (403, 502)
    secrets["a push's password"] = push["password"]
    wire.get(f"{server.url}/alice/dev/+simple/?token=query-s3cret-word")
    secrets["what stands behind ?"] = "query-s3cret-word"
    server.stop()
    log = everything(server)
    assert len(log) > 10_000 and '"request"' in log if form == "json" else " request " in log, "hardly anything was logged"
    for what, secret in secrets.items():
        for shown in {secret, urllib.parse.quote(secret, safe=""), base64.b64encode(secret.encode()).decode().rstrip("=")[:-2]}:
            assert shown not in log, f"{what} is in the log: {log[max(0, log.index(shown) - 300) : log.index(shown) + 50]}"
    assert session[:-4] not in log
