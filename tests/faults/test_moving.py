"""Exports, imports and backups are killed at named steps and at any moment, and run again: the result is the source, all of it.

What a kill leaves is looked at, too: an export that is not whole says so, an import shows nothing or everything, a backup is the one
before or the new one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from conftest import DEBUG_BINARY, Estate, Estates
from rig.checks import check_data, check_promises
from rig.client import WEIGHTS, Client
from rig.fleet import Fleet, on_backend
from rig.house import House
from rig.killing import KILLED, Killer, let_run
from rig.ledger import Ledger
from rig.schedules import dice, schedules
from rig.steps import command_steps
from support import wire
from support.node import Node
from support.places import new_place

KINDS = ("backup", "house", "devpi")
SOURCES = ("sqlite", "postgres", "sqlite", "s3")
TARGETS = ("sqlite", "sqlite", "postgres", "sqlite", "s3")
OPTIONS = ("--upstream", "none")
CLIENTS = 2
STEPS = 12
STEPS_AFTER = 6
TRIES = 5
"""How often a command is killed before it is left alone."""


@schedules(usual=len(KINDS))
def test_moving(
    seed: int, estates: Estates, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, tell: Callable[[dict], None]
) -> None:
    """The seed chooses in turn what is moved, from where, and to where."""
    kind = KINDS[seed % len(KINDS)]
    turn = seed // len(KINDS)
    source, target = SOURCES[0 if kind == "backup" else turn % len(SOURCES)], TARGETS[turn % len(TARGETS)]
    make = lambda: on_backend(source, tmp_path_factory.mktemp(source), *OPTIONS)  # noqa: E731
    with estates.of(f"moving {source}", make) as estate:
        ledger, clients = estate.clients("moving", seed, CLIENTS)
        _work(clients)
        killer = Killer(dice("moving", seed, CLIENTS), DEBUG_BINARY)
        if kind == "backup":
            _back_up(killer, estate, ledger, clients, tmp_path)
        else:
            {"house": _move_house, "devpi": _move_as_devpi}[kind](killer, estate, ledger, clients, tmp_path, target)
        estate.check(ledger, clients)
        tell({**ledger.counts, "kills": killer.kills, f"kills of {kind}": killer.kills})


def _work(clients: list[Client]) -> None:
    for client in clients:
        for action in ("upload", "mirror", *[""] * STEPS):
            client.step((action,) if action else ())


def _move_house(killer: Killer, estate: Estate, ledger: Ledger, clients: list[Client], folder: Path, target: str) -> None:
    """`export --format cheeseshop`, `import cheeseshop`: the new database has the rows that an import has brought which nobody killed."""
    source, export = estate.fleet.nodes[0], folder / "export"
    new, undisturbed = [_new_home(folder / name, target) for name in ("new", "undisturbed")]
    command = ("export", "--format", "cheeseshop", export)
    for _ in range(TRIES):
        killer.kill(source, command)
        if (export / "manifest.json").exists():
            break
        refused = let_run(new, ("import", "cheeseshop", export))
        assert refused.returncode not in (0, KILLED) and "manifest.json" in refused.stderr, refused.stderr
    else:
        _must(let_run(source, command))
    done = killer.until_done(new, ("import", "cheeseshop", export), TRIES, command_steps("import"))
    # A kill may come between the commit and the end.
    assert done.returncode == 0 or "not empty" in done.stderr, done.stderr
    _must(let_run(undisturbed, ("import", "cheeseshop", export)))
    assert _tables(new) == _tables(undisturbed), "the import that was killed has brought other rows"
    _must_be_home(new, ledger, clients, tuple(WEIGHTS))


def _move_as_devpi(killer: Killer, estate: Estate, ledger: Ledger, clients: list[Client], folder: Path, target: str) -> None:
    """`export --format devpi`, into a new folder each time, and `import devpi`, which goes on."""
    source, house, export = estate.fleet.nodes[0], estate.house, folder / "export"
    for number in range(TRIES):
        done, _ = killer.kill(source, ("export", "--format", "devpi", "--include-mirrored-files", folder / f"export{number}"))
        if done.returncode != KILLED:
            _must(done)
        elif (folder / f"export{number}/dataindex.json").exists():
            _must(let_run(source, ("import", "devpi", "--dry-run", folder / f"export{number}")))
    _must(let_run(source, ("export", "--format", "devpi", "--include-mirrored-files", export)))
    new = _new_home(folder / "new", target)
    _must(killer.until_done(new, ("import", "devpi", export), TRIES, look=lambda: _nothing_or_everything(new, house, ledger, clients)))
    # devpi has no word for who may read: what was private is public there, as docs/migrating-from-devpi.md says.
    _must_be_home(new, ledger, clients, tuple(action for action in WEIGHTS if action != "private"))


def _nothing_or_everything(new: Node, house: House, ledger: Ledger, clients: list[Client]) -> None:
    """A server that is started on what an import left has either no index or all of it."""
    new.start()
    try:
        status = wire.get(f"{new.url}/{house.dev}").status
        assert status in (200, 404), f"{house.dev}: {status}"
        if status == 200:
            check_promises(Fleet([new]), ledger, clients)
    finally:
        new.kill()


def _back_up(killer: Killer, estate: Estate, ledger: Ledger, clients: list[Client], folder: Path) -> None:
    """A first backup, and after more work a second one into the same folder. At each moment the folder is one of the two."""
    source, command, before = estate.fleet.nodes[0], ("backup", folder / "backup"), None
    for _round in range(2):
        for _try in range(TRIES):
            done, step = killer.kill(source, command, command_steps("backup"))
            if done.returncode != KILLED:
                _must(done)
                break
            may_be = {"": [before, ledger], "backup-copied": [before], "backup-placed": [ledger]}[step]
            before = _must_be_one_of(may_be, folder / "backup", folder / "looked", clients)
        _must(let_run(source, command))
        _must_be_one_of([ledger], folder / "backup", folder / "looked", clients)
        before = ledger.copy()
        _work(clients)


def _must_be_one_of(ledgers: list[Ledger | None], backup: Path, folder: Path, clients: list[Client]) -> Ledger | None:
    """A server on a copy of the backup keeps the promises of one of these moments, which is returned; None stands for no backup at all."""
    if not (backup / "cheeseshop.db").exists():
        assert None in ledgers, "there is no backup"
        return None
    shutil.copytree(backup, folder / "data")
    node = Node(folder, *OPTIONS)
    try:
        check_data(node)
        broken = []
        for ledger in filter(None, ledgers):
            try:
                check_promises(Fleet([node]), ledger, clients)
                return ledger
            except AssertionError as error:
                broken.append(str(error))
        raise AssertionError("the backup is of no moment:\n" + "\n".join(broken))
    finally:
        node.kill()
        shutil.rmtree(folder)


def _must_be_home(new: Node, ledger: Ledger, clients: list[Client], actions: Sequence[str]) -> None:
    """Everything that clients were told holds on the new server, its data are whole, and it can be worked with."""
    new.start()
    try:
        fleet = Fleet([new])
        fleet.recover()
        check_promises(fleet, ledger, clients)
        check_data(new)
        # What they do here does not happen at the source: they remember it in a copy.
        there = ledger.copy()
        for client in clients:
            moved = Client(client.name, client.dice, fleet, client.house, there, client.versions, client.mirrored)
            for _ in range(STEPS_AFTER):
                moved.step(actions)
            client.versions = moved.versions
        check_promises(fleet, there, clients)
        new.stop()
    finally:
        new.kill()


def _new_home(folder: Path, backend: str) -> Node:
    return Node(folder, *OPTIONS, place=new_place(backend), started=False)


def _tables(node: Node) -> dict[str, tuple[int, str]]:
    """How many rows each table has, and the digest of what an export makes of them."""
    export = node.data_dir.with_name("rows")
    _must(let_run(node, ("export", "--format", "cheeseshop", "--no-blobs", export)))
    manifest = json.loads((export / "manifest.json").read_text())
    return {table["name"]: (table["rows"], table["sha256"]) for table in manifest["tables"]}


def _must(done: subprocess.CompletedProcess) -> None:
    assert done.returncode == 0, f"{done.args} ended with status {done.returncode}:\n{done.stdout}\n{done.stderr}"
