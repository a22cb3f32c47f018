"""What a bundle may say of where it came from: names, and no folder of the machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath


def without_folders(provenance: Mapping[str, object]) -> dict[str, object]:
    """Copy plain values, and keep only the last part of every absolute path in them.

    A bundle is shipped: a path would name the user and the machine. A path after a prefix
    (`clip:/models/rn50.pt`) and a path below a home folder (`~/model.pt`) count too.
    """
    return {key: _strip(value) for key, value in provenance.items()}


def _strip(value: object) -> object:
    if isinstance(value, Mapping):
        return without_folders(value)
    if isinstance(value, (list, tuple)):
        return [_strip(item) for item in value]
    return _last_part(value) if isinstance(value, str) else value


def _last_part(text: str) -> str:
    if PureWindowsPath(text).drive and PureWindowsPath(text).is_absolute():
        return PureWindowsPath(text).name
    if text.startswith(("/", "~")):
        return PurePosixPath(text).name
    if "://" in text and not text.startswith("file:"):
        return text
    prefix = re.match(r"[^:@=]*[:@=]", text)  # clip:NAME@FILE
    return text[: prefix.end()] + _last_part(text[prefix.end() :]) if prefix else text
