"""Questions that are asked of both servers and change nothing. The house that they are about is built by `devpi_state.py`."""

from __future__ import annotations

from . import wire
from .devpi_state import (
    ALLOWED,
    GONE,
    LIB_1_1,
    LIB_FIRST_1_1,
    LIB_SDIST,
    LIB_WHEEL,
    REMOVED,
    SHARED,
    UPSTREAM_FILES,
    file_path,
    upload,
    upload_form,
)
from .side_by_side import Ask

INSTALLER = {"User-Agent": "pip/26.3 {}"}
BROWSER = {"User-Agent": "Mozilla/5.0"}
WRONG_PASSWORD = {"X-Devpi-Auth": wire.basic("alice", "wrong")["Authorization"].removeprefix("Basic ")}
RIGHT_BASIC = wire.basic("alice", "alice-password")
MIRRORED, YANKED = UPSTREAM_FILES[0], UPSTREAM_FILES[2]


def get(path: str, who: str = "", **more) -> Ask:
    return Ask("GET", path, who, **more)


API = [
    *(get(path) for path in ("/+api", "/alice/+api", "/nobody/+api", "/alice/dev/+api", "/alice/mirror/+api", "/alice/none/+api")),
    get("/+api", accept=""),
    get("/+api", accept="text/html"),
    get("/alice/dev/+api", "alice"),
    get("/+api", headers=WRONG_PASSWORD, note="wrong password"),
    get("/+api", headers=RIGHT_BASIC, note="Basic"),
    get("/+api", headers=RIGHT_BASIC | WRONG_PASSWORD, note="right Basic, wrong X-Devpi-Auth"),
    get("/+api", headers={"X-Outside-Url": "http://index.example/shop"}),
]

LISTS = [
    *(get(path) for path in ("/alice", "/alice/", "/bob", "/nobody", "/alice/dev", "/alice/dev/", "/alice/dev?no_projects=")),
    *(get(path) for path in ("/alice/prod?no_projects=", "/alice/mirror?no_projects=", "/alice/mirror", "/bob/open", "/alice/none")),
    *(get(path) for path in ("/nobody/dev", "/alice/none/lib", "/+nothing", "/alice/dev/+nothing", "/alice/dev/lib/1.0/more/of/it")),
    get("/alice/dev", accept=""),
    get("/alice/dev", accept="*/*"),
    Ask("HEAD", "/alice/dev"),
]

PROJECTS = [
    *(get(f"/alice/dev/{project}") for project in ("my-lib", "half-gone", "gone-lib", "shared-lib", "allowed-lib", "upstream-lib", "none")),
    *(get(f"/alice/prod/{project}") for project in ("my-lib", "my-lib/", "upstream-lib", "shared-lib", "allowed-lib")),
    *(get(f"/alice/mirror/{project}") for project in ("upstream-lib", "shared-lib", "none")),
    *(get(f"/alice/prod/{project}?ignore_bases=") for project in ("my-lib", "upstream-lib")),
    get("/alice/dev/My.Lib/"),
    get("/alice/dev/My.Lib/?ignore_bases="),
    get("/alice/dev/my-lib", accept="*/*"),
    get("/alice/dev/my-lib", accept=""),
]

VERSIONS = [
    *(get(f"/alice/dev/my-lib/{version}") for version in ("1.0", "1.0/", "1.1", "2.0", "9.9", "1.0.0")),
    *(get(f"/alice/prod/{rest}") for rest in ("my-lib/1.0", "upstream-lib/1.0", "my-lib/2.0", "none/1.0")),
    *(get(f"/alice/mirror/upstream-lib/{version}") for version in ("1.0", "0.9", "7.0")),
    get("/alice/dev/My.Lib/1.0"),
]

FILES = [
    *(get(file_path("alice/dev", artifact)) for artifact in (LIB_SDIST, LIB_WHEEL, LIB_1_1, LIB_FIRST_1_1, REMOVED, GONE)),
    *(get(file_path("alice/mirror", artifact)) for artifact in (MIRRORED, YANKED)),
    *(get(file_path("alice/dev", artifact), accept="*/*") for artifact in (LIB_SDIST, LIB_WHEEL, LIB_FIRST_1_1, REMOVED, GONE)),
    get(file_path("alice/mirror", MIRRORED), accept="*/*"),
    get(file_path("alice/prod", LIB_SDIST), accept="*/*"),
    get(file_path("alice/dev", LIB_SDIST).replace("+f", "%2Bf"), accept="*/*"),
    get("/alice/dev/+f/000/0000000000000/none-1.0.tar.gz", accept="*/*"),
    get("/alice/dev/+f/000/0000000000000/none-1.0.tar.gz"),
    get("/alice/none/+f/000/0000000000000/none-1.0.tar.gz"),
    Ask("HEAD", file_path("alice/dev", LIB_WHEEL), accept="*/*"),
]

PAGES = [
    *(
        get(f"/alice/{index}/+simple/{project}", accept=accept, headers=headers)
        for index in ("dev", "prod", "mirror")
        for project in ("", "my-lib/", "upstream-lib/", "shared-lib/", "allowed-lib/", "half-gone/", "gone-lib/", "none/")
        for accept, headers in ((wire.SIMPLE_JSON, {}), ("text/html", INSTALLER), ("text/html", BROWSER))
    ),
    *(
        get(f"/{path}", accept="text/html", headers=INSTALLER)
        for path in ("alice/dev", "alice/dev/", "alice/dev/my-lib", "alice/dev/my-lib/", "alice/dev/+simple", "alice/dev/+simple/my-lib")
    ),
    get("/bob/open/+simple/", accept="text/html", headers=INSTALLER),
    *(get(path, accept="text/html", headers=BROWSER) for path in ("/alice/dev/+simple", "/alice/dev/+simple/my-lib")),
    *(get(f"/alice/dev/+simple/{name}", accept="text/html", headers=INSTALLER) for name in ("My.Lib/", "my_lib/", "MY--LIB")),
    get("/alice/none/+simple/", accept="text/html", headers=INSTALLER),
    get("/alice/none/+simple/my-lib/", accept="text/html", headers=INSTALLER),
    get("/alice/dev", accept=wire.SIMPLE_JSON),
]

REFUSED = [
    *(Ask(method, "/alice/dev", who, body={}) for method in ("PATCH", "PUT") for who in ("", "bob")),
    *(Ask(method, "/alice/none", who, body={}) for method in ("PATCH", "PUT") for who in ("", "bob")),
    *(Ask("DELETE", path, who) for path in ("/alice/dev", "/alice/none", "/alice", "/nobody") for who in ("", "bob")),
    *(Ask("DELETE", f"/alice/dev/{rest}", who) for rest in ("my-lib", "my-lib/1.0", "none", "none/1.0") for who in ("", "bob")),
    *(Ask("DELETE", file_path("alice/dev", artifact), who) for artifact in (SHARED, GONE) for who in ("", "bob")),
    *(Ask("PATCH", path, who, body={"title": "x"}) for path in ("/alice", "/nobody", "/root") for who in ("", "bob")),
    *(Ask("PATCH", "/alice", who, body={"password": "x"}) for who in ("", "bob")),
    *(upload("alice/prod", ALLOWED, who, note=f"of {who or 'nobody'}") for who in ("", "root")),
    upload("alice/mirror", ALLOWED, "alice", note="to a mirror"),
    upload("alice/none", ALLOWED, "alice", note="to an index that is not there"),
    Ask("POST", "/alice/prod/", form=upload_form(ALLOWED), accept="*/*", headers=wire.basic("alice", "wrong"), note="wrong Basic"),
    Ask("POST", "/alice/dev/+simple/", "alice", form=upload_form(ALLOWED), accept="*/*", note="to the simple page"),
    Ask("DELETE", "/alice/prod", "alice"),
    Ask("DELETE", "/alice/prod/my-lib", "alice"),
    Ask("DELETE", "/alice/prod/my-lib/1.0", "alice"),
    Ask("DELETE", file_path("alice/prod", LIB_SDIST), "alice"),
    Ask("DELETE", "/alice", "alice"),
    Ask("DELETE", "/root", "root"),
    Ask("POST", "/alice/dev/+simple/none/refresh", accept="*/*"),
]

OTHERS = [
    get("/alice/unused"),
    get("/alice/unused/+simple/", accept=wire.SIMPLE_JSON),
    *(get(f"/alice/plain/{rest}") for rest in ("plain-lib", "plain-lib/1.0")),
    get("/alice/plain/+simple/plain-lib/", accept=wire.SIMPLE_JSON),
    *(Ask("POST", f"/alice/{index}/+simple/upstream-lib/refresh", accept="*/*") for index in ("dev", "mirror")),
    Ask("POST", "/alice/dev/+simple/my-lib/refresh", accept="*/*"),
    *(Ask(method, "/alice/dev/my-lib", "alice", note="no such method") for method in ("POST", "PUT", "PATCH")),
    *(Ask(method, "/", "root", note="no such method") for method in ("PUT", "DELETE")),
    Ask("HEAD", "/alice/dev/+simple/my-lib/", accept="text/html", headers=INSTALLER),
    get("/alice/dev/+simple/my-lib/", accept="application/vnd.pypi.simple.latest+json", headers=INSTALLER),
]

READS = API + LISTS + PROJECTS + VERSIONS + FILES + PAGES + REFUSED + OTHERS
