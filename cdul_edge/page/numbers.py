"""Numbers on a page: each says where in the report's JSON it stands, and is what stands there."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

Number = Callable[..., Markup]


def numbers_of(record: object, at: str) -> Number:
    """A function for templates: `number("rows", 0, "map", digits=1)`.

    Args:
        record: plain values, as in the JSON.
        at: the JSON pointer (RFC 6901) of `record` in it.

    Returns:
        Of the keys and indices that lead to a value, how many digits, and what it is multiplied
        with: `<data value="0.8312…" data-at="/sections/labels/…">83.1</data>`; a dash for None.
    """

    def number(*keys: str | int, digits: int = 0, scale: float = 1.0) -> Markup:
        value = record
        for key in keys:
            value = value[key]  # type: ignore[index]
        pointer = at + "".join(f"/{_escape(str(key))}" for key in keys)
        if value is None:
            return Markup('<data value="" data-at="{}">–</data>').format(pointer)
        if not isinstance(value, (int, float)):
            raise TypeError(f"{pointer} is {value!r}, which is no number")
        shown = f"{round(value * scale, digits) + 0.0:,.{digits}f}"  # no -0.00
        return Markup('<data value="{}" data-at="{}">{}</data>').format(repr(value), pointer, shown)

    return number


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
