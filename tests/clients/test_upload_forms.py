"""Upload forms as old and odd clients write them, byte for byte."""

from __future__ import annotations

import hashlib

import pytest

from conftest import Team
from support import wire
from support.artifacts import sdist, wheel
from support.uploads import post_form, upload_fields

LIB = wheel("lib", "1.2")
LIB_SDIST = sdist("lib", "1.2")


def without(fields, *names):
    return [(name, value) for name, value in fields if name not in names]


def accepted(team: Team, fields, artifact=LIB, **form) -> None:
    answer = post_form(team.dev.upload_url, fields, team.owner.auth, **form)
    assert answer.status == 200, f"{answer.status} {answer.reason}: {answer.text}"
    assert team.dev.filenames("lib") == {artifact.filename}


def refused(team: Team, fields, status: int = 400) -> wire.Answer:
    """Never 2xx for something that was not stored, and the reason phrase is the first line of the body."""
    answer = post_form(team.dev.upload_url, fields, team.owner.auth)
    assert answer.status == status, f"{answer.status} {answer.reason}: {answer.text}"
    assert team.dev.filenames("lib") == set()
    return answer


def distutils_form(artifact):
    """The form of Python 3.11's distutils: `content` in the middle, `UNKNOWN` for what is not known, a 512 bit BLAKE2."""
    fields = dict(without(upload_fields(artifact), "content", "sha256_digest", "blake2_256_digest"))
    return [
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("name", "lib"),
        ("version", "1.2"),
        ("content", wire.FilePart(artifact.filename, artifact.data)),
        ("filetype", fields["filetype"]),
        ("pyversion", "" if artifact is LIB_SDIST else "3.11"),
        ("metadata_version", "1.0"),
        *((name, "UNKNOWN") for name in ("summary", "home_page", "author", "author_email", "license", "description", "platform")),
        ("comment", ""),
        ("md5_digest", hashlib.md5(artifact.data).hexdigest()),
        ("sha256_digest", artifact.sha256),
        ("blake2_256_digest", hashlib.blake2b(artifact.data).hexdigest()),
    ]


def test_distutils_of_python_3_11(team: Team):
    accepted(team, distutils_form(LIB_SDIST), LIB_SDIST)


def test_distutils_of_python_2_7(team: Team):
    """MD5 only, a misspelt field, and no space before `filename=`."""
    fields = without(distutils_form(LIB_SDIST), "sha256_digest", "blake2_256_digest", "protocol_version")
    accepted(team, [("protcol_version", "1"), *fields], LIB_SDIST, space=b"")


def test_lines_ending_in_a_bare_line_feed(team: Team):
    """As distutils' `register` writes its form: answered, harmlessly (nothing is stored, so no page appears)."""
    body, content_type = wire.multipart([(":action", "submit"), ("name", "lib"), ("version", "1.2")], newline=b"\n")
    headers = {"Content-Type": f"{content_type}; charset=utf-8", **team.owner.auth}
    answer = wire.request("POST", team.dev.upload_url, headers=headers, body=body)
    assert answer.status in (200, 410), f"{answer.status} {answer.reason}: {answer.text}"
    assert team.dev.filenames("lib") == set()


def test_file_before_everything_else(team: Team):
    fields = upload_fields(LIB)
    accepted(team, [fields[-1], *fields[:-1]])


def test_file_without_content_type(team: Team):
    """As uv, flit and maturin send it."""
    accepted(team, [*without(upload_fields(LIB), "content"), ("content", wire.FilePart(LIB.filename, LIB.data, None))])


@pytest.mark.parametrize(
    "missing",
    [["sha256_digest"], ["blake2_256_digest"], ["sha256_digest", "blake2_256_digest"], ["metadata_version", "pyversion"]],
    ids="+".join,
)
def test_fields_that_may_be_missing(missing: list[str], team: Team):
    """Digests are checked when given; metadata comes from the file itself."""
    accepted(team, without(upload_fields(LIB), *missing))


def test_empty_and_unknown_fields_are_absent(team: Team):
    """pdm sends empty strings for what a project does not have; newer tools send fields we have never heard of."""
    extra = [
        ("maintainer", ""),
        ("license", ""),
        ("requires_python", ""),
        ("import_names", "lib"),
        ("something_new", "x"),
        ("classifiers", ""),
    ]
    accepted(team, [*extra, *upload_fields(LIB)])


def test_attestations_after_the_file(team: Team):
    """uv sends them last; what is not understood must not lose the upload."""
    accepted(team, [*upload_fields(LIB), ("something_after", "[]")])


@pytest.mark.parametrize("name", ["sha256_digest", "blake2_256_digest", "md5_digest"])
def test_wrong_digest_is_refused(name: str, team: Team):
    """A file that was damaged on its way is not stored."""
    length = {"sha256_digest": 64, "blake2_256_digest": 64, "md5_digest": 32}[name]
    answer = refused(team, [*without(upload_fields(LIB), name), (name, "0" * length)])
    assert answer.reason == answer.text.splitlines()[0]


def test_claims_that_contradict_the_file_are_refused(team: Team):
    """The metadata inside the file is the truth."""
    refused(team, [("name", "other"), *without(upload_fields(LIB), "name")])
    refused(team, [("version", "9.9"), *without(upload_fields(LIB), "version")])


def test_not_an_archive_is_refused(team: Team):
    fields = without(upload_fields(LIB), "content", "sha256_digest", "blake2_256_digest")
    refused(team, [*fields, ("content", wire.FilePart(LIB.filename, b"this is no zip file"))])


def test_body_that_ends_too_early_is_refused(team: Team):
    """A form cut in the middle of the file stores nothing."""
    body, content_type = wire.multipart(upload_fields(LIB))
    headers = {"Content-Type": content_type, **team.owner.auth}
    answer = wire.request("POST", team.dev.upload_url, headers=headers, body=body[: len(body) // 2])
    assert answer.status == 400
    assert team.dev.filenames("lib") == set()


def test_anonymous_upload_is_asked_for_credentials(team: Team):
    """distutils answers a challenge only if its realm is `pypi`."""
    answer = post_form(team.dev.upload_url, upload_fields(LIB), {})
    assert (answer.status, answer.header("WWW-Authenticate")) == (401, 'Basic realm="pypi"')


def test_upload_to_a_simple_url_names_the_right_one(team: Team):
    """People paste the index URL: 405, with `Allow`, and the URL to use."""
    answer = post_form(team.dev.simple_url, upload_fields(LIB), team.owner.auth)
    assert answer.status == 405
    assert {method.strip() for method in (answer.header("Allow") or "").split(",")} >= {"GET", "HEAD"}
    assert f"/{team.dev.path}/" in answer.text


def test_errors_are_json_for_those_who_ask(team: Team):
    """uv shows the `code` of a JSON body."""
    body, content_type = wire.multipart(upload_fields(LIB))
    headers = {"Content-Type": content_type, "Accept": "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7", **team.stranger.auth}
    answer = wire.request("POST", team.dev.upload_url, headers=headers, body=body)
    assert (answer.status, answer.header("Content-Type")) == (403, "application/json")
    assert answer.json()["message"]


@pytest.mark.parametrize("path", ["/_/oidc/audience", "/_/oidc/mint-token", "/_/oidc/github/mint-token"])
def test_trusted_publishing_is_plainly_absent(path: str, team: Team):
    """404 as text: uv, pdm and maturin then go on with a password."""
    answer = wire.get(team.dev.server.url + path)
    assert answer.status == 404 and not answer.text.lstrip().startswith("<")
