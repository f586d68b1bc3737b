"""The mirror against an upstream that is old, slow, broken, lying or gone."""

from __future__ import annotations

import http.client
import threading
import uuid
from urllib.parse import urlsplit

import pytest

from conftest import Team
from support import fake_upstream as fake
from support import wire
from support.artifacts import Artifact, sdist, wheel, wheel_of_size
from support.cluster import NODES
from support.fake_upstream import FakeUpstream
from support.places import BACKEND
from support.tools import Workshop
from support.upstream_pages import file_path, metadata_path, page_path

ALDER = wheel("alder", requires_python=">=3.8")
BIRCH = wheel("birch", requires=("alder",))
LARGE_BYTES = 600 * 1024


def new_alder() -> Artifact:
    """A wheel that this server has never seen: the same bytes in another index would be served without asking upstream."""
    return wheel("alder", requires_python=">=3.8", note=uuid.uuid4().hex)


def new_large() -> Artifact:
    """The same, and large."""
    return wheel_of_size("larch", "1.0", LARGE_BYTES, seed=uuid.uuid4().hex)


def file_url(team: Team, artifact: Artifact) -> str:
    """Where our page says the file is."""
    page = team.mirror.page(artifact.project)
    assert page.status == 200, page.text
    entry = next(entry for entry in page.json()["files"] if entry["filename"] == artifact.filename)
    return wire.absolute(f"{team.mirror.simple_url}{artifact.project}/", entry["url"])


@pytest.mark.parametrize("speaks_json", [True, False], ids=["json", "html"])
@pytest.mark.parametrize("with_metadata", [True, False], ids=["metadata", "no-metadata"])
@pytest.mark.parametrize("with_hashes", [True, False], ids=["hashes", "no-hashes"])
def test_any_kind_of_upstream(speaks_json, with_metadata, with_hashes, workshop: Workshop, team: Team, upstream: FakeUpstream):
    """JSON or HTML, with or without metadata and hashes: pip and uv install through the mirror."""
    behaviour = upstream.behaviour
    behaviour.speaks_json, behaviour.with_metadata, behaviour.with_hashes = speaks_json, with_metadata, with_hashes
    upstream.add(ALDER, BIRCH)
    python, other = workshop.venv(), workshop.venv("other")
    workshop.run("pip", "--python", python, "install", "--index-url", team.mirror.simple_url, "birch")
    workshop.run("uv", "pip", "install", "--python", other, "--default-index", team.prod.simple_url, "birch")
    for interpreter in (python, other):
        workshop.run(str(interpreter), "-c", "import alder, birch")


def test_pages_carry_what_upstream_said(team: Team, upstream: FakeUpstream):
    """Hashes, size, Requires-Python, upload time, yanks, and metadata that can be had below our own URL."""
    upstream.add(ALDER, sdist("alder"))
    upstream.yank("alder", "1.0", "rotten core")
    first, second = team.mirror.page("alder").json()["files"]
    assert first["hashes"]["sha256"] == ALDER.sha256 and first["size"] == len(ALDER.data)
    assert first["requires-python"] == ">=3.8" and first["yanked"] == "rotten core"
    assert first["upload-time"].startswith("2024-01-01T00:00:00")
    assert first["core-metadata"] and not second.get("core-metadata")
    assert wire.get(file_url(team, ALDER) + ".metadata").body == ALDER.metadata


def test_metadata_of_an_upstream_without_it(team: Team, upstream: FakeUpstream):
    """An upstream without core metadata: we take it out of the wheel and serve it all the same."""
    upstream.behaviour.with_metadata = False
    upstream.add(ALDER)
    assert team.mirror.page("alder").json()["files"][0]["core-metadata"]
    assert wire.get(file_url(team, ALDER) + ".metadata").body == ALDER.metadata


def test_file_is_fetched_once(team: Team, upstream: FakeUpstream):
    """Later downloads come from our own store, in every index that shares the bytes."""
    alder = new_alder()
    upstream.add(alder)
    for _ in range(3):
        assert wire.get(file_url(team, alder)).body == alder.data
    assert upstream.count(file_path(alder)) == 1


def test_simultaneous_downloads_share_one_fetch(team: Team, upstream: FakeUpstream):
    """Twenty clients that want the same new file cost upstream one request, or one for each node."""
    large = new_large()
    upstream.add(large)
    url = file_url(team, large)
    got: list[bytes] = []
    threads = [threading.Thread(target=lambda: got.append(wire.get(url).body)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [large.data] * 20
    assert 1 <= upstream.count(file_path(large)) <= (NODES if BACKEND == "cluster" else 1)


def test_redirected_files_are_followed(team: Team, upstream: FakeUpstream):
    upstream.behaviour.files_redirect = True
    upstream.add(ALDER)
    assert wire.get(file_url(team, ALDER)).body == ALDER.data


def bad_download(url: str) -> None:
    """The client must notice: an error status, or a body that breaks off; never a clean end with wrong bytes."""
    try:
        answer = wire.get(url)
    except (http.client.HTTPException, OSError):
        return
    assert answer.status >= 400, f"{answer.status} with {len(answer.body)} bytes"


@pytest.mark.parametrize(
    "fault",
    [fake.cut(0), fake.cut(300_000), fake.lie(b"x" * LARGE_BYTES), fake.lie(b"short"), fake.answer(500), fake.answer(404)],
    ids=["cut-at-once", "cut-midway", "lies", "lies-short", "500", "404"],
)
def test_broken_download_is_noticed_and_not_kept(fault, team: Team, upstream: FakeUpstream):
    """Wrong or incomplete bytes never end cleanly and never stay: as soon as upstream is well, the file is right."""
    large = new_large()
    upstream.add(large)
    url = file_url(team, large)
    upstream.fail(file_path(large), fault)
    bad_download(url)
    upstream.fail(file_path(large), None)
    assert wire.get(url).body == large.data


def test_client_that_leaves_does_not_stop_the_fetch(team: Team, upstream: FakeUpstream):
    """Whoever waits for the same file still gets it."""
    large = new_large()
    upstream.add(large)
    url = file_url(team, large)
    upstream.fail(file_path(large), fake.stall(100_000))
    leave_early(url)
    got: list[bytes] = []
    waiting = threading.Thread(target=lambda: got.append(wire.get(url).body))
    waiting.start()
    upstream.fail(file_path(large), None)
    waiting.join()
    assert got == [large.data]


def leave_early(url: str) -> None:
    """Reads a little of a download, then hangs up."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=wire.TIMEOUT_SECONDS)
    connection.request("GET", parts.path)
    connection.getresponse().read(1000)
    connection.close()


def test_upstream_that_is_down_leaves_what_we_have(workshop: Workshop, team: Team, upstream: FakeUpstream):
    """Known pages and kept files are served on; what was never seen is a temporary error (502/503), which clients retry, and not 404."""
    upstream.add(ALDER, BIRCH)
    assert wire.get(file_url(team, ALDER)).status == 200
    upstream.stop()
    assert wire.get(file_url(team, ALDER)).body == ALDER.data
    assert team.mirror.page("birch").status in (502, 503)
    workshop.run("pip", "--python", workshop.venv(), "install", "--index-url", team.prod.simple_url, "alder")


def test_upstream_404_is_404(team: Team, upstream: FakeUpstream):
    assert team.mirror.page("nobody-has-this").status == 404
    assert upstream.count(page_path("nobody-has-this")) >= 1


def test_upstream_error_is_not_404(team: Team, upstream: FakeUpstream):
    """500 from upstream says nothing about whether the project exists."""
    upstream.fail(page_path("alder"), fake.answer(500))
    assert team.mirror.page("alder").status in (502, 503)
    assert team.prod.page("alder").status in (502, 503)


def test_unchanged_page_costs_upstream_a_304(server, team: Team, upstream: FakeUpstream):
    """With `mirror_cache_expiry=0` each look asks upstream, conditionally; the page's ETag stays the same."""
    upstream.add(ALDER)
    fresh = server.add_index(f"{team.owner.name}/eager", type="mirror", mirror_url=upstream.url, volatile=False, mirror_cache_expiry=0)
    etags = {fresh.page("alder").header("ETag") for _ in range(3)}
    assert len(etags) == 1
    statuses = [status for _, path, status in upstream.statuses if path == page_path("alder")]
    assert statuses[0] == 200 and set(statuses[1:]) == {304}, statuses


def test_new_upstream_release_appears(server, team: Team, upstream: FakeUpstream):
    """After the page has expired, and files that vanish upstream stay when we have their bytes."""
    upstream.add(ALDER)
    fresh = server.add_index(f"{team.owner.name}/eager", type="mirror", mirror_url=upstream.url, volatile=False, mirror_cache_expiry=0)
    assert fresh.filenames("alder") == {ALDER.filename}
    upstream.add(wheel("alder", "2.0"))
    assert fresh.filenames("alder") == {ALDER.filename, "alder-2.0-py3-none-any.whl"}


def test_root_pypi_is_the_given_upstream(new_server, upstream: FakeUpstream, workshop: Workshop):
    """`--upstream URL`: the first start makes `root/pypi` and `root/main`, and `/simple/` works at once."""
    upstream.add(ALDER, BIRCH)
    server = new_server("--upstream", upstream.url)
    for url in (f"{server.url}/root/main/+simple/", f"{server.url}/simple/", f"{server.url}/root/pypi/+simple/"):
        python = workshop.venv(f"venv-{abs(hash(url))}")
        workshop.run("pip", "--python", python, "install", "--index-url", url, "birch")
        workshop.run(str(python), "-c", "import alder, birch")
    assert upstream.count(metadata_path(ALDER)) <= 1


def test_no_upstream_says_how_to_name_one(server):
    """`root/pypi` without an upstream: 502 and one line, not a puzzle."""
    answer = server.index("root/pypi").page("alder")
    assert answer.status == 502
    assert "upstream" in answer.text.lower() and len(answer.text.strip().splitlines()) == 1
