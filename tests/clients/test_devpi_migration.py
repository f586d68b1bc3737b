"""A devpi server moves in with one command and can move out again: afterwards it answers the same questions with the same answers."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from conftest import FULL
from support import wire
from support.backends import serve
from support.devpi_moves import BROKEN, EGG, KEPT, cheeseshop, everything, in_words_of_7, old_house, told_by_every_release
from support.devpi_questions import READS, REFUSED, get
from support.devpi_server import DevpiServer
from support.devpi_state import GONE, LIB_FIRST_1_1, LIB_WHEEL, REMOVED, SHARED, UPSTREAM_FILES, file_path, fill_upstreams, upload
from support.fake_upstream import FakeUpstream
from support.places import new_place
from support.server import Server
from support.side_by_side import Ask, Pair, Side, comparable, differences, judge
from support.upstream_pages import normalized

DEFAULT_SECRETS = ("--argon2-memory-cost", "524288", "--argon2-parallelism", "8", "--argon2-time-cost", "16")
"""What devpi-server derives its secrets with unless it is told otherwise."""
KEEP_TRIES = 200
TOLD_BY_BOTH = ("came", "skipped", "warnings")
"""What a report of a dry run must tell as the import does."""


@dataclass
class Old:
    """A devpi-server that was exported, with and without what its mirrors kept."""

    server: DevpiServer
    dump: Path
    dump_with_mirrored: Path

    @cached_property
    def side(self) -> Side:
        """Starts it again, for those who ask it something."""
        self.server.start()
        return side_of(self.server)


@pytest.fixture(scope="session")
def upstreams():
    """The upstream of most mirrors, and an old one."""
    fake, plain = FakeUpstream(), FakeUpstream()
    fill_upstreams(fake, plain)
    yield fake, plain
    fake.stop()
    plain.stop()


def old_server(folder: Path, major: int, upstreams: tuple[FakeUpstream, FakeUpstream]) -> Old:
    """Fills a devpi-server and exports it."""
    server = DevpiServer(folder, major)
    filling = Side(server.url, server.root.password)
    try:
        for ask in old_house(*(upstream.url for upstream in upstreams)):
            for said in in_words_of_7(ask) if major == 7 else [ask]:
                assert (answer := filling.ask(said)).status in (200, 201), f"{said}: {answer.status} {answer.text}"
        keep(filling, upstreams[0])
    finally:
        server.stop()
    dump = server.export(folder / "dump")
    dump_with_mirrored = server.export(folder / "dump-with-mirrored", "--include-mirrored-files")
    return Old(server, dump, dump_with_mirrored)


def keep(side: Side, upstream: FakeUpstream) -> None:
    """Asks for the file that the mirror is to keep until upstream is not asked: devpi-server stores it after it has sent it.

    Whoever asks at that very moment is answered 500.
    """
    for _ in range(KEEP_TRIES):
        before = upstream.requests.total()
        answer = side.ask(Ask("GET", file_path("alice/mirror", KEPT), accept="*/*"))
        if answer.status == 200 and upstream.requests.total() == before:
            assert answer.body == KEPT.data
            return
        time.sleep(0.05)
    raise AssertionError("the mirror does not keep the file")


@pytest.fixture(scope="session")
def old6(tmp_path_factory: pytest.TempPathFactory, upstreams):
    """The release that people run."""
    old = old_server(tmp_path_factory.mktemp("old6"), 6, upstreams)
    yield old
    old.server.stop()


@pytest.fixture(scope="session")
def old7(tmp_path_factory: pytest.TempPathFactory, upstreams):
    """The pre-release with the new words."""
    old = old_server(tmp_path_factory.mktemp("old7"), 7, upstreams)
    yield old
    old.server.stop()


@pytest.fixture
def move_in(tmp_path: Path):
    """Imports an export into a new Cheeseshop and starts it: `move_in(dump, "--secretfile", file)`."""
    running: list[Server] = []

    def move(dump: Path, *options: str) -> Server:
        folder, place = tmp_path / f"ours{len(running)}", new_place()
        move = cheeseshop(folder, "import", "devpi", str(dump), *options, place=place)
        assert move.status == 0, move.output
        assert not move.report["skipped"], move.output
        running.append(serve(folder, "--private-mirrors", place=place))
        return running[-1]

    yield move
    for server in running:
        server.stop()


def side_of(server: Server | DevpiServer) -> Side:
    """The server, to be asked by its users, with the times that it tells."""
    return Side(server.url, server.root.password, same_times=True)


def complaints(asks: Iterable[Ask], look: Callable[[Ask], None]) -> str:
    """Looks at every answer, also after one that differs, and tells all differences."""
    found = []
    for ask in asks:
        try:
            look(ask)
        except AssertionError as error:
            found.append(str(error))
    return "\n".join(found)


def test_6_moves_in(old6: Old, move_in):
    """The questions that are asked of both servers anyway, and everything else that the old server can be asked about what it holds."""
    pair = Pair(old6.side, side_of(move_in(old6.dump_with_mirrored)))
    # A mirror tells the projects that it was asked for: ours is asked for the same first.
    asked = (get(f"/alice/mirror/{normalized(artifact.project)}") for artifact in UPSTREAM_FILES)
    asks = {str(ask): ask for ask in (*asked, *READS, *everything(old6.side))}
    assert {f"GET {path} accept */*" for path in (file_path("bob/odd", EGG), file_path("alice/prod", LIB_WHEEL))} <= asks.keys()
    deleted = [file_path("alice/dev", artifact) for artifact in (REMOVED, GONE, LIB_FIRST_1_1)]
    changing = set(map(str, REFUSED))
    found = complaints((ask for name, ask in asks.items() if name not in changing and ask.path not in deleted), pair.compare)
    assert not found, found
    assert [pair.ours.ask(Ask("GET", path)).status for path in deleted] == [404] * 3, "an export does not tell what was deleted"


def test_6_moves_out_again(old6: Old, move_in, tmp_path: Path):
    """From devpi to Cheeseshop and from there to a new devpi-server, which answers as the first one."""
    moves_out_again(old6, 6, move_in, tmp_path)


def moves_out_again(old: Old, major: int, move_in, folder: Path) -> None:
    """Moves through Cheeseshop to a new devpi-server of the same release."""
    ours = move_in(old.dump_with_mirrored)
    ours.stop()
    options = ("--format", "devpi", "--include-mirrored-files")
    export = cheeseshop(ours.data_dir.parent, "export", str(folder / "back"), *options, place=ours.place)
    assert (export.status, export.report["skipped"]) == (0, []), export.output
    new = DevpiServer(folder / "new", major, dump=folder / "back")
    try:
        pair = Pair(old.side, side_of(new), title="moved in and out again: ")
        found = complaints(everything(old.side), pair.compare)
        assert not found, found
        assert pair.ours.ask(get(file_path("alice/mirror", KEPT), accept="*/*")).body == KEPT.data
    finally:
        new.stop()


def test_users_sign_in_as_before(old6: Old, move_in):
    """With the passwords that they had, and no others; what they may do and may not do is as before."""
    ours = side_of(move_in(old6.dump))
    check_sign_in(ours)
    assert ours.ask(upload("alice/prod", SHARED, "bob")).status == 200
    assert ours.ask(upload("alice/dev", SHARED, "bob")).status == 403


def check_sign_in(ours: Side) -> None:
    """The hash is replaced at the first time, so each password is tried twice."""
    for name in ("alice", "bob", "root"):
        for password, status in ((ours.password(name), 200), (ours.password(name) + "x", 401)) * 2:
            answer = ours.ask(Ask("POST", "/+login", body={"user": name, "password": password}))
            assert answer.status == status, f"{name} {password}: {answer.text}"


def test_kept_files_are_served_when_upstream_is_gone(old6: Old, move_in, upstreams):
    """With `--include-mirrored-files` a mirror's page and file are there at once, without it upstream is asked for them."""
    check_kept(move_in(old6.dump_with_mirrored), upstreams[0])
    without = side_of(move_in(old6.dump))
    assert without.ask(Ask("GET", file_path("alice/mirror", KEPT), accept="*/*")).body == KEPT.data


def check_kept(server: Server, upstream: FakeUpstream) -> None:
    """What was kept is there without upstream."""
    side = side_of(server)
    upstream.stop()
    try:
        page = side.ask(Ask("GET", "/alice/dev/+simple/upstream-lib/", accept=wire.SIMPLE_JSON))
        assert page.status == 200, page.text
        assert KEPT.filename in {entry["filename"] for entry in page.json()["files"]}
        kept = side.ask(Ask("GET", file_path("alice/mirror", KEPT), accept="*/*"))
        assert kept.body == KEPT.data, kept.status
    finally:
        upstream.start()


def test_a_dry_run_and_a_second_run_change_nothing(old6: Old, tmp_path: Path):
    """A dry run tells what would come, the second run that all is there; the serial counts every change."""
    command = ("import", "devpi", str(old6.dump_with_mirrored))
    dry = cheeseshop(tmp_path, *command, "--dry-run")
    assert (dry.status, dry.report["dry_run"]) == (0, True), dry.output
    assert not (tmp_path / "data").exists()
    place, serials, reports = new_place(), [], []
    for _ in range(2):
        reports.append(cheeseshop(tmp_path, *command, place=place).report)
        server = serve(tmp_path, "--private-mirrors", place=place)
        serials.append(wire.get(f"{server.url}/+api").header("X-DEVPI-SERIAL"))
        server.stop()
    first, second = reports
    assert [first[part] for part in TOLD_BY_BOTH] == [dry.report[part] for part in TOLD_BY_BOTH]
    assert first["came"]["files"] > 10 and not any(first["there"].values())
    assert second["there"] == first["came"] | {"bytes": second["there"]["bytes"]}
    assert not any(second["came"].values()) and not second["skipped"]
    assert serials[0] == serials[1]


@pytest.mark.skipif(not FULL, reason="both servers derive a secret with 512 MiB of memory, which takes half a minute")
def test_tokens_go_on_with_the_secret_file(move_in, tmp_path: Path):
    """And end without it."""
    secretfile = tmp_path / "secret"
    secretfile.write_text("a secret of the tests, which is long enough for devpi-server")
    secretfile.chmod(0o600)
    old = DevpiServer(tmp_path / "old", 6, "--secretfile", str(secretfile), *DEFAULT_SECRETS)
    token = side_of(old).ask(Ask("POST", "/root/+token-create", "root", {})).json()["result"]["token"]
    headers = {"X-Devpi-Auth": wire.basic("root", token)["Authorization"].removeprefix("Basic ")}
    assert side_of(old).ask(Ask("GET", "/+api", headers=headers)).json()["result"]["authstatus"] == ["ok", "root", []]
    old.stop()
    dump = old.export(tmp_path / "dump")
    for options, status in ((("--secretfile", str(secretfile)), ["ok", "root", []]), ((), ["noauth", "", []])):
        answer = side_of(move_in(dump, *options)).ask(Ask("GET", "/+api", headers=headers))
        assert answer.json()["result"]["authstatus"] == status, options


def test_7_moves_in(old7: Old, move_in):
    """The pre-release tells options and times in other words; all else is the same. Ours are those of devpi-server 6."""
    theirs, ours = old7.side, side_of(move_in(old7.dump))

    def compare(ask: Ask) -> None:
        seen = comparable(*(side.seen(ask.path, side.ask(ask)) for side in (theirs, ours)))
        judge(str(ask), list(differences(*map(told_by_every_release, seen))))

    found = complaints(everything(theirs), compare)
    assert not found, found
    assert ours.ask(get("/alice/dev")).json()["result"]["mirror_whitelist"] == ["allowed-lib"]
    assert ours.ask(get("/bob/both")).json()["result"]["mirror_whitelist"] == ["*"]
    check_sign_in(ours)


def test_7_moves_out_again(old7: Old, move_in, tmp_path: Path):
    """What devpi-server 7 imports is of the form that devpi-server 6 exports."""
    moves_out_again(old7, 7, move_in, tmp_path)


def test_files_that_7_kept(old7: Old, move_in, upstreams):
    """The same for the pre-release."""
    check_kept(move_in(old7.dump_with_mirrored), upstreams[0])


def test_broken_exports(old6: Old, tmp_path: Path):
    """An unknown version is refused before anything is made. Else what is broken is named, the rest comes, and the status tells it."""
    broken = shutil.copytree(old6.dump, tmp_path / "broken")
    index = broken / "dataindex.json"
    sound = json.loads(index.read_text())
    index.write_text(json.dumps(sound | {"dumpversion": "9"}))
    move = cheeseshop(tmp_path, "import", "devpi", str(broken))
    assert move.status != 0 and move.report is None
    assert "dump version 9" in move.output
    assert not (tmp_path / "data").exists()

    strange = {"indexconfig": {"type": "strange"}, "projects": {}, "files": []}
    index.write_text(json.dumps(sound | {"indexes": sound["indexes"] | {"bob/strange": strange}}))
    changed, missing = next(broken.rglob(LIB_WHEEL.filename)), next(broken.rglob(BROKEN.filename))
    changed.write_bytes(bytes(reversed(changed.read_bytes())))
    missing.unlink()
    move = cheeseshop(tmp_path, "import", "devpi", str(broken), place=new_place())
    assert move.status == 1, move.output
    named = {str(changed.relative_to(broken)): "wrong-bytes", str(missing.relative_to(broken)): "missing-file"}
    assert move.skipped == named | {"index bob/strange": "index-type"}
    assert all(name in move.output for name in move.skipped)
    whole = cheeseshop(tmp_path / "whole", "import", "devpi", str(old6.dump), "--dry-run").report["came"]
    lost = {name: whole[name] - count for name, count in move.report["came"].items() if whole[name] != count}
    assert lost == {"files": 2, "bytes": lost["bytes"]}
