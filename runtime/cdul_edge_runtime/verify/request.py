"""What a verification can be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cdul_edge_runtime.bench.combinations import Combinations
from cdul_edge_runtime.choices import PrecisionRequest
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.images import PictureList

BATCHES = (1, 8, 16)


@dataclass(frozen=True)
class VerifyRequest:
    """Which bundle to verify, on what, and how thoroughly.

    Attributes:
        bundle: its folder.
        device: as `Classifier.load` takes it, such as "cuda:1"; "auto" is what it picks, "all"
            every one here, of several GPUs the first.
        precision: one of the bundle's; "auto" and "all" likewise.
        images: pictures to classify in addition, and to compare with FP32 on the CPU.
        truth: what those show (CSV, VOC folder, COCO JSON or NPZ); None takes FP32's scores.
        threads: of the CPU; None takes every core.
        batches: sizes at which the throughput is measured.
        repeats: timed calls.

    Raises:
        CdulEdgeError: truth without pictures, or an unknown device or precision.
    """

    bundle: Path
    device: str = "auto"
    precision: PrecisionRequest = "auto"
    images: Path | PictureList | None = None
    truth: Path | None = None
    threads: int | None = None
    batches: Sequence[int] = BATCHES
    repeats: int = 200

    def __post_init__(self) -> None:
        if self.truth is not None and self.images is None:
            raise CdulEdgeError("--truth needs --images: the pictures that it describes")
        Combinations.parse(self.device, self.precision)
