#!/usr/bin/env python3
"""Side by side with other servers: benches/peers.py BINARY [--rounds N] [--seconds N] [--only NAME]… [--svg FILE]

Starts nginx with the same pages and files as static bytes (the limit), a bare loop of hyper (the floor, `examples/floor.rs`), devpi,
pypiserver, pypiron and Cheeseshop, each on core 0, fills them with the same wheels, and asks them from core 1 for each kind of work, in
turn, --rounds (5) times --seconds (2): whatever disturbs for a moment disturbs all of them or one figure of several. Prints the medians as
ratios to nginx, and writes everything to target/bench/peers.json; --svg draws it.

nginx and wrk are Debian's packages, the other servers come from PyPI, in the versions that `common/tools.py` names; what is missing is
installed. Everything happens on 127.0.0.1 and in a temporary folder that is removed at the end. Takes about a quarter of an hour.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from common import keep, tools
from common.chart import Bars, draw
from common.corpus import Corpus, small
from common.load import Figure, Form, ask, upload
from common.servers import HTML, JSON, Cheeseshop, Devpi, Floor, Nginx, Pypiron, Pypiserver, Server, stopped
from common.tables import number, spread, table
from support import wire

CONNECTIONS = 16
UPLOADS_A_ROUND = 600
"""Wheels that are ready for one server in one round; more than one uploads in that time."""


@dataclass(frozen=True)
class Work:
    """One row of the table. `address` gives where and with what a server is asked, or nothing if it cannot."""

    name: str
    label: str
    address: Callable[[Server], tuple[str, dict[str, str]] | None]
    connections: int = CONNECTIONS
    status: int = 200
    goal: float | None = None
    """The ratio to nginx that is wanted."""


def page(project: str, encoding: str | None = None) -> Callable[[Server], tuple[str, dict[str, str]] | None]:
    def address(server: Server) -> tuple[str, dict[str, str]] | None:
        headers = {"Accept": JSON, **({"Accept-Encoding": encoding} if encoding else {})}
        if isinstance(server, Floor):
            return f"{server.url}/memory/{project}{'.gz' if encoding else ''}", headers
        return (server.page(project), headers) if server.json else None

    return address


def same_page(server: Server) -> tuple[str, dict[str, str]] | None:
    if isinstance(server, Nginx):
        return f"{server.url}/same/corpus-many/", {"Accept": JSON}
    return page("corpus-many")(server) if isinstance(server, Floor | Cheeseshop) else None


def html_page(server: Server) -> tuple[str, dict[str, str]] | None:
    return (f"{server.url}/memory/html" if isinstance(server, Floor) else server.page("corpus-many")), {"Accept": HTML}


def unchanged(server: Server) -> tuple[str, dict[str, str]] | None:
    """The page again, by who has it already."""
    found = page("corpus-many")(server)
    if found is None:
        return None
    url, headers = found
    etag = wire.get(url, **headers).header("ETag")
    return (url, {**headers, "If-None-Match": etag}) if etag else None


def file(project: str, floor: str) -> Callable[[Server], tuple[str, dict[str, str]]]:
    def address(server: Server) -> tuple[str, dict[str, str]]:
        return (f"{server.url}/{floor}/{project}" if isinstance(server, Floor) else server.file(project)), {}

    return address


WORKS = [
    Work("json", "JSON page, 500 files", page("corpus-many"), goal=0.9),
    Work("json_same", "the same bytes from all", same_page),
    Work("json_gzip", "JSON page, gzip (nginx: as it is)", page("corpus-many", "gzip"), goal=1.5),
    Work("html", "HTML page, 500 files", html_page),
    Work("small", "small JSON page", page("corpus-p00007"), goal=1.1),
    Work("unchanged", "page not changed (304)", unchanged, status=304, goal=1.0),
    Work("file_1", "file of 1 MiB", file("corpus-medium", "memory"), connections=4, goal=0.9),
    Work("file_1_reads", "the same; the floor reads it", file("corpus-medium", "reads"), connections=4),
    Work("file_64", "file of 64 MiB", file("corpus-large", "reads"), connections=2, goal=0.9),
]
UPLOADS = {"upload_1": ("small uploads, one after the other", 1), "upload_8": ("small uploads, 8 at once", 8)}
Series = dict[str, dict[str, list[Figure]]]
"""By work, then by server."""


def measure(servers: list[Server], rounds: int, seconds: int) -> Series:
    """All works of a round, each at one server after the other, then the next round."""
    series: Series = {name: {} for name in [*(work.name for work in WORKS), *UPLOADS]}
    addresses = {(work.name, server.name): work.address(server) for work in WORKS for server in servers}
    for round_ in range(rounds):
        for work in WORKS:
            tools.say(f"round {round_ + 1} of {rounds}: {work.label}")
            for server in servers:
                if found := addresses[work.name, server.name]:
                    figure = ask(server.process, *found, work.connections, seconds, work.status)
                    series[work.name].setdefault(server.name, []).append(figure)
        for name, (label, connections) in UPLOADS.items():
            tools.say(f"round {round_ + 1} of {rounds}: {label}")
            for server in filter(lambda server: server.upload_path, servers):
                forms = ready_forms(server, f"{name}-{round_}".replace("_", "-"))
                figure = upload(server.process, server.url, forms, connections, seconds)
                series[name].setdefault(server.name, []).append(figure)
    return series


def ready_forms(server: Server, name: str) -> list[Form]:
    return [server.form(small(f"{name}-{number}")) for number in range(UPLOADS_A_ROUND)]


def median(series: Series, work: str, server: str) -> float | None:
    """Requests a second."""
    figures = series[work].get(server)
    return statistics.median(figure.per_second for figure in figures) if figures else None


def main_table(series: Series, servers: list[Server]) -> str:
    """Requests a second of nginx, and the ratios to it."""
    rows = []
    for work in WORKS:
        limit = median(series, work.name, "nginx")
        row = [work.label, f"≥ {work.goal:g}" if work.goal else ""]
        for server in servers:
            rates = [figure.per_second for figure in series[work.name].get(server.name, [])]
            if not rates:
                row.append("–")
            elif server.name == "nginx":
                row.append(f"{number(limit)} {spread(rates)}")
            else:
                row.append(f"{number(statistics.median(rates) / limit)} {spread(rates)}" if limit else number(statistics.median(rates)))
        rows.append(row)
    return table(["work", "goal", *(server.label + (", a second" if server.name == "nginx" else "") for server in servers)], rows)


def absolute_table(series: Series, servers: list[Server], memory: dict[str, dict[str, float]]) -> str:
    """What has no ratio to nginx."""
    rows = []
    for name, (label, _) in UPLOADS.items():
        rates = {server.name: median(series, name, server.name) for server in servers}
        rows.append([f"{label}, a second", *(number(rates[server.name]) for server in servers)])
    for when, label in (("idle", "resident memory after the start, MiB"), ("after", "after all of this, MiB")):
        rows.append([label, *(number(memory[server.name][when]) for server in servers)])
    return table(["", *(server.label for server in servers)], rows)


def cost_table(series: Series, servers: list[Server]) -> str:
    """Processor time of the server, which depends less on what else the machine does; and how busy it was."""
    rows = []
    for work in WORKS:
        row = [work.label]
        for server in servers:
            figures = series[work.name].get(server.name)
            if not figures:
                row.append("–")
                continue
            cost = statistics.median(figure.cpu for figure in figures) * 1e6
            row.append(f"{number(cost)} µs, {statistics.median(figure.busy for figure in figures):.0%}")
        rows.append(row)
    return table(["processor time a request, share of the core", *(server.label for server in servers)], rows)


def floor_table(series: Series) -> str:
    """Cheeseshop beside the bare loop."""
    rows = []
    for work in WORKS:
        ours, floor = median(series, work.name, "cheeseshop"), median(series, work.name, "floor")
        if ours and floor:
            costs = [statistics.median(figure.cpu for figure in series[work.name][name]) for name in ("floor", "cheeseshop")]
            rows.append([work.label, number(ours / floor), number(costs[0] / costs[1]) if costs[1] else "–"])
    return table(["Cheeseshop beside bare hyper", "by requests", "by processor time"], rows)


def picture(series: Series, servers: list[Server]) -> Bars:
    """The ratios, one group a work that has a goal."""
    groups = []
    for work in WORKS:
        limit = median(series, work.name, "nginx")
        if work.goal and limit:
            rates = {server.label: median(series, work.name, server.name) for server in servers if server.name != "nginx"}
            groups.append((work.label, {label: rate / limit for label, rate in rates.items() if rate is not None}))
    return Bars("Requests a second, nginx with static bytes = 1", groups, mark=1.0)


def wanted(folder: Path, binary: Path, only: list[str]) -> list[Server]:
    """The servers that are asked for. Cheeseshop is there always, since nginx and the floor get its pages."""
    shop = Cheeseshop(folder / "cheeseshop", binary)
    nginx = Nginx(folder / "nginx")
    others = [Devpi(folder / "devpi"), Pypiserver(folder / "pypiserver"), Pypiron(folder / "pypiron")]
    servers: list[Server] = [nginx, Floor(folder / "floor", shop), shop, *others]
    return [server for server in servers if not only or server.name in only or server in (nginx, shop)]


def start(servers: list[Server]) -> None:
    """Starts and fills them, Cheeseshop first."""
    corpus = Corpus()
    by_kind = {type(server): server for server in servers}
    for server in sorted(servers, key=lambda server: not isinstance(server, Cheeseshop)):
        tools.say(f"{server.label}: starting, filling")
        server.start()
        server.fill(corpus)
    page = wire.get(by_kind[Cheeseshop].page("corpus-many"), accept=JSON)
    by_kind[Nginx].copy_page("corpus-many", page.body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--only", action="append", default=[], help="beside nginx and Cheeseshop")
    parser.add_argument("--svg", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        servers = wanted(Path(name), given.binary.resolve(), given.only)
        with stopped(servers):
            start(servers)
            series = measure(servers, given.rounds, given.seconds)
            memory = {server.name: {"idle": server.idle_mib, "after": server.process.memory_mib()} for server in servers}
    versions = {server.label: server.version() for server in servers}
    print(f"{tools.machine()}; {', '.join(f'{label} {version}' for label, version in versions.items())}\n")
    for text in (main_table(series, servers), absolute_table(series, servers, memory), floor_table(series), cost_table(series, servers)):
        print(text + "\n")
    figures = {work: {server: [asdict(one) for one in found] for server, found in by.items()} for work, by in series.items()}
    kept = {"machine": tools.machine(), "versions": versions, "memory_mib": memory, "figures": figures}
    keep("peers", kept)
    if given.svg:
        given.svg.write_text(draw(picture(series, servers)))


if __name__ == "__main__":
    main()
