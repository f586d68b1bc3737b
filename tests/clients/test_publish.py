"""Every publishing tool against the real server: what works, and what its user reads when the server says no."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from conftest import Team
from support import wire
from support.artifacts import sdist, wheel, wheel_of_size
from support.projects import write_project
from support.server import Account, Index
from support.tools import Workshop
from support.uploaders import UPLOADERS, Job, Uploader
from support.uploads import upload

PROJECT = "my-lib"
FILES = {"my_lib-1.0-py3-none-any.whl", "my_lib-1.0.tar.gz"}
MORE_THAN_ALLOWED = 1400 * 1024

every_uploader = pytest.mark.parametrize("uploader", UPLOADERS, ids=str)


def job(workshop: Workshop, index: Index, account: Account, note: str = "", name: str = "project") -> Job:
    """A project with a wheel and an sdist in `dist`. `note` changes the bytes of both. (flit builds them again from the sources.)"""
    folder = write_project(workshop.home / name, PROJECT, note=note)
    for artifact in (wheel(PROJECT, note=note), sdist(PROJECT, note=note)):
        artifact.write_to(folder / "dist")
    return Job(workshop, folder, index.upload_url, account.name, account.password)


def what_server_says(index: Index, account: Account, artifact=None) -> wire.Answer:
    """The same refusal, without a tool in between."""
    answer = upload(index, account, artifact or wheel(PROJECT, note="other bytes"))
    assert answer.status >= 400
    return answer


@every_uploader
def test_wheel_and_sdist_are_published(uploader: Uploader, workshop: Workshop, team: Team):
    """Success, and the page shows both files as soon as the tool is done."""
    uploader.publish(job(workshop, team.dev, team.owner), True)
    assert team.dev.filenames(PROJECT) == FILES


@every_uploader
def test_publishing_the_same_files_again_succeeds(uploader: Uploader, workshop: Workshop, team: Team):
    """Identical bytes are no conflict, even in a non-volatile index: tools retry uploads whose answer they never saw."""
    uploader.publish(job(workshop, team.dev, team.owner), True)
    uploader.publish(job(workshop, team.dev, team.owner), True)
    assert team.dev.filenames(PROJECT) == FILES


@every_uploader
def test_wrong_password_is_told(uploader: Uploader, workshop: Workshop, team: Team):
    impostor = Account(team.owner.name, "not the password")
    said = what_server_says(team.dev, impostor)
    assert said.status == 401
    run = uploader.publish(job(workshop, team.dev, impostor), False)
    uploader.must_show(run, said)
    assert team.dev.filenames(PROJECT) == set()


@every_uploader
def test_missing_right_is_told(uploader: Uploader, workshop: Workshop, team: Team):
    """Signed in, but not in `acl_upload`."""
    said = what_server_says(team.dev, team.stranger)
    assert said.status == 403
    run = uploader.publish(job(workshop, team.dev, team.stranger), False)
    uploader.must_show(run, said)
    assert team.dev.filenames(PROJECT) == set()


@every_uploader
def test_conflict_is_told(uploader: Uploader, workshop: Workshop, team: Team):
    """Other bytes under a published name: 409, with the words that tools look for, and the first file stays."""
    uploader.publish(job(workshop, team.dev, team.owner), True)
    before = team.dev.page(PROJECT).json()["files"]
    said = what_server_says(team.dev, team.owner)
    assert said.status == 409
    assert said.text.startswith("File already exists")
    assert said.reason == f"{wheel(PROJECT).filename} already exists in non-volatile index"
    uploader.must_show_conflict(
        uploader.publish(job(workshop, team.dev, team.owner, note="changed", name="changed"), uploader.skips_existing), said
    )
    assert team.dev.page(PROJECT).json()["files"] == before


@every_uploader
def test_too_large_is_told(uploader: Uploader, workshop: Workshop, team: Team):
    """413 with the limit in the text, sent without breaking the connection: a reset would hide the text."""
    large = wheel_of_size(PROJECT, "1.0", MORE_THAN_ALLOWED)
    said = what_server_says(team.dev, team.owner, large)
    assert said.status == 413
    work = job(workshop, team.dev, team.owner)
    enlarge(work.project, large)
    uploader.must_show(uploader.publish(work, False), said)
    assert team.dev.filenames(PROJECT) == set()


def enlarge(project: Path, large) -> None:
    """Only the large wheel is left to publish, and flit, which builds by itself, gets a large module."""
    for path in (project / "dist").iterdir():
        path.unlink()
    large.write_to(project / "dist")
    module = project / "my_lib.py"
    module.write_bytes(zipfile.ZipFile(io.BytesIO(large.data)).read("my_lib.py"))


def test_uv_check_url_skips_what_is_there(workshop: Workshop, team: Team):
    """`uv publish --check-url` reads the page first: the same file is skipped, another one under its name is refused by uv itself."""
    first = job(workshop, team.dev, team.owner)
    credentials = ["--username", team.owner.name, "--password", team.owner.password, "--trusted-publishing", "never"]
    command = ["uv", "publish", *credentials, "--publish-url", team.dev.upload_url, "--check-url", team.dev.simple_url]
    workshop.run(*command, *first.files)
    assert "already exists, skipping" in workshop.run(*command, *first.files).words
    changed = job(workshop, team.dev, team.owner, note="changed", name="changed")
    refused = workshop.run(*command, *changed.files, ok=False)
    assert "Local file and index file do not match" in refused.words


@every_uploader
def test_url_without_trailing_slash_works(uploader: Uploader, workshop: Workshop, team: Team):
    """Most tools do not follow a redirect of a POST, so there must be none."""
    work = job(workshop, team.dev, team.owner)
    uploader.publish(Job(workshop, work.project, work.url.rstrip("/"), work.user, work.password), True)
    assert team.dev.filenames(PROJECT) == FILES


@every_uploader
def test_token_is_a_password(uploader: Uploader, workshop: Workshop, team: Team):
    """A token works as the password of `__token__`, as CI systems send it."""
    token = team.dev.server.add_token(team.owner, "read,upload", "--index", team.dev.path, "--expires", "90d")
    uploader.publish(job(workshop, team.dev, Account("__token__", token)), True)
    assert team.dev.filenames(PROJECT) == FILES
