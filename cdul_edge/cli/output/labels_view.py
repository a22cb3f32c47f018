"""How `cdul-edge info` shows a labels folder: what a person asks of it, on one screen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cdul_edge.cli.output.result_console import READABLE
from cdul_edge.labels.manifest import LabelsManifest
from cdul_edge.labels.settings import ClipSettings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_THRESHOLDS = 60  # about one screen


def show_labels(manifest: LabelsManifest, console: Console) -> None:
    """Show a manifest without its digests, prompts and lists of files."""
    from rich.columns import Columns
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(manifest):
        table.add_row(name, Text(value))
    console.print(table)
    if manifest.thresholds:
        console.print("thresholds (a score at or above is positive)", style="bold")
        shown = _thresholds(manifest.classes, manifest.thresholds)
        columns = Columns(shown[:_MOST_THRESHOLDS], equal=True, padding=(0, 3))
        console.print(columns, width=min(console.width, READABLE))
        if len(shown) > _MOST_THRESHOLDS:
            console.print(f"... and {len(shown) - _MOST_THRESHOLDS} more; all are in --json")


def _rows(manifest: LabelsManifest) -> Iterator[tuple[str, str]]:
    unfinished = "not finished: the same `cdul-edge label` command continues it"
    yield "kind", f"labels folder, {'finished' if manifest.complete else unfinished}"
    yield "pictures", _pictures(manifest)
    yield "from", str(manifest.inputs.images or manifest.inputs.similarities)
    yield "classes", str(len(manifest.classes))
    yield "model", _model(manifest)
    yield "views", _views(manifest)
    if manifest.complete and manifest.pseudo_labels is not None:
        yield "scores", _brief(manifest.pseudo_labels)
    yield "made by", f"cdul-edge {manifest.version}"


def _pictures(manifest: LabelsManifest) -> str:
    counts = manifest.counts
    if counts is None:
        return str(manifest.inputs.pictures)
    text = f"{counts.labelled} labeled, {counts.skipped} skipped"
    if manifest.skipped:
        first = manifest.skipped[0]
        text += f" (the first: {first.path} {first.reason})"
    return text


def _model(manifest: LabelsManifest) -> str:
    model = manifest.model
    if model is None:
        return f"unknown: {Path(manifest.inputs.similarities or '').name} was imported"
    named = model.pretrained not in (None, "none")
    weights = model.pretrained if named else f"random weights, seed {model.seed}"
    by = "" if model.encoder == "torch" else f" by {model.encoder}"
    return f"{model.architecture}, {weights}, {model.image_size_px} px, {model.precision}{by}"


def _views(manifest: LabelsManifest) -> str:
    store, settings = manifest.similarities, manifest.settings
    if not isinstance(settings, ClipSettings):
        return f"{store.views}: snippets {store.snippets}"
    if store.kind == "patches":
        return f"the whole picture and its {store.views - 1} patches, fit {settings.fit}"
    return (
        f"{store.views}: grid {settings.grid}, overlap {settings.overlap:.4g}, fit {settings.fit}, "
        f"snippets {store.snippets}"
    )


def _brief(settings: Mapping[str, object]) -> str:
    """`name value, name value`; strategy first, no digests, no fits by class, nothing unset."""
    shown = []
    for name in sorted(settings, key=lambda name: name != "strategy"):
        value = settings[name]
        if value is None or isinstance(value, Mapping) or _DIGEST.fullmatch(str(value)):
            continue
        shown.append(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}")
    return ", ".join(shown)


def _thresholds(classes: Sequence[str], thresholds: Sequence[float | None]) -> list[Text]:
    from rich.text import Text

    width = max(map(len, classes))
    return [
        Text(f"{name:{width}} {'never' if value is None else f'{value:.4f}':>6}")
        for name, value in zip(classes, thresholds, strict=True)
    ]
