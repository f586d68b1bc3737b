"""What the benchmarks share: processes on a core of their own, load, corpora, tables and a picture. Makes the tests' `support`
and `runner` importable.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "target/bench"
"""Figures as JSON, and the environments of other servers."""



def keep(name: str, found: object) -> None:
    """Writes figures as `target/bench/NAME.json`."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1))


sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/clients")]
