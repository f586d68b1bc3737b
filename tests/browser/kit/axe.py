"""axe-core, which knows what keeps people from using a page. Its script comes with a Python package: no Node, no network."""

from __future__ import annotations

from importlib.resources import files

from playwright.sync_api import Page

TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
FOREIGN = ".description"
"""Text that uploaders wrote: its headings and pictures are theirs."""
SCRIPT = files("axe_playwright_python").joinpath("axe.min.js").read_text()
COLOURS = ("color-contrast",)
"""All that another colour scheme can change."""
RUN = """async ([tags, rules, foreign]) => {
    const what = { include: [["html"]], exclude: [[foreign]] };
    const done = await axe.run(what, { runOnly: rules.length ? rules : tags, resultTypes: ["violations"] });
    return done.violations.map((violation) => ({
        rule: violation.id,
        help: violation.help,
        nodes: violation.nodes.map((node) => ({ html: node.html, why: node.failureSummary })),
    }));
}"""
NODES_SHOWN = 5


def violations(page: Page, rules: tuple[str, ...] = ()) -> list[str]:
    """What axe finds on the page as it is now, a paragraph for each rule; only of the given rules, if some are. The script is injected as a debugger does it, which no
    Content-Security-Policy forbids."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(SCRIPT)
    found = page.evaluate(RUN, [list(TAGS), list(rules), FOREIGN])
    return [_paragraph(violation) for violation in found]


def _paragraph(violation: dict) -> str:
    nodes = violation["nodes"]
    shown = [f"    {node['html'][:300]}\n        {' '.join(node['why'].split())}" for node in nodes[:NODES_SHOWN]]
    return "\n".join([f"{violation['rule']}: {violation['help']} ({len(nodes)} places)", *shown])
