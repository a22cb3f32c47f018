"""What became of a cell: what was measured of it, or why it could not run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from cdul_edge.study.cells import Cell
from cdul_edge.training.config import TrainConfig
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.json_record import RecordError, check_header, parse_record

# Of a finished cell; percent, but for the seconds.
Measure = Literal[
    "labels_first_map",
    "labels_last_map",
    "train_map",
    "heldout_map",
    "heldout_cf1",
    "heldout_of1",
    "heldout_macro_f1",
    "heldout_ece",
    "seconds",
]
MEASURES: tuple[Measure, ...] = get_args(Measure)


@dataclass(frozen=True)
class Finished:
    """A cell that was trained, and what was measured of it.

    Attributes:
        measures: every measure; None where it is not defined.
        ap: held-out average precision by class, percent; None for a class without a positive.
        curve, labels_curve: held-out mAP and that of the labels, one entry per epoch.
        settings: of the run.
        labels_digest: of the pseudo-labels that it learned from.
        label_guard: what the method's guard said, if it stepped in.
    """

    cell: Cell
    measures: Mapping[Measure, float | None]
    ap: Mapping[str, float | None]
    curve: tuple[float | None, ...]
    labels_curve: tuple[float | None, ...]
    settings: TrainConfig
    labels_digest: str
    label_guard: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Plain values; `read_finished` reads them back."""
        return {
            "cell": self.cell.to_dict(),
            "status": "done",
            **{str(name): value for name, value in self.measures.items()},
            "ap": dict(self.ap),
            "curve": list(self.curve),
            "labels_curve": list(self.labels_curve),
            "label_guard": self.label_guard,
            "settings": self.settings.to_dict(),
            "labels_digest": self.labels_digest,
        }


@dataclass(frozen=True)
class Failed:
    """A cell that could not be run, and why."""

    cell: Cell
    reason: str

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {"cell": self.cell.to_dict(), "status": "failed", "reason": self.reason}


Outcome = Finished | Failed


def read_finished(file: Path) -> Finished:
    """Read the result of a finished cell.

    Raises:
        CdulEdgeError: the file is damaged, or of another version.
    """
    values = read_json(file)
    try:
        return _from_dict(values)
    except CdulEdgeError as error:
        raise CdulEdgeError(
            f"{file} is no result of this version's cells ({error}): choose another --out, or "
            "remove that file to run the cell again"
        ) from error


def _from_dict(values: Any) -> Finished:
    check_header(values, status="done")
    missing = [name for name in MEASURES if name not in values]
    if missing:
        raise RecordError(f"{missing[0]} is missing")
    measures = {name: values[name] for name in MEASURES}
    found = parse_record(Finished, {**values, "measures": measures, "settings": {}})
    return replace(found, settings=TrainConfig.from_dict(values.get("settings")))
