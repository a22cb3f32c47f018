"""Four pictures with hostile names, and pseudo-labels of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.bundle.classes import ClassList

PATHS = ("a/1.png", 'a, b/2 "q".png', "<b>ü</b>.png", "plain.png")
CLASSES = ClassList(("cat", 'say "hi", dog', "<script>alert(1)</script>", "never shown"))
SCORES = np.array(
    [
        [0.9, 0.1, 1 / 3, 0.0],
        [0.5, 0.7, 0.2, 0.01],
        [0.1, 0.2, 0.3, 0.04],
        [0.6, 1.0, 0.75, 0.1 + 0.2],
    ],
    np.float32,
)
THRESHOLDS = np.array([0.5, 0.5, 0.7, np.inf], np.float32)
LABELS = (SCORES >= THRESHOLDS).astype(np.int8)
NAMES = [[CLASSES.names[c] for c in np.flatnonzero(row)] for row in LABELS]


def write_labels(folder: Path, *, classes: ClassList = CLASSES) -> Path:
    """A file of pseudo-labels in `folder`, of pictures that lie in its folder `photos`."""
    root = folder / "photos"
    for path in PATHS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (255, 0, 0)).save(root / path)
    labels = PseudoLabels(root, PATHS, classes, SCORES, THRESHOLDS, {"by": "a test"})
    labels.write(folder / "labels.parquet")
    return folder / "labels.parquet"
