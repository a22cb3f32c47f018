"""How scores were distributed in training, as a bundle or a run on the page has it."""

from __future__ import annotations

from cdul_edge.reporting.inputs import Input, Inputs
from cdul_edge.training.run_config import RunConfig
from cdul_edge_runtime.bundle.bundle import SCORE_REFERENCE, Bundle
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.score_reference import ScoreReference

_NOBODY = "no bundle or run of these classes is on this page: add it to compare with training"
_EARLIER = (
    "the bundle or run of these classes was made by an earlier version, which did not keep how "
    "its training images scored"
)


def find_reference(
    inputs: Inputs, classes: ClassList
) -> tuple[ScoreReference | None, str | None, str]:
    """That of the first bundle or run of these classes, where it lies, or why there is none.

    Raises:
        CdulEdgeError: one that is damaged.
    """
    note = _NOBODY
    for one in (*inputs.of("bundle"), *inputs.of("run")):
        known, found = _read(one, classes)
        if found is not None:
            return found, str(one.path), ""
        note = _EARLIER if known else note
    return None, None, note


def _read(one: Input, classes: ClassList) -> tuple[bool, ScoreReference | None]:
    """Whether it is of these classes, and its reference."""
    if one.kind == "bundle":
        bundle = Bundle.load(one.path)
        known = list(bundle.manifest.classes) == list(classes)
        return known, bundle.score_reference() if known else None
    known = list(RunConfig.read(one.path).classes) == list(classes)
    file = one.path / SCORE_REFERENCE
    return known, ScoreReference.read(file, classes) if known and file.is_file() else None
