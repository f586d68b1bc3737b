"""Starts and stops a real devpi-server: the reference that Cheeseshop is compared with, and the place that data comes from and goes to."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from . import wire
from .server import Account, free_port
from .tools import VENVS

ROOT_PASSWORD = "root-password-of-the-tests"
START_SECONDS = 60
STOP_SECONDS = 20
COMMAND_SECONDS = 60
CHEAP_SECRETS = ("--argon2-memory-cost", "8", "--argon2-parallelism", "1", "--argon2-time-cost", "1")
"""By default it spends seconds on deriving its secrets at every start, for a safety that no test needs."""


class DevpiServer:
    """One devpi-server process on a loopback port, with a server folder of its own.

    `major` is 6 (the release that people run) or 7 (the pre-release with the new words). A new server has the user root and nothing else;
    with `dump` it begins with what that export holds, root's password included.
    """

    def __init__(self, folder: Path, major: int = 6, *options: str, dump: Path | None = None) -> None:
        self.server_dir = folder / "server"
        self.log_path = folder / "server.log"
        self.root = Account("root", ROOT_PASSWORD)
        self._bin = VENVS / f"devpi-server-{major}" / "bin"
        self._options = options
        self._process: subprocess.Popen | None = None
        self._env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8", "PYTHONWARNINGS": "ignore"}
        self.url = ""
        folder.mkdir(parents=True, exist_ok=True)
        if dump:
            self._command("devpi-import", "--no-root-pypi", str(dump))
        else:
            self._command("devpi-init", "--no-root-pypi", "--root-passwd", ROOT_PASSWORD)
        self.start()

    def start(self) -> None:
        """Starts the process and waits until it answers."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        where = ["--serverdir", self.server_dir, "--host", "127.0.0.1", "--port", str(port)]
        command = [self._bin / "devpi-server", *where, *CHEAP_SECRETS, *self._options]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, f"devpi-server ended at once:\n{self.log()}"
            assert time.monotonic() < deadline, f"devpi-server did not answer within {START_SECONDS} s:\n{self.log()}"
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGTERM, and after a while SIGKILL: how devpi-server ends is not what is tested."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def export(self, folder: Path, *options: str) -> Path:
        """Writes everything into `folder`, which must not exist; the server must be stopped. Returns the folder."""
        assert self._process is None, "devpi-export wants a server that does not run"
        self._command("devpi-export", *options, str(folder))
        return folder

    def log(self) -> str:
        """The last part of what the server wrote."""
        return self.log_path.read_text(errors="replace")[-8000:] if self.log_path.exists() else ""

    def _command(self, program: str, *args: str) -> None:
        command = [self._bin / program, "--serverdir", self.server_dir, *args]
        run = subprocess.run(
            command, env=self._env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
        assert run.returncode == 0, f"{program} ended with status {run.returncode}:\n{run.stdout}\n{run.stderr}"

    def _answers(self) -> bool:
        try:
            return wire.get(f"{self.url}/+api").status == 200
        except OSError:
            return False
