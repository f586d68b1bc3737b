"""The servers side by side: how each is started, filled, and asked for the same things.

All of them hold the same wheels. nginx and the floor take no uploads: nginx gets pages and files as static bytes, which is as fast as
this can be done; the floor gets what Cheeseshop sends, once, and sends it again.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urldefrag, urljoin

from runner.ports import free_port
from support import wire
from support.artifacts import Artifact

from . import tools
from .corpus import Corpus, form
from .load import Form, Kept
from .process import SERVER_CORE, Process

JSON = wire.SIMPLE_JSON
HTML = "text/html"
PASSWORD = "bench"
INDEX = "root/main"
SETTLING_SECONDS = 1
"""Before idle memory is looked at."""


class Server:
    """One server, started on an empty folder."""

    name = ""
    label = ""
    ready = "/"
    simple = "/simple/"
    upload_path: str | None = "/"
    user: tuple[str, str] | None = None
    json = True
    """Whether it knows the JSON form of pages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.idle_mib = 0.0
        self.data = folder / "data"
        self.port = free_port()
        self.core: int | None = SERVER_CORE
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: Process | None = None
        self.start_seconds = 0.0

    @property
    def process(self) -> Process:
        assert self._process, f"{self.name} has not been started"
        return self._process

    def start(self) -> None:
        self.prepare()
        self._process = Process(self.command(), self.folder / "log", self.environment(), self.core)
        self.start_seconds = self.process.wait_until(self._answers)
        self.set_up()
        time.sleep(SETTLING_SECONDS)
        self.idle_mib = self.process.memory_mib()

    def prepare(self) -> None:
        """Before the process starts."""

    def command(self) -> list[object]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def set_up(self) -> None:
        """Once it answers."""

    def version(self) -> str:
        raise NotImplementedError

    def fill(self, corpus: Corpus) -> None:
        """Uploads everything."""
        kept = Kept(self.url)
        for artifact in corpus.all():
            ready = self.form(artifact)
            status, body = kept.ask("POST", ready.path, ready.headers, ready.body)
            assert status in (200, 201), f"{self.name}: {artifact.filename}: {status}: {body[:300]!r}"

    def form(self, artifact: Artifact) -> Form:
        assert self.upload_path
        body, content_type = form(artifact)
        headers = {"Content-Type": content_type, **(wire.basic(*self.user) if self.user else {})}
        return Form(self.upload_path, headers, body)

    def page(self, project: str) -> str:
        return f"{self.url}{self.simple}{project}/"

    def file(self, project: str) -> str:
        """The address of the project's only file, as its page gives it."""
        page = self.page(project)
        answer = wire.get(page, accept=JSON if self.json else HTML)
        assert answer.status == 200, f"{page}: {answer.status}"
        found = answer.json()["files"][0]["url"] if self.json else re.search(r'href="([^"]+)', answer.text)[1]
        return urldefrag(urljoin(page, found)).url

    def stop(self) -> None:
        """If it runs."""
        process, self._process = self._process, None
        if process:
            process.stop()

    def _answers(self) -> bool:
        try:
            return wire.get(self.url + self.ready).status < 500
        except OSError:
            return False


class Nginx(Server):
    """One worker, sendfile, pages as files. `/same/` has the pages of Cheeseshop, byte by byte."""

    name, label, upload_path = "nginx", "nginx", None

    def prepare(self) -> None:
        self.data.mkdir()
        self.write_config()

    def write_config(self) -> None:
        self.folder.chmod(0o755)
        (self.folder / "nginx.conf").write_text(f"""
user root; daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/errors;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; open_file_cache max=10000;
  client_body_temp_path {self.folder}/t1; proxy_temp_path {self.folder}/t2; fastcgi_temp_path {self.folder}/t3;
  uwsgi_temp_path {self.folder}/t4; scgi_temp_path {self.folder}/t5;
  types {{ {JSON} json; text/html html; }}
  map $http_accept $form {{ default html; "~json" json; }}
  server {{
    listen 127.0.0.1:{self.port}; root {self.data};
    location /simple/ {{ index index.$form; }}
    location /same/ {{ index index.$form; }}
    location = / {{ return 200; }}
  }}
}}""")

    def command(self) -> list[object]:
        return [tools.nginx(), "-p", self.folder, "-c", self.folder / "nginx.conf"]

    def version(self) -> str:
        return tools.version([tools.nginx(), "-v"]).rpartition("/")[2]

    def fill(self, corpus: Corpus) -> None:
        projects: dict[str, list[Artifact]] = {}
        for artifact in corpus.all():
            projects.setdefault(artifact.project, []).append(artifact)
        for project, artifacts in projects.items():
            for artifact in artifacts:
                artifact.write_to(self.data / "files" / project)
            self._write_pages(project, artifacts)

    def _write_pages(self, project: str, artifacts: list[Artifact]) -> None:
        """The least that a page of today says of each file."""
        files, lines = [], []
        for artifact in artifacts:
            url, metadata = f"/files/{project}/{artifact.filename}", wire.sha256(artifact.metadata)
            files.append({
                "filename": artifact.filename, "url": url, "hashes": {"sha256": artifact.sha256}, "requires-python": artifact.requires_python,
                "size": len(artifact.data), "upload-time": "2026-01-01T00:00:00.000000Z", "yanked": False, "core-metadata": {"sha256": metadata},
            })  # fmt: skip
            lines.append(
                f'<a href="{url}#sha256={artifact.sha256}" data-requires-python="&gt;=3.8" '
                f'data-core-metadata="sha256={metadata}">{artifact.filename}</a><br/>\n'
            )
        page = {"meta": {"api-version": "1.4"}, "name": project, "versions": sorted({a.version for a in artifacts}), "files": files}
        folder = self.data / "simple" / project
        folder.mkdir(parents=True)
        (folder / "index.json").write_text(json.dumps(page, separators=(",", ":")))
        (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>\n{''.join(lines)}</body></html>\n")

    def copy_page(self, project: str, body: bytes) -> None:
        """What `/same/` answers for this project."""
        folder = self.data / "same" / project
        folder.mkdir(parents=True)
        (folder / "index.json").write_bytes(body)


class Floor(Server):
    """`examples/floor.rs` with the bodies that Cheeseshop sends."""

    name, label, upload_path = "floor", "bare hyper", None

    def __init__(self, folder: Path, shop: Server) -> None:
        super().__init__(folder)
        self._shop = shop

    def prepare(self) -> None:
        """Cheeseshop has to be full by now."""
        self.data.mkdir()
        for name in ("corpus-many", "corpus-p00007"):
            body = wire.get(self._shop.page(name), accept=JSON).body
            (self.data / name).write_bytes(body)
            compressed = wire.get(self._shop.page(name), accept=JSON, accept_encoding="gzip")
            assert gzip.decompress(compressed.body) == body, "the same page, compressed"
            (self.data / f"{name}.gz").write_bytes(compressed.body)
        (self.data / "html").write_bytes(wire.get(self._shop.page("corpus-many"), accept=HTML).body)
        for name in ("corpus-medium", "corpus-large"):
            (self.data / name).write_bytes(wire.get(self._shop.file(name)).body)

    def command(self) -> list[object]:
        return [tools.floor(), f"127.0.0.1:{self.port}", self.data]

    def version(self) -> str:
        return "examples/floor.rs"

    def fill(self, corpus: Corpus) -> None:
        """It has what it needs."""


@contextmanager
def stopped(servers: list[Server]) -> Iterator[None]:
    """Whatever happens, none of them runs afterwards; some may be added meanwhile."""
    try:
        yield
    finally:
        for server in servers:
            server.stop()


class Cheeseshop(Server):
    """As it comes: the default index above a mirror that has no upstream."""

    name, label, ready = "cheeseshop", "Cheeseshop", "/health"
    simple, upload_path = f"/{INDEX}/+simple/", f"/{INDEX}/"
    user = ("root", PASSWORD)

    def __init__(self, folder: Path, binary: Path, *options: str) -> None:
        super().__init__(folder)
        self.binary, self._options = binary, options

    def command(self) -> list[object]:
        listen = ["--listen", f"127.0.0.1:{self.port}", "--data-dir", self.data, "--log", "warn"]
        return [self.binary, "serve", *listen, *(self._options or ("--upstream", "none"))]

    def environment(self) -> dict[str, str]:
        return {"CHEESESHOP_ROOT_PASSWORD": PASSWORD}

    def version(self) -> str:
        return tools.version([self.binary, "--version"]).rpartition(" ")[2]

    def cli(self, *arguments: object) -> str:
        """An administration command; what it printed."""
        done = self.command_line(*arguments)
        done.check_returncode()
        return done.stdout

    def command_line(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """The same for one that may fail."""
        command = [self.binary, *arguments, "--data-dir", self.data]
        return subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)


class Devpi(Server):
    """One index without bases."""

    name, label, ready = "devpi", "devpi", "/+api"
    simple, upload_path, user = "/root/dev/+simple/", "/root/dev/", ("root", "")

    def prepare(self) -> None:
        init = [tools.environment("devpi") / "devpi-init", "--serverdir", self.data, "--root-passwd", ""]
        subprocess.run(init, check=True, capture_output=True)

    def command(self) -> list[object]:
        binary = tools.environment("devpi") / "devpi-server"
        return [binary, "--serverdir", self.data, "--port", self.port, "--offline-mode", "--threads", "8"]

    def set_up(self) -> None:
        self.put("/root/dev", {"bases": [], "volatile": True})

    def put(self, path: str, settings: dict) -> None:
        """Makes an index."""
        signed = wire.send_json("POST", f"{self.url}/+login", {"user": "root", "password": ""}, {}).json()["result"]["password"]
        secret = wire.basic("root", signed)["Authorization"].removeprefix("Basic ")
        answer = wire.send_json("PUT", self.url + path, settings, {"X-Devpi-Auth": secret})
        assert answer.status == 200, answer.text

    def version(self) -> str:
        return tools.ENVIRONMENTS["devpi"][0].partition("==")[2]


class Pypiserver(Server):
    """Has no JSON pages."""

    name, label, json = "pypiserver", "pypiserver", False

    def prepare(self) -> None:
        self.data.mkdir()

    def command(self) -> list[object]:
        binary = tools.environment("pypiserver") / "pypi-server"
        return [binary, "run", "-p", self.port, "-i", "127.0.0.1", "-P", ".", "-a", ".", "--disable-fallback", self.data]

    def version(self) -> str:
        return tools.ENVIRONMENTS["pypiserver"][0].partition("==")[2]


class Pypiron(Server):
    """Hosting only."""

    name, label, ready = "pypiron", "pypiron", "/health"
    upload_path, user = "/legacy/", ("up", "pw")

    def command(self) -> list[object]:
        binary = tools.environment("pypiron") / "pypiron"
        where = ["--data-dir", self.data, "--bind-addr", f"127.0.0.1:{self.port}", "--spool-dir", self.folder]
        return [binary, "serve", *where, "--uploader-user", "up", "--uploader-pass", "pw", "--private-pattern", "corpus-*"]

    def version(self) -> str:
        return tools.ENVIRONMENTS["pypiron"][0].partition("==")[2]
