"""What training did: curves, labels that moved, where the network is most wrong, thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cdul_edge.labels.label_stream import LabelStream, iterate_labels
from cdul_edge.reporting.asked import Asked
from cdul_edge.reporting.inputs import Input
from cdul_edge.reporting.section import Section
from cdul_edge.reporting.stages.metrics_facts import MetricsFacts
from cdul_edge.reporting.stages.run.charts import EpochFacts, draw_epochs
from cdul_edge.reporting.stages.run.disagreement import find_disagreements
from cdul_edge.reporting.stages.run.label_movement import (
    SHOWN,
    Change,
    Movement,
    NotComparableError,
    compare_labels,
    find_first_labels,
)
from cdul_edge.reporting.stages.run.top_losses import TopLoss, find_losses, find_truth
from cdul_edge.reporting.stages.run.truth_files import named_truths
from cdul_edge.reporting.stages.titles import title_of
from cdul_edge.reporting.stages.top_entries import Entry
from cdul_edge.training.run_config import RunConfig
from cdul_edge.training.summary import RunSummary, read_metrics, read_summary
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.json_record import finite_or_none

REFINED = "pseudo_labels_refined.parquet"
HELD_OUT = "heldout_scores.parquet"


@dataclass(frozen=True)
class RunClass:
    """One class of a run.

    Attributes:
        threshold: on scores, in [0, 1]; None: never predicted.
        ap_val, ap_train: average precision on the held-out and the training pictures, in percent.
        up, down: pictures that got the label during training, or lost it; None where the first
            labels are not at hand.
    """

    name: str
    threshold: float | None
    ap_val: float | None
    ap_train: float | None
    up: int | None
    down: int | None


@dataclass(frozen=True)
class RunFacts:
    """What a run found; names and values are those of summary.json and metrics.jsonl.

    Attributes:
        observed: where labels that people gave come from, in words; None without any.
        labels_map_first, labels_map_last: mAP in percent of the labels before and after.
        crossed_up, crossed_down: entries that got their label, or lost it, in all.
        mean_change: mean of how far a label moved, in [0, 1].
        movement_note: why labels are not compared, where they are not.
        changes: those that moved most; `losses`: where the network is most wrong.
        disagreements: where predictions on the page differ most from the labels; `truth` is the
            label. Looked for where there are no losses.
        explained: folders of `explain` inside the run, by name.
    """

    network: str
    method: str
    labels: str
    labels_from: str
    observed: str | None
    pictures: int
    epochs: int
    seconds: float
    images_per_second: float
    score_slope: float | None
    label_guard: str | None
    labels_map_first: float | None
    labels_map_last: float | None
    metrics: tuple[EpochFacts, ...]
    train: MetricsFacts | None
    val: MetricsFacts | None
    classes: tuple[RunClass, ...]
    crossed_up: int | None
    crossed_down: int | None
    mean_change: float | None
    movement_note: str
    changes: tuple[Change, ...]
    losses: tuple[TopLoss, ...]
    disagreements: tuple[TopLoss, ...]
    explained: tuple[str, ...]


def read_run(one: Input, asked: Asked) -> Section:
    """The section of one finished run.

    Raises:
        CdulEdgeError: a file of it is missing or damaged.
    """
    config, summary = RunConfig.read(one.path), _read_summary(one.path)
    lines = tuple(EpochFacts.of(line) for line in read_metrics(one.path))
    movement, note = _compare(one.path, config, asked)
    first, last = summary.labels_map or (None, None)
    losses = _losses(one.path, asked)
    facts = RunFacts(
        network=summary.network,
        method=summary.method,
        labels=config.labels,
        labels_from=summary.labels_from,
        observed=config.observed_from,
        pictures=summary.pictures,
        epochs=summary.epochs,
        seconds=summary.seconds,
        images_per_second=summary.images_per_second,
        score_slope=summary.score_slope,
        label_guard=summary.label_guard,
        labels_map_first=None if first is None else finite_or_none(first),
        labels_map_last=None if last is None else finite_or_none(last),
        metrics=lines,
        train=MetricsFacts.of(summary.train),
        val=MetricsFacts.of(summary.val),
        classes=_classes(summary, movement),
        crossed_up=None if movement is None else int(movement.up.sum()),
        crossed_down=None if movement is None else int(movement.down.sum()),
        mean_change=None if movement is None else movement.mean_change,
        movement_note=note,
        changes=() if movement is None else _changes(movement, summary.classes, asked),
        losses=losses,
        disagreements=() if losses else _disagreements(one.path, asked),
        explained=_explained(one.path),
    )
    return Section(
        key=one.key,
        title=title_of(one, asked),
        template="report/run.html",
        source=one.path,
        facts=facts,
        charts=draw_epochs(lines, one.key),
    )


def _read_summary(folder: Path) -> RunSummary:
    """The summary, of the classes that the run's labels have."""
    summary = read_summary(folder)
    if tuple(iterate_labels(folder / REFINED).classes) != summary.classes:
        raise CdulEdgeError(
            f"{folder / REFINED} and the run's summary are of different classes: copy the run "
            "again, or train again"
        )
    return summary


def _compare(folder: Path, config: RunConfig, asked: Asked) -> tuple[Movement | None, str]:
    others = [one.path for one in asked.inputs.of("labels")]
    first, why = find_first_labels(config.labels, config.labels_sha256, others)
    refined = iterate_labels(folder / REFINED)
    if first is None:
        return None, why
    try:
        return compare_labels(first, refined), ""
    except NotComparableError as error:
        return None, str(error)


def _classes(summary: RunSummary, movement: Movement | None) -> tuple[RunClass, ...]:
    val, train = (None if m is None else m.ap for m in (summary.val, summary.train))
    return tuple(
        RunClass(
            name=name,
            threshold=threshold,
            ap_val=None if val is None else finite_or_none(val[name]),
            ap_train=None if train is None else finite_or_none(train[name]),
            up=None if movement is None else int(movement.up[column]),
            down=None if movement is None else int(movement.down[column]),
        )
        for column, (name, threshold) in enumerate(
            zip(summary.classes, summary.thresholds, strict=True)
        )
    )


def _changes(movement: Movement, classes: Sequence[str], asked: Asked) -> tuple[Change, ...]:
    return tuple(
        Change(
            picture=entry.path,
            label=classes[entry.column],
            first=entry.details[0],
            refined=entry.details[1],
            thumbnail=asked.picture(entry.path, movement.root),
        )
        for entry in movement.largest.best(SHOWN)
    )


def _losses(folder: Path, asked: Asked) -> tuple[TopLoss, ...]:
    """Of the held-out pictures, where an evaluation on the page names their truth."""
    if not (folder / HELD_OUT).is_file():
        return ()
    scores = iterate_labels(folder / HELD_OUT)
    truth = find_truth(named_truths(asked.inputs), scores)
    if truth is None:
        return ()
    return _show_losses(find_losses(scores, truth), scores, asked)


def _disagreements(folder: Path, asked: Asked) -> tuple[TopLoss, ...]:
    """Of the labeled pictures, where the page shows what the network predicts for them."""
    labels = iterate_labels(folder / REFINED)
    files = [one.path for one in asked.inputs.of("predictions")]
    return _show_losses(find_disagreements(files, labels), labels, asked)


def _show_losses(
    entries: Sequence[Entry], stream: LabelStream, asked: Asked
) -> tuple[TopLoss, ...]:
    root = stream.root if isinstance(stream.root, Path) else None
    classes = list(stream.classes)
    return tuple(
        TopLoss(
            picture=entry.path,
            label=classes[entry.column],
            score=entry.details[0],
            truth=int(entry.details[1]),
            loss=entry.value,
            thumbnail=asked.picture(entry.path, root),
        )
        for entry in entries
    )


def _explained(folder: Path) -> tuple[str, ...]:
    """Names of folders inside the run that `explain` wrote."""
    found = []
    for index in sorted(folder.glob("*/index.json")):
        content: object = read_json(index)
        if isinstance(content, dict) and content.get("stage") == "explain":
            found.append(index.parent.name)
    return tuple(found)
