"""Horizontal bars in groups, as SVG that can be read on light and dark pages."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT = 860, 230, 70
BAR, GAP, GROUP, TOP = 13, 3, 16, 74
COLOURS = {"Cheeseshop": ("#c77700", "#f5b041"), "bare hyper": ("#6b7f8f", "#93a7b7")}
"""By label: on light and on dark. All others have these, in turn."""
OTHERS = [("#3b78b5", "#74aee0"), ("#4c9a6a", "#7fcb9c"), ("#8e63b0", "#bd97dc"), ("#a8574f", "#dd938b")]


@dataclass(frozen=True)
class Bars:
    """What to draw: groups of values by label. `mark` is a value with a line of its own."""

    title: str
    groups: list[tuple[str, dict[str, float]]]
    mark: float


def draw(bars: Bars) -> str:
    """The whole file."""
    labels = list(dict.fromkeys(label for _, values in bars.groups for label in values))
    widest = max([bars.mark, *(value for _, values in bars.groups for value in values.values())])
    scale = (WIDTH - LEFT - RIGHT) / widest
    parts, y = [_legend(labels)], TOP
    for name, values in bars.groups:
        height = len(values) * (BAR + GAP)
        parts.append(f'<text class="name" x="{LEFT - 12}" y="{y + height / 2 + 3:.1f}">{escape(name)}</text>')
        for label, value in values.items():
            width = max(value * scale, 1)
            parts.append(f'<rect class="c{labels.index(label)}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>')
            parts.append(f'<text class="value" x="{LEFT + width + 5:.1f}" y="{y + BAR - 2}">{_short(value)}</text>')
            y += BAR + GAP
        y += GROUP
    x = LEFT + bars.mark * scale
    parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{y - GROUP + 4}"/>')
    return _document(bars.title, labels, parts, y)


def _document(title: str, labels: list[str], parts: list[str], height: float) -> str:
    """The frame, with the colours of both kinds of page."""
    pairs = _colours(labels)
    light = "".join(f".c{place}{{fill:{pair[0]}}}" for place, pair in enumerate(pairs))
    dark = "".join(f".c{place}{{fill:{pair[1]}}}" for place, pair in enumerate(pairs))
    style = (
        "text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-size:15px;font-weight:600}.name{text-anchor:end}"
        f".value{{font-size:11px}}.mark{{stroke:#24292f;stroke-dasharray:4 3}}{light}"
        f"@media(prefers-color-scheme:dark){{text{{fill:#e6edf3}}.mark{{stroke:#e6edf3}}{dark}}}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
    return "\n".join([head, f"<style>{style}</style>", f'<text class="title" x="12" y="24">{escape(title)}</text>', *parts, "</svg>\n"])


def _legend(labels: list[str]) -> str:
    parts, x = [], 12.0
    for place, label in enumerate(labels):
        parts.append(f'<rect class="c{place}" x="{x:.0f}" y="38" width="12" height="12" rx="2"/>')
        parts.append(f'<text x="{x + 17:.0f}" y="48">{escape(label)}</text>')
        x += 40 + 7 * len(label)
    return "".join(parts)


def _colours(labels: list[str]) -> list[tuple[str, str]]:
    others = iter(OTHERS * (1 + len(labels) // len(OTHERS)))
    return [COLOURS.get(label) or next(others) for label in labels]


def _short(value: float) -> str:
    return f"{value:.2f}" if value >= 0.095 else f"{value:.3f}"
