"""A running server as people with browsers see it: who they are, and the cookies that they got when they signed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from support import wire
from support.node import Node
from support.server import Account

LOGIN = "/_/login"
FORM = "application/x-www-form-urlencoded"


@dataclass
class Shop:
    """The server and its people. A password is typed once a shop and account; later windows are given the cookie."""

    server: Node
    people: dict[str, Account]
    _cookies: dict[str, list[dict]] = field(default_factory=dict, kw_only=True)

    @property
    def origin(self) -> str:
        return self.server.url

    def cookies(self, who: str | None) -> list[dict]:
        """Those of a session of this account; none for nobody."""
        if who is None:
            return []
        if who not in self._cookies:
            self._cookies[who] = self._sign_in(self.people[who])
        return self._cookies[who]

    def submit(self, path: str, who: str, **fields: str) -> wire.Answer:
        """Sends a form of the web pages as a browser does, without a browser. It must be accepted, which a redirect says."""
        cookies = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in self.cookies(who))
        answer = _post(self.origin + path, fields, {"Cookie": cookies})
        assert answer.status == 303, f"{path}: {answer.status} {answer.text}"
        return answer

    def stop(self) -> None:
        self.server.stop()

    def _sign_in(self, account: Account) -> list[dict]:
        answer = _post(self.origin + LOGIN, {"user": account.name, "password": account.password}, {})
        jar = SimpleCookie(answer.header("Set-Cookie") or "")
        assert answer.status == 303 and jar, f"{account.name} cannot sign in: {answer.status} {answer.text}"
        return [{"name": name, "value": morsel.value, "url": self.origin} for name, morsel in jar.items()]


def _post(url: str, fields: dict[str, str], headers: dict[str, str]) -> wire.Answer:
    same_origin = {"Content-Type": FORM, "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
    return wire.request("POST", url, headers={**same_origin, **headers}, body=urlencode(fields).encode())
