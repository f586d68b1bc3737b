"""Every way in which a devpi client says who it is, to a real devpi-server and to Cheeseshop: who each takes the caller for."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import pytest

from support import wire
from support.artifacts import wheel
from support.devpi_state import upload_form
from support.side_by_side import Ask, Pair, Side, differences, judge

OWNER = "vera"


@pytest.fixture(scope="session", autouse=True)
def vera(pair: Pair) -> None:
    """The same user with the same indexes on both servers; she may upload to `vera/own`, and not to `vera/shut`."""
    for side in (pair.theirs, pair.ours):
        for ask in (
            Ask("PUT", f"/{OWNER}", "root", {"password": f"{OWNER}-password"}),
            Ask("PUT", f"/{OWNER}/own", OWNER, {}),
            Ask("PUT", f"/{OWNER}/shut", OWNER, {"acl_upload": ["root"]}),
        ):
            assert (answer := side.ask(ask)).status in (200, 201), answer.text


def devpi_auth(user: str, secret: str) -> dict[str, str]:
    return {"X-Devpi-Auth": base64.b64encode(f"{user}:{secret}".encode()).decode()}


def login(side: Side) -> str:
    """The token that `devpi login` gets."""
    return side.ask(Ask("POST", "/+login", body={"user": OWNER, "password": side.password(OWNER)})).json()["result"]["password"]


def devpi_token(**restrictions: object) -> Callable[[Side], str]:
    """A token of the plugin devpi-tokens."""

    def made(side: Side) -> str:
        answer = side.ask(Ask("POST", f"/{OWNER}/+token-create", OWNER, restrictions))
        assert answer.status == 200, answer.text
        return answer.json()["result"]["token"]

    return made


SECRETS: dict[str, Callable[[Side], str]] = {
    "password": lambda side: side.password(OWNER),
    "login token": login,
    "devpi token": devpi_token(),
    "wrong password": lambda side: "wrong",
    "empty password": lambda side: "",
    "cut login token": lambda side: login(side)[:-3],
}
OF_WHOM = [
    *((secret, user) for secret in ("password", "login token", "devpi token") for user in (OWNER, "bob", "nobody", "__token__", "")),
    *((secret, OWNER) for secret in ("wrong password", "empty password", "cut login token")),
]
WAYS = {"X-Devpi-Auth": devpi_auth, "Basic": wire.basic}
RIGHTS: dict[str, dict[str, object]] = {
    "to upload": {"allowed": ["upload"]},
    "to read": {"allowed": ["pkg_read"]},
    "for the index": {"indexes": [f"{OWNER}/own"]},
    "for another index": {"indexes": [f"{OWNER}/shut"]},
    "for the project": {"projects": ["tool"]},
    "for another project": {"projects": ["other"]},
    "for later": {"not_before": 4000000000},
}
MALFORMED = {
    "not base64": {"X-Devpi-Auth": "%%%"},
    "no colon": {"X-Devpi-Auth": base64.b64encode(b"vera").decode()},
    "not UTF-8": {"X-Devpi-Auth": base64.b64encode(b"\xff:\xff").decode()},
    "empty header": {"X-Devpi-Auth": ""},
    "unknown scheme": {"Authorization": "Digest vera"},
    "Basic without base64": {"Authorization": "Basic %%%"},
}


def asked(headers: dict[str, str]) -> Iterator[Ask]:
    """Who am I; may I read; may I upload, here and there; may I change my index; may I change myself."""
    tool = upload_form(wheel("tool", "1.0"))
    yield Ask("GET", "/+api", headers=headers)
    yield Ask("GET", "/alice/dev/+simple/my-lib/", accept=wire.SIMPLE_JSON, headers=headers)
    yield Ask("POST", f"/{OWNER}/own/", form=tool, accept="*/*", headers=headers, note="upload")
    yield Ask("POST", f"/{OWNER}/shut/", form=tool, accept="*/*", headers=headers, note="upload to another index")
    yield Ask("PATCH", f"/{OWNER}/own", body={}, headers=headers)
    yield Ask("PATCH", f"/{OWNER}", body={}, headers=headers)
    yield Ask("DELETE", f"/{OWNER}/own/tool", headers=headers)


def outcome(side: Side, headers: dict[str, str]) -> dict[str, object]:
    """The status of each answer, and the name under which the caller is known."""
    answers = {f"{ask.method} {ask.note or ask.path}": side.ask(ask) for ask in asked(headers)}
    known = answers["GET /+api"].json().get("result", {}).get("authstatus")
    return {"authstatus": known, **{name: answer.status for name, answer in answers.items()}}


def compare(pair: Pair, name: str, headers: Callable[[Side], dict[str, str]]) -> None:
    """The name of the case says also whether devpi refuses what is sent."""
    sent = headers(pair.theirs)
    theirs, ours = outcome(pair.theirs, sent), outcome(pair.ours, headers(pair.ours))
    refused = (theirs["authstatus"] or ["noauth"])[0] == "noauth"
    case = f"{'refused' if refused else 'accepted'} {' and '.join(sent)}: {name}"
    judge(case, list(differences(theirs, ours)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("secret, user", OF_WHOM)
def test_secret(pair: Pair, way: str, user: str, secret: str):
    compare(pair, f"{secret} of {user or 'no name'} by {way}", lambda side: WAYS[way](user, SECRETS[secret](side)))


@pytest.mark.parametrize("secret", [secret for secret in SECRETS if secret != "login token"])
def test_bearer(pair: Pair, secret: str):
    """Only devpi-tokens are bearer tokens there. (Here the token of a login is one too.)"""
    compare(pair, f"{secret} by Bearer", lambda side: {"Authorization": f"Bearer {SECRETS[secret](side)}"})


@pytest.mark.parametrize("way", WAYS)
def test_token_as_name(pair: Pair, way: str):
    """A devpi-token names its user, so it can be sent as the user's name, with an empty password."""
    compare(pair, f"devpi token as name by {way}", lambda side: WAYS[way](devpi_token()(side), ""))


@pytest.mark.parametrize("rights", RIGHTS)
def test_restricted_token(pair: Pair, rights: str):
    compare(pair, f"devpi token {rights}", lambda side: devpi_auth(OWNER, devpi_token(**RIGHTS[rights])(side)))


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_header(pair: Pair, name: str):
    compare(pair, f"malformed: {name}", lambda side: MALFORMED[name])
