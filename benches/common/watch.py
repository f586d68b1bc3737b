"""What a server on SQLite and a folder holds at a moment: memory, handles, threads, disk, rows, its own metrics; and how busy the machine is."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from support import wire

from .process import TICKS, Process

METRICS = (
    "cheeseshop_http_connections", "cheeseshop_page_cache_bytes", "cheeseshop_listing_cache_bytes", "cheeseshop_tasks_running",
    "cheeseshop_spool_bytes", "cheeseshop_mirror_fetches_running", "cheeseshop_downloads_pending", "cheeseshop_journal_serial",
)  # fmt: skip
TABLES = ("projects", "releases", "files", "blobs", "mirror_pages", "journal", "search_entries", "sessions", "downloads")
MIB = 1 << 20


def look(process: Process, data: Path, url: str) -> dict[str, float]:
    """All of it, by name. Sizes are MiB."""
    return {**_process(process.pid), "processor seconds": process.cpu_seconds(), **_disk(data), **_rows(data), **_metrics(url), **_machine()}


def _process(pid: int) -> dict[str, float]:
    status = Path(f"/proc/{pid}/status").read_text()
    found = {name: int(re.search(rf"^{name}:\s+(\d+)", status, re.M)[1]) for name in ("VmRSS", "RssAnon", "VmHWM", "Threads")}
    return {
        "resident memory": found["VmRSS"] / 1024,
        "of it anonymous": found["RssAnon"] / 1024,
        "peak of memory": found["VmHWM"] / 1024,
        "threads": found["Threads"],
        "file handles": len(os.listdir(f"/proc/{pid}/fd")),
    }


def _disk(data: Path) -> dict[str, float]:
    sizes = {"database": data / "cheeseshop.db", "its log": data / "cheeseshop.db-wal"}
    return {**{name: _size(path) / MIB for name, path in sizes.items()}, "folder": _folder_bytes(data) / MIB}


def _folder_bytes(folder: Path) -> int:
    """Of all that is below; what vanishes meanwhile does not count."""
    return sum(_size(Path(where) / name) for where, _, names in os.walk(folder) for name in names)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _rows(data: Path) -> dict[str, float]:
    with closing(sqlite3.connect(f"file:{data / 'cheeseshop.db'}?mode=ro", uri=True, timeout=30)) as database:
        return {f"rows of {table}": database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}


def _metrics(url: str) -> dict[str, float]:
    lines = wire.get(f"{url}/metrics").text.splitlines()
    values = dict(line.split(" ") for line in lines if line.startswith(METRICS) and "{" not in line)
    return {name: float(value) for name, value in values.items() if name in METRICS}


def _machine() -> dict[str, float]:
    """Seconds that the processors worked for others since the machine began, all in all; the load of the last minute."""
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()
    return {"stolen seconds": int(fields[8]) / TICKS, "load": os.getloadavg()[0]}
