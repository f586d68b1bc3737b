"""Every installing tool, from an index that inherits another one, which inherits a mirror."""

from __future__ import annotations

import hashlib

import pytest

from conftest import Team
from support.artifacts import sdist, wheel
from support.fake_upstream import FakeUpstream
from support.installers import INSTALLERS, Installer
from support.tools import BACKENDS_PYTHON, Workshop
from support.uploads import must_upload
from support.upstream_pages import file_path, page_path

APP = wheel("app", requires=("lib>=1", "birch"))
LIB = wheel("lib", "1.2")
BIRCH = wheel("birch", requires=("alder",))
ALDER = wheel("alder")
IMPORT_ALL = "import app, lib, birch, alder; print('all', 'there')"


@pytest.fixture
def stocked(team: Team, upstream: FakeUpstream) -> Team:
    """`app` and `lib` are the team's own, `birch` and `alder` come from upstream."""
    must_upload(team.dev, team.owner, APP, LIB)
    upstream.add(BIRCH, ALDER)
    return team


@pytest.mark.parametrize("installer", INSTALLERS, ids=str)
def test_own_and_mirrored_packages_install_together(installer: Installer, workshop: Workshop, stocked: Team):
    """One index URL is enough: own packages and mirrored ones, with their dependencies."""
    python = installer.install(workshop, stocked.prod.simple_url, "app")
    assert "all there" in workshop.run(str(python), "-c", IMPORT_ALL).output


@pytest.mark.parametrize("installer", INSTALLERS, ids=str)
def test_pages_without_a_base_work_too(installer: Installer, workshop: Workshop, team: Team):
    """A stage alone, without bases: the simplest case, for every tool."""
    alone = team.dev.server.add_index(f"{team.owner.name}/alone", volatile=False)
    must_upload(alone, team.owner, wheel("lib", "1.2"), wheel("app", requires=("lib",)))
    python = installer.install(workshop, alone.simple_url, "app")
    assert "fine" in workshop.run(str(python), "-c", "import app, lib; print('fine')").output


def test_own_project_hides_upstreams(workshop: Workshop, team: Team, upstream: FakeUpstream):
    """A project the team publishes never mixes with an upstream one of the same name, however new that is."""
    must_upload(team.dev, team.owner, wheel("lib", "1.2"))
    upstream.add(wheel("lib", "99.0"))
    python = workshop.venv()
    workshop.run("pip", "--python", python, "install", "--index-url", team.prod.simple_url, "lib")
    assert "Version: 1.2" in workshop.run("pip", "--python", python, "show", "lib").output


def test_pip_from_the_index_without_simple(workshop: Workshop, stocked: Team):
    """devpi's users write `-i http://host/user/index`: installers get the simple pages there too."""
    python = workshop.venv()
    workshop.run("pip", "--python", python, "install", "--index-url", stocked.prod.upload_url, "app")
    workshop.run(str(python), "-c", IMPORT_ALL)


def test_pip_requires_hashes(workshop: Workshop, stocked: Team):
    """With all hashes given it installs; with a wrong one pip refuses what it downloaded."""
    pins = workshop.home / "pins.txt"
    good = "".join(f"{artifact.project}=={artifact.version} --hash=sha256:{artifact.sha256}\n" for artifact in (APP, LIB, BIRCH, ALDER))
    command = ["--require-hashes", "--index-url", stocked.prod.simple_url, "-r", pins]
    pins.write_text(good)
    workshop.run("pip", "--python", workshop.venv(), "install", *command)
    pins.write_text(good.replace(LIB.sha256, hashlib.sha256(b"other").hexdigest()))
    refused = workshop.run("pip", "--python", workshop.venv("other"), "install", *command, ok=False)
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in refused.words


def test_pip_downloads_exactly_the_published_bytes(workshop: Workshop, stocked: Team):
    """Own and mirrored files arrive unchanged."""
    workshop.run("pip", "download", "--index-url", stocked.prod.simple_url, "--dest", workshop.home / "got", "app")
    got = {path.name: path.read_bytes() for path in (workshop.home / "got").iterdir()}
    assert got == {artifact.filename: artifact.data for artifact in (APP, LIB, BIRCH, ALDER)}


def test_pip_builds_from_source(workshop: Workshop, team: Team, upstream: FakeUpstream):
    """`--no-binary` takes the sdist although there is a wheel; names with `+` in the version are found, too."""
    must_upload(team.dev, team.owner, wheel("lib", "1.2+local.1"), sdist("lib", "1.2+local.1"))
    command = ["download", "--no-deps", "--no-build-isolation", "--index-url", team.prod.simple_url, "--dest", workshop.home / "got"]
    workshop.run("pip", *command, "lib")
    workshop.run(str(BACKENDS_PYTHON), "-m", "pip", *command, "--no-binary", ":all:", "lib")
    assert {path.name for path in (workshop.home / "got").iterdir()} == {"lib-1.2+local.1-py3-none-any.whl", "lib-1.2+local.1.tar.gz"}


def test_requires_python_is_honoured(workshop: Workshop, team: Team):
    """A release for another Python is passed over."""
    must_upload(team.dev, team.owner, wheel("lib", "1.0"), wheel("lib", "2.0", requires_python=">=4"))
    for program in (["pip", "download", "--dest", "got", "--index-url"], ["uv", "pip", "compile", "requirements.in", "--default-index"]):
        (workshop.home / "requirements.in").write_text("lib\n")
        run = workshop.run(*program, team.prod.simple_url, *(["lib"] if program[0] == "pip" else []))
        assert "2.0" not in run.output.replace("127.0.0.1", "")


def test_upstream_yank_is_passed_on(workshop: Workshop, team: Team, upstream: FakeUpstream):
    """A yanked release is taken only when pinned (PEP 592), and its reason is shown."""
    upstream.add(wheel("alder", "1.0"), wheel("alder", "2.0"))
    upstream.yank("alder", "2.0", "rotten core")
    python = workshop.venv()
    workshop.run("pip", "--python", python, "install", "--index-url", team.prod.simple_url, "alder")
    assert "Version: 1.0" in workshop.run("pip", "--python", python, "show", "alder").output
    assert "rotten core" in workshop.run("pip", "--python", python, "install", "--index-url", team.prod.simple_url, "alder==2.0").words


def test_unknown_project_is_unknown(workshop: Workshop, team: Team):
    """404 for a name nobody has, in the words of pip and uv."""
    assert team.prod.page("no-such-thing").status == 404
    pip = workshop.run("pip", "download", "--index-url", team.prod.simple_url, "no-such-thing", ok=False)
    assert "No matching distribution found for no-such-thing" in pip.words
    uv = workshop.run(
        "uv", "pip", "install", "--python", workshop.venv(), "--default-index", team.prod.simple_url, "no-such-thing", ok=False
    )
    assert "no-such-thing was not found in the package registry" in uv.words


def test_metadata_saves_downloads(workshop: Workshop, stocked: Team, upstream: FakeUpstream):
    """uv resolves from core metadata alone (PEP 658): nothing is downloaded but the metadata, from upstream neither."""
    (workshop.home / "requirements.in").write_text("app\n")
    run = workshop.run("uv", "pip", "compile", "requirements.in", "--default-index", stocked.prod.simple_url)
    assert "alder==1.0" in run.output
    assert upstream.count(page_path("alder")) >= 1
    assert upstream.count(file_path(ALDER)) == 0 and upstream.count(file_path(BIRCH)) == 0
