"""The users, indexes and upstream that every fault loop works with."""

from __future__ import annotations

from dataclasses import dataclass

from support.artifacts import Artifact, wheel
from support.fake_upstream import FakeUpstream
from support.server import Account, Server
from support.uploads import must_upload

SECRET = wheel("secret", "1.0")
FRESH_SECONDS = 0
"""How long a mirror takes its record for fresh: never, so that every page asks upstream."""


@dataclass(frozen=True)
class House:
    """`dev` and `prod` are public stages, `dev` inherits the mirror; `private` holds one file that only its owner may read."""

    owner: Account
    upstream: FakeUpstream
    mirror: str
    dev: str
    prod: str
    private: str

    @property
    def secret(self) -> Artifact:
        return SECRET


def build_house(server: Server) -> House:
    """Makes all of it on a running server, with an upstream of its own. Stages are volatile, so that files can be replaced and removed."""
    upstream, owner = FakeUpstream(), server.add_user()
    name = owner.name
    mirror = server.add_index(
        f"{name}/mirror", type="mirror", mirror_url=upstream.url, volatile=False, mirror_cache_expiry=FRESH_SECONDS
    )
    dev = server.add_index(f"{name}/dev", bases=[mirror.path], volatile=True)
    prod = server.add_index(f"{name}/prod", volatile=True)
    private = server.add_index(f"{name}/private", volatile=True, acl_read=[name])
    must_upload(private, owner, SECRET)
    return House(owner, upstream, mirror.path, dev.path, prod.path, private.path)
