"""Which classes the inputs know, for `--class`."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from cdul_edge.reporting.inputs import Input, Inputs
from cdul_edge.training.run_config import RunConfig
from cdul_edge_runtime.bundle.bundle import read_manifest
from cdul_edge_runtime.bundle.classes import name_some
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json

_EVALUATED = ("ap", "classes")  # with truth; with a sheet, or without either


def refuse_unknown_classes(wanted: Sequence[str], inputs: Inputs) -> None:
    """Raise `CdulEdgeError` for a class that no input has."""
    if not wanted:
        return
    known = list(dict.fromkeys(name for one in inputs.shown for name in _classes(one)))
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known)
            told = f"did you mean {', '.join(near)}?" if near else f"there are {name_some(known)}"
            raise CdulEdgeError(f"--class {name!r} is no class of what the page shows: {told}")


def _classes(one: Input) -> Iterable[str]:
    if one.kind == "labels":
        from cdul_edge.labels.label_stream import iterate_labels  # pyarrow, which not all have

        return iterate_labels(one.path).classes
    if one.kind == "run":
        return RunConfig.read(one.path).classes
    if one.kind == "bundle":
        return read_manifest(one.path).classes
    if one.kind == "evaluation":
        content = read_json(one.path)
        found = next((content[key] for key in _EVALUATED if key in content), ())
        return tuple(found) if isinstance(found, (list, dict)) else ()
    return _predicted(one) if one.kind == "predictions" else ()


def _predicted(one: Input) -> Iterable[str]:
    """Of the first row."""
    with one.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        if one.path.suffix == ".csv":
            return next(csv.reader(file), [])[1:]
        scores = json.loads(file.readline()).get("scores", {})
    if not isinstance(scores, dict):
        raise CdulEdgeError(
            f"{one.path}, line 1 has no scores by class: it was edited; make the predictions again"
        )
    return tuple(scores)
