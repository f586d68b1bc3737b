"""One `cheeseshop serve` process on a loopback port: started, stopped, killed, paused."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from . import wire
from .places import Place
from .server import BINARY, ROOT_PASSWORD, Server, free_port

START_SECONDS = 30
STOP_SECONDS = 20


class Node(Server):
    """The process. It keeps its port when it starts again."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        place: Place | None = None,
        env: dict[str, str] | None = None,
        binary: Path = BINARY,
        started: bool = True,
    ) -> None:
        super().__init__(folder, place, env, binary)
        self.options = options
        self.log_path = folder / "server.log"
        self._port = free_port()
        self._process: subprocess.Popen | None = None
        self.url = f"{'https' if '--tls-cert' in options else 'http'}://127.0.0.1:{self._port}"
        if started:
            self.start()

    @property
    def logs(self) -> list[Path]:
        return [self.log_path]

    @property
    def pid(self) -> int:
        """The running process."""
        assert self._process, "the node does not run"
        return self._process.pid

    def start(self, **env: str) -> None:
        """Starts the process, with more variables if need be, and waits until `/health` answers 200."""
        self.launch(**env)
        try:
            self._wait_for_health()
        except BaseException:
            self.kill()
            raise

    def launch(self, **env: str) -> None:
        """Starts the process and does not wait."""
        listen = ["--listen", f"127.0.0.1:{self._port}", "--root-password", ROOT_PASSWORD]
        command = [self.binary, "serve", *listen, *self.where(), *self.options]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(command, env={**self.env, **env}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self) -> None:
        """SIGTERM; the server must end by itself, with status 0, in time."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the server was still running {STOP_SECONDS} s after SIGTERM:\n{self.log()}") from None
        assert status == 0, f"the server ended with status {status}:\n{self.log()}"

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()

    def ended(self, seconds: float = 0) -> int | None:
        """The exit status (negative: the signal), waiting so long for it; None if it runs on."""
        try:
            return self._process.wait(seconds) if self._process else None
        except subprocess.TimeoutExpired:
            return None

    def pause(self) -> None:
        """SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    @property
    def is_paused(self) -> bool:
        """Whether the process is stopped by a signal (state T of /proc)."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].startswith("T")

    def ready(self) -> bool:
        """Whether `/ready` says that it can do all its work."""
        return self._answers("/ready")

    def _wait_for_health(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers("/health"):
            assert self._process.poll() is None, f"the server ended at once:\n{self.log()}"
            assert time.monotonic() < deadline, f"the server did not answer within {START_SECONDS} s:\n{self.log()}"
            time.sleep(0.05)

    def _answers(self, path: str) -> bool:
        try:
            return wire.get(f"{self.url}{path}").status == 200
        except OSError:
            return False
