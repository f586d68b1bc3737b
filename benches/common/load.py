"""Load on the other core: wrk for what is asked for often, our own loop for uploads."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit

from . import tools
from .process import LOAD_CORE, Process, on_core

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "B": 1.0, "KB": 1024.0, "MB": 1024.0**2, "GB": 1024.0**3}


@dataclass(frozen=True)
class Figure:
    """What one run found. Bytes are those on the wire, with headers."""

    per_second: float
    bytes_per_second: float
    p50: float
    """Seconds."""
    p99: float
    busy: float
    """Share of one core that the server took: near 1, or something else was the limit."""

    @property
    def cpu(self) -> float:
        """Seconds of the server's processor time that one request took."""
        return self.busy / self.per_second if self.per_second else 0.0


def ask(server: Process, url: str, headers: dict[str, str], connections: int, seconds: int, status: int = 200) -> Figure:
    """GET again and again on so many kept connections. Any answer that is not of 2xx or 3xx ends the program."""
    _must_answer(url, headers, status)
    options = [f"-H{name}: {value}" for name, value in headers.items()]
    command = [tools.wrk(), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *options, url]
    before, began = server.cpu_seconds(), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=on_core(LOAD_CORE))
    busy = (server.cpu_seconds() - before) / (time.monotonic() - began)
    if bad := re.search(r"Non-2xx or 3xx responses: \d+|Socket errors: .*", done.stdout):
        raise SystemExit(f"{url}: {bad[0]}")
    return Figure(
        _number(r"Requests/sec:\s+([\d.]+)()", done.stdout),
        _number(r"Transfer/sec:\s+([\d.]+)(\w+)", done.stdout),
        _number(r"50%\s+([\d.]+)(\w+)", done.stdout),
        _number(r"99%\s+([\d.]+)(\w+)", done.stdout),
        busy,
    )


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, f"wrk did not say {pattern}: {text}"
    return float(found[1]) * (UNITS[found[2]] if found[2] else 1)


def _must_answer(url: str, headers: dict[str, str], status: int) -> None:
    got, body = Kept(url).ask("GET", urlsplit(url).path, headers)
    if got != status:
        raise SystemExit(f"{url}: {got} instead of {status}: {body[:300]!r}")


@dataclass(frozen=True)
class Form:
    """One upload, ready to be sent."""

    path: str
    headers: dict[str, str]
    body: bytes


def upload(server: Process, url: str, forms: list[Form], connections: int, seconds: float) -> Figure:
    """Sends forms until the time is over or all are sent, each once its connection has the answer to the one before."""
    left, taken, lock, failures = deque(forms), [], threading.Lock(), []

    def work() -> None:
        os.sched_setaffinity(0, {LOAD_CORE})
        kept = Kept(url)
        while time.monotonic() < until and not failures:
            with lock:
                if not left:
                    return
                form = left.popleft()
            began = time.monotonic()
            status, body = kept.ask("POST", form.path, form.headers, form.body)
            if status not in (200, 201):
                failures.append(f"{url}: upload: {status}: {body[:300]!r}")
            taken.append(time.monotonic() - began)

    before, began = server.cpu_seconds(), time.monotonic()
    until = began + seconds
    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = time.monotonic() - began
    if failures:
        raise SystemExit(failures[0])
    sizes = sum(len(form.body) for form in forms[: len(taken)])
    taken.sort()
    busy = (server.cpu_seconds() - before) / whole
    return Figure(len(taken) / whole, sizes / whole, taken[len(taken) // 2], taken[len(taken) * 99 // 100], busy)


class Kept:
    """One kept connection, opened again when the server has closed it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body, encoded as it came."""
        status, answer, _ = self.ask_all(method, path, headers, body)
        return status, answer

    def ask_all(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        """The same with the headers."""
        for last in (False, True):
            try:
                self._connection.request(method, path, body, headers)
                answer = self._connection.getresponse()
                return answer.status, answer.read(), answer.headers
            except (ConnectionError, http.client.RemoteDisconnected):
                self._connection.close()
                if last:
                    raise
        raise AssertionError("unreachable")
