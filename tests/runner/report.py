"""What the person who runs the tests sees: headings, times, plain sentences, and a summary at the end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


class Failure(Exception):
    """A step cannot go on. The text is a sentence for the person in front of the screen: what is wrong, and what to do."""


@dataclass
class Report:
    """Collects how each step went."""

    rows: list[tuple[str, bool, float, list[str]]] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(not ok for _, ok, _, _ in self.rows)

    def step(self, title: str, work: Callable[[], list[str] | None]) -> bool:
        """Runs one step under its heading. `work` returns the closing lines of the runner it called, or raises Failure."""
        print(f"\n==== {title}", flush=True)
        began = time.monotonic()
        try:
            lines, ok = work() or [], True
        except Failure as failure:
            lines, ok = str(failure).splitlines(), False
            print(f"\n{failure}", flush=True)
        self.rows.append((title, ok, time.monotonic() - began, lines))
        return ok

    def print_summary(self) -> None:
        """Each step with its time, and below it what its runner said last."""
        print("\n==== summary", flush=True)
        for title, ok, seconds, lines in self.rows:
            print(f"{'ok  ' if ok else 'FAIL'} {seconds:7.1f} s  {title}")
            for line in lines:
                print(f"     {line}")
        print("\nNOT all tests passed." if self.failed else "\nAll tests passed.", flush=True)


def run(command: list[object], *, env: dict[str, str], cwd: Path, closing: Callable[[str], bool]) -> list[str]:
    """Runs a test runner, shows its output as it comes, and returns the lines for which `closing` holds; Failure if it failed."""
    process = subprocess.Popen(
        list(map(str, command)),
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines = []
    try:
        for line in process.stdout:
            print(line, end="", flush=True)
            if closing(line.strip()):
                lines.append(line.strip())
        status = process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if status != 0:
        raise Failure("\n".join([f"`{' '.join(map(str, command))}` ended with status {status}.", *lines]))
    return lines
