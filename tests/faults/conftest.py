"""What the fault loops share: fleets that outlive a schedule unless it fails, and a closing line for each loop that counts its runs."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rig.checks import check_data, check_promises
from rig.client import Client
from rig.fleet import Fleet
from rig.house import House, build_house
from rig.ledger import Ledger
from rig.schedules import dice
from support import server as servers

DEBUG_BINARY = Path(os.environ.get("CHEESESHOP_TEST_DEBUG_BINARY", ""))
KEPT_MAX = 2
"""How many estates rest beside the one at work: each of their nodes holds connections to the database."""


def pytest_configure(config: pytest.Config) -> None:
    """Without a binary every loop would fail for the same reason: say it once."""
    if not (servers.BINARY.is_file() and DEBUG_BINARY.is_file()):
        raise pytest.UsageError("CHEESESHOP_TEST_BINARY or CHEESESHOP_TEST_DEBUG_BINARY names no file: run `tests/run --only faults`.")


class Estate:
    """A fleet with its house. It serves many schedules, one after the other; each has names of its own."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        try:
            self.house: House = build_house(fleet.nodes[0])
        except BaseException:
            fleet.kill()
            raise

    def clients(self, loop: str, seed: int, count: int, nodes: Fleet | None = None) -> tuple[Ledger, list[Client]]:
        """Clients with empty hands, who know all nodes or the given ones, and the ledger that they share."""
        ledger, fleet = Ledger(), nodes or self.fleet
        return ledger, [Client(f"s{seed}c{number}", dice(loop, seed, number), fleet, self.house, ledger) for number in range(count)]

    def check(self, ledger: Ledger, clients: list[Client]) -> None:
        """All trouble is over: waits until the nodes say so, then holds them to what clients were told."""
        self.fleet.recover()
        check_promises(self.fleet, ledger, clients)
        check_data(self.fleet.nodes[0])

    def close(self, cleanly: bool) -> None:
        """Ends everything; `cleanly` also asserts that the nodes end by themselves."""
        self.house.upstream.stop()
        if cleanly:
            self.fleet.stop()
        else:
            self.fleet.kill()


class Estates:
    """The estates of one test process, by kind, a few at a time. One on which a schedule failed is not used again."""

    def __init__(self) -> None:
        self._kept: dict[str, Estate] = {}

    @contextmanager
    def of(self, kind: str, make: Callable[[], Fleet]) -> Iterator[Estate]:
        estate = self._kept.pop(kind, None)
        if estate is None:
            while len(self._kept) >= KEPT_MAX:
                self._kept.pop(next(iter(self._kept))).close(cleanly=True)
            estate = Estate(make())
        try:
            yield estate
        except BaseException:
            logs = "\n".join(node.log() for node in estate.fleet.nodes)
            print(f"---- logs of the nodes\n{logs}")
            estate.close(cleanly=False)
            raise
        self._kept[kind] = estate

    def close(self) -> None:
        for estate in self._kept.values():
            estate.close(cleanly=True)


@pytest.fixture(scope="session")
def estates() -> Iterator[Estates]:
    """`with estates.of("two nodes", make) as estate:`."""
    kept = Estates()
    yield kept
    kept.close()


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[dict[str, int]], None]:
    """Counts for the loop's closing line."""

    def tell(counts: dict[str, int]) -> None:
        for what, number in counts.items():
            record_property(what, number)

    return tell


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """A schedule that fails says how it is repeated."""
    report = yield
    seed = getattr(item, "callspec", None) and item.callspec.params.get("seed")
    if report.failed and seed is not None:
        again = f"CHEESESHOP_TEST_SEED={seed} tests/run --only faults -k {item.originalname}"
        report.sections.append(("how to repeat it", again))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line a loop: how many schedules, how many failed, and what happened in them. One line a kind of hostility."""
    for report in terminalreporter.stats.get("passed", []):
        for what, line in report.user_properties:
            if what == "line" and report.when == "call":
                terminalreporter.write_line(f"faults: {line}")
    runs: dict[str, Counter[str]] = defaultdict(Counter)
    happened: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            if "[seed" in report.nodeid and (report.when == "call" or outcome in ("error", "skipped")):
                loop = report.nodeid.partition("[")[0].rpartition("::test_")[2]
                runs[loop][outcome] += 1
                happened[loop].update({what: number for what, number in report.user_properties if isinstance(number, int)})
    for loop, count in sorted(runs.items()):
        bad = ", ".join(f"{count[outcome]} {outcome}" for outcome in ("failed", "error", "skipped") if count[outcome])
        seen = ", ".join(f"{number} {what}" for what, number in sorted(happened[loop].items()))
        line = f"faults: {loop}: {count['passed']} schedules passed, {bad or 'none failed'}"
        terminalreporter.write_line(f"{line} ({seen})" if seen else line)
