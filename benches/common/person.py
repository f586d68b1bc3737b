"""Somebody who does everything that can be done with an index, in random order, and checks each answer.

Each person owns the projects whose names have their number in them, so they know exactly what pages must show. What is published is removed
later, and its names are used again, so that the number of releases and of names stays what it is.
"""

from __future__ import annotations

import gzip
import json
import random
import socket
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlencode, urlsplit

from support import wire
from support.artifacts import Artifact, wheel

from . import corpus
from .asking import Asker, must
from .upstream import content, filename

JSON, HTML = wire.SIMPLE_JSON, "text/html"
DEV, TEAM, PROD, PRIVATE = "soak/dev", "soak/team", "soak/prod", "soak/private"
"""A volatile stage above the mirror; one above that; where releases are pushed; what only its owner may read."""
OWNER, PASSWORD = "soak", "soaked in brine"
SMALL_BYTES = 8 << 10
LIVING = 40
"""Releases of one person."""
PUSHED = 10
PROJECTS, VERSIONS = 5, 60
"""Names of one person that are used in turn."""
WARM_PAGES, WARM_FILES = 30, 5
"""Mirrored projects, and those of them whose files are asked for, that everybody uses again and again."""
WAITING = 3
"""Connections with half a request that one person holds."""
ADDRESSES = 200
"""That wrong passwords come from."""
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class House:
    """Where all of it happens, and the two files that everybody downloads."""

    url: str
    token: str
    root_password: str
    medium: Artifact
    large: Artifact

    @property
    def auth(self) -> dict[str, str]:
        return wire.basic(OWNER, PASSWORD)


class Person(Asker):
    """One of them."""

    def __init__(self, number: int, house: House) -> None:
        super().__init__(house.url, random.Random(number))
        self._number, self._house = number, house
        self._living: dict[tuple[str, str], Artifact] = {}
        self._pushed: dict[tuple[str, str], Artifact] = {}
        self._published = self._fetched = self._guessed = 0
        self._waiting: deque[socket.socket] = deque()
        self._browser = {"Accept": "text/html,*/*;q=0.8", "User-Agent": "Mozilla/5.0", "Accept-Encoding": "gzip"}
        self._browser["Cookie"] = self._sign_in("root", house.root_password)

    def step(self) -> None:
        """Does one random thing."""
        if not self._living:
            return self.upload()
        return getattr(self, self.dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0])()

    # Pages

    def page(self) -> None:
        project, shown = self._some_page()
        answer = self.ask("JSON page", simple(self.dice.choice((DEV, TEAM)), project), {"Accept": JSON})
        self._must_show(answer.body, shown)

    def pushed_page(self) -> None:
        if self._pushed:
            project = self.dice.choice(list(self._pushed))[0]
            answer = self.ask("JSON page", simple(PROD, project), {"Accept": JSON})
            self._must_show(answer.body, shown_of(self._pushed, project))

    def html_page(self) -> None:
        project, shown = self._some_page()
        answer = self.ask("HTML page, gzip", simple(DEV, project), {"Accept": HTML, "Accept-Encoding": "gzip"})
        text = unpacked(answer.headers.get("Content-Encoding"), answer.body).decode()
        links = text.count("<a ")
        must(links == len(shown) and all(name in text for name in shown), f"the HTML page of {project} has {links} links: {text}")

    def zstd_page(self) -> None:
        project, _ = self._some_page()
        answer = self.ask("JSON page, zstd", simple(TEAM, project), {"Accept": JSON, "Accept-Encoding": "zstd"})
        if answer.headers.get("Content-Encoding") == "zstd":
            must(answer.body.startswith(ZSTD_MAGIC), f"the page of {project} is not packed: {answer.body[:100]!r}")
        else:
            self._must_show(answer.body, shown_of(self._living, project))

    def unchanged_page(self) -> None:
        project, _ = self._some_page()
        etag = self.ask("JSON page", simple(DEV, project), {"Accept": JSON}).headers["ETag"]
        self.ask("page not changed (304)", simple(DEV, project), {"Accept": JSON, "If-None-Match": etag}, expect=(304,))

    def warm_page(self) -> None:
        self._mirrored("mirrored page", warm(self.dice.randrange(WARM_PAGES)))

    def project_list(self) -> None:
        answer = self.ask("list of projects", f"/{TEAM}/+simple/", {"Accept": JSON, "Accept-Encoding": "gzip"})
        names = {project["name"] for project in json.loads(unpacked(answer.headers.get("Content-Encoding"), answer.body))["projects"]}
        missing = {project for project, _ in self._living} - names
        must(not missing, f"the list of projects lacks {missing}")

    def devpi_page(self) -> None:
        project, shown = self._some_page()
        answer = self.ask("project in devpi's JSON", f"/{DEV}/{project}", {"Accept": "application/json"})
        versions = json.loads(answer.body)["result"]
        must(len(versions) == len(shown), f"{project} has {list(versions)} instead of {list(shown)}")

    # Files

    def small_file(self) -> None:
        artifact = self.dice.choice(list(self._living.values()))
        self._download("file of 8 KiB", file(self.dice.choice((DEV, TEAM)), artifact), digest(artifact))

    def medium_file(self) -> None:
        self._download("file of 1 MiB", file(TEAM, self._house.medium), digest(self._house.medium))

    def large_file(self) -> None:
        self._download("file of 64 MiB", file(DEV, self._house.large), digest(self._house.large))

    def piece(self) -> None:
        medium = self._house.medium
        begin = self.dice.randrange(len(medium.data) - 1000)
        end = self.dice.randrange(begin, len(medium.data))
        answer = self.ask("piece of it", file(DEV, medium), {"Range": f"bytes={begin}-{end}"}, expect=(206,))
        must(answer.body == medium.data[begin : end + 1], f"bytes {begin} to {end} are others")

    def metadata(self) -> None:
        artifact = self.dice.choice(list(self._living.values()))
        answer = self.ask("metadata", file(DEV, artifact) + ".metadata")
        must(answer.body == artifact.metadata, f"the metadata of {artifact.filename}: {answer.body!r}")

    def warm_file(self) -> None:
        project = warm(self.dice.randrange(WARM_FILES))
        self._download("mirrored file of 8 MiB", self._mirrored("mirrored page", project), wire.sha256(content(filename(project))))

    # Publishing

    def upload(self) -> None:
        """A new release; older ones go."""
        name = f"soak-{self._number}-{self._published % PROJECTS}", f"1.{self._published // PROJECTS % VERSIONS}"
        self._published += 1
        if name not in self._living:
            self._publish("upload", *name)
        if len(self._living) > LIVING:
            self._retire()

    def replace(self) -> None:
        self._publish("replaced file", *self.dice.choice(list(self._living)))

    def push(self) -> None:
        """Of one release to the other index; older ones go there."""
        name = self.dice.choice(list(self._living))
        if name in self._pushed:
            return
        body = json.dumps({"name": name[0], "version": name[1], "targetindex": PROD}).encode()
        headers = {"Content-Type": "application/json", **self._house.auth}
        self.ask("push", f"/{DEV}", headers, method="PUSH", body=body)
        self._pushed[name] = self._living[name]
        if len(self._pushed) > PUSHED:
            project, version = next(iter(self._pushed))
            self.ask("release removed", f"/{PROD}/{project}/{version}", self._house.auth, method="DELETE")
            del self._pushed[project, version]

    def yank(self) -> None:
        project, version = self.dice.choice(list(self._living))
        path, auth = f"/{DEV}/{project}/{version}/+yank", self._house.auth
        self.ask("yank", path, {"Content-Type": "application/json", **auth}, method="POST", body=b'{"reason": "too salty"}')
        page = json.loads(self.ask("JSON page", simple(TEAM, project), {"Accept": JSON}).body)
        yanked = [entry["filename"] for entry in page["files"] if entry.get("yanked") == "too salty"]
        must(yanked == [self._living[project, version].filename], f"{yanked} are yanked instead of {project} {version}")
        self.ask("yank", path, auth, method="DELETE")

    # The mirror

    def cold_page(self) -> None:
        self._mirrored("mirrored page, first time", self._new())

    def cold_file(self) -> None:
        project = self._new()
        link = self._mirrored("mirrored page, first time", project)
        self._download("mirrored file of 8 MiB, first time", link, wire.sha256(content(filename(project))))

    def refresh(self) -> None:
        path = f"/root/pypi/+simple/{warm(self.dice.randrange(WARM_PAGES))}/refresh"
        self.ask("refresh", path, method="POST", body=b"", expect=(302, 303))

    def unknown(self) -> None:
        name = f"x{self._number}-{self.dice.randrange(1 << 40):x}"
        self.ask("unknown project", simple(self.dice.choice((DEV, TEAM)), name), {"Accept": JSON}, expect=(404,))

    # Searching and looking

    def search(self) -> None:
        project, _ = self._some_page()
        answer = self.ask("search", f"/+search?{urlencode({'q': project})}", self._house.auth)
        found = {hit["project"] for hit in json.loads(answer.body)["result"]["hits"]}
        must(project in found, f"a search for {project} finds {found}")

    def web_search(self) -> None:
        words = self.dice.choice(("soak", "made for tests", "soka-1-2", self._some_page()[0]))
        self._web("web page, search", f"/_/search?{urlencode({'q': words})}")

    def web(self) -> None:
        project, version = self.dice.choice(list(self._living))
        path = self.dice.choice(("/", f"/{DEV}", f"/{TEAM}", f"/{DEV}/{project}", f"/{DEV}/{project}/{version}", f"/{TEAM}/{project}"))
        self._web("web page", path)

    def web_admin(self) -> None:
        self._web("web page, journal and status", self.dice.choice(("/_/activity", "/_/status", "/_/users", f"/_/indexes/{DEV}/settings")))

    def operators(self) -> None:
        self.ask("metrics, readiness", self.dice.choice(("/metrics", "/ready", "/health", "/+api")))

    # Who is who

    def with_password(self) -> None:
        self._download("private page", simple(PRIVATE, self._house.medium.project), "", {"Accept": JSON, **self._house.auth})

    def with_token(self) -> None:
        bearer = {"Authorization": f"Bearer {self._house.token}"}
        auth = self.dice.choice((bearer, wire.basic("__token__", self._house.token)))
        self._download("private page", simple(PRIVATE, self._house.medium.project), "", {"Accept": JSON, **auth})

    def without(self) -> None:
        self.ask("private page, refused", simple(PRIVATE, self._house.medium.project), {"Accept": JSON}, expect=(401,))

    def guess(self) -> None:
        """A wrong password, from one of many addresses, as guessers have them."""
        self._guessed += 1
        place = (self._guessed * 8 + self._number) % ADDRESSES
        user = OWNER if self.dice.random() < 0.2 else f"guessed{self.dice.randrange(1000)}"
        auth = wire.basic(user, f"{self.dice.random()}")
        path = simple(PRIVATE, self._house.medium.project)
        self.ask("wrong password", path, auth, expect=(401, 403, 429), origin=f"127.0.1.{place + 1}")

    def come_and_go(self) -> None:
        """Signs in with a browser, and out."""
        cookie = self._sign_in(OWNER, PASSWORD)
        headers = {**self._browser, "Cookie": cookie, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
        self.ask("web page", "/", headers)
        self.ask("sign out", "/_/logout", headers, method="POST", body=b"", expect=(303,))

    # Bad manners

    def break_upload(self) -> None:
        """Leaves in the middle of the form. What it would have published must not appear: pages are compared."""
        artifact = wheel(f"soak-{self._number}-0", "9.9", payload=self.dice.randbytes(1 << 18))
        body, content_type = corpus.form(artifact)
        headers = {"Host": self.host, "Content-Type": content_type, "Content-Length": str(len(body)), **self._house.auth}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with self._connect() as connection:
            connection.sendall(f"POST /{DEV}/ HTTP/1.1\r\n{head}\r\n".encode() + body[: self.dice.randrange(len(body))])
        self.left("upload that breaks off")

    def break_download(self) -> None:
        """Leaves after the first bytes of a long file."""
        artifact = self.dice.choice((self._house.medium, self._house.large))
        path = file(DEV, artifact)
        with self._connect() as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
            begin = connection.recv(1 << 16)
        must(begin.startswith(b"HTTP/1.1 200"), f"{artifact.filename} begins with {begin[:300]!r}")
        self.left("download that breaks off")

    def wait(self) -> None:
        """Sends half a request and holds the connection for a while."""
        connection = self._connect()
        connection.sendall(b"GET /soak/dev/+simple/ HTTP/1.1\r\nHost: ")
        self._waiting.append(connection)
        if len(self._waiting) > WAITING:
            self._waiting.popleft().close()
        self.left("half a request")

    # What these have in common

    def _some_page(self) -> tuple[str, dict[str, str]]:
        """A project with releases, and the hashes of its files by name."""
        project = self.dice.choice(list(self._living))[0]
        return project, shown_of(self._living, project)

    def _must_show(self, body: bytes, shown: dict[str, str]) -> None:
        found = {entry["filename"]: entry["hashes"]["sha256"] for entry in json.loads(body)["files"]}
        must(found == shown, f"a page shows {found} instead of {shown}")

    def _download(self, kind: str, path: str, sha256: str, headers: dict[str, str] | None = None) -> None:
        answer = self.ask(kind, path, headers)
        must(not sha256 or answer.sha256 == sha256, f"{path}: {len(answer.body)} other bytes than were published")

    def _mirrored(self, kind: str, project: str) -> str:
        """Its page; the address of its file."""
        path = simple(self.dice.choice((DEV, TEAM)), project)
        [entry] = json.loads(self.ask(kind, path, {"Accept": JSON}).body)["files"]
        must(entry["filename"] == filename(project), f"{path} shows {entry}")
        return urlsplit(wire.absolute(f"{self._house.url}{path}", entry["url"])).path

    def _publish(self, kind: str, project: str, version: str) -> None:
        payload = self.dice.randbytes(SMALL_BYTES)
        artifact = wheel(project, version, requires_python=corpus.REQUIRES_PYTHON, payload=payload)
        body, content_type = corpus.form(artifact)
        self.ask(kind, f"/{DEV}/", {"Content-Type": content_type, **self._house.auth}, method="POST", body=body)
        self._living[project, version] = artifact

    def _retire(self) -> None:
        """Removes the oldest release, or now and then its whole project."""
        project, version = next(iter(self._living))
        if self.dice.random() < 0.1:
            self.ask("project removed", f"/{DEV}/{project}", self._house.auth, method="DELETE")
            for name in [name for name in self._living if name[0] == project]:
                del self._living[name]
        else:
            self.ask("release removed", f"/{DEV}/{project}/{version}", self._house.auth, method="DELETE")
            del self._living[project, version]

    def _new(self) -> str:
        """A project that the mirror has never seen."""
        self._fetched += 1
        return f"m{self._number + 1}{self._fetched:06}"

    def _web(self, kind: str, path: str) -> None:
        answer = self.ask(kind, path, self._browser)
        text = unpacked(answer.headers.get("Content-Encoding"), answer.body)
        must(b"</html>" in text[-20:], f"{path} ends with {text[-100:]!r}")

    def _sign_in(self, user: str, password: str) -> str:
        headers = {**self._browser, "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        body = urlencode({"user": user, "password": password}).encode()
        answer = self.ask("sign in", "/_/login", headers, method="POST", body=body, expect=(303,))
        return (answer.headers.get("Set-Cookie") or "").partition(";")[0]

    def _connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), 30)


WEIGHTS = {
    "page": 120, "pushed_page": 20, "html_page": 80, "zstd_page": 60, "unchanged_page": 40, "warm_page": 60, "project_list": 10,
    "devpi_page": 10, "small_file": 80, "medium_file": 40, "large_file": 1, "piece": 20, "metadata": 30, "warm_file": 3, "upload": 26,
    "replace": 6, "push": 6, "yank": 4, "cold_page": 12, "cold_file": 3, "refresh": 4, "unknown": 8, "search": 8, "web_search": 8,
    "web": 24, "web_admin": 6, "operators": 6, "with_password": 15, "with_token": 15, "without": 4, "guess": 6, "come_and_go": 2,
    "break_upload": 4, "break_download": 4, "wait": 3,
}  # fmt: skip
"""What is done, and how often beside the others."""


def simple(index: str, project: str) -> str:
    return f"/{index}/+simple/{project}/"


def file(index: str, artifact: Artifact) -> str:
    """Where pages say that it is."""
    sha256 = digest(artifact)
    return f"/{index}/+f/{sha256[:3]}/{sha256[3:16]}/{artifact.filename}"


@lru_cache(maxsize=4 * LIVING)
def digest(artifact: Artifact) -> str:
    """Its SHA-256, found once."""
    return artifact.sha256


def warm(number: int) -> str:
    return f"m{number:06}"


def shown_of(releases: dict[tuple[str, str], Artifact], project: str) -> dict[str, str]:
    """The files of a project with their hashes."""
    return {artifact.filename: digest(artifact) for (name, _), artifact in releases.items() if name == project}


def unpacked(encoding: str | None, body: bytes) -> bytes:
    return gzip.decompress(body) if encoding == "gzip" else body
