"""The last steps of labeling, whether CLIP ran or not: scores, thresholds, manifest, result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter

from cdul_edge.labelling.label_tally import LabelTally
from cdul_edge.labelling.observed.shifted_scores import shift_scores
from cdul_edge.labelling.request import LabelResult
from cdul_edge.labelling.score.score_store import choose_scorer
from cdul_edge.labelling.score.scorer import PartScores
from cdul_edge.labelling.score.scoring import Scoring
from cdul_edge.labelling.store.folder import list_files, remove_labels
from cdul_edge.labelling.store.reader import StoreReader
from cdul_edge.labels.label_stream import FILE_NAME
from cdul_edge.labels.labels_writer import LabelsWriter
from cdul_edge.labels.manifest import Counts, LabelsManifest, SkippedPicture
from cdul_edge.labels.observed import read_answers
from cdul_edge.storage.location import Location, parse_location
from cdul_edge.storage.open_storage import open_storage
from cdul_edge.version import __version__
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.threshold_values import thresholds_to_json
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console

# A manifest is read by people: of more skipped pictures the store has the list.
LISTED = 100


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
    out: Location,
    manifest: LabelsManifest,
    scoring: Scoring,
    effort: Effort,
    console: Console,
    observed: Sequence[Path] = (),
) -> LabelResult:
    """Write pseudo-labels and the finished manifest over a store whose parts are all there.

    Args:
        out: the labels folder.
        manifest: of the store.
        scoring: how similarities become scores.
        effort: what the run did so far.
        console: for notes.
        observed: files of labels that people gave, which correct the scores.

    Raises:
        CdulEdgeError: no picture could be read; the folder is removed. Or answers that do not fit.
    """
    classes = ClassList(manifest.classes)
    seen, tally = _Seen(), LabelTally(classes, scoring)
    store = StoreReader(out, manifest.similarities.parts)
    fitted = choose_scorer(scoring, manifest.similarities).fit(store, manifest.classes)
    root = parse_location(manifest.inputs.root)
    if observed:
        fitted = shift_scores(fitted, store, read_answers(observed, classes), root, console)
    used = {**fitted.settings, "thresholds": tally.rule}
    with LabelsWriter(open_storage(out), root, classes) as writer:
        for part in store.each(range(store.parts), partial(fitted.apply, store)):
            writer.add(part.paths, part.scores, part.cosines)
            tally.add(part.paths, part.scores)
            seen.add(part)
        _refuse_nothing(out, seen)
        _say_what_differs(manifest, fitted.notes, used, console)
        del fitted  # of a thousand classes it has 150 MB, and the labels are still to be written
        writer.seal()
        tally.finish(writer)
        writer.finish(tally.thresholds, _provenance(manifest, used))
    finished = replace(
        manifest,
        complete=True,
        counts=seen.counts,
        skipped=tuple(seen.first_skipped),
        pseudo_labels=used,
        thresholds=tuple(thresholds_to_json(tally.thresholds)),
    )
    finished.write(out, list_files(out))
    return LabelResult(
        out=out,
        pictures=seen.counts.pictures,
        labelled=seen.labelled,
        skipped=tuple(seen.first_skipped),
        scored=effort.encoded,
        pictures_per_s=effort.pictures_per_s,
        seconds=perf_counter() - effort.started,
        scoring=used,
        classes=tally.classes,
    )


def _say_what_differs(
    manifest: LabelsManifest, notes: Sequence[str], used: Mapping[str, object], console: Console
) -> None:
    for note in notes:
        console.warn(note)
    if manifest.pseudo_labels not in (None, used):
        console.say(f"{FILE_NAME} is replaced: its settings were {_show(manifest.pseudo_labels)}")


@dataclass
class _Seen:
    """How many pictures there were, and the first that could not be read."""

    labelled: int = 0
    skipped: int = 0
    first_skipped: list[SkippedPicture] = field(default_factory=list)

    @property
    def counts(self) -> Counts:
        """For the manifest."""
        return Counts(self.labelled + self.skipped, self.labelled, self.skipped)

    def add(self, part: PartScores) -> None:
        self.labelled += len(part.paths)
        self.skipped += len(part.skipped)
        self.first_skipped += part.skipped[: LISTED - len(self.first_skipped)]


def _refuse_nothing(out: Location, seen: _Seen) -> None:
    if seen.labelled:
        return
    remove_labels(out)
    first = seen.first_skipped[0]
    raise CdulEdgeError(
        f"none of the {seen.skipped} pictures can be read; the first, {first.path!r}, "
        f"{first.reason}: nothing was written"
    )


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
