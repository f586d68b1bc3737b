"""The files for containers, systemd and nginx: whatever they name exists. Docker itself is not needed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser
from ruamel.yaml import YAML

from support.server import BINARY

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
NGINX = DEPLOY / "nginx-cluster.conf"
UNIT = DEPLOY / "cheeseshop.service"


@pytest.fixture(scope="module")
def dockerfile() -> list[dict]:
    with (ROOT / "Dockerfile").open("rb") as file:
        return DockerfileParser(fileobj=file).structure


@pytest.fixture(scope="module")
def compose() -> dict:
    return YAML(typ="safe").load(ROOT / "docker-compose.yml")


def values(dockerfile: list[dict], instruction: str) -> list[str]:
    found = [one["value"] for one in dockerfile if one["instruction"] == instruction]
    assert found, f"no {instruction}"
    return found


def cheeseshop(*arguments: str) -> str:
    """What the program prints; it must succeed."""
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, env={"PATH": ""}, timeout=60, check=False)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


def test_every_variable_is_a_setting():
    """A variable that is none is ignored by the server, so a typing error would show nowhere."""
    settings = set(re.findall(r"\[env: (CHEESESHOP_[A-Z_]+)[]=]", cheeseshop("serve", "--help")))
    assert len(settings) > 15
    for file in [ROOT / "Dockerfile", ROOT / "docker-compose.yml", ROOT / "docs" / "operations.md", *DEPLOY.iterdir()]:
        named = set(re.findall(r"\bCHEESESHOP_[A-Z_]+\b", file.read_text()))
        assert named <= settings, f"{file.name} names {named - settings}"


def test_the_image_runs_commands_that_exist(dockerfile):
    [entrypoint], [command], [health] = (values(dockerfile, name) for name in ("ENTRYPOINT", "CMD", "HEALTHCHECK"))
    assert json.loads(entrypoint) == ["cheeseshop"]
    cheeseshop(*json.loads(command), "--help")
    program, *arguments = json.loads(health.partition(" CMD ")[2])
    assert program == "cheeseshop"
    cheeseshop(*arguments, "--help")
    asked = [run for run in values(dockerfile, "RUN") if "cheeseshop upstream" in run]
    assert len(asked) == 1
    cheeseshop("upstream", "--help")


def test_the_image_is_built_from_what_is_there(dockerfile):
    """Files that are copied exist, and .dockerignore lets them through; stages that are copied from came before."""
    passed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    stages: list[str] = []
    for one in dockerfile:
        if one["instruction"] == "FROM":
            stages.append(one["value"].partition(" AS ")[2])
        elif one["instruction"] == "COPY":
            *sources, _ = one["value"].split()
            if sources[0].startswith("--from="):
                assert sources[0].removeprefix("--from=") in stages[:-1], one["value"]
                continue
            for source in sources:
                assert (ROOT / source).exists() and source in passed, source
    assert stages[0] == "build" and not stages[-1]


def test_the_image_is_built_from_all_that_the_program_is_made_of(dockerfile):
    """Cargo notes beside the binary which files went into it."""
    _, _, named = Path(f"{BINARY}.d").read_text().partition(":")
    parts = {file.relative_to(ROOT).parts[0] for file in map(Path, named.split()) if file.is_relative_to(ROOT)}
    assert {"src", "templates"} <= parts
    copied = {source for value in values(dockerfile, "COPY") for source in value.split()[:-1]}
    assert parts <= copied, parts - copied


def test_the_image_does_not_run_as_root(dockerfile):
    assert values(dockerfile, "USER")[-1].split(":")[0] not in ("0", "root")
    assert values(dockerfile, "VOLUME") == ["/data"]


def test_the_composition_holds_together(compose):
    services, declared = compose["services"], set(compose["volumes"])
    assert [name for name, service in services.items() if "profiles" not in service] == ["cheeseshop"]
    assert all(service.get("profiles", ["cluster"]) == ["cluster"] for service in services.values())
    for name, service in services.items():
        for other, condition in service.get("depends_on", {}).items():
            healthy = "healthcheck" in services[other] or services[other]["image"] == "cheeseshop"
            assert condition == {"condition": "service_healthy"} and healthy, f"{name} waits for {other}"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in declared, volume
        for config in service.get("configs", []):
            assert config["source"] in compose["configs"]


def test_no_registry_is_named(compose, dockerfile):
    """Docker's short names only: which registry they come from is the machine's own business."""
    images = [service["image"] for service in compose["services"].values()]
    images += [value.split()[0] for value in values(dockerfile, "FROM")]
    assert len(images) > 6
    for image in images:
        first, slash, _ = image.partition("/")
        assert not slash or not set(first) & {".", ":"}, image


def test_the_keys_are_such_as_garage_takes(compose):
    def default(text: str) -> str:
        return re.fullmatch(r"\$\{[A-Z0-9_]+:-(.*)\}", text)[1]

    garage, node = compose["services"]["garage"]["environment"], compose["services"]["node-a"]["environment"]
    assert re.fullmatch("GK[0-9a-f]{24}", default(garage["GARAGE_DEFAULT_ACCESS_KEY"]))
    for secret in ("GARAGE_DEFAULT_SECRET_KEY", "GARAGE_RPC_SECRET"):
        assert re.fullmatch("[0-9a-f]{64}", default(garage[secret]))
    assert node["AWS_ACCESS_KEY_ID"] == garage["GARAGE_DEFAULT_ACCESS_KEY"]
    assert node["AWS_SECRET_ACCESS_KEY"] == garage["GARAGE_DEFAULT_SECRET_KEY"]
    assert node["CHEESESHOP_BLOBS"] == f"s3://{garage['GARAGE_DEFAULT_BUCKET']}"


def test_nginx_finds_the_nodes_in_the_composition(compose, tmp_path):
    """The composition's nginx changes addresses in the file that is for one machine."""
    _, _, script = compose["services"]["nginx"]["command"]
    edit = script.partition(" && ")[0]
    for place, path in [("/etc/cheeseshop/nginx.conf", NGINX), ("/etc/nginx/conf.d/default.conf", tmp_path / "default.conf")]:
        assert place in edit
        edit = edit.replace(place, str(path))
    subprocess.run(["sh", "-c", edit], check=True)
    text = (tmp_path / "default.conf").read_text()
    for wanted in ("server node-a:3141 ", "server node-b:3141 ", "listen 80;"):
        assert text.count(wanted) == 1, text
    assert "127.0.0.1" not in text


@pytest.mark.skipif(not shutil.which("nginx"), reason="there is no nginx here")
def test_nginx_takes_its_file(tmp_path):
    paths = "".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}} http {{ access_log off; {paths} include {NGINX}; }}")
    tested = subprocess.run(["nginx", "-t", "-c", whole], capture_output=True, text=True, check=False)
    assert tested.returncode == 0 and "[warn]" not in tested.stderr, tested.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here")
def test_systemd_takes_its_unit(tmp_path):
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/cheeseshop serve", f"{BINARY} serve"))
    assert str(BINARY) in unit.read_text()
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert verified.returncode == 0 and not verified.stderr.strip(), verified.stderr
