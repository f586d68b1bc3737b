"""Markdown, as the documentation takes it."""

from __future__ import annotations


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None) -> str:
    """Three digits or so; thousands with commas."""
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.095 else f"{value:.3f}"


def spread(values: list[float]) -> str:
    """How far the rounds lie apart, as a share of their middle."""
    middle = (max(values) + min(values)) / 2
    return f"±{(max(values) - min(values)) / 2 / middle:.0%}" if middle and len(values) > 1 else ""
