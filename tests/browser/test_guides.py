"""The texts for copying are true: pasted as they stand, with a token where the word TOKEN is, each tool installs and uploads with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from kit import guides
from kit.guides import Person
from kit.shop import Shop
from kit.views import Looker
from support.artifacts import wheel
from support.installers import CONSUMER
from support.node import Node
from support.projects import write_project
from support.tools import BACKENDS_PYTHON, Workshop
from support.uploads import must_upload

Look = Callable[..., AbstractContextManager[Looker]]
Guide = dict[str, str]


class House(Shop):
    """alice has an index for everybody and one for herself, with a package in each; her token reads and uploads."""

    token = ""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    server = Node(tmp_path_factory.mktemp("guides"), "--upstream", "none")
    house = House(server, {"root": server.root, "alice": server.add_user("alice")})
    for name, options in (("open", {}), ("shut", {"acl_read": ["alice"]})):
        must_upload(server.add_index(f"alice/{name}", volatile=False, **options), house.people["alice"], wheel("offered", "1.0"))
    house.token = server.add_token(house.people["alice"], "read,upload")
    yield house
    house.stop()


@pytest.fixture
def index(request: pytest.FixtureRequest) -> str:
    """The shut one, whose texts have all that the open one's have, and credentials; both where a test says so."""
    return getattr(request, "param", "alice/shut")


both = pytest.mark.parametrize("index", ["alice/open", "alice/shut"], indirect=True)


@pytest.fixture
def person(workshop: Workshop, house: House) -> Person:
    return Person(workshop, house.token)


@pytest.fixture
def guide(house: House, index: str, look: Look) -> Callable[[str], list[str]]:
    """`guide("uv")`: the texts of a tool's guide, as the page of the index shows them to alice."""

    def read(tool: str) -> list[str]:
        with look(house, who="alice") as looker:
            return list(guides.read(looker.open(f"/{index}"))[tool].values())

    return read


def project(person: Person, text: str = "", backend: str = "") -> Path:
    """A folder with a pyproject.toml that needs nothing yet; the given text stands at its end."""
    folder = person.workshop.home / "consumer"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(CONSUMER + backend)
    person.save(text, folder / "pyproject.toml")
    return folder


def sources(person: Person, tool: str, backend: str = "flit_core", built: bool = True) -> Path:
    """A project to publish, with the files in `dist` unless the tool builds them itself."""
    folder = write_project(person.workshop.home / "sources", f"from-{tool}", "1.0", backend=backend)
    if built:
        person.workshop.run(str(BACKENDS_PYTHON), "-m", "build", "--no-isolation", folder)
    return folder


def imported(person: Person, python: Path) -> None:
    person.workshop.run(str(python), "-c", "import offered")


@both
def test_pip(house: House, index: str, person: Person, guide: Callable[[str], list[str]]):
    """Its file, its variable."""
    conf, variable = guide("pip")
    for name, paste in (("file", lambda: person.save(conf, person.home / ".config/pip/pip.conf") or ""), ("variable", lambda: variable)):
        python = person.workshop.venv(name)
        person.type(f"{paste()}\npip --python {python} install offered", person.home)
        imported(person, python)
        (person.home / ".config/pip/pip.conf").unlink(missing_ok=True)


@both
def test_uv(house: House, index: str, person: Person, guide: Callable[[str], list[str]]):
    """Both of its files; credentials from the shell where reading needs some; then an upload."""
    pyproject, settings, *credentials, upload = guide("uv")
    exports = "\n".join(credentials)
    folder = project(person, pyproject)
    person.type(f"{exports}\nuv add offered", folder)
    imported(person, folder / ".venv/bin/python")
    person.save(settings, person.home / ".config/uv/uv.toml")
    python = person.workshop.venv()
    person.type(f"{exports}\nuv pip install --python {python} offered", person.home)
    imported(person, python)
    made = sources(person, "uv")
    person.save(pyproject, made / "pyproject.toml")
    person.type(f"{exports}\n{upload}", made)
    assert house.server.index(index).filenames("from-uv", house.people["alice"].auth)


def test_poetry(house: House, index: str, person: Person, guide: Callable[[str], list[str]]):
    source, *commands, upload = guide("Poetry")
    folder = project(person, source, backend="[tool.poetry]\npackage-mode = false\n\n")
    person.type("\n".join([*commands, "poetry add offered"]), folder)
    imported(person, folder / ".venv/bin/python")
    person.type(upload, sources(person, "poetry", "poetry-core", built=False))
    assert house.server.index(index).filenames("from-poetry", house.people["alice"].auth)


def test_pdm(house: House, index: str, person: Person, guide: Callable[[str], list[str]]):
    """The files are built before, because PDM would fetch its backend from this index, which has none."""
    source, *commands, upload = guide("PDM")
    folder = project(person, source, backend="[tool.pdm]\ndistribution = false\n\n")
    person.type("\n".join([*commands, "pdm add offered"]), folder)
    imported(person, folder / ".venv/bin/python")
    person.type(upload.replace("pdm publish", "pdm publish --no-build"), sources(person, "pdm", "pdm-backend"))
    assert house.server.index(index).filenames("from-pdm", house.people["alice"].auth)


def test_pipenv(house: House, person: Person, guide: Callable[[str], list[str]]):
    [pipfile] = guide("Pipenv")
    folder = person.workshop.home / "consumer"
    person.save(f'{pipfile}\n\n[packages]\n\n[requires]\npython_version = "*"', folder / "Pipfile")
    person.type("pipenv install offered", folder)
    imported(person, folder / ".venv/bin/python")


def test_hatch(house: House, index: str, person: Person, guide: Callable[[str], list[str]]):
    variables, upload = guide("Hatch")
    folder = project(person, '[tool.hatch.envs.default]\nskip-install = true\ndependencies = ["offered"]')
    person.type(f'{variables}\nhatch run python -c "import offered"', folder)
    person.type(upload, sources(person, "hatch"))
    assert house.server.index(index).filenames("from-hatch", house.people["alice"].auth)


def test_twine_and_flit(house: House, index: str, person: Person, guide: Callable[[str], list[str]]):
    """One file for both; the second command stands behind the first as a remark."""
    pypirc, upload = guide("twine and flit")
    person.save(pypirc, person.home / ".pypirc")
    person.type(upload, sources(person, "twine"))
    alternative = next(line.partition("or: ")[2] for line in upload.splitlines() if "or: " in line)
    person.workshop.run("/bin/mv", person.workshop.home / "sources", person.workshop.home / "uploaded")
    person.type(alternative, sources(person, "flit", built=False))
    for name in ("from-twine", "from-flit"):
        assert house.server.index(index).filenames(name, house.people["alice"].auth), name


def test_devpi(house: House, index: str, person: Person, guide: Callable[[str], list[str]]):
    """The client asks for the password. It builds as the project says, here without fetching flit."""
    [commands] = guide("devpi")
    made = sources(person, "devpi", built=False)
    (made / "setup.cfg").write_text("[devpi:upload]\nno-isolation = true\n")
    person.type(commands, made, typed=f"{house.people['alice'].password}\n")
    assert house.server.index(index).filenames("from-devpi", house.people["alice"].auth)


@pytest.mark.parametrize(
    ("service", "variable"), [("GitHub Actions", "${{ secrets.CHEESESHOP_TOKEN }}"), ("GitLab CI", "${CHEESESHOP_TOKEN}")]
)
def test_pipelines(house: House, index: str, person: Person, guide: Callable[[str], list[str]], service: str, variable: str):
    """What the service makes of it: the variables are set, the secret is filled in, the command runs."""
    [text] = guide(service)
    config = YAML(typ="safe").load(text.replace("\n- run", "\nsteps:\n- run"))
    install, upload = _github(config) if service.startswith("GitHub") else _gitlab(config)

    def filled(variables: dict[str, str]) -> dict[str, str]:
        return {name: value.replace(variable, house.token) for name, value in variables.items()}

    python = person.workshop.venv()
    person.type(f"pip --python {python} install offered", person.home, env=filled(install))
    imported(person, python)
    made = sources(person, "pipeline")
    person.type(upload["command"], made, env=filled(upload["variables"]))
    assert house.server.index(index).filenames("from-pipeline", house.people["alice"].auth)


def _github(config: dict) -> tuple[dict, dict]:
    [step] = config["steps"]
    return config["env"], {"command": step["run"], "variables": config["env"] | step["env"]}


def _gitlab(config: dict) -> tuple[dict, dict]:
    job = config["upload"]
    return config["variables"], {"command": "\n".join(job["script"]), "variables": config["variables"] | job["variables"]}
