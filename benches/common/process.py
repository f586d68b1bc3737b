"""Servers as processes on one core, and what they cost: processor time and memory, from /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SERVER_CORE, LOAD_CORE = 0, 1
"""Servers run on the one, what asks them on the other."""
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 60
STOP_SECONDS = 20


def on_core(core: int) -> Callable[[], None]:
    """For `preexec_fn`: the process and all that it starts stay on one core, and see no other when they count cores."""
    return lambda: os.sched_setaffinity(0, {core})


class Process:
    """One server with all its children. `core=None`: wherever it likes."""

    def __init__(self, command: list[object], log: Path, env: dict[str, str] | None = None, core: int | None = SERVER_CORE) -> None:
        self._log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                list(map(str, command)),
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=None if core is None else on_core(core),
            )
        self.began = time.monotonic()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until(self, answers: Callable[[], bool]) -> float:
        """Seconds from the start to the first answer."""
        while not answers():
            if self._process.poll() is not None or time.monotonic() - self.began > START_SECONDS:
                raise SystemExit(f"{self._process.args[0]} does not answer:\n{self._log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.002)
        return time.monotonic() - self.began

    def cpu_seconds(self) -> float:
        """User and system time so far, of those of its processes that live."""
        return sum(_cpu_seconds(pid) for pid in self._tree())

    def memory_mib(self) -> float:
        """Resident memory; what several processes share counts once (Pss)."""
        return sum(_kib(pid, "smaps_rollup", "Pss:") for pid in self._tree()) / 1024

    def peak_mib(self) -> float:
        """The peak of resident memory of the first process (VmHWM)."""
        return _kib(self.pid, "status", "VmHWM:") / 1024

    def forget_peak(self) -> None:
        """The peak begins anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def end(self) -> int | None:
        """SIGTERM. The status, or None if it still runs after a while."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for what is left after a while."""
        self.end()
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()

    def _tree(self) -> Iterator[int]:
        """The process and its descendants."""
        left = [self.pid]
        while left:
            pid = left.pop()
            yield pid
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    left += map(int, task.read_text().split())
                except OSError:
                    continue


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / TICKS


def _kib(pid: int, file: str, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)
