"""Where Cheeseshop answers otherwise than devpi-server 6.20.3 on purpose. Each entry is a decision; one that is no longer true fails."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """`where`: which cases; `line`: which difference in each of them, as the tests print it; `…` stands for anything in both.

    Every case that `where` names, those that `unless` names aside, must show the difference: write it as narrow as it is true.
    """

    where: str
    line: str
    reason: str
    unless: str = "nothing"
    sometimes: bool = False
    """Whether the same words name cases that do not differ too: a command that is typed more than once."""

    def covers(self, case: str) -> bool:
        return _matches(self.where, case) and not _matches(self.unless, case)

    def explains(self, line: str) -> bool:
        return _matches(self.line, line)


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), text, re.DOTALL) is not None


OUR_OPTIONS = ("acl_read", "upload_checks")
"""Options of an index that devpi does not know: additions, left out of every comparison."""

SAME_AGAIN = "The same bytes again are no conflict: a job may be run twice."
FRAMEWORK = "devpi leaves the words to its web framework; these are ours."
TOO_HIGH = "devpi's links lead one folder too high from an address without a slash."
ANY_NAME = "refused …: devpi token of __token__ by …"
ANY_NAME_HERE = "refused X-Devpi-Auth: devpi token of __token__ by …"
DEVPI_TOKEN = "refused …: devpi token …"
UNFIT_TOKEN = "refused X-Devpi-Auth: devpi token …"

DIFFERENCES = (
    # Who the caller is
    Difference(
        "refused Authorization: …", "… -> 401", "A wrong `Authorization` is an error: whoever sends it wants to be known.", ANY_NAME
    ),
    Difference(
        "refused Authorization: …", 'authstatus: ["noauth", "", []] -> null', "There is no status, but an error.", DEVPI_TOKEN
    ),
    Difference(ANY_NAME, "… -> 200", "Whoever uploads with twine names a token's owner so."),
    Difference(ANY_NAME, 'authstatus: null -> ["ok", "vera", []]', "The token says whose it is."),
    Difference(UNFIT_TOKEN, "GET /+api: 403 -> 200", "A wrong `X-Devpi-Auth` is nobody's, whatever is wrong with it."),
    Difference(UNFIT_TOKEN, "POST upload…: 403 -> 401", "As with a wrong password.", ANY_NAME_HERE),
    Difference(UNFIT_TOKEN, 'authstatus: null -> ["noauth", "", []]', "It is nobody's.", ANY_NAME_HERE),
    Difference("accepted …: devpi token for …the…project", "PATCH /vera/own: 200 -> 403", "It is for projects, not for the index."),
    Difference("accepted …: devpi token for another project", "PATCH /vera/own: 200 -> 403", "It is for projects, not for the index."),
    Difference("PUT /alice/dev {}…", "status: 409 … -> 403 …", "Who may not make it learns nothing of it.", "…as …ice"),
    Difference("GET /+api X-Outside-Url: …", "body.result.login: …", "Only the proxies that are named in `--trusted-proxy` may say so."),
    # Addresses and forms
    Difference("GET /alice/dev/My.Lib/", "headers.Location: …", "The redirect to the normalized name keeps the slash."),
    Difference("GET /alice/dev/My.Lib/?ignore_bases=", "headers.Location: …", "The redirect to the normalized name keeps slash and query."),
    Difference("GET /alice/dev/+simple/MY--LIB …", "headers.Location: …", "One redirect instead of two."),
    Difference("GET /alice/dev/+simple/my-lib … User-Agent: Mozilla/5.0", "status: 302 … -> 200 …", "The page needs no slash."),
    Difference("GET /alice/dev/my-lib accept nothing", "status: 415 … -> 200 …", "Whoever says nothing about the form gets JSON."),
    Difference("GET /alice/dev/my-lib accept */*", "status: 415 … -> 200 …", "Whoever takes any form gets JSON."),
    Difference("GET … accept application/vnd.pypi.simple.latest+json …", "headers.Content-Type: …", "devpi says `text_html`."),
    Difference("GET … accept application/vnd.pypi.simple.latest+json …", "body: …", "The latest JSON form is the one we have."),
    Difference("GET …/my_lib-1.0.tar.gz accept */*", 'headers.Content-Type: "application/x-tar" -> "application/gzip"', "It is gzip."),
    Difference("GET …/half_gone-1.0.tar.gz accept */*", 'headers.Content-Type: "application/x-tar" -> "application/gzip"', "It is gzip."),
    Difference("GET …/odd-lib-next.tar.gz accept */*", 'headers.Content-Type: "application/x-tar" -> "application/gzip"', "It is gzip."),
    Difference("GET ….exe accept */*", "headers.Content-Type: …", "devpi says what the machine's own list of types has.", sometimes=True),
    Difference("PATCH /alice/dev/my-lib no such method …", "status: 404 … -> 400 …", "devpi 7 has this method, and so do we."),
    Difference("… no such method as …", "status: 404 … -> 405 …", "The address is right, the method is not.", "PATCH …"),
    Difference("POST /alice/dev/+simple/ to the simple page as alice …", "status: 404 … -> 405 …", "The answer names the right address."),
    Difference("PUT /do+ra …", "status: 404 … -> 400 …", "It is a bad name, not a missing page."),
    # Projects and versions
    Difference("GET /alice/dev/my-lib/1.0.0", "status: 404 … -> 200 …", "1.0 and 1.0.0 are the same version (PEP 440)."),
    Difference("GET /alice/unused", "body.result.projects: …", "A mirror is not asked for the list of all its projects."),
    Difference("GET /kim/both/upstream-lib", "body.result.1.0.…: (missing) -> …", "Pushed from a mirror: our metadata is the archive's."),
    Difference("GET /kim/both/upstream-lib", "body.result.1.0.name: …", "The archive's spelling, not the mirror's."),
    Difference("GET /ian/soft/item", "body.result.1.0.author: …", "The archive's metadata is the truth, not the form."),
    Difference("GET /ian/soft/item", "body.result.1.0.summary: …", "The archive's metadata is the truth, not the form."),
    Difference("POST /ian/odd/ docs that are no archive …", "status: 200 … -> 400 …", "Nobody could read them."),
    Difference(
        "GET /alice/mirror/+f/…",
        "body.result.last_modified: …",
        "Upstream's page tells it before the file comes; devpi takes the time when it came.",
        "… accept */*",
    ),
    Difference("GET /alice/mirror/+f/… accept */*", "headers.Last-Modified: …", "It is the time of upstream's page.", sometimes=True),
    Difference("GET /alice/dev accept text/html User-Agent: pip/26.3 {}", "body[…].href: …", TOO_HIGH),
    Difference("GET /alice/dev/+simple accept text/html User-Agent: pip/26.3 {}", "body[…].href: …", TOO_HIGH),
    Difference('PUT /fay/bad {"bases": ["no/such", "x"]} …', "body.message: …", "What can be no index is told before what is none."),
    Difference("DELETE /joe/soft/none/1.0 …", "body.message: …", "devpi shows an object of its own language."),
    # Uploads and pushes
    Difference("POST /ian/soft/ name a/item-1.0.tar.gz …", "reason: …", "It is no file name at all."),
    Difference("POST /ian/soft/ project …it…", "reason: …", "The reason says what a name may be.", "…as ian"),
    Difference("GET /ian/soft/item", "body.result.1.0.…count: 2 -> 1", "The same bytes again are no change."),
    Difference('PUSH /kim/from {"name": "part", "version": "1.0", "targetindex": "kim/to"} as kim', "status: 409 … -> 200 …", SAME_AGAIN),
    Difference("GET /kim/to/part", "body.result.1.0.+links.doczip …: (missing) -> …", "So the documentation came along."),
    # What devpi-client prints
    Difference("account: --version", "theirs: …devpi-tokens …", "Plugins are built in here."),
    Difference("account: --version", "ours: …cheeseshop …", "It says what it is."),
    Difference("project: getjson /paul/…/sample", "…: …", "The same bytes again are no change, so there is no log of it."),
    Difference("project: push sample…1.0 paul/hard", "theirs: …", SAME_AGAIN),
    Difference("project: push sample…1.0 paul/hard", "ours: …", SAME_AGAIN),
    Difference("tokens: token-create --user root", "…: …", FRAMEWORK),
    Difference("tokens: token-delete none", "theirs: …", FRAMEWORK),
    Difference("tokens: token-delete none", "ours: …", FRAMEWORK),
    Difference("tokens: upload --from-dir {home}/folder", "theirs: Forbidden", FRAMEWORK, sometimes=True),
    Difference("tokens: upload --from-dir {home}/folder", "ours: this token may not …", FRAMEWORK, sometimes=True),
    Difference("tokens: index -c more", "…: …", FRAMEWORK),
    Difference("tokens: token-list", "…: …", FRAMEWORK, sometimes=True),
    Difference("tokens: token-login --file {home}/twin", "…: …", "A token that was deleted is nobody's."),
    Difference("tokens: index held title=x", "…: …", "So the client has no user any more, which it does not expect."),
    Difference("indexes: index --delete none -y", "theirs: …", "devpi leaves the words to its web framework."),
    Difference("indexes: index --delete none -y", "ours: 403 Forbidden: no permission to delete index nia/none", "These are ours."),
    Difference("removals: upload {home}/changed/…", "theirs: Unauthorized", "A person reads the reason."),
    Difference("removals: upload {home}/changed/…", "ours: Sign in …", "So it says what to do."),
    Difference("project: …sample==1.0 pypi:down", "theirs: …", "devpi answers 500 when the other server is down."),
    Difference("project: …sample==1.0 pypi:down", "ours: …", "Ours says which server could not be reached."),
    Difference("tests: refresh …none", "…: Couldn't refresh none …", "The reason says what is missing."),
    # Where devpi-server stumbles
    Difference("PUT /dora body '[]'", "body.message: …", "The message says what is wrong."),
    Difference("POST /ian/odd/ no name …", "status: 500 … -> 200 …", "The file's name tells it."),
    Difference("POST /ian/odd/ no version …", "status: 500 … -> 200 …", "The file's name tells it."),
    Difference('PUT /gil/bad {"type": "mirror", "mirror_url": null} …', "status: 500 … -> 200 …", "A mirror may get its address later."),
    Difference('PATCH /hal/one {"title": null} as hal', "status: 500 … -> 200 …", "null takes the title away."),
    Difference("POST /alice/dev/+simple/none/refresh …", "status: 500 … -> 302 …", "A mirror below need not have the project."),
    Difference("POST /alice/dev/+simple/my-lib/refresh …", "status: 500 … -> 302 …", "A mirror below need not have the project."),
)
