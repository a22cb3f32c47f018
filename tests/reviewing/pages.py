"""Labels with pictures, and what a page that was made of them holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.bundle.classes import ClassList


def write_labels(
    folder: Path,
    scores: npt.ArrayLike,
    *,
    classes: Sequence[str] = ("cat", "dog"),
    paths: Sequence[str] = (),
) -> Path:
    """`labels.parquet` of noise pictures in `photos`, "0.png", "1.png", ... unless `paths` says."""
    values, photos = np.asarray(scores, np.float32), folder / "photos"
    paths = tuple(paths) or tuple(f"{row}.png" for row in range(len(values)))
    generator = np.random.default_rng(0)
    for path in paths:
        (photos / path).parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (9, 9, 3), np.uint8)
        Image.fromarray(pixels).resize((40, 30), 0).save(photos / path, "PNG")
    thresholds = np.full(len(classes), 0.5, np.float32)
    names = ClassList(tuple(classes))
    made = {"aggregation": {"strategy": "evidence"}}
    PseudoLabels(photos, tuple(paths), names, values, thresholds, made).write(
        folder / "labels.parquet"
    )
    return folder / "labels.parquet"


@dataclass(frozen=True)
class Asked:
    """A question of a page, and the answer that it begins with."""

    path: str
    name: str
    answer: str | None


@dataclass(frozen=True)
class PageData:
    """What a page's script reads: questions, rows of the sheet, and the question of each row.

    `key` is what the browser keeps answers under.
    """

    key: str
    questions: tuple[Asked, ...]
    rows: tuple[tuple[str, ...], ...]
    of_row: tuple[int | None, ...]


def data_of(page: Path) -> PageData:
    """Find it in the page."""
    html = page.read_text(encoding="utf-8")
    begin = html.index('<script type="application/json" id="data">')
    data = json.loads(html[html.index(">", begin) + 1 : html.index("</", begin)])
    questions = (
        Asked(data["pictures"][one["picture"]]["path"], data["classes"][one["name"]], one["answer"])
        for one in data["questions"]
    )
    sheet = data["sheet"]
    rows, of_row = tuple(map(tuple, sheet["rows"])), tuple(sheet["questions"])
    return PageData(data["key"], tuple(questions), rows, of_row)


def asked(page: Path) -> list[tuple[str, str]]:
    """Path and class of each question, in order."""
    return [(one.path, one.name) for one in data_of(page).questions]
