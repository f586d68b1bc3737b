"""The program speaks TLS itself: real tools with a private authority, HTTP/2, keys in every form, renewal, and files that are of no use."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from support import wire
from support.artifacts import sdist, wheel, wheel_of_size
from support.authority import KEYS, Authority
from support.node import Node
from support.server import BINARY, clean_environment
from support.tools import Workshop
from support.uploads import must_upload, upload_fields

RENEWAL_SECONDS = 20
"""A few looks at the files (`TLS_LOOK_EVERY` in src/limits.rs)."""
LARGE_BYTES = 600_000


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    wire.trust(made.ca)
    return made


@pytest.fixture(scope="module")
def secure(authority: Authority, tmp_path_factory: pytest.TempPathFactory):
    """A server that speaks TLS, with one index."""
    node = Node(tmp_path_factory.mktemp("secure"), "--upstream", "none", *authority.issue().options)
    node.add_index("root/dev", volatile=True)
    yield node
    node.stop()


def shown_certificate(node: Node) -> str:
    host, port = node.url.removeprefix("https://").split(":")
    return ssl.get_server_certificate((host, int(port)))


def eventually(condition, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.2)


def test_pip_and_twine(secure: Node, authority: Authority, workshop: Workshop):
    """Both are told of the authority by `--cert`; without it they refuse to talk to the server."""
    index = secure.index("root/dev")
    file = wheel("over-twine").write_to(workshop.home / "dist")
    credentials = ["--username", "root", "--password", secure.root.password]
    options = ["--non-interactive", "--disable-progress-bar", "--repository-url", index.upload_url, *credentials]
    workshop.run("twine", "upload", *options, file, ok=False)
    workshop.run("twine", "upload", *options, "--cert", authority.ca, file)
    python = workshop.venv()
    install = ["--python", python, "install", "--no-cache-dir", "--index-url", index.simple_url, "over-twine"]
    refused = workshop.run("pip", *install, "--retries", "0", ok=False)
    assert "certificate" in refused.output.lower(), refused
    workshop.run("pip", *install, "--cert", authority.ca)
    workshop.run(str(python), "-c", "import over_twine")


def test_uv(secure: Node, authority: Authority, workshop: Workshop):
    """It reads SSL_CERT_FILE, or trusts a host that it is told to trust; and speaks HTTP/2 if it can."""
    index = secure.index("root/dev")
    trusting = {"SSL_CERT_FILE": str(authority.ca)}
    file = sdist("over-uv").write_to(workshop.home / "dist")
    wheel("over-uv").write_to(workshop.home / "dist")
    credentials = ["--username", "root", "--password", secure.root.password]
    publish = ["publish", "--trusted-publishing", "never", "--publish-url", index.upload_url, *credentials]
    workshop.run("uv", *publish, file, file.with_name("over_uv-1.0-py3-none-any.whl"), env=trusting)
    install = ["pip", "install", "--no-cache", "--default-index", index.simple_url, "over-uv"]
    for number, (options, env) in enumerate([([], trusting), (["--allow-insecure-host", "127.0.0.1"], {})]):
        python = workshop.venv(f"venv{number}")
        workshop.run("uv", *install, "--python", python, *options, env=env)
        workshop.run(str(python), "-c", "import over_uv")
    workshop.run("uv", *install, "--python", workshop.venv("refusing"), ok=False)


def test_devpi(secure: Node, authority: Authority, workshop: Workshop):
    """Its client follows the addresses that the server gives of itself: they begin with https."""
    workshop.env["REQUESTS_CA_BUNDLE"] = str(authority.ca)
    answer = wire.get(f"{secure.url}/root/dev/+api")
    assert answer.json()["result"]["login"] == f"{secure.url}/+login", answer.text
    workshop.run("devpi", "use", f"{secure.url}/root/dev")
    workshop.run("devpi", "login", "root", f"--password={secure.root.password}")
    file = wheel("over-devpi").write_to(workshop.home / "dist")
    workshop.run("devpi", "upload", file)
    assert "over_devpi-1.0-py3-none-any.whl" in workshop.run("devpi", "list", "over-devpi").output


def curl(authority: Authority, *words: object) -> str:
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "60", "--cacert", str(authority.ca), *map(str, words)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    assert run.returncode == 0, f"{command}: {run.stderr}"
    return run.stdout


needs_curl = pytest.mark.skipif(
    not shutil.which("curl") or "HTTP2" not in subprocess.run(["curl", "--version"], capture_output=True, text=True, check=False).stdout,
    reason="there is no curl that speaks HTTP/2",
)


@needs_curl
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_curl_chooses_the_version(secure: Node, authority: Authority, tmp_path: Path, version: str):
    """By ALPN: page, upload and a file, whole and in part, over HTTP/1.1 and HTTP/2."""
    index, artifact = secure.index("root/dev"), wheel_of_size(f"over-curl-{version[0]}", "1.0", LARGE_BYTES)
    spoken = ["--http2" if version == "2" else "--http1.1", "--write-out", "%{http_version}", "--output", tmp_path / "answer"]
    (tmp_path / artifact.filename).write_bytes(artifact.data)
    fields = [word for name, value in upload_fields(artifact) if isinstance(value, str) for word in ("--form-string", f"{name}={value}")]
    sent = [*fields, "--form", f"content=@{tmp_path / artifact.filename}", "--user", f"root:{secure.root.password}"]
    assert curl(authority, *spoken, *sent, index.upload_url) == version
    assert curl(authority, *spoken, "--header", f"Accept: {wire.SIMPLE_JSON}", f"{index.simple_url}{artifact.project}/") == version
    assert artifact.filename in (tmp_path / "answer").read_text()
    url = f"{secure.url}/root/dev/+f/{artifact.sha256[:3]}/{artifact.sha256[3:16]}/{artifact.filename}"
    assert curl(authority, *spoken, url) == version
    assert (tmp_path / "answer").read_bytes() == artifact.data
    assert curl(authority, *spoken, "--range", "1000-1999", url) == version
    assert (tmp_path / "answer").read_bytes() == artifact.data[1000:2000]


@needs_curl
def test_many_files_over_one_connection(secure: Node, authority: Authority, tmp_path: Path):
    """As uv fetches them: all at once over one HTTP/2 connection."""
    index = secure.index("root/dev")
    artifacts = [wheel_of_size("parallel", f"1.{number}", LARGE_BYTES) for number in range(20)]
    must_upload(index, secure.root, *artifacts)
    config = tmp_path / "config"
    urls = [f"{secure.url}/root/dev/+f/{one.sha256[:3]}/{one.sha256[3:16]}/{one.filename}" for one in artifacts]
    config.write_text("".join(f'url = "{url}"\noutput = "{tmp_path / url.rpartition("/")[2]}"\n' for url in urls))
    curl(authority, "--http2", "--parallel", "--parallel-max", 20, "--config", config)
    assert all((tmp_path / one.filename).read_bytes() == one.data for one in artifacts)


@pytest.mark.parametrize("form", KEYS, ids=lambda form: form.replace(", ", "-"))
def test_keys_in_every_form(authority: Authority, tmp_path: Path, form: str):
    node = Node(tmp_path, "--upstream", "none", *authority.issue(form.replace(", ", "-"), form).options)
    assert wire.get(f"{node.url}/health").status == 200
    node.stop()


def test_a_new_certificate_is_taken_and_a_bad_one_is_not(authority: Authority, tmp_path: Path):
    pair = authority.issue("renewed")
    node = Node(tmp_path, "--upstream", "none", *pair.options)
    first = shown_certificate(node)
    authority.issue("renewed", "rsa, pkcs8")
    eventually(lambda: shown_certificate(node) != first, RENEWAL_SECONDS)
    second, good = shown_certificate(node), pair.cert.read_text()
    pair.cert.write_text("nothing that could be used")
    eventually(lambda: "the one before stays" in node.log(), RENEWAL_SECONDS)
    assert shown_certificate(node) == second
    pair.cert.unlink()
    time.sleep(RENEWAL_SECONDS / 3)
    pair.cert.write_text(good)
    authority.issue("renewed")
    eventually(lambda: shown_certificate(node) != second, RENEWAL_SECONDS)
    assert wire.get(f"{node.url}/health").status == 200
    log = node.log()
    assert log.count("holds no certificate") == 1, "said once, not with every look"
    assert "PRIVATE KEY" not in log
    node.stop()


def test_files_that_are_of_no_use_end_the_start(authority: Authority, tmp_path: Path):
    """Status 2, one line that names the file, and nothing made."""
    good, other = authority.issue("good"), authority.issue("other")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for cert, key, reason in [
        (tmp_path / "nowhere.pem", good.key, "nowhere.pem cannot be read"),
        (empty, good.key, "empty.pem holds no certificate"),
        (good.cert, empty, "empty.pem holds no private key"),
        (good.cert, other.key, "is not the one of the first certificate"),
    ]:
        options = ["serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path / "data", "--tls-cert", cert, "--tls-key", key]
        run = subprocess.run([BINARY, *options], env=clean_environment(tmp_path), capture_output=True, text=True, check=False, timeout=60)
        assert (run.returncode, run.stdout) == (2, "") and reason in run.stderr, f"{run.returncode}: {run.stderr}"
        assert len(run.stderr.splitlines()) == 1 and not (tmp_path / "data").exists()
    one = subprocess.run([BINARY, "serve", "--tls-cert", good.cert], env=clean_environment(tmp_path), capture_output=True, text=True, check=False)
    assert one.returncode == 2 and "--tls-key" in one.stderr, one.stderr


def test_healthcheck_and_those_who_forget_the_s(secure: Node, authority: Authority):
    listen = secure.url.removeprefix("https://")
    ask = ["healthcheck", "--listen", listen]
    cert = {"CHEESESHOP_TLS_CERT": secure.options[secure.options.index("--tls-cert") + 1]}
    env = clean_environment(secure.data_dir.parent)
    assert subprocess.run([BINARY, *ask], env={**env, **cert}, check=False, timeout=60).returncode == 0
    plain = subprocess.run([BINARY, *ask], env=env, capture_output=True, text=True, check=False, timeout=60)
    assert plain.returncode == 1 and "it answers 400" in plain.stderr, plain.stderr
    told = wire.get(f"http://{listen}/simple/")
    assert told.status == 400 and "https://" in told.text
