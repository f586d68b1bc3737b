"""The way of somebody who has never seen it, from the first start to the last deletion, by the web pages and what they say: with scripts
and without. What has to be typed into a shell is read off the pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from playwright.sync_api import Locator, Page, expect

from kit import guides
from kit.guides import Person
from kit.shop import Shop
from kit.views import WITHOUT_SCRIPTS, Looker, View
from support.projects import write_project
from support.server import Account
from support.tools import BACKENDS_PYTHON, Workshop

NAME, REASON = "first-cheese", "Smells; take 1.1"
Look = Callable[..., AbstractContextManager[Looker]]


class Visitor:
    """Somebody before a browser, who finds things by what is written on them."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def main(self) -> Locator:
        return self.page.get_by_role("main")

    @property
    def releases(self) -> Locator:
        """The list on a project's page."""
        return self.main.get_by_role("region", name="Releases")

    def follow(self, link: str) -> None:
        self.main.get_by_role("link", name=link, exact=True).first.click()

    def press(self, button: str) -> None:
        self.main.get_by_role("button", name=button).first.click()

    def fill(self, **fields: str) -> None:
        """Fields by their labels, with `_` for a space."""
        for label, value in fields.items():
            self.main.locator("input, textarea").and_(self.page.get_by_label(label.replace("_", " "), exact=True)).fill(value)

    def choose(self, *labels: str) -> None:
        """Boxes and buttons of forms, by the beginning of what stands beside them."""
        for label in labels:
            self.main.get_by_label(re.compile(rf"^\s*{re.escape(label)}")).first.check()

    def sees(self, text: str) -> None:
        expect(self.main).to_contain_text(text)

    def sees_not(self, text: str) -> None:
        expect(self.main).not_to_contain_text(text)

    def is_at(self, heading: str) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(heading)

    def copied(self) -> str:
        """The text for copying that stands first on the page."""
        return self.main.locator(".snippet code").first.inner_text()

    def sign_in(self, account: Account) -> None:
        self.page.get_by_role("link", name="Sign in").first.click()
        self.fill(User_name=account.name, Password=account.password)
        self.press("Sign in")
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    def sign_out(self) -> None:
        self.page.get_by_role("button", name="Sign out").click()
        expect(self.page.get_by_role("link", name="Sign in").first).to_be_visible()

    def search(self, words: str) -> None:
        self.page.get_by_role("searchbox", name="Search projects").fill(words)
        self.page.get_by_role("searchbox", name="Search projects").press("Enter")


def make_account(visitor: Visitor, root: Account) -> Account:
    """The administrator's first deed."""
    zoe = Account("zoe", "zoes own password")
    visitor.sign_in(root)
    visitor.page.get_by_role("link", name="Users").click()
    visitor.fill(Name=zoe.name, Password=zoe.password, Password_again=zoe.password, Title="Zoe")
    visitor.press("Make the user")
    visitor.sees(zoe.name)
    visitor.sign_out()
    return zoe


def make_index(visitor: Visitor, name: str, *choices: str, **fields: str) -> None:
    """From the first page."""
    visitor.page.get_by_role("link", name="Cheeseshop").first.click()
    visitor.follow("New index")
    visitor.fill(Name=name, **fields)
    visitor.choose(*choices)
    visitor.press("Make the index")
    visitor.is_at(f"zoe/{name}")


def make_token(visitor: Visitor) -> str:
    """From the page of an index; returns the secret, which is shown this once."""
    visitor.follow("Make a token")
    visitor.fill(Name="laptop")
    visitor.choose("Read", "Upload", "after 30 days")
    visitor.press("Make the token")
    visitor.is_at("laptop")
    secret = visitor.copied()
    visitor.follow("I have copied it")
    visitor.sees("laptop")
    visitor.sees_not(secret)
    return secret


def project(person: Person, version: str) -> None:
    """A project with its files built, in the folder `sources`."""
    folder = write_project(person.workshop.home / "sources", NAME, version)
    person.workshop.run(str(BACKENDS_PYTHON), "-m", "build", "--no-isolation", "--outdir", folder / "dist", folder)


def installed(person: Person, command: str, name: str, ok: bool = True) -> str:
    """Types a page's `pip install …` for a new virtual environment; returns what pip says is there."""
    python = person.workshop.venv(name)
    run = person.type(command.replace("pip install", f"pip --python {python} install", 1), person.home, ok=ok)
    return person.type(f"pip --python {python} list", person.home).output if ok else run.output


@pytest.mark.parametrize("view", [View(), WITHOUT_SCRIPTS], ids=["scripts", "no-scripts"])
def test_from_the_first_start_to_the_last_deletion(new_shop: Callable[..., Shop], look: Look, workshop: Workshop, view: View):
    shop = new_shop()
    with look(shop, view) as looker:
        visitor = Visitor(looker.open("/"))
        zoe = make_account(visitor, shop.server.root)
        visitor.sign_in(zoe)
        make_index(visitor, "prod", "No:", Title="What customers run")
        make_index(visitor, "dev", Bases="zoe/prod")

        # Publish: the token from one page, the file and the command from the other.
        person = Person(workshop, make_token(visitor))
        visitor.page.goto(f"{shop.origin}/zoe/dev")
        pypirc, upload = guides.read(visitor.page)["twine and flit"].values()
        person.save(pypirc, person.home / ".pypirc")
        project(person, "1.0")
        person.type(upload, workshop.home / "sources")

        # See, search, install.
        visitor.page.reload()
        visitor.follow(NAME)
        visitor.is_at(f"{NAME} 1.0")
        visitor.sees("Made for tests")
        visitor.search("frist-cheese")
        visitor.follow(NAME)
        install = visitor.copied()
        assert re.search(rf"{NAME}\s+1\.0", installed(person, install, "first"))
        person.workshop.run("uv", "pip", "install", "--python", person.workshop.venv("uv"), *install.split()[2:])

        # A second release, and the first is yanked: who asks for nothing special gets the second, who asks for the first gets it.
        project(person, "1.1")
        person.type(upload.replace("dist/*", "dist/*1.1*"), workshop.home / "sources")
        visitor.page.goto(f"{shop.origin}/zoe/dev/{NAME}/1.0")
        visitor.follow("Yank")
        visitor.fill(Reason=REASON)
        visitor.press("Yank it")
        visitor.page.goto(f"{shop.origin}/zoe/dev/{NAME}/1.0")
        visitor.sees(REASON)
        assert re.search(rf"{NAME}\s+1\.1", installed(person, install, "second"))
        assert re.search(rf"{NAME}\s+1\.0", installed(person, visitor.copied(), "third"))

        # The second is pushed to where nothing is ever replaced.
        visitor.page.goto(f"{shop.origin}/zoe/dev/{NAME}/1.1")
        visitor.follow("Push")
        visitor.main.get_by_label("To the index").select_option("zoe/prod")
        visitor.press("Push it")
        visitor.page.goto(f"{shop.origin}/zoe/prod/{NAME}")
        visitor.is_at(f"{NAME} 1.1")
        expect(visitor.releases).not_to_contain_text("1.0")
        visitor.follow("zoe/prod")
        visitor.follow(NAME)
        assert re.search(rf"{NAME}\s+1\.1", installed(person, visitor.copied(), "fourth"))

        # The token is revoked, and opens nothing any more.
        visitor.page.goto(f"{shop.origin}/_/users/zoe/tokens")
        visitor.press("Revoke laptop")
        visitor.sees("None yet")
        project(person, "1.2")
        refused = person.type(upload.replace("dist/*", "dist/*1.2*"), workshop.home / "sources", ok=False)
        assert re.search("40[13]", refused.output), refused

        # A release, a project and an index are deleted; each must be named first, and a wrong name deletes nothing.
        visitor.page.goto(f"{shop.origin}/zoe/dev/{NAME}/1.0")
        visitor.follow("Delete")
        confirm_deletion(visitor, "Delete")
        visitor.page.goto(f"{shop.origin}/zoe/dev/{NAME}")
        expect(visitor.releases).to_contain_text("1.1")
        expect(visitor.releases).not_to_contain_text("1.0")
        visitor.page.goto(f"{shop.origin}/zoe/dev")
        visitor.follow("Delete")
        confirm_deletion(visitor, "Delete zoe/dev")
        looker.open("/zoe/dev", status=404)
        visitor.page.goto(f"{shop.origin}/zoe/prod/{NAME}")
        visitor.is_at(f"{NAME} 1.1")


def confirm_deletion(visitor: Visitor, button: str) -> None:
    """Types what the page asks for, after something else."""
    label = visitor.main.get_by_text(re.compile("^Type .* to confirm$")).inner_text()
    visitor.fill(**{label: "something else"})
    visitor.press(button)
    expect(visitor.page.get_by_role("alert")).to_be_visible()
    visitor.fill(**{label: label.removeprefix("Type ").removesuffix(" to confirm")})
    visitor.press(button)
    expect(visitor.page.get_by_role("alert")).not_to_be_visible()
