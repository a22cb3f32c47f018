"""A CLIP of random weights that loads in no time, and pictures to show it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from cdul_edge.clip.models import LoadedClip, load_clip
from cdul_edge.labelling import LabelRequest, LabelResult
from cdul_edge.labelling import label as run_label
from cdul_edge_runtime.host.console import StderrConsole

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
    "text_cfg": {
        "context_length": 20,
        "vocab_size": 49408,
        "width": 8,
        "heads": 1,
        "layers": 1,
    },
}

VIT = {"image_size": 32, "layers": 3, "width": 64, "head_width": 32, "patch_size": 8}


@pytest.fixture(autouse=True)
def exported_towers(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache of these tests alone, in which each tower is exported once, by whichever worker."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "user-cache"))


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config; load it with pretrained "none"."""
    folder = tmp_path_factory.mktemp("tiny-clip")
    (folder / "open_clip_config.json").write_text(json.dumps(CONFIG))
    return folder


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `tiny_clip`, but a ViT of two heads and 16 patches."""
    folder = tmp_path_factory.mktemp("tiny-vit")
    config = {**CONFIG, "vision_cfg": VIT}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def clip(tiny_clip: Path) -> Callable[[], LoadedClip]:
    """A fresh CLIP, always the same weights: an encoder takes its CLIP over."""
    return lambda: load_clip(str(tiny_clip), "none")


def _paint(folder: Path, count: int, seed: int = 0) -> list[str]:
    """Write `count` small JPEGs of colored noise; returns their names in order."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{index:03}.jpg" for index in range(count)]
    for name in names:
        pixels = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((50, 40)).save(folder / name)
    return names


@pytest.fixture
def paint() -> Callable[..., list[str]]:
    return _paint


@pytest.fixture
def spoil(pictures: Path) -> Callable[[], None]:
    """Make every picture unreadable, without a trace of it in its size and time."""

    def run() -> None:
        for file in pictures.iterdir():
            before = file.stat()
            file.write_bytes(bytes(before.st_size))
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    return run


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Seven pictures: parts of three leave one part that is not full."""
    _paint(tmp_path / "pictures", 7)
    return tmp_path / "pictures"


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    file = tmp_path / "classes.txt"
    file.write_text("cat\ndog\ncow\n")
    return file


class Labeller:
    """`label` with the tiny CLIP, in this process, and what it said."""

    def __init__(self, pictures: Path, classes: Path, tiny_clip: Path, out: Path) -> None:
        self.out = out
        self._common: dict[str, Any] = dict(
            images=pictures,
            classes=classes,
            out=out,
            clip=str(tiny_clip),
            pretrained="none",
            workers=0,
            threads=1,
            part_pictures=3,
            batch_pictures=2,
        )
        self.said = io.StringIO()

    def __call__(self, **changes: Any) -> LabelResult:
        self.said.truncate(0)
        self.said.seek(0)
        console = StderrConsole(Console(file=self.said, width=200))
        return run_label(LabelRequest(**{**self._common, **changes}), console)

    def parts(self, out: Path | None = None) -> list[bytes]:
        """Bytes of every part of the store."""
        return [file.read_bytes() for file in sorted((out or self.out).glob("similarities/*"))]


@pytest.fixture
def label(pictures: Path, classes: Path, tiny_clip: Path, tmp_path: Path) -> Labeller:
    return Labeller(pictures, classes, tiny_clip, tmp_path / "labels")
