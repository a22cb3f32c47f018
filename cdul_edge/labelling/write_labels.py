"""The last steps of labelling, whether CLIP ran or not: scores, thresholds, manifest, summary."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from cdul_edge import __version__
from cdul_edge.labelling.encode.console import Talk
from cdul_edge.labelling.request import Scoring
from cdul_edge.labelling.score.patch_scores import PatchScoring, score_patches
from cdul_edge.labelling.score.score_store import (
    ClassSummary,
    StoreScores,
    make_pseudo_labels,
    score_store,
    summarize_classes,
)
from cdul_edge.labelling.store.parts import EMBEDDINGS_FOLDER, part_name
from cdul_edge.labelling.store.resume import PICTURES, remove_labels
from cdul_edge.labels.folder import write_manifest
from cdul_edge.labels.pseudo_labels import FILE_NAME, PseudoLabels
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.thresholds import thresholds_to_json
from cdul_edge_runtime.errors import CdulEdgeError

# A manifest is read by people: of more skipped pictures the store has the list.
LISTED = 100

Skipped = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LabelSummary:
    """What a run of `cdul-edge label` did.

    Attributes:
        scored: pictures that went through CLIP in this run.
        pictures_per_s: of those, from the first decoded to the last stored; None without any.
        unseen: classes that no picture shows: they have no threshold.
    """

    out: str
    pictures: int
    labelled: int
    skipped: Skipped
    scored: int
    pictures_per_s: float | None
    seconds: float
    scoring: dict[str, Any]
    classes: tuple[ClassSummary, ...]

    @property
    def unseen(self) -> tuple[str, ...]:
        """Names of the classes that are never predicted."""
        return tuple(row.name for row in self.classes if row.threshold is None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **asdict(self),
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
            "unseen": list(self.unseen),
        }


@dataclass
class Effort:
    """What a run cost: seconds in all, and of the pictures that went through CLIP."""

    started: float = field(default_factory=perf_counter)
    scored: int = 0
    scoring_seconds: float = 0.0

    @contextmanager
    def scoring(self, pictures: int) -> Iterator[None]:
        """The block in which so many pictures go through CLIP."""
        before = perf_counter()
        yield
        self.scored += pictures
        self.scoring_seconds += perf_counter() - before


def finish_labels(
    out: Path, content: dict[str, Any], scoring: Scoring, effort: Effort, talk: Talk
) -> LabelSummary:
    """Write pseudo-labels and the finished manifest over a store whose parts are all there.

    Args:
        out: the labels folder.
        content: its manifest.
        scoring: how similarities become scores.
        effort: what the run did so far.
        talk: to the user.

    Raises:
        CdulEdgeError: no picture could be read; the folder is removed.
    """
    store = content["similarities"]
    classes = ClassList(tuple(content["classes"]))
    found = _score_store(out, content, scoring)
    used = {**found.settings, "thresholds": scoring.shares() or scoring.thresholds}
    if not found.paths:
        remove_labels(out)
        path, reason = found.skipped[0]
        raise CdulEdgeError(
            f"none of the {len(found.skipped)} pictures can be read; the first, {path!r}, "
            f"{reason}: nothing was written"
        )
    for note in found.notes:
        talk.warn(note)
    if content.get("pseudo_labels") not in (None, used):
        talk.say(f"{FILE_NAME} is replaced: its settings were {_show(content['pseudo_labels'])}")
    root = Path(content["inputs"]["root"])
    provenance = _provenance(content, used)
    labels = make_pseudo_labels(root, found, classes, scoring, provenance)
    labels.write(out / FILE_NAME)
    content = _complete(content, labels, found.skipped, used)
    write_manifest(out, content, _files(out, store["parts"]))
    return _summarize(out, labels, found.skipped, used, effort)


def _score_store(out: Path, content: dict[str, Any], scoring: Scoring) -> StoreScores:
    store, classes = content["similarities"], tuple(content["classes"])
    if store.get("kind") != "patches":
        return score_store(out, store, classes, scoring)
    temperature = scoring.resolve(store["model_temperature"], store["cached_temperature"])
    settings = PatchScoring(temperature.temperature)
    found = score_patches(out, store["parts"], settings, classes)
    return StoreScores(
        found.paths, found.scores, found.cosines, found.skipped, settings.to_dict(), found.notes
    )


def _provenance(content: dict[str, Any], used: dict[str, Any]) -> dict[str, Any]:
    return {
        "program": f"cdul-edge {__version__}",
        "similarities": content["similarities"]["digest"],
        "model": content["model"],
        "templates": content["templates"],
        "aggregation": used,
    }


def _complete(
    content: dict[str, Any], labels: PseudoLabels, skipped: Skipped, used: dict[str, Any]
) -> dict[str, Any]:
    return {
        **content,
        "complete": True,
        "counts": {
            "pictures": len(labels.paths) + len(skipped),
            "labelled": len(labels.paths),
            "skipped": len(skipped),
        },
        "skipped": [{"path": path, "reason": reason} for path, reason in skipped[:LISTED]],
        "pseudo_labels": used,
        "thresholds": thresholds_to_json(labels.thresholds),
    }


def _summarize(
    out: Path, labels: PseudoLabels, skipped: Skipped, used: dict[str, Any], effort: Effort
) -> LabelSummary:
    return LabelSummary(
        out=str(out),
        pictures=len(labels.paths) + len(skipped),
        labelled=len(labels.paths),
        skipped=skipped,
        scored=effort.scored,
        pictures_per_s=effort.scored / effort.scoring_seconds if effort.scored else None,
        seconds=perf_counter() - effort.started,
        scoring=used,
        classes=summarize_classes(labels),
    )


def _files(out: Path, parts: int) -> list[str]:
    names = [part_name(index) for index in range(parts)]
    names += [part_name(index, EMBEDDINGS_FOLDER) for index in range(parts)]
    return [name for name in (FILE_NAME, PICTURES, *names) if (out / name).is_file()]


def _show(settings: dict[str, Any]) -> str:
    shown = {key: f"{v:.4g}" if isinstance(v, float) else v for key, v in settings.items()}
    return ", ".join(
        f"{key} {value}"
        for key, value in shown.items()
        if value is not None and not isinstance(value, dict)  # not a number for every class
    )
