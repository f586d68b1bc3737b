"""How each publishing tool is told to upload, and the words in which it passes on what the server said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import wire
from .tools import Run, Workshop


@dataclass(frozen=True)
class Job:
    """What to publish: the files in `<project>/dist`, where to, and as whom."""

    workshop: Workshop
    project: Path
    url: str
    user: str
    password: str

    @property
    def files(self) -> list[Path]:
        return sorted((self.project / "dist").iterdir())

    def run(self, program: str, *args: object, ok: bool, env: dict[str, str] | None = None) -> Run:
        return self.workshop.run(program, *args, cwd=self.project, env=env, ok=ok)


@dataclass(frozen=True)
class Uploader:
    """One tool, and what of a refusal it shows: the reason phrase, the first line of the body, or only the status."""

    name: str
    publish: Callable[[Job, bool], Run]
    shows: str
    denied: str = ""
    """What the tool says to a 403 in its own words, instead of ours."""
    skips_existing: bool = False
    """The tool looks at the project's page first and leaves out what is listed, whatever its bytes."""

    def __str__(self) -> str:
        return self.name

    def must_show(self, run: Run, said: wire.Answer) -> None:
        """The user of the tool reads why the server refused."""
        if said.status == 403 and self.denied:
            expected = self.denied
        else:
            expected = {"reason": said.reason, "body": said.text.splitlines()[0], "status": str(said.status)}[self.shows]
        assert expected in run.words, f"{self.name} should have shown {expected!r}: {run}"

    def must_show_conflict(self, run: Run, said: wire.Answer) -> None:
        """The user reads that the file is already there. The file names of wheel and sdist differ, so only the common words count."""
        expected = {"reason": said.reason.partition(" ")[2], "body": "File already exists", "status": "409"}[self.shows]
        assert ("already exists" if self.skips_existing else expected) in run.words, f"{self.name} should have shown {expected!r}: {run}"


def _twine(job: Job, ok: bool) -> Run:
    credentials = ["--username", job.user, "--password", job.password]
    options = ["--non-interactive", "--disable-progress-bar", "--repository-url", job.url, *credentials]
    return job.run("twine", "upload", *options, *job.files, ok=ok)


def _uv(job: Job, ok: bool) -> Run:
    credentials = ["--username", job.user, "--password", job.password]
    return job.run("uv", "publish", "--trusted-publishing", "never", "--publish-url", job.url, *credentials, *job.files, ok=ok)


def _poetry(job: Job, ok: bool) -> Run:
    env = {
        "POETRY_REPOSITORIES_TEAM_URL": job.url,
        "POETRY_HTTP_BASIC_TEAM_USERNAME": job.user,
        "POETRY_HTTP_BASIC_TEAM_PASSWORD": job.password,
    }
    return job.run("poetry", "publish", "--repository", "team", ok=ok, env=env)


def _pdm(job: Job, ok: bool) -> Run:
    return job.run("pdm", "publish", "-v", "--no-build", "--repository", job.url, "--username", job.user, "--password", job.password, ok=ok)


def _hatch(job: Job, ok: bool) -> Run:
    return job.run("hatch", "publish", "--no-prompt", "--repo", job.url, "--user", job.user, "--auth", job.password, *job.files, ok=ok)


def _flit(job: Job, ok: bool) -> Run:
    env = {"FLIT_INDEX_URL": job.url, "FLIT_USERNAME": job.user, "FLIT_PASSWORD": job.password}
    return job.run("flit", "publish", ok=ok, env=env)


def _maturin(job: Job, ok: bool) -> Run:
    options = ["--non-interactive", "--repository-url", job.url, "--username", job.user, "--password", job.password]
    return job.run("maturin", "upload", *options, *job.files, ok=ok)


UPLOADERS = (
    Uploader("twine", _twine, "reason"),
    Uploader("uv", _uv, "body"),
    Uploader("poetry", _poetry, "reason"),
    Uploader("pdm", _pdm, "status"),
    Uploader("hatch", _hatch, "reason", skips_existing=True),
    Uploader("flit", _flit, "reason"),
    Uploader("maturin", _maturin, "body", denied="Username and/or password are possibly wrong"),
)
