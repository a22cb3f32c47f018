"""Numbers on the command line."""

from __future__ import annotations

from argparse import ArgumentTypeError
from math import isfinite


def count(text: str) -> int:
    """A whole number, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"invalid count {text!r}: expected a whole number, 1 or more")
    return int(text)


def seconds(text: str) -> float:
    """More than none, and not for ever."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not (isfinite(found) and found > 0):
        raise ArgumentTypeError(f"invalid seconds {text!r}: expected a number above 0")
    return found
