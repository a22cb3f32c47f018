"""How `cdul-edge info` shows a labels folder: what a person asks of it, on one screen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.columns import Columns
from rich.console import Console
from rich.table import Table

from cdul_edge.cli.output.result_console import READABLE
from cdul_edge_runtime.errors import CdulEdgeError

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NEEDED = ("inputs", "classes", "model", "similarities", "settings")
_VIEWS = ("grid", "overlap", "fit", "snippets")


def show_labels(manifest: dict[str, Any], console: Console) -> None:
    """Show a manifest without its digests, prompts and lists of files.

    Raises:
        CdulEdgeError: it lacks what every manifest has.
    """
    missing = [name for name in _NEEDED if name not in manifest]
    if missing:
        raise CdulEdgeError(
            f"the manifest of these labels has no {', '.join(missing)}: label the pictures again"
        )
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for row in _rows(manifest):
        table.add_row(*row)
    console.print(table)
    if manifest.get("thresholds"):
        console.print("thresholds (a score at or above is positive)", style="bold")
        columns = Columns(_thresholds(manifest), equal=True, padding=(0, 3))
        console.print(columns, width=min(console.width, READABLE))


def _rows(manifest: dict[str, Any]) -> Iterator[tuple[str, str]]:
    complete = manifest.get("complete")
    state = "finished" if complete else "not finished: the same `cdul-edge label` command goes on"
    yield "kind", f"labels folder, {state}"
    yield "pictures", _pictures(manifest)
    yield "from", str(manifest["inputs"].get("images") or manifest["inputs"].get("similarities"))
    yield "classes", str(len(manifest["classes"]))
    yield "model", _model(manifest)
    yield "views", _views(manifest["similarities"], manifest["settings"])
    if complete:
        yield "scores", _brief(manifest["pseudo_labels"])
    yield "made by", f"{manifest['program']} {manifest['version']}"


def _pictures(manifest: dict[str, Any]) -> str:
    counts = manifest.get("counts")
    if counts is None:
        return str(manifest["inputs"]["pictures"])
    text = f"{counts['labelled']} labelled, {counts['skipped']} skipped"
    if manifest["skipped"]:
        first = manifest["skipped"][0]
        text += f" (the first: {first['path']} {first['reason']})"
    return text


def _model(manifest: dict[str, Any]) -> str:
    model = manifest["model"]
    if model is None:
        return f"unknown: {Path(manifest['inputs']['similarities']).name} was imported"
    named = model["pretrained"] not in (None, "none")
    weights = model["pretrained"] if named else f"random weights, seed {model['seed']}"
    return f"{model['architecture']}, {weights}, {model['image_size_px']} px, {model['precision']}"


def _views(store: dict[str, Any], settings: dict[str, Any]) -> str:
    if settings.get("kind") == "patches":
        return f"the whole picture and its {store['views'] - 1} patches, fit {settings['fit']}"
    return f"{store['views']}: " + _brief({**store, **settings}, _VIEWS)


def _brief(settings: dict[str, Any], names: tuple[str, ...] | None = None) -> str:
    """`name value, name value`; the strategy first, digests and what is not set left out."""
    order = sorted(settings, key=lambda name: name != "strategy") if names is None else names
    shown = []
    for name in order:
        value = settings.get(name)
        if value is None or _DIGEST.fullmatch(str(value)):
            continue
        shown.append(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}")
    return ", ".join(shown)


def _thresholds(manifest: dict[str, Any]) -> list[str]:
    pairs = zip(manifest["classes"], manifest["thresholds"], strict=True)
    width = max(map(len, manifest["classes"]))
    return [
        f"{name:{width}} {'never' if value is None else f'{value:.4f}':>6}" for name, value in pairs
    ]
