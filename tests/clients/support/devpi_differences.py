"""Where Cheeseshop answers otherwise than devpi-server 6.20.3 on purpose. Each entry is a decision; an entry that is no longer true fails."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """`where`: which cases; `line`: which difference in each of them, as the tests print it; `*` stands for anything in both.

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
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


OUR_OPTIONS = ("acl_read", "upload_checks")
"""Options of an index that devpi does not know: additions, left out of every comparison."""

DIFFERENCES: tuple[Difference, ...] = ()
