"""Pictures of where a network looks, early in training and at its end."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn

from cdul_edge.page.page import write_page
from cdul_edge.training.attention.cam import ActivationMaps, find_activation_maps
from cdul_edge.training.attention.explained_page import render_explanation
from cdul_edge.training.attention.panels import Cell, Column, draw_panel, save_panel
from cdul_edge.training.attention.regions import shown_frame
from cdul_edge.training.data.augmentation import to_network
from cdul_edge.training.optimization import choose_device
from cdul_edge.training.run_folder import TrainedRun, load_first_epoch, load_run
from cdul_edge.version import __version__
from cdul_edge_runtime.bundle.classes import ClassList, fold_class
from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.files import new_directory, refuse_existing, write_json
from cdul_edge_runtime.host.ownership import FolderKind
from cdul_edge_runtime.pictures.images import PictureList, find_images, open_image
from cdul_edge_runtime.pictures.preprocess import Preprocess

Floats = npt.NDArray[np.float32]

FORMAT = 1
INDEX, PAGE = "index.json", "index.html"
EXPLANATION_FOLDER = FolderKind(
    "folder of explanations",
    INDEX,
    (INDEX, PAGE, "[0-9]*-*.png"),
    lambda index: index.get("stage") == "explain",
)
_BATCH = 16


@dataclass(frozen=True)
class ExplainRequest:
    """Pictures of which class activation maps are drawn.

    Attributes:
        run: A finished run.
        images: As `label` takes pictures.
        out: A new folder.
        classes: The classes to show; if empty, each picture's predicted ones, or else its best.
        top: Show at most this many predicted classes, those with the highest scores.
        limit: Show only the first pictures.
        device: "auto", "cpu", "cuda", "cuda:1", ...
        force: Replace an earlier explanation in `out`.
    """

    run: Path
    images: Path
    out: Path
    classes: tuple[str, ...] = ()
    top: int = 3
    limit: int | None = None
    device: str = "auto"
    force: bool = False


@dataclass(frozen=True)
class ExplainedClass:
    """One column of a panel: a class, and its score in [0, 1] after each of the panel's epochs."""

    name: str
    predicted: bool
    scores: tuple[float, ...]


@dataclass(frozen=True)
class ExplainedPicture:
    """A picture's path, as it was given, its panel's file name, and the classes that it shows."""

    path: str
    panel: str
    classes: tuple[ExplainedClass, ...]


@dataclass(frozen=True)
class ExplainResult:
    """The panels that were drawn.

    Attributes:
        folder: Holds them, index.json, and index.html, the page that shows them.
        pictures: What each panel shows, in the order of the pictures.
    """

    folder: Path
    pictures: tuple[ExplainedPicture, ...]


def explain(request: ExplainRequest, console: Console | None = None) -> ExplainResult:
    """Draw a panel per picture, and write an index of them and a page that shows them.

    Raises:
        CdulEdgeError: no finished run, a network without class activation maps, an unknown class,
            a picture that cannot be read, or a folder in the way. Nothing is written then.
    """
    console = console or LibraryConsole()
    place, inputs = (request.out, EXPLANATION_FOLDER), (request.run, request.images)
    refuse_existing(*place, force=request.force, inputs=inputs)
    run = load_run(request.run)
    explainer = _make_explainer(request, run)
    if len(explainer.stages) == 1 and run.provenance["epochs"] > 1:
        console.say("this run kept no weights of its first epoch: only the last ones are shown")
    pictures = find_images(request.images)
    pictures = replace(pictures, paths=pictures.paths[: request.limit])
    entries: list[ExplainedPicture] = []
    with new_directory(*place, force=request.force, inputs=inputs) as folder:
        with console.progress("drawing", len(pictures)) as tick:
            for start in range(0, len(pictures), _BATCH):
                numbers = range(start, min(start + _BATCH, len(pictures)))
                entries += explainer.draw(folder, pictures, numbers)
                tick(len(numbers))
        index = {**_head(request, run, explainer), "pictures": [asdict(one) for one in entries]}
        write_json(folder / INDEX, index)
        panels = [one.panel for one in entries]
        write_page(folder / PAGE, render_explanation(folder, index, panels))
    return ExplainResult(request.out, tuple(entries))


@dataclass(frozen=True)
class _Stage:
    """A network at one time of its training."""

    title: str
    network: nn.Module


@dataclass(frozen=True)
class _Answer:
    """What a stage says of B pictures: scores (B, C) and maps (B, C, h, w)."""

    scores: Floats
    maps: Floats


@dataclass(frozen=True)
class _Explainer:
    """Networks, where their maps are, and which classes are asked for."""

    run: TrainedRun
    stages: tuple[_Stage, ...]
    maps: ActivationMaps
    chosen: tuple[int, ...]
    top: int
    device: torch.device

    def draw(
        self, folder: Path, pictures: PictureList, numbers: Sequence[int]
    ) -> list[ExplainedPicture]:
        """Panels of some pictures, and their entries in the index."""
        opened = [_open(pictures.absolute(number)) for number in numbers]
        pixels = np.stack([self.run.preprocess.apply(picture) for picture in opened])
        answers = [self._ask(stage, pixels) for stage in self.stages]
        return [
            self._draw_one(folder, pictures.paths[number], number, picture, [
                _Answer(answer.scores[place], answer.maps[place]) for answer in answers
            ])
            for place, (number, picture) in enumerate(zip(numbers, opened, strict=True))
        ]  # fmt: skip

    def _ask(self, stage: _Stage, pixels: npt.NDArray[np.uint8]) -> _Answer:
        prepared = to_network(torch.from_numpy(pixels).to(self.device), self.run.preprocess)
        logits, maps = self.maps.read(stage.network, prepared)
        return _Answer(logits.sigmoid().cpu().numpy(), maps.cpu().numpy())

    def _draw_one(
        self, folder: Path, path: str, number: int, picture: Image.Image, answers: list[_Answer]
    ) -> ExplainedPicture:
        scores, thresholds = answers[-1].scores, self.run.thresholds
        names = list(self.run.classes)
        chosen = self.chosen or _best(scores, thresholds, self.top)
        predicted = scores >= thresholds
        columns = [
            Column(
                names[c],
                "predicted" if predicted[c] else "not predicted",
                tuple(Cell(answer.maps[c], float(answer.scores[c])) for answer in answers),
            )
            for c in chosen
        ]
        rows = [stage.title for stage in self.stages]
        seen = _what_is_shown(picture, self.run.preprocess)
        panel = f"{number:05d}-{_short_name(path)}.png"
        save_panel(draw_panel(seen, Path(path).name, rows, columns), folder / panel)
        shown = [
            ExplainedClass(
                names[c],
                bool(predicted[c]),
                tuple(round(float(answer.scores[c]), 6) for answer in answers),
            )
            for c in chosen
        ]
        return ExplainedPicture(path, panel, tuple(shown))


def _make_explainer(request: ExplainRequest, run: TrainedRun) -> _Explainer:
    device, shown = choose_device(request.device), run.preprocess
    chosen = tuple(_column(name, run.classes) for name in request.classes)
    name = run.provenance["settings"]["network"]
    maps = find_activation_maps(run.network, name, shown.height_px, shown.width_px)
    first = copy.deepcopy(run.network)
    last = _Stage(f"after epoch {run.provenance['epochs']}", run.network.to(device))
    stages: tuple[_Stage, ...] = (last,)
    if run.provenance["epochs"] > 1 and load_first_epoch(request.run, first):
        stages = (_Stage("after epoch 1", first.to(device)), last)
    return _Explainer(run, stages, maps, chosen, request.top, device)


def _head(request: ExplainRequest, run: TrainedRun, explainer: _Explainer) -> dict[str, object]:
    return {
        "format": FORMAT,
        "program": "cdul-edge",
        "version": __version__,
        "stage": "explain",
        "run": str(request.run),
        "checkpoint_sha256": run.provenance["checkpoint_sha256"],
        "network": run.provenance["settings"]["network"],
        "rows": [stage.title for stage in explainer.stages],
    }


def _short_name(path: str) -> str:
    """A picture's name without its suffix, short enough to be part of another file's name."""
    return Path(path).stem.encode()[:200].decode(errors="ignore")


def _column(name: str, classes: ClassList) -> int:
    names = list(classes)
    if name in names:
        return names.index(name)
    # As people write it: in another case, or with letters composed in another way.
    folded = [column for column, known in enumerate(names) if fold_class(known) == fold_class(name)]
    if len(folded) != 1:
        near = difflib.get_close_matches(name, names, 3, 0.5) or names[:8]
        raise CdulEdgeError(f"the run has no class {name!r}: it has {', '.join(near)}")
    return folded[0]


def _best(scores: Floats, thresholds: Floats, top: int) -> tuple[int, ...]:
    """The predicted classes with the highest scores; the best class where none is predicted."""
    order = np.argsort(-scores, kind="stable")
    predicted = [int(c) for c in order if scores[c] >= thresholds[c]]
    return tuple(predicted[:top]) or (int(order[0]),)


def _what_is_shown(picture: Image.Image, preprocess: Preprocess) -> Image.Image:
    """What the network's input shows of a picture, padding too, in the picture's proportions."""
    left, top, width, height = (round(edge) for edge in shown_frame(preprocess, *picture.size))
    padding = tuple(round(255 * value) for value in preprocess.mean)
    shown = Image.new("RGB", (width, height), padding)
    shown.paste(picture, (-left, -top))
    return shown


def _open(path: Path) -> Image.Image:
    try:
        return open_image(path)
    except ImageError as error:
        raise CdulEdgeError(f"{path} {error.reason}: repair it, or take it out") from error
