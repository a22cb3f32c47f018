"""`cdul-edge evaluate`: pseudo-labels or predictions against ground truth."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cdul_edge.cli.summary import write_summary

if TYPE_CHECKING:
    from cdul_edge_runtime.metrics import MetricsReport


class DifficultChoice(str, Enum):
    """What VOC's difficult objects count as."""

    NEGATIVE = "negative"
    IGNORE = "ignore"
    POSITIVE = "positive"


def evaluate(
    scores: Annotated[
        Path, typer.Argument(help="Labels folder, label file, or predictions (.jsonl, .csv).")
    ],
    truth: Annotated[Path, typer.Option(help="CSV, VOC folder, COCO JSON, or NPZ.")],
    threshold: Annotated[
        float | None, typer.Option(help="One for all classes, in place of the file's own.")
    ] = None,
    difficult: Annotated[
        DifficultChoice, typer.Option(help="VOC's difficult objects are.")
    ] = DifficultChoice.NEGATIVE,
    json: Annotated[Path | None, typer.Option(help="Report as JSON; - is stdout.")] = None,
) -> None:
    """Average precision per class, mAP, CF1, OF1 and Hamming loss, in percent."""
    from cdul_edge.scored_pictures import read_scored_pictures
    from cdul_edge_runtime.metrics import evaluate_scores
    from cdul_edge_runtime.thresholds import same_threshold
    from cdul_edge_runtime.truth import read_truth

    found = read_scored_pictures(scores)
    labels = read_truth(truth, difficult=difficult.value).for_paths(found.paths, found.classes)
    chosen = found.thresholds if threshold is None else same_threshold(threshold, found.classes)
    report = evaluate_scores(found.scores, labels, found.classes, chosen)
    _show(report, len(found.paths), Console(stderr=str(json) == "-"))
    if json is not None:
        write_summary(json, {"scores": str(scores), "truth": str(truth), **report.to_dict()})


def _show(report: MetricsReport, pictures: int, console: Console) -> None:
    plain = report.to_dict()
    table = Table()
    table.add_column("class")
    table.add_column("AP, %", justify="right")
    for name, value in plain["ap"].items():
        table.add_row(Text(name), _percent(value))
    table.add_section()
    table.add_row("mAP", _percent(plain["map"]), style="bold")
    console.print(table)
    rows = (
        ("CF1", "cf1", f"CP {_percent(plain['cp'])}, CR {_percent(plain['cr'])}"),
        ("OF1", "of1", f"OP {_percent(plain['op'])}, OR {_percent(plain['or_'])}"),
        ("macro F1", "macro_f1", "mean of the classes' F1"),
        ("Hamming", "hamming", f"predicting nothing scores {_percent(plain['density'])}"),
    )
    for name, key, note in rows:
        console.print(f"{name:9} {_percent(plain[key]):>5}   ({note})", highlight=False)
    unknown = f" of {pictures}; the truth of the others is unknown" * (pictures > report.pictures)
    console.print(f"{report.pictures} pictures{unknown}", highlight=False)
    if report.classes_without_positive:
        missing = ", ".join(name for name, value in plain["ap"].items() if value is None)
        console.print(Text(f"no positive picture, left out of mAP: {missing}"))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
