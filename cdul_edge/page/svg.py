"""A chart of matplotlib as text: a file of its own, or a part of a page with the page's colors."""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib import style
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# The colors of `charts.mplstyle`, and of `SERIES`, to those of the page, which is dark at times.
_COLORS = {
    "#222222": "currentColor",
    "#777777": "var(--faint)",
    "#dddddd": "var(--line)",
    "#a5bfdc": "var(--soft)",
    "#ffffff": "var(--paper)",
}
# Blue, orange, green, purple, ochre, crimson, teal, and gray: apart for every kind of sight.
SERIES = (
    *("#1f5fa8", "#b34700", "#1a7a4c", "#8e3b8e"),
    *("#80640a", "#a8123e", "#007a87", "#5a5a5a"),
)
# Unicode's categories of controls, surrogates, and separators of lines and paragraphs; signs that
# turn the direction of writing; and two that XML forbids.
_NO_TEXT = ("Cc", "Cs", "Zl", "Zp")
_NO_SIGNS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe\uffff"
# Of a name beside a chart.
CHARACTERS = 28
_STYLE = Path(__file__).with_name("charts.mplstyle")
# With them, two files of one chart would differ.
_METADATA = {"Date": None, "Creator": None}
_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_PX_PER_POINT = 96 / 72
_DECIMAL = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
# The page's own letters are used instead; what says how thick a line ends stands at the root.
_LEFT_OUT = {"font-family"}


@contextmanager
def charts_style() -> Iterator[None]:
    """The style of every chart, whatever a user's own settings of matplotlib say."""
    with style.context(_STYLE, after_reset=True), warnings.catch_warnings():
        # Letters that no font here has: a browser finds them, for words stay words.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        yield


def to_svg(figure: Figure) -> str:
    """The chart as an SVG file, the same text for the same chart."""
    file, dots = io.StringIO(), figure.dpi
    with charts_style():
        # `savefig` gives the same, and draws everything once more to find out how large it is.
        draw: Callable[..., object] = FigureCanvasSVG(figure).print_svg
        draw(file, metadata=_METADATA)
        figure.dpi = dots
    return file.getvalue()


def to_inline_svg(figure: Figure, *, key: str, title: str, description: str) -> Markup:
    """The chart as a part of a page, which has its colors, light or dark, and its letters.

    It carries no inline style, which the page's policy forbids; it is as wide as it was drawn, or
    narrower where the page is; and its identifiers begin with `key`.

    Args:
        figure: drawn by `cdul_edge.page.charts`, or in `charts_style`.
        key: of letters, digits, and "-"; no other chart of the page has it.
        title: what it is, in a few words.
        description: what it shows, for those who cannot see it.
    """
    root = ElementTree.fromstring(to_svg(figure))
    _drop_metadata(root)
    for element in root.iter():
        _move_style(element)
        _shorten_numbers(element)
    _rename_identifiers(root, key)
    left, top, width, height = (float(one) for one in root.attrib["viewBox"].split())
    root.attrib = {
        "class": "chart",
        "role": "img",
        "aria-labelledby": f"{key}-title {key}-desc",
        "viewBox": f"{left:g} {top:g} {width:g} {height:g}",
        "width": f"{width * _PX_PER_POINT:.0f}",
        "height": f"{height * _PX_PER_POINT:.0f}",
        "stroke-linejoin": "round",
    }
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(tag, {"id": f"{key}-{tag}"})
        element.text = spell_out(text)
        root.insert(place, element)
    for element in root.iter():
        element.tag = element.tag.replace(f"{{{_SVG}}}", "")
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def spell_out(text: str) -> str:
    """The text with what a chart cannot hold spelled out as in Python.

    That is control characters, line breaks, bytes that are no UTF-8, and what turns the direction
    of writing around, also beyond the text's end. What joins or parts letters stays.
    """
    return "".join(
        sign.encode("unicode_escape", "surrogatepass").decode()
        if unicodedata.category(sign) in _NO_TEXT or sign in _NO_SIGNS
        else sign
        for sign in text
    )


def to_label(name: str, characters: int = CHARACTERS) -> str:
    """A name as a chart shows it: in one line, with its middle left out where it is long."""
    text = spell_out(name)
    if width_of(text) <= characters:
        return text
    begin, end = "", ""
    while width_of(begin + end) + 3 <= characters:  # a sign of Chinese is as wide as two others
        begin, end = text[: len(begin) + 1], text[len(text) - len(end) - 1 :]
    return f"{begin}…{end}"


def width_of(text: str) -> int:
    """In letters of the Latin alphabet."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _drop_metadata(root: ElementTree.Element) -> None:
    for child in list(root):
        if child.tag == f"{{{_SVG}}}metadata":
            root.remove(child)
    for parent in root.iter(f"{{{_SVG}}}defs"):
        for child in parent.findall(f"{{{_SVG}}}style"):
            parent.remove(child)


def _move_style(element: ElementTree.Element) -> None:
    """Turn `style` into attributes of the same meaning."""
    for declaration in element.attrib.pop("style", "").split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name and name not in _LEFT_OUT:
            element.set(name, value)
    for name in ("fill", "stroke"):
        color = element.get(name, "").lower()
        if color in _COLORS:
            element.set(name, _COLORS[color])
        elif color in SERIES:
            element.set(name, f"var(--series-{SERIES.index(color) + 1})")
    if element.tag == f"{{{_SVG}}}text" and "fill" not in element.attrib:
        element.set("fill", "currentColor")
    if element.tag == f"{{{_SVG}}}image":
        element.set("image-rendering", "pixelated")


def _shorten_numbers(element: ElementTree.Element) -> None:
    for name in ("d", "x", "y", "width", "height", "transform"):
        if name in element.attrib:
            text = " ".join(element.attrib[name].split())
            element.set(name, _DECIMAL.sub(lambda number: f"{float(number[0]):.2f}", text))
    element.text = (element.text or "").strip("\n ") if len(element) else element.text
    element.tail = None


def _rename_identifiers(root: ElementTree.Element, key: str) -> None:
    """Put `key` before each identifier that something refers to; drop the others."""
    used: dict[str, str] = {}

    def new(old: str) -> str:
        return used.setdefault(old, f"{key}-{len(used) + 1}")

    for element in root.iter():
        link = element.attrib.pop(f"{{{_LINK}}}href", None)
        if link is not None:
            element.set("href", f"#{new(link[1:])}" if link.startswith("#") else link)
        for name, value in element.attrib.items():
            element.set(name, _REFERENCE.sub(lambda at: f"url(#{new(at[1])})", value))
    for element in root.iter():
        old = element.attrib.pop("id", None)
        if old in used:
            element.set("id", used[old])
