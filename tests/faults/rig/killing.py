"""Commands of the program that are killed on the way, at a named step or at any moment, and run again until they come to their end."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from support.server import COMMAND_SECONDS, Server

KILLED = -9
NAMED = 0.4
"""How many of the kills are at a named step, where a command has some."""
FIRST_GUESS_SECONDS = 0.2
LATEST = 1.05
"""The last moment of a kill, as a share of the time that the command takes."""
_took: dict[str, float] = {}
"""How long each command took when it was last left alone, in seconds."""


def run(
    server: Server, command: Sequence[object], after: float | None = None, binary: Path | None = None, **env: str
) -> subprocess.CompletedProcess:
    """Runs a command on the server's data, and kills it after so many seconds if it has not ended by then."""
    words = [str(word) for word in (binary or server.binary, *command, *server.where())]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(words, env={**server.env, **env}, text=True, **pipes)
    try:
        out, err = process.communicate(timeout=COMMAND_SECONDS if after is None else after)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        assert after is not None, f"{words} ran for more than {COMMAND_SECONDS} s:\n{out}\n{err}"
    return subprocess.CompletedProcess(words, process.returncode, out, err)


class Killer:
    """Kills the commands of one schedule, and counts. Only the debug build knows steps."""

    def __init__(self, chance: random.Random, debug_binary: Path) -> None:
        self.kills = 0
        self._chance, self._debug_binary = chance, debug_binary

    def kill(self, server: Server, command: Sequence[object], steps: Sequence[str] = ()) -> tuple[subprocess.CompletedProcess, str]:
        """Runs a command and kills it, if it does not end before; also says at which step, empty if at a moment."""
        step = self._chance.choice(steps) if steps and self._chance.random() < NAMED else ""
        if step:
            done = run(server, command, binary=self._debug_binary, CHEESESHOP_FAULT=f"{step}:kill")
        else:
            done = run(server, command, self._chance.random() * LATEST * _took.get(_name(command), FIRST_GUESS_SECONDS))
        self.kills += done.returncode == KILLED
        return done, step

    def until_done(
        self,
        server: Server,
        command: Sequence[object],
        tries: int,
        steps: Sequence[str] = (),
        look: Callable[[], None] = lambda: None,
    ) -> subprocess.CompletedProcess:
        """Kills it up to so many times, looks at what each kill left, and lets it come to its end."""
        for _ in range(tries):
            done, _ = self.kill(server, command, steps)
            if done.returncode != KILLED:
                return done
            look()
        return let_run(server, command)


def let_run(server: Server, command: Sequence[object]) -> subprocess.CompletedProcess:
    """Runs a command to its end, which may be a failure."""
    began = time.monotonic()
    done = run(server, command)
    _took[_name(command)] = time.monotonic() - began
    return done


def _name(command: Sequence[object]) -> str:
    """Commands of one name take about the same time."""
    return " ".join(word for word in command if isinstance(word, str))
