"""Conversations with both servers: requests that change something, in order, each with its answer.

Each has users of its own, so that the questions find the house as it was built, whatever ran before.
"""

from __future__ import annotations

from . import wire
from .artifacts import sdist, wheel
from .devpi_questions import INSTALLER, MIRRORED, get
from .devpi_state import SHARED, TOX_RESULT, doc_zip, docs, file_path, form, register, upload, upload_form
from .side_by_side import Ask


def sent(method: str, path: str, text: str, who: str = "") -> Ask:
    """A body that is not what JSON routes expect."""
    return Ask(method, path, who, form=(text.encode(), "application/json"), note=f"body {text!r}")


def user(name: str) -> Ask:
    return Ask("PUT", f"/{name}", "root", {"password": f"{name}-password"})


USERS = [
    Ask("PUT", "/carol", body={"password": "carol-password", "email": "", "title": "C"}),
    Ask("PUT", "/carol", body={"password": "other"}),
    *(Ask("PUT", "/dora", body=body) for body in ({}, {"email": "x"}, {"pwhash": "x"}, {"password": "x", "foo": 1})),
    *(sent("PUT", "/dora", text) for text in ("{", "", "[]", "null")),
    Ask("PUT", "/dora", body={"password": None}),
    Ask("PUT", "/do%20ra", body={"password": "x"}),
    Ask("PUT", "/do+ra", body={"password": "x"}),
    Ask("PUT", "/do:ra", body={"password": "x"}),
    Ask("PUT", "/d%C3%B6ra", body={"password": "x"}),
    Ask("PUT", "/d.o-r_a@x", body={"password": "x", "indexes": {}, "created": "x"}),
    get("/d.o-r_a@x"),
    get("/carol"),
    *(Ask("PATCH", "/carol", "carol", body) for body in ({}, {"title": "Carol", "email": "c@x"}, {"title": ""}, {"custom_data": [1, {}]})),
    Ask("PATCH", "/carol", "carol", {"unknown": 1, "username": "x", "indexes": {}}),
    *(sent("PATCH", "/carol", text, "carol") for text in ("{", "[]")),
    get("/carol"),
    Ask("PATCH", "/carol", "root", {"description": "by root"}),
    Ask("PATCH", "/nobody", "root", {"title": "x"}),
    Ask("DELETE", "/nobody", "root"),
    Ask("PUT", "/carol/kept", "carol", {"volatile": False}),
    Ask("DELETE", "/carol", "carol"),
    Ask("PATCH", "/carol/kept", "carol", ["volatile=True"]),
    Ask("DELETE", "/carol", "carol"),
    get("/carol"),
]

LOGIN = [
    user("erin"),
    Ask("POST", "/+login", body={"user": "erin", "password": "erin-password"}),
    Ask("POST", "/+login", body={"user": "erin", "password": "wrong"}),
    Ask("POST", "/+login", body={"user": "nobody", "password": "x"}),
    *(Ask("POST", "/+login", body=body) for body in ({}, {"user": "erin"}, {"password": "x"}, {"user": None, "password": None})),
    *(sent("POST", "/+login", text) for text in ("{", "", "[]")),
    Ask("PATCH", "/erin", "erin", {"password": "erin-password"}),
    Ask("PATCH", "/erin", "erin", {"password": "changed", "title": "E"}),
    Ask("POST", "/+login", body={"user": "erin", "password": "changed"}),
    Ask("GET", "/+login"),
]

INDEXES = [
    user("fay"),
    Ask("PUT", "/fay/one", "fay", {}),
    Ask("PUT", "/fay/one", "fay", {}),
    Ask("PUT", "/fay/by-root/", "root", {"type": "stage"}),
    Ask("PUT", "/nobody/one", "root", {}),
    Ask("PUT", "/fay/o%20ne", "fay", {}),
    Ask("PUT", "/fay/o:ne", "fay", {}),
    *(Ask("PUT", "/fay/bad", "fay", body) for body in ({"type": "foo"}, {"foo": "bar", "zip": 1}, {"volatile": "x"}, {"volatile": None})),
    *(Ask("PUT", "/fay/bad", "fay", {"bases": bases}) for bases in ("x", "no/such", ["fay/one", "x/y/z"], ["no/such", "x"], "fay", 7)),
    *(Ask("PUT", "/fay/bad", "fay", {"mirror_whitelist_inheritance": word}) for word in ("x", "")),
    *(sent("PUT", "/fay/bad", text, "fay") for text in ("{", "[]", "", "null")),
    Ask("PUT", "/fay/words", "fay", {"volatile": "no", "bases": "/fay/one/, fay/by-root,,", "acl_upload": ":anonymous:,fay, ,:g"}),
    Ask("PUT", "/fay/lists", "fay", {"mirror_whitelist": "A.b, *,C__d", "mirror_whitelist_inheritance": "UNION", "projects": ["x"]}),
    Ask("PUT", "/fay/texts", "fay", {"title": "T", "description": "D", "custom_data": {"a": [1]}, "pypi_whitelist": ["x"]}),
    Ask("PUT", "/fay/rights", "fay", {"acl_upload": [], "acl_toxresult_upload": ":AUTHENTICATED:"}),
    *(get(f"/fay/{name}") for name in ("words", "lists", "texts", "rights")),
    get("/fay"),
    Ask("DELETE", "/fay/words", "fay"),
    Ask("DELETE", "/fay/lists", "fay"),
    Ask("DELETE", "/fay/lists", "fay"),
    get("/fay/lists"),
]

MIRRORS = [
    user("gil"),
    Ask("PUT", "/gil/full", "root", {"type": "mirror", "mirror_url": "http://index.example/simple/", "mirror_cache_expiry": "60"}),
    *(Ask("PUT", "/gil/bad", "root", {"type": "mirror", "mirror_url": url}) for url in ("x", "ftp://index.example/", 5, "", None)),
    *(
        Ask("PUT", "/gil/bad", "root", {"type": "mirror", "mirror_url": "http://index.example/", "mirror_cache_expiry": seconds})
        for seconds in ("x", "1.5", None)
    ),
    Ask("PUT", "/gil/bad", "root", {"type": "mirror", "mirror_url": "http://index.example/", "mirror_no_project_list": "x"}),
    Ask("PUT", "/gil/bad", "root", {"type": "mirror", "mirror_url": "http://index.example/", "foo": "x"}),
    Ask("PUT", "/gil/odd", "root", {"type": "mirror", "mirror_url": "http://index.example/", "bases": "x", "acl_upload": "gil"}),
    Ask("PATCH", "/gil/full", "gil", {"mirror_no_project_list": "yes", "mirror_use_external_urls": True, "title": "T"}),
    Ask("PATCH", "/gil/full", "gil", ["mirror_ignore_serial_header=True", "mirror_provides_core_metadata=no", "mirror_cache_expiry="]),
    Ask("PATCH", "/gil/full", "gil", ["mirror_cache_expiry-=", "title-="]),
    Ask("PATCH", "/gil/full", "gil", {"type": "stage"}),
    get("/gil/full?no_projects="),
    Ask("DELETE", "/gil/full", "gil"),
]

OPTIONS = [
    user("hal"),
    Ask("PUT", "/hal/base", "hal", {}),
    Ask("PUT", "/hal/one", "hal", {"title": "One"}),
    *(
        Ask("PATCH", "/hal/one", "hal", body)
        for body in (
            {},
            [],
            {"bases": ["hal/base"]},
            {"volatile": False, "title": ""},
            {"type": "stage", "volatile": "yes"},
            {"type": "mirror"},
            {"type": "indexconfig", "result": {"type": "stage", "title": "From getjson", "projects": ["a"]}},
            {"foo": "bar"},
            {"bases": "hal/one"},
            {"bases": []},
            {"title": None},
            ["title=Two"],
            ["title="],
            ["title"],
            ["acl_upload+=ann"],
            ["acl_upload+=ann,ben"],
            ["acl_upload-=ann"],
            ["acl_upload-=zoe"],
            ["acl_upload-="],
            ["bases+=hal/base"],
            ["bases+=no/such"],
            ["bases-=hal/base"],
            ["mirror_whitelist+=A.b", "mirror_whitelist+=*"],
            ["mirror_whitelist-=a-b"],
            ["volatile-="],
            ["title-="],
            ["description-="],
            ["description+=x"],
            ["volatile=maybe"],
            ["foo=bar"],
            ["foo+=bar"],
            ["type=mirror"],
            ["custom_data=x=y"],
            ["mirror_whitelist_inheritance=union"],
            ["mirror_whitelist_inheritance=x"],
            ["title=a", "title=b"],
            "text",
            5,
        )
    ),
    *(sent("PATCH", "/hal/one", text, "hal") for text in ("{", "")),
    Ask("PATCH", "/hal/one?error_on_noop", "hal", ["title=b"]),
    Ask("PATCH", "/hal/one?error_on_noop", "hal", ["title=c"]),
    Ask("PATCH", "/hal/none", "hal", {}),
    get("/hal/one"),
]

ITEM, OTHER_ITEM = wheel("item", "1.0", note="one"), wheel("item", "1.0", note="other")


def content(filename: str, data: bytes = b"x") -> wire.FilePart:
    return wire.FilePart(filename, data, content_type=None)


def posted(index: str, who: str, note: str, **fields) -> Ask:
    return Ask("POST", f"/{index}/", who, form=form(**fields), accept="*/*", note=note)


MANUAL = doc_zip("a manual")
REGISTERED = (b"%3Aaction=submit&name=plan&version=1.5&metadata_version=2.1&summary=pushed", "application/x-www-form-urlencoded")
FIELDS = {"name": "item", "version": "1.0", "metadata_version": "2.1"}

UPLOADS = [
    user("ian"),
    Ask("PUT", "/ian/soft", "ian", {}),
    Ask("PUT", "/ian/hard", "ian", {"volatile": False}),
    Ask("PUT", "/ian/odd", "ian", {}),
    posted("ian/soft", "ian", "no action", **FIELDS, content=content("item-1.0.zip")),
    posted("ian/soft", "ian", "unknown action", action="dance", **FIELDS),
    posted("ian/soft", "ian", "no content", action="file_upload", **FIELDS),
    posted("ian/soft", "ian", "content is no file", action="file_upload", **FIELDS, content="text"),
    *(
        posted("ian/soft", "ian", f"name {name}", action="file_upload", **FIELDS, content=content(name))
        for name in ("item-2.0.tar.gz", "item-1.0.txt", "other-1.0.tar.gz", "item.tar.gz", "a/item-1.0.tar.gz")
    ),
    *(
        posted("ian/soft", "ian", f"project {name}", action="file_upload", name=name, version="1.0", content=content("item-1.0.zip"))
        for name in ("-item", "it em", "item<")
    ),
    Ask("POST", "/ian/soft", "ian", form=upload_form(ITEM), accept="*/*", note="without slash"),
    upload("ian/soft", ITEM, "ian", note="again"),
    upload("ian/soft", OTHER_ITEM, "ian", note="overwrite"),
    upload("ian/soft", sdist("item", "1.0"), "ian", note="UNKNOWN", summary="UNKNOWN", home_page="UNKNOWN", author="A"),
    get("/ian/soft/item"),
    upload("ian/hard", ITEM, "ian", note="first"),
    upload("ian/hard", ITEM, "ian", note="identical"),
    upload("ian/hard", OTHER_ITEM, "ian", note="conflict"),
    upload("ian/hard", wheel("Other.Item", "1.0"), "ian", note="other"),
    upload("ian/hard", sdist("other_item", "1.0"), "ian", note="other spelling"),
    get("/ian/hard/other-item"),
    get("/ian/hard"),
    register("ian/soft", "plan", "1.0", "ian", summary="S", license="MIT", keywords="a,b", requires_dist="x>1", project_urls="H, http://x"),
    get("/ian/soft/plan"),
    register("ian/soft", "plan", "1.0", "ian"),
    Ask("POST", "/ian/soft/", "ian", form=REGISTERED, accept="*/*", note="register in the form that devpi-server pushes"),
    get("/ian/soft/plan/1.0"),
    get("/ian/soft/+simple/plan/", accept=wire.SIMPLE_JSON),
    posted("ian/soft", "ian", "register without version", action="submit", name="plan", metadata_version="2.1"),
    posted("ian/soft", "ian", "register without name", action="submit", version="1.0", metadata_version="2.1"),
    posted("ian/soft", "ian", "register with empty version", action="submit", name="plan", version="", metadata_version="2.1"),
    docs("ian/soft", "plan", "1.0", "one", "ian"),
    docs("ian/soft", "plan", "1.0", "two", "ian"),
    docs("ian/soft", "plan", "3.0", "new version", "ian"),
    posted("ian/soft", "ian", "docs of the newest", action="doc_upload", name="plan", content=content("plan.doc.zip", MANUAL)),
    posted("ian/soft", "ian", "docs of nothing", action="doc_upload", name="nothing", content=content("nothing.doc.zip", MANUAL)),
    posted("ian/soft", "ian", "docs, empty version", action="doc_upload", name="plan", version="", content=content("plan.doc.zip", MANUAL)),
    posted("ian/soft", "ian", "docs without content", action="doc_upload", name="plan", version="1.0"),
    docs("ian/hard", "item", "1.0", "one", "ian"),
    docs("ian/hard", "item", "1.0", "one", "ian"),
    docs("ian/hard", "item", "1.0", "two", "ian"),
    get("/ian/soft/plan"),
    get("/ian/hard/item"),
    get("/ian/soft"),
    posted("ian/odd", "ian", "no name", action="file_upload", version="1.0", content=content("item-1.0.zip")),
    posted("ian/odd", "ian", "no version", action="file_upload", name="item", content=content("item-1.0.zip")),
    posted("ian/odd", "ian", "docs that are no archive", action="doc_upload", name="plan", version="1.0", content=content("plan.doc.zip")),
]

REMOVALS = [
    user("joe"),
    Ask("PUT", "/joe/soft", "joe", {}),
    Ask("PUT", "/joe/hard", "joe", {"volatile": False, "acl_upload": []}),
    Ask("PATCH", "/joe/hard", "joe", {"acl_upload": ["joe"]}),
    *(upload(index, wheel("thing", version), "joe") for index in ("joe/soft", "joe/hard") for version in ("1.0", "1.1", "1.2")),
    upload("joe/soft", sdist("thing", "1.1"), "joe"),
    Ask("POST", file_path("joe/soft", sdist("thing", "1.1")), "joe", TOX_RESULT, note="tox result"),
    Ask("DELETE", "/joe/soft/none", "joe"),
    Ask("DELETE", "/joe/soft/thing/9.9", "joe"),
    Ask("DELETE", "/joe/soft/none/1.0", "joe"),
    Ask("DELETE", "/joe/soft/thing/1.0", "joe"),
    Ask("DELETE", "/joe/soft/thing/1.0", "joe"),
    Ask("DELETE", file_path("joe/soft", sdist("thing", "1.1")), "joe"),
    Ask("DELETE", file_path("joe/soft", sdist("thing", "1.1")), "joe"),
    Ask("DELETE", file_path("joe/soft", wheel("never", "1.0")), "joe"),
    get("/joe/soft/thing"),
    Ask("DELETE", file_path("joe/soft", wheel("thing", "1.1")), "joe"),
    get("/joe/soft/thing/1.1"),
    Ask("DELETE", "/joe/soft/Thing/", "joe"),
    get("/joe/soft/thing"),
    get("/joe/soft"),
    Ask("DELETE", "/joe/hard/thing/1.0?force=", "joe"),
    Ask("DELETE", file_path("joe/hard", wheel("thing", "1.1")) + "?force=", "joe"),
    get("/joe/hard/thing"),
    Ask("DELETE", "/joe/hard/thing?force=", "root"),
    get("/joe/hard/thing"),
    get("/joe/hard/+simple/thing/", accept="text/html", headers=INSTALLER),
    upload("joe/hard", wheel("thing", "1.0"), "joe", note="after its removal"),
    Ask("DELETE", "/alice/mirror/none", "alice"),
    Ask("DELETE", "/joe/soft", "joe"),
]


def push(who: str, body: dict, method: str = "PUSH", source: str = "kim/from") -> Ask:
    return Ask(method, f"/{source}", who, body)


TO = {"targetindex": "kim/to"}
PART = {"name": "part", "version": "1.0"}

PUSHES = [
    user("kim"),
    *(Ask("PUT", f"/kim/{name}", "kim", {"volatile": name != "to", "acl_upload": ["kim"]}) for name in ("from", "to", "docs", "both")),
    upload("kim/from", wheel("part", "1.0"), "kim"),
    upload("kim/from", sdist("part", "1.0"), "kim"),
    docs("kim/from", "part", "1.0", "one", "kim"),
    Ask("POST", file_path("kim/from", wheel("part", "1.0")), "kim", TOX_RESULT, note="tox result"),
    register("kim/from", "bare", "1.0", "kim"),
    *(push("kim", {**PART, **TO, **more}) for more in ({"name": "none"}, {"version": "9"}, {"foo": 1, "bar": 2})),
    *(push("kim", {**PART, "targetindex": target}) for target in ("x", "kim/none", "a/b/c")),
    push("kim", {"name": "bare", "version": "1.0", **TO}),
    push("kim", {**PART, **TO, "no_docs": True, "only_docs": True}),
    push("", {**PART, **TO}),
    push("bob", {**PART, **TO}),
    push("kim", PART),
    push("kim", TO),
    sent("PUSH", "/kim/from", "{", "kim"),
    sent("PUSH", "/kim/from", "[]", "kim"),
    push("kim", {**PART, **TO, "no_docs": True}),
    push("kim", {**PART, "targetindex": "kim/docs", "only_docs": True}),
    push("kim", {**PART, "targetindex": "kim/both"}, method="POST"),
    push("kim", {**PART, **TO}),
    *(get(f"/kim/{name}/part") for name in ("from", "to", "docs", "both")),
    upload("kim/from", wheel("part", "1.0", note="changed"), "kim", note="overwrite"),
    push("kim", {**PART, **TO}, method="POST"),
    push("kim", {"name": "upstream-lib", "version": "1.0", "targetindex": "kim/both"}, source="alice/mirror"),
    get("/kim/both/upstream-lib"),
    push("kim", {"name": "Part", "version": "1.0", "targetindex": "kim/docs"}),
]

TOX = [
    user("lea"),
    Ask("PUT", "/lea/all", "lea", {}),
    Ask("PUT", "/lea/own", "lea", {"acl_toxresult_upload": ["lea"]}),
    *(upload(index, wheel("proof", "1.0"), "lea") for index in ("lea/all", "lea/own")),
    *(Ask("POST", file_path("lea/own", wheel("proof", "1.0")), who, TOX_RESULT) for who in ("", "bob", "lea")),
    Ask("POST", file_path("lea/all", wheel("proof", "1.0")), "", TOX_RESULT),
    Ask("POST", file_path("lea/all", wheel("proof", "1.0")), "", {"testenvs": {}}),
    sent("POST", file_path("lea/all", wheel("proof", "1.0")), "{"),
    Ask("POST", file_path("lea/all", wheel("proof", "2.0")), "", TOX_RESULT),
    Ask("POST", file_path("alice/mirror", MIRRORED), "", TOX_RESULT),
    get("/lea/all/proof"),
    get("/lea/own/proof"),
]

PROJECTS_OF_MIRROR = ("upstream-lib", "shared-lib", "allowed-lib")


def inheriting(name: str, upper: dict, lower: dict) -> list[Ask]:
    """`upper` inherits `lower`, which inherits the mirror and has a project that the mirror has too; what does each of them show?"""
    return [
        Ask("PUT", f"/mia/{name}-lower", "mia", {"bases": ["alice/mirror"], **lower}),
        Ask("PUT", f"/mia/{name}-upper", "mia", {"bases": [f"mia/{name}-lower"], **upper}),
        upload(f"mia/{name}-lower", SHARED, "mia"),
        *(
            get(f"/mia/{name}-{level}/+simple/{project}/", accept=wire.SIMPLE_JSON)
            for level in ("upper", "lower")
            for project in PROJECTS_OF_MIRROR
        ),
        get(f"/mia/{name}-upper/shared-lib"),
    ]


ALL, SOME, UNION = {"mirror_whitelist": "*"}, {"mirror_whitelist": "shared-lib"}, {"mirror_whitelist_inheritance": "union"}

INHERITANCE = [
    user("mia"),
    *inheriting("neither", {}, {}),
    *inheriting("upper", SOME, {}),
    *inheriting("lower", {}, SOME),
    *inheriting("both", SOME, SOME),
    *inheriting("mixed", ALL, SOME),
    *inheriting("union", SOME | UNION, UNION),
    *inheriting("union-below", UNION, SOME),
    Ask("PATCH", "/mia/union-lower", "mia", ["bases=mia/union-upper,alice/mirror"], note="a cycle"),
    get("/mia/union-upper/shared-lib"),
    Ask("DELETE", "/mia/both-lower", "mia"),
    get("/mia/both-upper/shared-lib"),
    get("/mia/both-upper/+simple/upstream-lib/", accept=wire.SIMPLE_JSON),
]

CONVERSATIONS = {
    "users": USERS,
    "login": LOGIN,
    "indexes": INDEXES,
    "mirrors": MIRRORS,
    "options": OPTIONS,
    "uploads": UPLOADS,
    "removals": REMOVALS,
    "pushes": PUSHES,
    "tox results": TOX,
    "inheritance": INHERITANCE,
}
