"""The settings behind a similarity store: how they are compared, and what differs in words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cdul_edge_runtime.errors import LabelsError


def digest_settings(settings: Mapping[str, Any]) -> str:
    """SHA-256 of settings, whatever the order of their keys."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_paths(paths: Sequence[str]) -> str:
    """SHA-256 of paths in order; a newline inside a name counts."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.encode() + b"\0")
    return digest.hexdigest()


def differing(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Names of the settings that differ, in order."""
    return [key for key in {**stored, **wanted} if stored.get(key) != wanted.get(key)]


def require_same_settings(
    folder: str, stored: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Raise `LabelsError` that names every setting that differs."""
    faults = [
        f"{key} {_show(stored.get(key))} (now {_show(wanted.get(key))})"
        for key in differing(stored, wanted)
    ]
    if faults:
        raise LabelsError(
            f"{folder} holds similarities made with other settings: {', '.join(faults)}: give the "
            "same settings, choose another --out, or start anew with --force"
        )


def require_same_pictures(folder: str, stored: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise `LabelsError` that names what was added to the list, or is gone from it."""
    if list(stored) == list(wanted):
        return
    before, now = set(stored), set(wanted)
    faults = [
        f"{len(found)} {word} ({', '.join(repr(path) for path in sorted(found)[:3])}"
        f"{', …' if len(found) > 3 else ''})"
        for word, found in (("new", now - before), ("gone", before - now))
        if found
    ]
    what = ", ".join(faults) or "the same pictures in another order"
    raise LabelsError(
        f"{folder} is about another list of pictures: {what}: give the same pictures, choose "
        "another --out, or start anew with --force"
    )


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= 60 else f"{text[:57]}…"
