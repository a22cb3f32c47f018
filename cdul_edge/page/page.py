"""A page: a template, what it shows, and a policy under which nothing else can run or load."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from cdul_edge.page.thumbnails import Thumbnails
from cdul_edge_runtime.host.files import atomic_write
from cdul_edge_runtime.host.unfinished.names import remove_left_behind_of

# Of which package the templates called "report/name.html" are. A room may not be named as its verb:
# on its first import it would take the place of the function.
_ROOMS = {
    "page": "cdul_edge.page",
    "report": "cdul_edge.reporting",
    "review": "cdul_edge.reviewing",
    "study": "cdul_edge.study",
    "training": "cdul_edge.training",
}
# All but tabs and ends of lines; JSON has its own way to write them, and they are in no template.
_CONTROLS = {code: f"\\x{code:02x}" for code in range(32) if chr(code) not in "\t\n"}


@dataclass(frozen=True)
class Page:
    """What `render` needs beside the template's own context.

    Attributes:
        template: "room/name.html", a file of the room's folder `templates`; it extends
            "page/base.html", and "page/macros.html" holds what pages are made of.
        title: of the window, and the page's heading.
        script: name of a JavaScript file, such as "review/review.js"; None for a page without any.
        style: name of a CSS file that is read after "page/style.css", such as "review/review.css".
        pictures: what the page shows by name; None for a page without any.
    """

    template: str
    title: str
    script: str | None = None
    style: str | None = None
    pictures: Thumbnails | None = None


def render(page: Page, context: Mapping[str, object]) -> str:
    """The whole page as text: the same for the same input, to the last byte.

    Names and paths in `context` are escaped. Bytes of a path that are no UTF-8 are spelled out, as
    are control characters: a browser would drop them, or take one for another.
    """
    environment = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["embed_json"] = embed_json
    style = _read("page/style.css") + ("" if page.style is None else _read(page.style))
    script = "" if page.script is None else _read(page.script)
    html = environment.get_template(page.template).render(
        **context,
        title=page.title,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        pictures=() if page.pictures is None else page.pictures.all(),
    )
    return html.translate(_CONTROLS).encode("utf-8", "backslashreplace").decode("utf-8")


def write_page(out: Path, html: str) -> None:
    """Write it atomically, in UTF-8; what killed writers left of it goes."""
    with atomic_write(out) as temporary:
        temporary.write_text(html, encoding="utf-8", newline="\n")
    remove_left_behind_of(out)


def embed_json(value: object) -> Markup:
    """JSON for a `<script type="application/json">`, which no content of it can end."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _read(name: str) -> str:
    room, _, file = name.partition("/")
    templates = files(_ROOMS[room]).joinpath("templates")
    return templates.joinpath(file).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """A content security policy: this style and this script run, and nothing is fetched."""
    allowed = f"script-src {_hash(script)}" if script else "script-src 'none'"
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
