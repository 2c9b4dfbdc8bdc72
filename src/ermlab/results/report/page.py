"""The page of a report as text: template, style, script and data in one file.

Everything goes through Jinja with escaping on; the data of the pictures are JSON in which `<`, `>`,
`&` and all but ASCII are escapes. The page's policy allows the script and the style in it, by
their hashes, and nothing else: no other script, and no request.
"""

import base64
import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "page"
_SCRIPTS = ("marks.js", "charts.js", "table.js")


def make_page(**contents: Any) -> str:
    """Fill the template.

    Args:
        contents: the names that `page/report.html.jinja` uses; `pictures` becomes the data of the
            script.
    """
    import jinja2
    from jinja2.utils import htmlsafe_json_dumps

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = _read("report.css")
    script = '"use strict";\n' + "\n".join(map(_read, _SCRIPTS))
    dumps = functools.partial(json.dumps, allow_nan=False, separators=(",", ":"))
    page: str = environment.get_template("report.html.jinja").render(
        **contents,
        data=htmlsafe_json_dumps(contents["pictures"], dumps=dumps),
        style=style,
        script=script,
        policy=make_policy({"script-src": script, "style-src": style}),
    )
    return page


def make_policy(allowed: Mapping[str, str]) -> str:
    """Make a Content-Security-Policy that allows texts by their hash, pictures as data, no more."""
    hashes = {
        name: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for name, text in allowed.items()
    }
    rules = [f"{name} 'sha256-{digest}'" for name, digest in hashes.items()]
    nothing = ["default-src 'none'", "base-uri 'none'", "form-action 'none'"]
    return "; ".join([*nothing, "img-src data:", *rules])


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
