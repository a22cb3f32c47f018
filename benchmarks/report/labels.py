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
_SIZE = (320, 240)


def find_labels(setting: Setting, pictures: int, classes: int) -> Path:
    """The labels folder that `prepare_labels` makes."""
    return setting.work / f"report-{count_pictures(setting, pictures)}x{classes}"


def count_pictures(setting: Setting, pictures: int) -> int:
    """A fiftieth of them for --quick."""
    return pictures // 50 if setting.quick else pictures


def prepare_labels(pictures: int, classes: int, setting: Setting) -> None:
    """Labels by `evidence`, and a file for each of the first 5,000 paths."""
    folder = find_labels(setting, pictures, classes)
    manifest = make_store(folder, count_pictures(setting, pictures), classes)
    shard = folder / "shard-00000"  # of the first 10,000
    if not shard.exists():
        shard.symlink_to(_draw_pictures(setting))
    if not (folder / FILE_NAME).exists():
        write_labels(folder, manifest, Scoring(), Effort(), SilentConsole())


def _draw_pictures(setting: Setting) -> Path:
    """Clouds with grain, about as many bytes as a photograph; no two files are alike."""
    folder = setting.work / "pictures"
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 12, (16, *_SIZE[::-1], 3)).astype(np.int16)
    for number in range(count_pictures(setting, PICTURES)):
        clouds = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        smooth = np.asarray(clouds.resize(_SIZE, Image.Resampling.BICUBIC)).astype(np.int16)
        grained = (smooth + grain[number % len(grain)]).clip(0, 255).astype(np.uint8)
        file = folder / f"{number:09d}.jpg"
        if not file.exists():
            Image.fromarray(grained).save(file, quality=85)
    return folder


prepare_12 = partial(prepare_labels, PICTURES, 12)
prepare_80 = partial(prepare_labels, PICTURES, 80)
prepare_1000 = partial(prepare_labels, PICTURES, 1000)
prepare_million = partial(prepare_labels, MILLION, MILLION_CLASSES)
