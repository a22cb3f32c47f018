"""A second look with CLIP: at the regions where the network sees something.

Training does not know which CLIP made the labels: whoever starts a run passes a `ClipSource`, which
is opened only when the epoch comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cdul_edge.training.attention.cam import ActivationMaps, find_activation_maps
from cdul_edge.training.attention.regions import region_boxes, to_pixels
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.data.augmentation import to_network
from cdul_edge.training.data.read_ahead import read_batches
from cdul_edge.training.loop import Trainer
from cdul_edge.training.methods.base import AnyMethod, Regions
from cdul_edge.training.networks.network import input_size
from cdul_edge.training.optimization import autocast
from cdul_edge.training.request import ClipSource
from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.host.console import Advance, Console
from cdul_edge_runtime.host.machine import usable_cores
from cdul_edge_runtime.host.prefetch import work_ahead
from cdul_edge_runtime.pictures.images import PictureList, open_image
from cdul_edge_runtime.pictures.preprocess import Preprocess

Pixels = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]
CutPicture = tuple[int, Pixels]

# Pictures whose crops may wait for CLIP.
_AHEAD = 32
_REMEDY = "it could be read when it was labeled; restore it, and the same command resumes"


@dataclass(frozen=True)
class SecondLook:
    """What a second look needs besides the network: a CLIP, the maps' place, the pictures."""

    clip: ClipSource
    maps: ActivationMaps
    pictures: PictureList

    def look(self, trainer: Trainer, regions: Regions, tick: Advance) -> Tensor:
        """Let CLIP score the regions that the network's maps point at.

        Args:
            trainer: its resulting network, on unaugmented pictures.
            regions: which classes of which pictures, and how a map becomes a box.
            tick: called with 1 for each picture done.

        Returns:
            (N, C) float32: of each class the best softmax value over the picture's regions; a row
            of zeros where no region was wanted.

        Raises:
            CdulEdgeError: CLIP or a picture can no longer be read.
        """
        with _current(trainer.device):
            scorer = self.clip.open(trainer.device)
            best = np.zeros(tuple(regions.wanted.shape), np.float32)
            boxes = self._boxes(trainer, regions)
            cut = self._cut_ahead(boxes, trainer.preprocess, scorer.preprocess)
            for owners, crops, done in _gather(cut, scorer.batch_crops):
                if len(crops):
                    np.maximum.at(best, owners, scorer.score(crops))
                tick(done)
        # Each rank looked at its own pictures, and has zeros for the others'.
        return trainer.ranks.add(torch.from_numpy(best))

    def _boxes(self, trainer: Trainer, regions: Regions) -> Iterator[tuple[int, Boxes]]:
        """Number and (K, 4) boxes of each picture of this rank's share."""
        preprocess, wanted = trainer.preprocess, regions.wanted
        every = torch.split(torch.arange(len(wanted)), trainer.config.batch_size)
        batches = every[trainer.ranks.bounds(len(every))]
        shown = read_batches(trainer.pictures, batches, trainer.device)
        for numbers, images in zip(batches, shown, strict=True):
            prepared = to_network(images, preprocess)
            with autocast(trainer.device, trainer.config.precision):
                _, maps = self.maps.read(trainer.result, prepared)
            chosen = maps[wanted[numbers].to(maps.device)]
            boxes = region_boxes(
                chosen, preprocess.height_px, preprocess.width_px,
                share=regions.share, grow=regions.grow,
            )  # fmt: skip
            counts = wanted[numbers].sum(dim=1).tolist()
            of_pictures = torch.split(boxes.cpu(), counts)
            for number, own in zip(numbers.tolist(), of_pictures, strict=True):
                yield number, own.numpy()

    def _cut_ahead(
        self, boxes: Iterable[tuple[int, Boxes]], shown: Preprocess, clip: Preprocess
    ) -> Iterator[CutPicture]:
        """Read and cut pictures in threads, in order, a few before they are asked for."""
        tasks = (partial(self._cut, number, own, shown, clip) for number, own in boxes)
        return work_ahead(tasks, workers=usable_cores(), ahead=_AHEAD)

    def _cut(self, number: int, boxes: Boxes, shown: Preprocess, clip: Preprocess) -> CutPicture:
        """A picture's regions as CLIP takes them, (K, S, S, 3)."""
        empty = np.empty((0, clip.height_px, clip.width_px, 3), np.uint8)
        if not len(boxes):
            return number, empty
        path = self.pictures.absolute(number)
        try:
            picture = open_image(path)
        except ImageError as error:
            raise CdulEdgeError(f"{path} {error.reason}: {_REMEDY}") from error
        places = {to_pixels(tuple(box), shown, *picture.size) for box in boxes.tolist()}
        crops = [clip.apply(picture.crop(place)) for place in sorted(filter(None, places))]
        return number, np.stack(crops) if crops else empty


def _current(device: torch.device) -> AbstractContextManager[object]:
    """Make it the current GPU: the one that CLIP means by "cuda"."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def prepare_second_look(
    method: AnyMethod,
    clip: ClipSource | None,
    network: torch.nn.Module,
    config: TrainConfig,
    pictures: PictureList,
    *,
    done: int,
) -> SecondLook | None:
    """What the method's second look will need; None where it wants none, or has had it.

    Args:
        done: epochs that lie behind.

    Raises:
        CdulEdgeError: no CLIP is available, or the network has no class activation maps.
    """
    if method.look_epoch is None or done >= method.look_epoch:
        return None
    if clip is None:
        raise CdulEdgeError(
            f"the method {config.method} shows CLIP regions of the pictures, and no CLIP was given"
        )
    try:
        clip.check()
        maps = find_activation_maps(network, config.network, *input_size(config))
    except CdulEdgeError as error:
        raise CdulEdgeError(
            f"the method {config.method} shows CLIP regions of the pictures: {error}"
        ) from error
    return SecondLook(clip, maps, pictures)


class EndedEpoch:
    """The end of an epoch as its method sees it; logits are computed once, when they are asked for.

    Args:
        second_look: what `prepare_second_look` gave.
    """

    def __init__(self, trainer: Trainer, second_look: SecondLook | None, console: Console) -> None:
        self._trainer, self._second_look, self._console = trainer, second_look, console

    @cached_property
    def _logits(self) -> Tensor:
        return self._trainer.predict(self._trainer.pictures)

    def logits(self) -> Tensor:
        """As `EpochEnd` has it."""
        return self._logits

    def look(self, regions: Regions) -> Tensor:
        """As `EpochEnd` has it.

        Raises:
            CdulEdgeError: CLIP or a picture can no longer be read.
        """
        assert self._second_look is not None, "the method asks for a look outside its look_epoch"
        pictures, count = len(regions.wanted), int(regions.wanted.sum())
        self._console.say(f"CLIP looks at {count} regions, {count / pictures:.1f} per picture")
        with self._console.progress("looking again", pictures) as tick:
            return self._second_look.look(self._trainer, regions, tick)


def _gather(
    cut: Iterable[CutPicture], size: int
) -> Iterator[tuple[npt.NDArray[np.int64], Pixels, int]]:
    """Crops of several pictures together: whose they are, (K, S, S, 3), and pictures done."""
    owners: list[int] = []
    waiting: list[Pixels] = []
    done = 0
    for number, crops in cut:
        owners += [number] * len(crops)
        waiting.append(crops)
        done += 1
        if len(owners) >= size:
            yield np.array(owners, np.int64), np.concatenate(waiting), done
            owners, waiting, done = [], [], 0
    if done:
        yield np.array(owners, np.int64), np.concatenate(waiting), done
