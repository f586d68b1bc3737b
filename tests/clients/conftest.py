"""What the client tests share: one server a test process, and for each test its own users, indexes, upstream and home folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import server as servers
from support import tools
from support.backends import serve
from support.devpi_server import DevpiServer
from support.devpi_state import fill_upstreams, house, like_our_first_start, like_their_first_start
from support.fake_upstream import FakeUpstream
from support.server import Account, Index, Server
from support.side_by_side import Pair, Side
from support.smoke import SMOKE
from support.tools import Workshop

FULL = os.environ.get("CHEESESHOP_TEST_FULL") == "1"
MAX_FILE_SIZE = "1MiB"


def pytest_configure(config: pytest.Config) -> None:
    """Without a binary or tools every test would fail for the same reason: say it once."""
    if not servers.BINARY.is_file():
        raise pytest.UsageError("CHEESESHOP_TEST_BINARY names no file: run these tests through `tests/run`.")
    if not (tools.VENVS / "pip").is_dir():
        raise pytest.UsageError("CHEESESHOP_TEST_VENVS names no folder of virtual environments: run these tests through `tests/run`.")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks the tests of the smoke run."""
    for item in items:
        if item.nodeid in SMOKE:
            item.add_marker(pytest.mark.smoke)
    missing = SMOKE - {item.nodeid for item in items}
    if missing and config.args == config.getini("testpaths"):
        raise pytest.UsageError(f"support/smoke.py names tests that are not there: {', '.join(sorted(missing))}")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory):
    """The server of this test process. It knows no upstream; tests that need one make a mirror index of their own."""
    running = serve(tmp_path_factory.mktemp("server"), "--upstream", "none", "--max-file-size", MAX_FILE_SIZE)
    yield running
    running.stop()


@pytest.fixture
def new_server(tmp_path: Path):
    """Starts further servers with options of their own: `new_server("--upstream", url)`."""
    running: list[Server] = []

    def start(*options: str) -> Server:
        running.append(serve(tmp_path / f"server{len(running)}", *options))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory):
    """A real devpi-server and a Cheeseshop with the same in them, once a test process."""
    fake, plain = FakeUpstream(), FakeUpstream()
    fill_upstreams(fake, plain)
    theirs = DevpiServer(tmp_path_factory.mktemp("theirs"), 6, "--enable-core-metadata")
    options = ("--upstream", fake.url, "--default-index", "none", "--open-signup", "--private-mirrors")
    like_devpi = {"CHEESESHOP_UPLOAD_CHECKS": "lenient"}
    ours = serve(tmp_path_factory.mktemp("ours"), *options, env=like_devpi)
    both = Pair(Side(theirs.url, theirs.root.password), Side(ours.url, ours.root.password))
    for side, asks in ((both.theirs, like_our_first_start(fake.url)), (both.ours, like_their_first_start())):
        for ask in asks:
            assert (answer := side.ask(ask)).status in (200, 201), f"{ask}: {answer.status} {answer.text}"
    both.build(house(fake.url, plain.url))
    yield both
    ours.stop()
    theirs.stop()
    fake.stop()
    plain.stop()


@pytest.fixture(autouse=True)
def show_log_of_failure(request: pytest.FixtureRequest):
    """A test that fails shows what its server logged meanwhile."""
    running = request.getfixturevalue("server") if "server" in request.fixturenames else None
    before = {path: path.stat().st_size for path in running.logs} if running else {}
    yield
    if getattr(request.node, "failed", False):
        for path, size in before.items():
            print(f"---- {path.name} during this test\n" + path.read_bytes()[size:].decode(errors="replace")[-8000:])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    if report.failed:
        item.failed = True
    return report


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Where this test's tools run."""
    return Workshop(tmp_path)


@pytest.fixture
def upstream():
    """An upstream of this test's own."""
    fake = FakeUpstream()
    yield fake
    fake.stop()


@dataclass(frozen=True)
class Team:
    """A usual house: `prod` inherits `dev`, `dev` inherits a mirror of the fake upstream."""

    owner: Account
    stranger: Account
    mirror: Index
    dev: Index
    prod: Index


@pytest.fixture
def team(server: Server, upstream: FakeUpstream) -> Team:
    """Non-volatile indexes, so that a published file cannot be replaced; everybody may read, only the owner may upload."""
    owner, stranger = server.add_user(), server.add_user()
    mirror = server.add_index(f"{owner.name}/mirror", type="mirror", mirror_url=upstream.url, volatile=False)
    dev = server.add_index(f"{owner.name}/dev", bases=[mirror.path], volatile=False)
    prod = server.add_index(f"{owner.name}/prod", bases=[dev.path], volatile=False)
    return Team(owner, stranger, mirror, dev, prod)
