"""The program itself: start, stop, restart, and administration from the command line while it runs."""

from __future__ import annotations

import time

from support import wire
from support.artifacts import wheel
from support.server import Account
from support.uploads import must_upload


def eventually(condition, seconds: float = 10) -> None:
    """A command's change reaches the running server through the journal, within moments."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


def test_everything_survives_a_restart(new_server):
    """Users, indexes, files and their digests; SIGTERM ends the server cleanly (asserted when it stops)."""
    server = new_server("--upstream", "none")
    owner = server.add_user()
    index = server.add_index(f"{owner.name}/dev", volatile=False)
    must_upload(index, owner, wheel("lib"))
    before = index.page("lib")
    server.stop()
    server.start()
    after = server.index(index.path).page("lib")
    assert (after.body, after.header("ETag")) == (before.body, before.header("ETag"))
    must_upload(server.index(index.path), owner, wheel("lib", "2.0"))


def test_administration_while_it_runs(server, tmp_path):
    """`user add`, `index add`, `token add` on the same data: the running server knows at once."""
    password_file = tmp_path / "password"
    password_file.write_text("sesame open\n")
    account = Account(f"cli-{tmp_path.name}".lower().replace("_", "-"), "sesame open")
    server.cli("user", "add", account.name, "--password-file", str(password_file))
    server.cli("index", "add", f"{account.name}/dev", "volatile=false", f"acl_read={account.name}")
    index = server.index(f"{account.name}/dev")
    eventually(lambda: wire.get(f"{server.url}/{index.path}", accept="application/json", **account.auth).status == 200)
    must_upload(index, account, wheel("lib"))
    assert index.filenames("lib") == set()
    token = server.add_token(account, "read", "--index", index.path, "--expires", "90d")
    assert token.startswith("cheeseshop_")
    assert index.filenames("lib", auth=wire.basic("__token__", token)) == {"lib-1.0-py3-none-any.whl"}


def test_restart_of_the_first_index(new_server):
    """`root/main` is there from the first start, takes uploads, and is the default index."""
    server = new_server("--upstream", "none")
    must_upload(server.index("root/main"), server.root, wheel("lib"))
    assert wire.get(f"{server.url}/simple/lib/").status == 200
    assert "lib-1.0-py3-none-any.whl" in wire.get(f"{server.url}/simple/lib/").text
