"""Result files are committed: no folder of the machine that was measured may stand in them."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from benchmarks.gpu.roots import ROOT

_PACKAGES = re.compile(r"/[^\s'\"]*/(?=(?:site|dist)-packages/)")


def hide_paths(text: str, folder: Path) -> str:
    """The same text, in which folders are called by what they are.

    Args:
        text: a line of a log, or a message.
        folder: of the step that wrote it.
    """
    places = {
        str(folder): "STEP", str(ROOT): ".", tempfile.gettempdir(): "TMP", sys.prefix: "PYTHON",
        sys.base_prefix: "PYTHON", str(Path.home()): "~",
    }  # fmt: skip
    text = _PACKAGES.sub("", text)
    for place in sorted(places, key=len, reverse=True):  # one may lie in another
        if len(place) > 1:  # the home of some users is /
            text = text.replace(place, places[place])
    return text


def hide_all_paths(value: object, folder: Path) -> object:
    """The same for every text in a JSON value."""
    if isinstance(value, str):
        return hide_paths(value, folder)
    if isinstance(value, dict):
        return {key: hide_all_paths(one, folder) for key, one in value.items()}
    if isinstance(value, list):
        return [hide_all_paths(one, folder) for one in value]
    return value
