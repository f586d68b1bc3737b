"""The reference itself: real devpi servers start, hand over their data and take it in. What the other tests build on."""

from __future__ import annotations

import pytest

from support import wire
from support.devpi_server import DevpiServer


@pytest.mark.parametrize("major, index_type", [(6, "stage"), (7, "local")])
def test_export_moves_in(tmp_path, major: int, index_type: str):
    """A user with an index moves from either release to a new server of the newer one."""
    old = DevpiServer(tmp_path / "old", major)
    assert wire.send_json("PUT", f"{old.url}/ann", {"password": "secret"}, {}).status == 201
    made = wire.send_json("PUT", f"{old.url}/ann/dev", {"title": "Kept"}, wire.basic("ann", "secret"))
    assert made.json()["result"]["type"] == index_type
    old.stop()
    new = DevpiServer(tmp_path / "new", 7, dump=old.export(tmp_path / "dump"))
    try:
        assert wire.get(f"{new.url}/ann/dev").json()["result"]["title"] == "Kept"
        assert set(wire.get(f"{new.url}/").json()["result"]) == {"root", "ann"}
        assert wire.send_json("POST", f"{new.url}/+login", {"user": "ann", "password": "secret"}, {}).status == 200
    finally:
        new.stop()
