"""Result files in, Markdown out: what every page is drawn with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def figures(name: str) -> dict[str, Any]:
    """The figures of one result file."""
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["figures"]
    return found


def study_rows() -> list[dict[str, Any]]:
    """The study's cells, averaged over the seeds."""
    rows: list[dict[str, Any]] = figures("study")["rows"]
    return rows


def spread(row: dict[str, Any], key: str) -> str:
    """Mean and deviation over the seeds."""
    return f"{row[key]:.1f} ± {row[f'{key}_deviation']:.1f}"


def percent(value: float | None) -> str:
    """One decimal, or nothing where it was not measured."""
    return "" if value is None else f"{value:.1f}"


def section(title: str, *parts: str) -> str:
    """A heading and what stands under it."""
    ended = (part if part.endswith("\n") else f"{part}\n" for part in parts)
    return f"## {title}\n\n" + "\n".join(ended)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)
