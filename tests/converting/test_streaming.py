"""A million pictures are never held: each form takes a batch, and lets go of it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cdul_edge.converting.examine import examine
from cdul_edge.converting.formats.format import Target
from cdul_edge.converting.formats.table import FORMATS
from cdul_edge.converting.labeled_set import LabeledBatch, LabeledSet
from cdul_edge.converting.request import FormatName
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.ownership import FolderKind

BATCHES, ROWS = 20, 3


@pytest.mark.parametrize("name", FORMATS)
def test_no_form_holds_more_than_two_batches(name: FormatName, tmp_path: Path) -> None:
    alive: weakref.WeakSet[LabeledBatch] = weakref.WeakSet()
    most = 0

    def batches() -> Iterator[LabeledBatch]:
        nonlocal most
        for number in range(BATCHES):
            paths = [f"{number}-{row}.png" for row in range(ROWS)]
            scores = np.full((ROWS, 2), number / BATCHES, np.float32)
            batch = LabeledBatch(paths, (scores > 0.5).astype(np.int8), scores)
            alive.add(batch)
            most = max(most, len(alive))
            yield batch

    classes, thresholds = ClassList(("cat", "dog")), np.full(2, 0.5, np.float32)
    count = BATCHES * ROWS
    found = LabeledSet("pseudo-labels", "a test", classes, thresholds, tmp_path, count, batches)
    form = FORMATS[name]
    place = tmp_path / "out"
    out = tmp_path / "metadata.jsonl" if name == "imagefolder" else place
    if isinstance(form.kind, FolderKind) and name != "imagefolder":
        place.mkdir()
    assert examine(found, form).pictures == count
    form.write(found, Target(place, out))
    assert most <= 2
