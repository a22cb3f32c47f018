"""The last steps of labeling, whether CLIP ran or not: scores, thresholds, manifest, result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter

import numpy as np

from cdul_edge.labelling.arrays import Singles
from cdul_edge.labelling.request import ClassSummary, LabelResult
from cdul_edge.labelling.score.score_store import choose_scorer
from cdul_edge.labelling.score.scoring import Scoring
from cdul_edge.labelling.store.folder import list_files, remove_labels
from cdul_edge.labelling.store.reader import StoreReader
from cdul_edge.labels.manifest import Counts, LabelsManifest, SkippedPicture
from cdul_edge.labels.pseudo_labels import FILE_NAME, PseudoLabels
from cdul_edge.storage.location import Location
from cdul_edge.storage.open_storage import open_storage
from cdul_edge.version import __version__
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.threshold_values import thresholds_to_json
from cdul_edge_runtime.bundle.thresholds import (
    order_shares,
    prevalence_thresholds,
    unlabeled_thresholds,
)
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console

# A manifest is read by people: of more skipped pictures the store has the list.
LISTED = 100
EXAMPLES = 3


@dataclass
class Effort:
    """What a run cost: seconds in all, and of the pictures that CLIP encoded."""

    started: float = field(default_factory=perf_counter)
    encoded: int = 0
    encoding_seconds: float = 0.0

    @property
    def pictures_per_s(self) -> float | None:
        """None where no picture was encoded."""
        return self.encoded / self.encoding_seconds if self.encoded else None


def write_labels(
    out: Location, manifest: LabelsManifest, scoring: Scoring, effort: Effort, console: Console
) -> LabelResult:
    """Write pseudo-labels and the finished manifest over a store whose parts are all there.

    Args:
        out: the labels folder.
        manifest: of the store.
        scoring: how similarities become scores.
        effort: what the run did so far.
        console: for notes.

    Raises:
        CdulEdgeError: no picture could be read; the folder is removed.
    """
    found = _score_set(out, manifest, scoring)
    _refuse_nothing(out, found)
    for note in found.notes:
        console.warn(note)
    shares = scoring.shares()
    used = {**found.settings, "thresholds": dict(shares) if shares else scoring.thresholds}
    if manifest.pseudo_labels not in (None, used):
        console.say(f"{FILE_NAME} is replaced: its settings were {_show(manifest.pseudo_labels)}")
    labels = PseudoLabels(
        root=Path(manifest.inputs.root),
        paths=found.paths,
        classes=ClassList(manifest.classes),
        scores=found.scores,
        thresholds=_choose_thresholds(found, manifest.classes, scoring),
        provenance=_provenance(manifest, used),
        cosines=found.cosines,
    )
    with open_storage(out).write(FILE_NAME) as temporary:
        labels.write(temporary)
    counts = Counts(len(found.paths) + len(found.skipped), len(found.paths), len(found.skipped))
    finished = replace(
        manifest,
        complete=True,
        counts=counts,
        skipped=found.skipped[:LISTED],
        pseudo_labels=used,
        thresholds=tuple(thresholds_to_json(labels.thresholds)),
    )
    finished.write(out, list_files(out))
    return LabelResult(
        out=out,
        pictures=counts.pictures,
        labelled=counts.labelled,
        skipped=found.skipped[:LISTED],
        scored=effort.encoded,
        pictures_per_s=effort.pictures_per_s,
        seconds=perf_counter() - effort.started,
        scoring=used,
        classes=summarize_classes(labels),
    )


@dataclass(frozen=True)
class _SetScores:
    """Scores (N, C) and cosines (N, C) of the N readable pictures; and the others."""

    paths: tuple[str, ...]
    scores: Singles
    cosines: Singles
    skipped: tuple[SkippedPicture, ...]
    settings: Mapping[str, object]
    notes: tuple[str, ...]


def _score_set(out: Location, manifest: LabelsManifest, scoring: Scoring) -> _SetScores:
    store = StoreReader(out, manifest.similarities.parts)
    fitted = choose_scorer(scoring, manifest.similarities).fit(store, manifest.classes)
    found = [fitted.apply(store, index) for index in range(store.parts)]
    return _SetScores(
        tuple(path for part in found for path in part.paths),
        np.concatenate([part.scores for part in found]),
        np.concatenate([part.cosines for part in found]),
        tuple(picture for part in found for picture in part.skipped),
        fitted.settings,
        fitted.notes,
    )


def _refuse_nothing(out: Location, found: _SetScores) -> None:
    if not found.paths:
        remove_labels(out)
        first = found.skipped[0]
        raise CdulEdgeError(
            f"none of the {len(found.skipped)} pictures can be read; the first, {first.path!r}, "
            f"{first.reason}: nothing was written"
        )


def summarize_classes(labels: PseudoLabels) -> tuple[ClassSummary, ...]:
    """One row per class, in column order."""
    rows = []
    for column, name in enumerate(labels.classes):
        scores, threshold = labels.scores[:, column], labels.thresholds[column]
        above = scores >= threshold
        best = np.argsort(-scores, kind="stable")[:EXAMPLES]
        rows.append(
            ClassSummary(
                name=name,
                mean_score=float(scores.mean(dtype=np.float64)),
                threshold=float(threshold) if np.isfinite(threshold) else None,
                above_threshold=int(above.sum()),
                examples=tuple(labels.paths[i] for i in best if above[i]),
            )
        )
    return tuple(rows)


def _choose_thresholds(found: _SetScores, classes: tuple[str, ...], scoring: Scoring) -> Singles:
    """By the rule asked for, or of the shares given."""
    shares = scoring.shares()
    if shares is None:
        return unlabeled_thresholds(found.scores, scoring.thresholds)
    expected = order_shares(shares, ClassList(classes), Path(scoring.thresholds))
    return prevalence_thresholds(found.scores, expected)


def _provenance(manifest: LabelsManifest, used: Mapping[str, object]) -> dict[str, object]:
    return {
        "program": f"cdul-edge {__version__}",
        "similarities": manifest.similarities.digest,
        "model": asdict(manifest.model) if manifest.model else None,
        "templates": manifest.templates,
        "aggregation": used,
    }


def _show(settings: Mapping[str, object] | None) -> str:
    shown = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in (settings or {}).items()}
    return ", ".join(
        f"{key} {value}"
        for key, value in shown.items()
        if value is not None and not isinstance(value, dict)  # not a number for every class
    )
