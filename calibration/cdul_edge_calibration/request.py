"""What a calibration can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import RangeMethod
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.images import PictureList

REDUCED = (Precision.FP16, Precision.INT8, Precision.INT8_CPU)


@dataclass(frozen=True)
class CalibrateRequest:
    """Which bundle gets which precisions, on which pictures, within which budget.

    Attributes:
        bundle: its folder; its FP32 file is the source, and files are only added.
        images: unlabeled pictures of the kind that the device will see, such as the training
            pictures. None takes the folder that bundles of old versions remember.
        precisions: which files to make; BF16 has none, and is only measured, with OpenVINO.
        count: calibration pictures; more where a rare class needs them, fewer where there are none.
        check_count: pictures to measure accuracy on.
        check_images: where those come from; None takes others of `images`.
        truth: what they show (CSV, VOC folder, COCO JSON or NPZ); None takes the FP32 scores.
        method: how a range is taken.
        seed: of the choice of pictures.
        max_map_drop: points of mAP that a precision may lose.
        max_flip_rate: share of decisions that may change, in [0, 1].
        force: replace what an earlier calibration made, and write what breaks the budget.

    Raises:
        CdulEdgeError: FP32 among the precisions, or a number out of range.
    """

    bundle: Path
    images: Path | PictureList | None = None
    precisions: tuple[Precision, ...] = REDUCED
    count: int = 512
    check_count: int = 512
    check_images: Path | PictureList | None = None
    truth: Path | None = None
    method: RangeMethod = "minmax"
    seed: int = 0
    max_map_drop: float = 0.5
    max_flip_rate: float = 0.02
    force: bool = False

    def __post_init__(self) -> None:
        faults = []
        if not self.precisions or Precision.FP32 in self.precisions:
            made = ", ".join(precision.value for precision in REDUCED)
            faults.append(f"FP32 is what calibration starts from: it makes {made} or bf16")
        if self.method not in get_args(RangeMethod):
            faults.append(f"method {self.method}: expected minmax or percentile")
        if min(self.count, self.check_count) < 1 or self.seed < 0:
            faults.append(
                f"pictures {self.count} and {self.check_count}, seed {self.seed}: "
                "expected at least 1, 1 and 0"
            )
        if not (self.max_map_drop >= 0 and 0 <= self.max_flip_rate <= 1):
            faults.append(
                f"budget of {self.max_map_drop} points and a flip rate of {self.max_flip_rate}: "
                "expected at least 0, and a share in [0, 1]"
            )
        if faults:
            raise CdulEdgeError("; ".join(faults))
