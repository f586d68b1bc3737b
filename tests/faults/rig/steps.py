"""The steps at which a debug build can be ended or stopped, read out of src/fault.rs, and what clients do to get a node there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3] / "src/fault.rs"
LEADS_TO = {
    "upload": ("upload", "replace", "retry"),
    "blob": ("upload_large",),
    "page": ("upload", "page"),
    "refresh": ("refresh",),
    "fetch": ("mirror",),
    "push": ("upload", "push"),
    "remove": ("upload", "remove"),
}
"""By the first word of a step: the client's actions that come by there."""
COMMANDS = {"gc": "test_gc.py", "import": "test_moving.py", "backup": "test_moving.py"}
"""The steps of commands, which no request comes by, and what tests them."""
ONLY_ON = {"blob-part-sent": "s3"}


def steps() -> list[str]:
    """The names as CHEESESHOP_FAULT takes them."""
    enum = SOURCE.read_text().partition("pub enum Step {")[2].partition("\n}")[0]
    names = re.findall(r"^    (\w+),$", enum, re.MULTILINE)
    assert names, f"{SOURCE} has no steps"
    return [re.sub(r"(?<!^)([A-Z])", r"-\1", name).lower() for name in names]


def client_steps() -> list[str]:
    """Those that requests come by. A new kind of step must be named above."""
    unknown = {step for step in steps() if not step.startswith((*LEADS_TO, *COMMANDS))}
    assert not unknown, f"no loop comes by {unknown}"
    return [step for step in steps() if step.startswith(tuple(LEADS_TO))]


def command_steps(command: str) -> list[str]:
    """Those that `cheeseshop gc`, for example, comes by."""
    return [step for step in steps() if step.startswith(f"{command}-")]


def actions(step: str) -> tuple[str, ...]:
    """What clients do to get there."""
    return LEADS_TO[step.partition("-")[0]]


def pair(seed: int, steps: Sequence[str], backends: Sequence[str]) -> tuple[str, str]:
    """Step and backend of a schedule: after as many seeds as there are pairs, each pair has been."""
    turn, place = divmod(seed, len(steps))
    return steps[place], ONLY_ON.get(steps[place]) or backends[(place + turn) % len(backends)]
