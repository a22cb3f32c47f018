"""The drawn world on disk: pictures for a labeller that was never told what they show."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cdul_edge.demo.pictures import (
    CLASS_NAMES,
    CaptionedPicture,
    Scene,
    paint_scene,
    paint_single,
    picture_seed,
)
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import atomic_write, read_json, refuse_existing, write_json
from cdul_edge_runtime.host.machine import usable_cores
from cdul_edge_runtime.host.ownership import FolderKind, remove_own, require_own
from cdul_edge_runtime.host.workers import map_in_workers

__all__ = [
    "CLASS_NAMES",
    "CaptionedPicture",
    "Scene",
    "World",
    "WorldSettings",
    "paint_scene",
    "paint_single",
    "paint_world",
    "picture_seed",
]

JPEG_QUALITY = 92
# Per part: an interrupted run loses at most this many for each worker.
PART_PICTURES = 250
# Below this many, starting a process costs more time than it saves.
PICTURES_PER_WORKER = 1_000
_SPLITS = ("train", "heldout")
_UNFINISHED = ".painting"
WORLD_FOLDER = FolderKind(
    "drawn world",
    "world.json",
    (
        "world.json",
        "classes.txt",
        "train_truth.csv",
        "heldout.csv",
        "train/[0-9]*.jpg",
        "heldout/[0-9]*.jpg",
        f"{_UNFINISHED}/*",
    ),
    lambda world: {"train", "heldout", "seed", "size_px"} <= world.keys(),
)


@dataclass(frozen=True)
class WorldSettings:
    """All that a painted folder depends on; the same settings give the same bytes.

    Raises:
        CdulEdgeError: a number out of range.
    """

    train: int
    heldout: int
    seed: int
    size_px: int = 144

    def __post_init__(self) -> None:
        if self.train < 1 or self.heldout < 1:
            raise CdulEdgeError(
                f"{self.train} training and {self.heldout} held-out pictures: paint 1 or more each"
            )
        if self.seed < 0 or self.size_px < 32:
            raise CdulEdgeError(
                f"seed {self.seed}, size {self.size_px} px: expected 0 or more, and 32 px or more"
            )


@dataclass(frozen=True)
class World:
    """Where a painted world lies.

    Both truth files are multi-hot CSV whose paths are relative to `root`. That of the training
    pictures is for reporting only: nothing may learn from it.
    """

    root: Path

    @property
    def train(self) -> Path:
        """Folder of the training pictures."""
        return self.root / "train"

    @property
    def heldout(self) -> Path:
        """Folder of the held-out pictures."""
        return self.root / "heldout"

    @property
    def classes(self) -> Path:
        """Class names, one a line."""
        return self.root / "classes.txt"

    @property
    def train_truth(self) -> Path:
        """What the training pictures show."""
        return self.root / "train_truth.csv"

    @property
    def heldout_truth(self) -> Path:
        """What the held-out pictures show."""
        return self.root / "heldout.csv"

    @property
    def settings(self) -> Path:
        """Written last: a folder that has it is whole."""
        return self.root / "world.json"


def paint_world(
    out: Path,
    *,
    train: int,
    heldout: int,
    seed: int,
    size_px: int = 144,
    force: bool = False,
    workers: int | None = None,
    on_painted: Callable[[int], None] = lambda pictures: None,
) -> World:
    """Paint `train` and `heldout` scenes into `out`, with class names and truth.

    Interrupted, the same call goes on where it stopped; on a finished world it paints nothing.

    Args:
        force: paint again, over a world of other settings too.
        workers: processes; by default as many as cores, as far as the number of pictures is
            worth it.
        on_painted: called with the number of pictures that just became ready.

    Raises:
        CdulEdgeError: a number out of range, or `out` holds something else and `force` is not set.
    """
    settings = WorldSettings(train=train, heldout=heldout, seed=seed, size_px=size_px)
    world = World(out)
    if _prepare(world, settings, force=force):
        on_painted(train + heldout)
        return world
    parts = [
        (split, start)
        for split, pictures in (("train", train), ("heldout", heldout))
        for start in range(0, pictures, PART_PICTURES)
    ]
    paint = partial(_paint_part, out, settings)
    workers = workers or worthwhile_workers(train + heldout)
    for painted in map_in_workers(paint, parts, workers=workers):
        on_painted(painted)
    _finish(world, settings)
    return world


def worthwhile_workers(pictures: int) -> int:
    """How many processes painting so many pictures is worth, on the cores that we may use."""
    return max(1, min(usable_cores(), pictures // PICTURES_PER_WORKER))


def _prepare(world: World, settings: WorldSettings, *, force: bool) -> bool:
    """Make room for painting; True when the same world is there already, whole."""
    unfinished = world.root / _UNFINISHED / "settings.json"
    if force and world.settings.exists():
        require_own(world.root, WORLD_FOLDER)
        remove_own(world.root, WORLD_FOLDER)
    elif force and unfinished.exists():
        _remove_unfinished(world)
    for earlier in (world.settings, unfinished):
        if earlier.exists():
            _refuse_others(earlier, settings)
            return earlier == world.settings
    refuse_existing(world.root, WORLD_FOLDER, force=force)
    for split in _SPLITS:
        (world.root / split).mkdir(parents=True, exist_ok=True)
    write_json(unfinished, asdict(settings))
    return False


def _refuse_others(path: Path, settings: WorldSettings) -> None:
    earlier, wanted = read_json(path), asdict(settings)
    if not isinstance(earlier, dict):
        raise CdulEdgeError(f"{path} is not that of a drawn world: choose another --out")
    different = [
        f"{name} {earlier.get(name)!r}, now {value!r}"
        for name, value in wanted.items()
        if earlier.get(name) != value
    ]
    if different:
        raise CdulEdgeError(
            f"{path} tells of another world ({'; '.join(different)}): choose another --out, or "
            "replace it with --force"
        )


def _remove_unfinished(world: World) -> None:
    """Make a world that was never finished a whole one for `require_own`, and remove it."""
    (world.root / _UNFINISHED / "settings.json").replace(world.settings)
    require_own(world.root, WORLD_FOLDER)
    remove_own(world.root, WORLD_FOLDER)


def _paint_part(out: Path, settings: WorldSettings, part: tuple[str, int]) -> int:
    """Paint up to `PART_PICTURES` pictures; returns their number.

    The labels are written after the pictures: where they lie, the pictures are whole.
    """
    split, start = part
    pictures = settings.train if split == "train" else settings.heldout
    indices = range(start, min(start + PART_PICTURES, pictures))
    finished = _part_file(out, split, start)
    if finished.exists():
        return len(indices)
    labels = []
    for index in indices:
        scene = paint_scene(picture_seed(settings.seed, split, index), settings.size_px)
        Image.fromarray(scene.image).save(out / _picture(split, index), quality=JPEG_QUALITY)
        labels.append(scene.labels)
    with atomic_write(finished) as temporary, temporary.open("wb") as file:
        np.save(file, np.stack(labels))
    return len(indices)


def _finish(world: World, settings: WorldSettings) -> None:
    with atomic_write(world.classes) as temporary:
        temporary.write_text("".join(f"{name}\n" for name in CLASS_NAMES), encoding="utf-8")
    for split, truth in zip(_SPLITS, (world.train_truth, world.heldout_truth), strict=True):
        starts = range(0, getattr(settings, split), PART_PICTURES)
        parts = [_read_part(_part_file(world.root, split, start)) for start in starts]
        _write_truth(truth, split, np.concatenate(parts))
    write_json(world.settings, asdict(settings))
    shutil.rmtree(world.root / _UNFINISHED)


def _read_part(file: Path) -> NDArray[np.uint8]:
    try:
        labels: NDArray[np.uint8] = np.load(file)
    except (ValueError, EOFError, OSError) as error:
        raise CdulEdgeError(f"{file} is damaged ({error}): remove it, and try again") from error
    return labels


def _write_truth(path: Path, split: str, labels: NDArray[np.uint8]) -> None:
    with (
        atomic_write(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["image_path", *CLASS_NAMES])
        for index, shown in enumerate(labels.tolist()):
            rows.writerow([_picture(split, index), *shown])


def _picture(split: str, index: int) -> str:
    return f"{split}/{index:05d}.jpg"


def _part_file(out: Path, split: str, start: int) -> Path:
    return out / _UNFINISHED / f"{split}-{start:05d}.npy"
