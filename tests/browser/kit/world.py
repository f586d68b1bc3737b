"""The full shop: users, indexes, releases, mirrors, everything that a page can show, and a past of two years.

Everything is built through the doors that people use; only its dates are moved afterwards (`past.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from support import wire
from support.artifacts import Artifact, sdist, wheel
from support.devpi_state import TOX_RESULT, doc_zip, file_path, form
from support.fake_upstream import FakeUpstream, answer
from support.node import Node
from support.server import Account, Index
from support.upstream_pages import page_path
from support.uploads import must_upload

from . import goods, hostile, past
from .shop import Shop

HEBREW_USER = "דנה"
LONG_USER = "somebody-with-an-account-name-that-is-as-long-as-the-server-takes-it-" + "x" * 31
HEBREW_INDEX = f"{HEBREW_USER}/מדף"
LONG_INDEX = f"{LONG_USER}/{'index-' * 16}"
MANY = 130
"""Small projects in one index: more than one screen, or one page of a list, holds."""


@dataclass
class World(Shop):
    """The running shop. `alice` keeps most of it, `bob` may upload to `team/dev`, `carol` may read what everybody may. What is awkward or
    hostile only `mallory` may read, and `root`: so the photographs of the others' pages are such that people like to look at them."""

    upstream: FakeUpstream = field(kw_only=True)
    silent: FakeUpstream = field(kw_only=True)
    """An upstream that stopped answering after it had been asked."""

    def stop(self) -> None:
        super().stop()
        self.upstream.stop()

    @property
    def alice(self) -> Account:
        return self.people["alice"]


def build(folder: Path) -> World:
    """Takes a few seconds, most of it the disk."""
    upstream, silent = FakeUpstream(), FakeUpstream()
    _fill_upstreams(upstream, silent)
    server = Node(folder, "--upstream", upstream.url)
    try:
        people = {name: server.add_user(name) for name in ("alice", "bob", "carol", "mallory")}
        world = World(server, {"root": server.root, **people}, upstream=upstream, silent=silent)
        for step in (_indexes, _mirrors, _awkward, _hostile, _shelves, _tokens):
            step(world)
        server.stop()
        past.give(server.data_dir)
        server.start()
        silent.stop()
        return world
    except BaseException:
        server.kill()
        raise


def send(world: World, method: str, path: str, value: object, who: Account) -> wire.Answer:
    """A request of the JSON API that must succeed."""
    answer = wire.send_json(method, world.server.url + path, value, who.auth)
    assert answer.status in (200, 201), f"{method} {path}: {answer.status} {answer.text}"
    return answer


def _fill_upstreams(upstream: FakeUpstream, silent: FakeUpstream) -> None:
    for minor in range(5):
        upstream.add(wheel("upstream-lib", f"1.{minor}", requires_python=">=3.8"), sdist("upstream-lib", f"1.{minor}"))
    upstream.add(wheel("upstream-lib", "2.0rc1"), wheel("curd-inspector", "0.9"), wheel("colour-of-rind", "3.1"))
    upstream.yank("upstream-lib", "1.2", "loses data when the disk is full")
    upstream.add(wheel("whey", "99.0", note="a stranger's"))
    silent.add(wheel("quiet-lib", "1.0"))


def _indexes(world: World) -> None:
    server = world.server
    send(
        world,
        "PATCH",
        "/alice",
        {"email": "alice@shop.example", "title": "Alice, of the dairy", "description": "Asks for reviews."},
        world.server.root,
    )
    server.add_user("team")
    server.add_index(
        "team/prod", bases=["root/pypi"], volatile=False, title="Released", description="What customers run. Nothing here is ever replaced."
    )
    server.add_index("team/dev", bases=["team/prod"], acl_upload=["alice", "bob"], title="From every merge", keep_dev_releases=10)
    server.add_index("team/secret", acl_read=["alice"], acl_upload=["alice"], title="Not for everybody")
    server.add_index("alice/dev", bases=["team/dev", "team/secret"], mirror_whitelist=["colour-of-rind"])
    server.add_index("alice/empty")
    server.add_index("alice/many", title=f"{MANY} small things")
    server.add_index("team/gone")
    server.add_index("alice/lost", bases=["team/gone", "alice/dev"], title="One base is missing")
    send(world, "DELETE", "/team/gone", {}, world.server.root)
    for name in ("prod", "dev", "secret"):
        send(world, "PATCH", f"/team/{name}", ["acl_upload+=alice"], world.server.root)


def _shelves(world: World) -> None:
    """The flagship's last releases come last, so that they are the news."""
    alice, prod, dev = world.alice, world.server.index("team/prod"), world.server.index("team/dev")
    must_upload(world.server.index("alice/many"), alice, *(goods.simple(f"crumb-{number:03}", "1.0") for number in range(MANY)))
    for version in goods.RELEASES:
        must_upload(prod, alice, *goods.flagship(version))
    _yank(world, "team/prod", goods.FLAGSHIP, "1.0.0", "")
    must_upload(dev, alice, wheel("regret", "1.0"), wheel("regret", "1.1"))
    for version in ("1.0", "1.1"):
        _yank(world, "team/dev", "regret", version, "Was never meant to be published")
    must_upload(
        dev, alice, wheel("half-gone", "1.0"), wheel("half-gone", "1.1"), wheel("all-gone", "1.0"), goods.simple("ready-to-push", "1.0")
    )
    send(world, "DELETE", "/team/dev/half-gone/1.0", {}, world.server.root)
    send(world, "DELETE", "/team/dev/all-gone", {}, world.server.root)
    send(world, "PUSH", "/team/dev", {"name": "ready-to-push", "version": "1.0", "targetindex": "team/prod"}, alice)
    _register(world, "team/dev", "announced", "1.0")
    must_upload(world.server.index("team/secret"), alice, goods.simple("formula", "4.2", "The recipe that nobody else may see"))
    rind = goods.metadata("rind", "3.0", goods.RST, "text/x-rst", summary="What keeps a cheese together", requires_dist=("upstream-lib",))
    whey = goods.metadata("whey", "0.4", goods.PLAIN, "text/plain", summary="Streams before the curds are ready")
    must_upload(prod, alice, goods.wheel_of(rind, "rind", "3.0"), goods.wheel_of(whey, "whey", "0.4"), sdist("source-only", "1.0"))
    must_upload(prod, alice, *goods.flagship(goods.NEWEST, ("py3-none-any", *goods.PLATFORM_TAGS)))
    _beside(world, prod, goods.flagship(goods.NEWEST)[0])
    _yank(world, "team/prod", goods.FLAGSHIP, goods.BROKEN, "Counts every wheel twice; use 1.11.3")
    must_upload(dev, world.people["bob"], *goods.flagship("2.1.0.dev7"), *goods.flagship(goods.CANDIDATE))


def _beside(world: World, index: Index, tested: Artifact) -> None:
    """Documentation and test results of a release."""
    content = wire.FilePart(f"{tested.project}-{tested.version}.doc.zip", doc_zip("<h1>The manual</h1>"))
    body, content_type = form(action="doc_upload", name=tested.project, version=tested.version, content=content)
    _post(world, f"/{index.path}/", body, content_type, world.alice)
    failed = json.loads(json.dumps(TOX_RESULT))
    failed["testenvs"]["py3"]["test"][0] |= {"retcode": 1, "output": "1 failed"}
    for result in (TOX_RESULT, failed | {"host": "other.example", "platform": "win32"}):
        _post(world, file_path(index.path, tested), json.dumps(result).encode(), "application/json", world.alice)


def _awkward(world: World) -> None:
    server, only = world.server, {"acl_read": ["mallory"]}
    for user in (HEBREW_USER, LONG_USER):
        send(world, "PUT", quote(f"/{user}"), {"password": "not-used-by-the-tests"}, world.server.root)
    server.add_index(quote(HEBREW_INDEX), title="מדף הגבינות של דנה (v2)", description="כתוב מימין לשמאל", **only)
    server.add_index(LONG_INDEX, title=goods.UNBROKEN, description=goods.UNBROKEN, **only)
    server.add_index("mallory/odd", bases=["team/dev"], **only)
    must_upload(server.index("mallory/odd"), world.people["mallory"], *goods.awkward())


def _hostile(world: World) -> None:
    """One who may upload, own an index and name a token does it in a hostile way."""
    server, mallory = world.server, world.people["mallory"]
    title = {"title": hostile.TEXT, "description": hostile.TEXT, "custom_data": {hostile.MARK: hostile.TEXT}}
    send(world, "PATCH", "/mallory", {**title, "email": hostile.TEXT}, server.root)
    server.add_index("mallory/dev", acl_read=["mallory"], **title)
    released = hostile.artifacts()
    must_upload(server.index("mallory/dev"), mallory, *released)
    _yank(world, "mallory/dev", hostile.NAME, "6.6.5", hostile.TEXT)
    content = wire.FilePart(f"{hostile.NAME}-{hostile.VERSION}.doc.zip", doc_zip(hostile.DOCUMENTATION))
    body, content_type = form(action="doc_upload", name=hostile.NAME, version=hostile.VERSION, content=content)
    _post(world, "/mallory/dev/", body, content_type, mallory)
    _post(world, file_path("mallory/dev", released[0]), json.dumps(hostile.TEST_RESULT).encode(), "application/json", mallory)


def _mirrors(world: World) -> None:
    """Pages and files that somebody has asked for; one project whose upstream fails, one mirror whose upstream is gone."""
    server, pypi = world.server, world.server.index("root/pypi")
    silent = server.add_index(
        "alice/silent", type="mirror", mirror_url=world.silent.url, title="Its upstream is down", mirror_cache_expiry=1
    )
    assert silent.filenames("quiet-lib")
    for project in ("upstream-lib", "curd-inspector", "colour-of-rind"):
        for file in pypi.page(project).json()["files"][:2]:
            got = wire.get(wire.absolute(f"{pypi.simple_url}{project}/", file["url"]))
            assert got.status == 200, got.text
    world.upstream.fail(page_path("unreachable-lib"), answer(503))
    assert pypi.page("unreachable-lib").status >= 500


def _tokens(world: World) -> None:
    world.server.add_token(world.alice, "read")
    token = world.server.add_token(world.alice, "read,upload", "--index", "team/dev", "--expires", "30d")
    assert wire.request("GET", f"{world.server.url}/+api", headers=wire.basic("alice", token)).status == 200


def _yank(world: World, index: str, project: str, version: str, reason: str) -> None:
    owner = world.people["mallory"] if index.startswith("mallory/") else world.alice
    send(world, "POST", f"/{index}/{project}/{version}/+yank", {"reason": reason}, owner)


def _register(world: World, index: str, project: str, version: str) -> None:
    body, content_type = form(action="submit", name=project, version=version, metadata_version="2.1", summary="Only announced so far")
    _post(world, f"/{index}/", body, content_type, world.alice)


def _post(world: World, path: str, body: bytes, content_type: str, who: Account) -> None:
    answer = wire.request("POST", world.server.url + path, headers={"Content-Type": content_type, **who.auth}, body=body)
    assert answer.status == 200, f"{path}: {answer.status} {answer.text}"
