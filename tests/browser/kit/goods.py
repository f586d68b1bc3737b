"""What stands on the shelves of the full shop: projects as teams have them, with descriptions, releases for many machines, dependencies."""

from __future__ import annotations

from support.artifacts import Artifact, sdist_of, wheel_of

FLAGSHIP = "cheddar"
PLATFORM_TAGS = (
    "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "cp312-cp312-manylinux_2_28_aarch64",
    "cp312-cp312-musllinux_1_2_x86_64",
    "cp312-cp312-macosx_11_0_arm64",
    "cp312-cp312-win_amd64",
    "cp313-cp313t-manylinux_2_28_x86_64",
    "cp310-abi3-win_arm64",
    "pp311-pypy311_pp73-macosx_10_15_x86_64",
)
RELEASES = [f"1.{minor}.{patch}" for minor in range(12) for patch in range(4)]
"""Old releases of the flagship; its newest is `NEWEST`, which has a wheel for each platform."""
NEWEST, PREVIOUS, CANDIDATE, BROKEN = "2.0.0", RELEASES[-1], "2.1.0rc1", "1.11.2"
CLASSIFIERS = (
    "Development Status :: 5 - Production/Stable",
    "Intended Audience :: Developers",
    "License :: OSI Approved :: MIT License",
    "Operating System :: OS Independent",
    "Programming Language :: Python :: 3.10",
    "Programming Language :: Python :: 3.11",
    "Programming Language :: Python :: 3.12",
    "Topic :: Software Development :: Libraries",
    "Typing :: Typed",
)

MARKDOWN = """\
# Cheddar

Ripens jobs in the background and tells you when they are done.

[![build](http://ci.example/cheddar.svg)](http://ci.example/cheddar) [Documentation](http://docs.example/cheddar)

## Features

- **Small.** One module, no daemon.
- *Patient.* A job that fails rests, then runs again: 1 s, 2 s, 4 s …
- [x] Typed
- [ ] ~~Blue~~

## In use

```python
from cheddar import Wheel, ripen

@ripen(every="15 minutes", retries=4)
def count_the_stock(wheel: Wheel) -> int:
    \"\"\"Runs where the queue is, and a line of code may be so long that it has to scroll by itself on a telephone.\"\"\"
    return sum(shelf.weight for shelf in wheel.shelves)
```

| option    | default | meaning                                  |
|:----------|--------:|------------------------------------------|
| `workers` |       4 | threads that ripen at the same time      |
| `shelf`   |  `/var` | where unfinished wheels rest             |
| `strict`  | `false` | whether a mouldy wheel stops the others  |

> Do not ripen in production on a Friday.[^1]

1. Install it.
2. Call `ripen`.
   1. Wait.

[^1]: Learnt the hard way.

![A picture that lies elsewhere](http://pictures.example/wheel.png)
"""

RST = """\
Rind
====

What keeps a cheese together: small helpers for *settings*, **logging** and ``retries``.

Usage
-----

.. code-block:: python

    import rind

    rind.wrap("cheddar", thickness=3)

* one
* two, with a `link <http://docs.example/rind>`_

.. note:: A rind can be eaten. This one is typed, too.

=========  ==========
Option     Meaning
=========  ==========
thickness  in mm
=========  ==========
"""

PLAIN = """\
WHEY
    Streams for those who do not want to wait for the curds.

        whey --strain < milk > whey

    Lines are kept as they are, <angle brackets> & ampersands too.
"""

HEBREW = """\
# גבינה לבנה

ספרייה קטנה לניהול מלאי של גבינות. כתובה מימין לשמאל, עם `code` באמצע המשפט.

- ראשון
- שני
"""


def metadata(
    project: str, version: str, description: str = "", content_type: str = "text/markdown", **fields: str | tuple[str, ...]
) -> bytes:
    """A METADATA file. `requires_dist=("a", "b")` becomes two lines of Requires-Dist."""
    lines = ["Metadata-Version: 2.4", f"Name: {project}", f"Version: {version}"]
    for field, value in fields.items():
        name = "-".join(part.capitalize() for part in field.split("_")).replace("Url", "URL")
        lines += [f"{name}: {one}" for one in ((value,) if isinstance(value, str) else value)]
    if description:
        lines.append(f"Description-Content-Type: {content_type}")
    return ("\n".join(lines) + f"\n\n{description}").encode()


def flagship(version: str, tags: tuple[str, ...] = ("py3-none-any",)) -> list[Artifact]:
    """A release of the flagship: a wheel for each tag, and the source."""
    told = metadata(
        FLAGSHIP,
        version,
        MARKDOWN,
        "text/markdown; charset=UTF-8; variant=GFM",
        summary="Ripens jobs in the background and tells you when they are done",
        author_email="The Dairy <dairy@shop.example>",
        maintainer="Shop floor",
        license_expression="MIT",
        keywords="jobs,queue,background,cheese",
        classifier=CLASSIFIERS,
        requires_python=">=3.10",
        requires_dist=(
            "rind>=2.0,<4",
            "whey",
            "upstream-lib>=1.0; python_version < '3.13'",
            "colour-of-rind; sys_platform == 'win32'",
            "curd-inspector[fast]>=0.3; extra == 'inspect'",
        ),
        provides_extra=("inspect",),
        project_url=(
            "Homepage, http://shop.example/cheddar",
            "Source, http://code.example/dairy/cheddar",
            "Changelog, http://code.example/dairy/cheddar/changes",
            "Tracker, http://code.example/dairy/cheddar/issues",
        ),
    )
    wheels = [wheel_of(told, FLAGSHIP, version, tag, requires_python=">=3.10") for tag in tags]
    return [*wheels, sdist_of(told, FLAGSHIP, version, requires_python=">=3.10")]


def simple(project: str, version: str, summary: str = "", **fields: str | tuple[str, ...]) -> Artifact:
    """A wheel with little to tell."""
    summary = summary or f"What {project} is for, in a line"
    return wheel_of(metadata(project, version, summary=summary, **fields), project, version)


LONG_NAME = (
    "the-collected-cheeses-of-" + "-and-".join(["wensleydale", "gorgonzola", "camembert", "roquefort", "emmentaler"]) + "-in-one-package"
)
LONG_VERSION = "2026.11.25.1042+branch.of.somebody.with.a.very.long.name.and.a.build.number.20261125104217"
UNBROKEN = "Unbreakable" * 60


def awkward() -> list[Artifact]:
    """Names and texts that a layout must bear: very long, without a place to break, right to left, almost empty."""
    long = metadata(
        LONG_NAME,
        LONG_VERSION,
        f"# {UNBROKEN}\n\n{UNBROKEN}\n\n`{UNBROKEN}`\n\n|{UNBROKEN}|b|\n|-|-|\n|1|2|\n",
        summary=UNBROKEN,
        author=UNBROKEN,
        keywords=",".join([UNBROKEN, *(f"word{number}" for number in range(60))]),
        license=UNBROKEN,
        classifier=(f"Topic :: {UNBROKEN}", *CLASSIFIERS),
        project_url=(f"{UNBROKEN[:30]}, http://shop.example/{UNBROKEN}",),
        requires_dist=tuple(f"{LONG_NAME}-{number}>=1; python_version >= '3.8' and sys_platform == 'linux'" for number in range(30)),
    )
    hebrew = metadata(
        "gvina",
        "1.0",
        HEBREW,
        summary="ספרייה קטנה לניהול מלאי של גבינות (v1.0) ועוד",
        author="דנה כהן",
        keywords="גבינה,חלב",
    )
    tricks = metadata(
        "bidi", "1.0", "An override \u202e that goes on \u2066 and on", summary="abc \u202e txt.exe \u2067 def", author="\u202eevil"
    )
    return [
        wheel_of(long, LONG_NAME, LONG_VERSION),
        wheel_of(hebrew, "gvina", "1.0"),
        wheel_of(tricks, "bidi", "1.0"),
        wheel_of(metadata("bare", "0"), "bare", "0"),
    ]
