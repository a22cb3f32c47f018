"""What a report is given: each folder or file is recognized, and half-written ones are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from cdul_edge.reporting.recognize import (
    CONFIG,
    MANIFEST,
    PSEUDO_LABELS,
    InputKind,
    NotShownError,
    recognize_file,
    recognize_folder,
)
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console

__all__ = ["CONFIG", "MANIFEST", "Input", "InputKind", "Inputs", "LeftOut", "find_inputs"]

_SUFFIXES = (".json", ".jsonl", ".csv", ".parquet")
_ORDER: tuple[InputKind, ...] = get_args(InputKind)
_EXPECTED = (
    "labels, a run, a bundle, JSON of verify, bench or evaluate, predictions, or rows of watch"
)


@dataclass(frozen=True)
class Input:
    """One finished thing that the page shows.

    Attributes:
        kind: what it is, and so which section shows it.
        key: of its section; of several of a kind, the later ones get "-2", "-3".
        path: the folder or file, as it was given.
        named: whether it was given by name, and not as a part of a folder.
    """

    kind: InputKind
    key: str
    path: Path
    named: bool = True


@dataclass(frozen=True)
class LeftOut:
    """Something in a folder that was given, which the page does not show, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Inputs:
    """All that was found, in the order of the stages, and what was left out."""

    shown: tuple[Input, ...]
    left_out: tuple[LeftOut, ...] = ()

    def of(self, kind: InputKind) -> tuple[Input, ...]:
        """Those of one kind."""
        return tuple(one for one in self.shown if one.kind == kind)

    def without(self, faults: Mapping[str, str]) -> Inputs:
        """All but those whose keys are given, which are left out for a reason."""
        left = (LeftOut(one.path, faults[one.key]) for one in self.shown if one.key in faults)
        shown = tuple(one for one in self.shown if one.key not in faults)
        return Inputs(shown, (*self.left_out, *left))


def find_inputs(paths: Sequence[Path], console: Console) -> Inputs:
    """Recognize everything; a folder that holds such things stands for all that lie in it.

    Args:
        paths: what was given.
        console: told what was given twice, and what is left out.

    Raises:
        CdulEdgeError: nothing there, nothing of this program, or not finished. In a folder that
            stands for what it holds, the unfinished is left out and named.
    """
    found: dict[Path, tuple[InputKind, Path, bool]] = {}
    left_out: list[LeftOut] = []
    for path in paths:
        for kind, place in _recognize(path, left_out):
            known, named = place.resolve(), place.parent != path
            if known in found:
                console.warn(f"{place} was given twice: the page shows it once")
                kind, place, before = found[known]
                named |= before
            found[known] = (kind, place, named)
    for one in left_out:
        console.warn(f"left out: {one.reason}")
    counts: Counter[str] = Counter()
    shown = []
    for kind, place, named in sorted(found.values(), key=lambda one: _ORDER.index(one[0])):
        counts[kind] += 1
        key = kind if counts[kind] == 1 else f"{kind}-{counts[kind]}"
        shown.append(Input(kind, key, place, named))
    return Inputs(tuple(shown), tuple(left_out))


def _recognize(path: Path, left_out: list[LeftOut]) -> list[tuple[InputKind, Path]]:
    if not path.exists():
        raise CdulEdgeError(f"{path} does not exist: check the path")
    if not path.is_dir():
        return [(recognize_file(path), _whole(path))]
    kind = recognize_folder(path)
    return _expand(path, left_out) if kind is None else [(kind, path)]


def _whole(file: Path) -> Path:
    """A labels folder's own file stands for the folder, which says more."""
    folder = file.parent
    return folder if file.name == PSEUDO_LABELS and (folder / MANIFEST).is_file() else file


def _expand(folder: Path, left_out: list[LeftOut]) -> list[tuple[InputKind, Path]]:
    found: list[tuple[InputKind, Path]] = []
    skipped: list[LeftOut] = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or not (entry.is_dir() or entry.suffix.lower() in _SUFFIXES):
            continue
        try:
            kind = recognize_folder(entry) if entry.is_dir() else recognize_file(entry)
        except NotShownError:
            continue
        except CdulEdgeError as error:
            skipped.append(LeftOut(entry, str(error)))
            continue
        if kind is not None:
            found.append((kind, entry))
    if not found:
        if skipped:
            raise CdulEdgeError(skipped[0].reason)
        raise NotShownError(f"{folder} holds nothing that a report shows: expected {_EXPECTED}")
    left_out += skipped
    return found
