"""Where Cheeseshop answers otherwise than devpi-server 6.20.3 on purpose. Each entry is a decision; one that is no longer true fails."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """`where`: which cases; `line`: which difference in each of them, as the tests print it; `…` stands for anything in both.

    Every case that `where` names must show the difference: write it as narrow as it is true.
    """

    where: str
    line: str
    reason: str

    def covers(self, case: str) -> bool:
        return _matches(self.where, case)

    def explains(self, line: str) -> bool:
        return _matches(self.line, line)


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), text, re.DOTALL) is not None


OUR_OPTIONS = ("acl_read", "upload_checks")
"""Options of an index that devpi does not know: additions, left out of every comparison."""

DIFFERENCES = (
    # Who the caller is
    Difference("refused Authorization: …", "… -> 401", "A wrong `Authorization` is an error: whoever sends it wants to be known."),
    Difference("refused Authorization: …", 'authstatus: ["noauth", "", []] -> null', "There is no status, but an error."),
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
    Difference("… no such method as …", "status: 404 … -> 405 …", "The address is right, the method is not."),
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
    # What devpi-client prints
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
    Difference('PATCH /hal/one {"title": null} as hal', "status: 500 … -> 200 …", "null takes the title away."),
    Difference("POST /alice/dev/+simple/none/refresh …", "status: 500 … -> 302 …", "A mirror below need not have the project."),
    Difference("POST /alice/dev/+simple/my-lib/refresh …", "status: 500 … -> 302 …", "A mirror below need not have the project."),
)
