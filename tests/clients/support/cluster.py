"""Two nodes on one place, and nginx before them that sends each request to the other node than the last."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from . import wire
from .node import Node
from .places import Place
from .server import BINARY, Server, free_port

NODES = 2
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "nginx"
NGINX_SECONDS = 20
EXAMPLE = Path(__file__).resolve().parents[3] / "deploy/nginx-cluster.conf"
"""What people are told to put before their nodes is what the tests put there; only the ports are others."""
LISTEN = "127.0.0.1:8080"
SERVER = re.compile(r"^    server 127\.0\.0\.1:\d+ (.*;)$", re.MULTILINE)
AROUND = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
{example}
}}
"""
"""The rest of a configuration. One worker: each would count for itself, and the nodes would not strictly take turns."""


def configuration(folder: Path, port: int, urls: list[str]) -> str:
    """The example with these nodes, in a whole configuration."""
    example = EXAMPLE.read_text()
    servers = SERVER.findall(example)
    assert len(servers) == NODES and LISTEN in example, f"{EXAMPLE} is not what it was"
    lines = "\n".join(f"    server {url.removeprefix('http://')} {servers[0]}" for url in urls)
    first = SERVER.search(example)
    example = example[: first.start()] + lines + SERVER.sub("", example[first.end() :])
    # As root, nginx would hand the work to a user who may not walk into the folder of the tests.
    user = "user root;" if os.geteuid() == 0 else ""
    return AROUND.format(folder=folder, user=user, example=example.replace(LISTEN, f"127.0.0.1:{port}"))


class Nginx:
    """The proxy process, in the foreground as a child of the tests."""

    def __init__(self, folder: Path, urls: list[str]) -> None:
        self.log_path = folder / "nginx.log"
        self._folder = folder
        self._process: subprocess.Popen | None = None
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._file = folder / "nginx.conf"
        self._file.write_text(configuration(folder, port, urls))

    def start(self) -> None:
        """Starts it and waits until it takes connections."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [NGINX, "-p", self._folder, "-e", self.log_path, "-c", self._file], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + NGINX_SECONDS
        while not self._answers():
            ended = self._process.poll() is not None
            assert not ended and time.monotonic() < deadline, f"nginx does not answer:\n{self.log_path.read_text(errors='replace')}"
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGTERM: ends at once."""
        process, self._process = self._process, None
        if process:
            process.terminate()
            process.wait(NGINX_SECONDS)

    def _answers(self) -> bool:
        try:
            return bool(wire.get(f"{self.url}/health").status)
        except OSError:
            return False


class Cluster(Server):
    """The nodes and nginx. `url` is nginx's; the nodes have addresses of their own."""

    def __init__(
        self, folder: Path, *options: str, place: Place, env: dict[str, str] | None = None, binary: Path = BINARY, nodes: int = NODES
    ) -> None:
        super().__init__(folder, place, env, binary)
        assert place.shared, "a cluster needs a database and files that all its nodes reach"
        self.data_dir = folder / "node0" / "data"
        trust = ("--trusted-proxy", "127.0.0.1/32")
        self.nodes = [
            Node(folder / f"node{number}", *options, *trust, place=place, env=env, binary=binary, started=False) for number in range(nodes)
        ]
        self._nginx = Nginx(folder, [node.url for node in self.nodes])
        self.url = self._nginx.url
        self.start()

    @property
    def logs(self) -> list[Path]:
        return [*(node.log_path for node in self.nodes), self._nginx.log_path]

    def start(self) -> None:
        """The nodes one after the other: the first makes the tables."""
        try:
            for node in self.nodes:
                node.start()
            self._nginx.start()
        except BaseException:
            self._nginx.stop()
            for node in self.nodes:
                node.kill()
            raise

    def stop(self) -> None:
        """nginx first, so that no request meets a node that has gone."""
        self._nginx.stop()
        for node in self.nodes:
            node.stop()
