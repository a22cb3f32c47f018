"""What a verification can be asked for, from files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cdul_edge_runtime.backends import Backend
from cdul_edge_runtime.bench.bench import Effort
from cdul_edge_runtime.bench.combinations import Combinations
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.metrics.metrics import Truth
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import PictureList, find_images
from cdul_edge_runtime.verify.verify import BATCHES, VerifyReport, verify_bundle


@dataclass(frozen=True)
class VerifyRequest:
    """Compare a bundle with PyTorch's stored scores on this machine, and time it.

    Attributes:
        bundle: its folder.
        device: "cpu", "cuda", "ort-tensorrt", "tensorrt", "auto" (the fastest here), or "all".
        precision: "fp32", "fp16", "int8", "int8-cpu", "auto" (the fastest within its budget), or
            "all".
        images: pictures to classify as well, and to compare with FP32 on the CPU.
        truth: what they show: CSV, VOC folder, COCO JSON or NPZ.
        threads: of the CPU; None is all cores.
        batches: sizes at which the throughput is measured.
        repeats: timed calls.

    Raises:
        CdulEdgeError: truth without pictures, or an unknown device or precision.
    """

    bundle: Path
    device: str = "auto"
    precision: str = "auto"
    images: Path | None = None
    truth: Path | None = None
    threads: int | None = None
    batches: tuple[int, ...] = BATCHES
    repeats: int = 200

    def __post_init__(self) -> None:
        if self.truth is not None and self.images is None:
            raise CdulEdgeError("--truth needs --images: the pictures that it describes")
        Combinations.parse(self.device, self.precision)


def verify(
    request: VerifyRequest, console: Console | None = None, *, beside: Backend | None = None
) -> VerifyReport:
    """Verify a bundle on this machine; needs no PyTorch.

    Args:
        request: what to verify, and on what.
        console: where to warn; without one, warnings are issued.
        beside: PyTorch itself, where it is at hand: an extra row, held to FP32's limits.

    Raises:
        BundleError: no bundle, or a file of it was changed.
        CdulEdgeError: a device or precision asked for by name is not here, or no picture can be
            read.
    """
    bundle = Bundle.load(request.bundle)
    pictures, truth = _read_pictures(request, bundle)
    report = verify_bundle(
        bundle,
        Combinations.parse(request.device, request.precision),
        pictures=pictures,
        truth=truth,
        threads=request.threads,
        beside=beside,
        batches=request.batches,
        effort=Effort(request.repeats),
    )
    console = console or LibraryConsole()
    for warning in report.warnings:
        console.warn(warning)
    return report


def _read_pictures(
    request: VerifyRequest, bundle: Bundle
) -> tuple[PictureList | None, Truth | None]:
    """The pictures, and (N, C) what they show."""
    if request.images is None:
        return None, None
    pictures = find_images(request.images)
    if request.truth is None:
        return pictures, None
    table, classes = read_truth(request.truth), bundle.manifest.classes
    return pictures, table.for_paths(pictures.paths, classes, pictures.root)
