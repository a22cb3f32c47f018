"""What `train` is asked for: plain values, read without torch or numpy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from cdul_edge.storage.location import Location
from cdul_edge.training.config import LabelsFrom, TrainConfig
from cdul_edge_runtime.choices import Difficult
from cdul_edge_runtime.errors import CdulEdgeError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from cdul_edge.training.summary import RunSummary
    from cdul_edge_runtime.pictures.preprocess import Preprocess

CacheKind = Literal["auto", "memory", "disk", "none"]
TrackerName = Literal["tensorboard", "mlflow", "wandb", "trackio"]


@dataclass(frozen=True)
class DataOptions:
    """How pictures are read; none of this changes a result.

    Attributes:
        images: Where the pictures are now, if not where they were labeled.
        cache: Where decoded pictures are kept: "memory", "disk" (a file in the run folder), "none"
            (decoded in every epoch), or "auto": the first of these that has room.
        cache_budget_mib: Memory that "auto" may take.
        workers: Threads that decode; 0 is one per core.
        cache_folder: Folder for "disk" in place of the run's, for several runs to share; it stays.
    """

    images: Path | None = None
    cache: CacheKind = "auto"
    cache_budget_mib: int = 2048
    workers: int = 0
    cache_folder: Path | None = None


@dataclass(frozen=True)
class EvaluationOptions:
    """What to report against; the method never sees any of it.

    Attributes:
        val: Held-out pictures, as `label` takes pictures.
        truth: What they show.
        train_truth: What the training pictures show, to report the pseudo-labels' mAP.
        difficult: What VOC's difficult objects count as.
        every_epoch: Measure after every epoch; else at the end only, which is faster.

    Raises:
        CdulEdgeError: one of `val` and `truth` without the other.
    """

    val: Path | None = None
    truth: Path | None = None
    train_truth: Path | None = None
    difficult: Difficult = "negative"
    every_epoch: bool = True

    def __post_init__(self) -> None:
        if (self.val is None) != (self.truth is None):
            raise CdulEdgeError(
                "--val and --truth go together: held-out pictures and what they show "
                "(the truth of the training pictures is --train-truth)"
            )


@dataclass(frozen=True)
class ObservedOptions:
    """Where labels that people gave come from; nowhere, unless there are files or `simulate`.

    Attributes:
        files: CSV or NPZ files, as `read_observed` takes them.
        simulate: What to draw from `truth` instead, as `simulate` takes its kind.
        truth: What a simulation draws from.
        difficult: What VOC's difficult objects in `truth` count as.
        labels_from: "observed+pseudo": pseudo-labels say what was not observed. "observed": the
            observed labels are all that a method learns from, as in the papers on weak labels.

    Raises:
        CdulEdgeError: both sources, a simulation without truth, or "observed" without a source.
    """

    files: tuple[Path, ...] = ()
    simulate: str | None = None
    truth: Path | None = None
    difficult: Difficult = "negative"
    labels_from: LabelsFrom = "observed+pseudo"

    def __post_init__(self) -> None:
        if self.labels_from not in get_args(LabelsFrom):
            raise CdulEdgeError(
                f"labels from {self.labels_from!r}: expected {' or '.join(get_args(LabelsFrom))}"
            )
        if self.labels_from == "observed" and not self.files and self.simulate is None:
            raise CdulEdgeError(
                "--labels-from observed needs labels that people gave: give --observed, or "
                "--simulate with --train-truth"
            )
        if self.files and self.simulate is not None:
            raise CdulEdgeError("--observed and --simulate exclude each other: give one of them")
        if self.simulate is not None and self.truth is None:
            raise CdulEdgeError(
                f"--simulate {self.simulate} draws from the truth of the labeled pictures: "
                "give --train-truth"
            )


class CropScorer(Protocol):
    """A CLIP that says what a crop of a picture shows.

    Attributes:
        preprocess: How a crop becomes its square input of S px.
        batch_crops: How many it takes at once.
    """

    @property
    def preprocess(self) -> Preprocess:
        """How a piece becomes the square input."""
        ...

    @property
    def batch_crops(self) -> int:
        """How many pieces it takes at once."""
        ...

    def score(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(K, C) softmax over the classes of (K, S, S, 3) uint8 RGB."""
        ...


class ClipSource(Protocol):
    """Where to find the CLIP that made some pseudo-labels."""

    def check(self) -> None:
        """Raise `CdulEdgeError` where there is none; builds no model."""
        ...

    def open(self, device: torch.device) -> CropScorer:
        """Load it."""
        ...


@dataclass(frozen=True)
class TrainRequest:
    """One training run.

    Attributes:
        labels: A labels folder, or a pseudo-label file.
        out: The run folder. A run that was interrupted there is resumed, and a finished one is
            reported.
        config: Every number that decides the result.
        data: How pictures are read.
        evaluation: Truth to report against.
        observed: Labels that people gave; they are never revised.
        device: "auto", "cpu", "cuda", "cuda:1", ...
        force: Replace the run in `out`.
        clip: The CLIP that made the labels, for methods that look at pictures again.
        only: Which labeled pictures to learn from, as `choose_pictures` takes it; None is all.
        resumable: Write a checkpoint after every epoch; else at the end only, so that a run that is
            interrupted begins again.
        try_precision: On a CPU, time a few steps to find what the precision "auto" is. Without it,
            auto is bf16 where the processor multiplies it, so that runs which are compared have the
            same.
        log: Libraries to log the run with as well; one that fails is left out with a warning.

    Raises:
        CdulEdgeError: a library to log with that is not known.
    """

    labels: Location
    out: Path
    config: TrainConfig = field(default_factory=TrainConfig)
    data: DataOptions = field(default_factory=DataOptions)
    evaluation: EvaluationOptions = field(default_factory=EvaluationOptions)
    observed: ObservedOptions = field(default_factory=ObservedOptions)
    device: str = "auto"
    force: bool = False
    clip: ClipSource | None = None
    only: str | Path | None = None
    resumable: bool = True
    try_precision: bool = True
    log: tuple[TrackerName, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted(set(self.log) - set(get_args(TrackerName)))
        if unknown:
            raise CdulEdgeError(
                f"log {', '.join(unknown)}: expected {', '.join(get_args(TrackerName))}"
            )


@dataclass(frozen=True)
class TrainResult:
    """A finished run: its folder, and the numbers of its summary.json."""

    folder: Path
    summary: RunSummary
