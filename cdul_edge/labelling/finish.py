"""The last steps of labelling, whether CLIP ran or not: scores, thresholds, manifest, summary."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from cdul_edge import __version__
from cdul_edge.labelling.options import Scoring
from cdul_edge.labelling.pseudo import (
    ClassSummary,
    aggregate_store,
    make_pseudo_labels,
    summarise_classes,
)
from cdul_edge.labelling.resume import PICTURES, remove_labels
from cdul_edge.labelling.store import EMBEDDINGS_FOLDER, part_name
from cdul_edge.labelling.talk import Talk
from cdul_edge.labels_folder import write_manifest
from cdul_edge.pseudo_labels import FILE_NAME
from cdul_edge_runtime.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.thresholds import thresholds_to_json

# A manifest is read by people: of more skipped pictures the store has the list.
LISTED = 100


@dataclass(frozen=True)
class LabelSummary:
    """What a run of `cdul-edge label` did.

    Attributes:
        scored: pictures that went through CLIP in this run.
        pictures_per_s: of those, from the first decoded to the last stored; None without any.
        unseen: classes that no picture shows: none of their scores reaches 0.5.
    """

    out: str
    pictures: int
    labelled: int
    skipped: tuple[tuple[str, str], ...]
    scored: int
    pictures_per_s: float | None
    seconds: float
    scoring: dict[str, Any]
    classes: tuple[ClassSummary, ...]

    @property
    def unseen(self) -> tuple[str, ...]:
        return tuple(row.name for row in self.classes if row.threshold is None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **asdict(self),
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
            "unseen": list(self.unseen),
        }


def finish_labels(
    out: Path,
    content: dict[str, Any],
    root: Path,
    scoring: Scoring,
    talk: Talk,
    *,
    started: float,
    scored: int = 0,
    scoring_seconds: float = 0.0,
) -> LabelSummary:
    """Write pseudo-labels and the finished manifest over a store whose parts are all there.

    Args:
        out: the labels folder.
        content: its manifest.
        root: the folder that the paths are relative to.
        scoring: how similarities become scores.
        started: `perf_counter` at the start of the run.
        scored: pictures that went through CLIP in this run, which took `scoring_seconds`.

    Raises:
        CdulEdgeError: no picture could be read; the folder is removed.
    """
    store = content["similarities"]
    aggregation = scoring.resolve(store["model_temperature"], store["cached_temperature"])
    paths, scores, skipped = aggregate_store(out, store["parts"], aggregation, store["snippets"])
    if not paths:
        remove_labels(out)
        path, reason = skipped[0]
        raise CdulEdgeError(
            f"none of the {len(skipped)} pictures can be read; the first, {path!r}, {reason}: "
            "nothing was written"
        )
    used = aggregation.to_dict()
    if content.get("pseudo_labels") not in (None, used):
        talk.say(f"{FILE_NAME} is replaced: its settings were {_show(content['pseudo_labels'])}")
    classes = ClassList(tuple(content["classes"]))
    provenance = {
        "program": f"cdul-edge {__version__}",
        "similarities": store["digest"],
        "aggregation": used,
        "templates": content.get("templates"),
    }
    labels = make_pseudo_labels(root, paths, scores, classes, provenance)
    labels.write(out / FILE_NAME)
    content = {
        **content,
        "complete": True,
        "counts": {
            "pictures": len(paths) + len(skipped),
            "labelled": len(paths),
            "skipped": len(skipped),
        },
        "skipped": [{"path": path, "reason": reason} for path, reason in skipped[:LISTED]],
        "pseudo_labels": used,
        "thresholds": thresholds_to_json(labels.thresholds),
    }
    write_manifest(out, content, _files(out, store["parts"]))
    return LabelSummary(
        out=str(out),
        pictures=len(paths) + len(skipped),
        labelled=len(paths),
        skipped=skipped,
        scored=scored,
        pictures_per_s=scored / scoring_seconds if scored else None,
        seconds=perf_counter() - started,
        scoring=used,
        classes=summarise_classes(labels),
    )


def _files(out: Path, parts: int) -> list[str]:
    names = [part_name(index) for index in range(parts)]
    names += [part_name(index, EMBEDDINGS_FOLDER) for index in range(parts)]
    return [name for name in (FILE_NAME, PICTURES, *names) if (out / name).is_file()]


def _show(settings: dict[str, Any]) -> str:
    shown = {key: f"{v:.4g}" if isinstance(v, float) else v for key, v in settings.items()}
    return ", ".join(f"{key} {value}" for key, value in shown.items() if value is not None)
