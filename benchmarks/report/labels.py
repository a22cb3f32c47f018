"""Finished labels folders of drawn cosines, with images that a page can show."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measured_rows.row import Setting
from benchmarks.scale.synthetic_store import make_store
from cdul_edge.labelling.score.scoring import Scoring
from cdul_edge.labelling.write_labels import Effort, write_labels
from cdul_edge.labels.pseudo_labels import FILE_NAME
from cdul_edge_runtime.host.console import SilentConsole

PICTURES, MILLION, MILLION_CLASSES = 5_000, 1_000_000, 80
_DISTINCT = 64  # files; the others are links to them
_SIZE = (320, 240)


def find_labels(setting: Setting, pictures: int, classes: int) -> Path:
    """The labels folder that `prepare_labels` makes."""
    return setting.work / f"report-{count_pictures(setting, pictures)}x{classes}"


def count_pictures(setting: Setting, pictures: int) -> int:
    """A fiftieth of them for --quick."""
    return pictures // 50 if setting.quick else pictures


def prepare_labels(pictures: int, classes: int, setting: Setting) -> None:
    """Labels by `evidence`, and a photograph's worth of bytes for every path below 10,000."""
    folder = find_labels(setting, pictures, classes)
    manifest = make_store(folder, count_pictures(setting, pictures), classes)
    if not (folder / FILE_NAME).exists():
        _draw_pictures(folder, min(count_pictures(setting, pictures), PICTURES))
        write_labels(folder, manifest, Scoring(), Effort(), SilentConsole())


def _draw_pictures(folder: Path, count: int) -> None:
    """Clouds with grain: as many bytes as a photograph, and no two files of the first alike."""
    rng = np.random.default_rng(0)
    shard = folder / "shard-00000"
    shard.mkdir(exist_ok=True)
    for number in range(count):
        file = shard / f"{number:09d}.jpg"
        if number >= _DISTINCT:
            file.unlink(missing_ok=True)
            file.symlink_to(f"{number % _DISTINCT:09d}.jpg")
            continue
        clouds = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(clouds).resize(_SIZE, Image.Resampling.BICUBIC)
        grain = rng.normal(0, 12, (_SIZE[1], _SIZE[0], 3))
        grained = np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(grained).save(file, quality=85)


prepare_12 = partial(prepare_labels, PICTURES, 12)
prepare_80 = partial(prepare_labels, PICTURES, 80)
prepare_1000 = partial(prepare_labels, PICTURES, 1000)
prepare_million = partial(prepare_labels, MILLION, MILLION_CLASSES)
