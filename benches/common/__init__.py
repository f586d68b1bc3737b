"""What the benchmarks share: processes on a core of their own, load, corpora, tables and a picture. Makes the tests' `support`
and `runner` importable.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "target/bench"
"""Figures as JSON, and the environments of other servers."""

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/clients")]
