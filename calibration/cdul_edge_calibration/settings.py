"""What a calibration can be asked for."""

from __future__ import annotations

from dataclasses import dataclass

from cdul_edge_calibration.data.ranges import Method
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.truth import TruthTable
from cdul_edge_runtime.pictures.images import PictureList

REDUCED = (Precision.FP16, Precision.INT8, Precision.INT8_CPU)


@dataclass(frozen=True)
class CalibrationSettings:
    """What `cdul-edge calibrate` can be asked for.

    Attributes:
        precisions: which files to make.
        count: calibration pictures; more where a rare class wants them, fewer where there are none.
        check_count: pictures that accuracy is measured on.
        method: how a range is taken.
        seed: of the choice of pictures.
        max_map_drop: points of mAP that a precision may lose.
        max_flip_rate: share of decisions that may change, in [0, 1].
        force: replace what an earlier calibration made, and write what breaks the budget.

    Raises:
        CdulEdgeError: FP32 among the precisions, or a number that makes no sense.
    """

    precisions: tuple[Precision, ...] = REDUCED
    count: int = 512
    check_count: int = 512
    method: Method = Method.MINMAX
    seed: int = 0
    max_map_drop: float = 0.5
    max_flip_rate: float = 0.02
    force: bool = False

    def __post_init__(self) -> None:
        faults = []
        if not self.precisions or Precision.FP32 in self.precisions:
            made = ", ".join(precision.value for precision in REDUCED)
            faults.append(f"FP32 is what calibration starts from: it makes {made}")
        if min(self.count, self.check_count) < 1 or self.seed < 0:
            faults.append(
                f"pictures {self.count} and {self.check_count}, seed {self.seed}: "
                "expected at least 1, 1 and 0"
            )
        if self.max_map_drop < 0 or not 0 <= self.max_flip_rate <= 1:
            faults.append(
                f"budget of {self.max_map_drop} points and a flip rate of {self.max_flip_rate}: "
                "expected at least 0, and a share in [0, 1]"
            )
        if faults:
            raise CdulEdgeError("; ".join(faults))


@dataclass(frozen=True)
class Check:
    """Pictures that accuracy is measured on, and what they show.

    Attributes:
        pictures: None takes some of the pool that ranges do not come from.
        truth: of those pictures; None takes the FP32 scores as truth.
        truth_name: where it came from.
    """

    pictures: PictureList | None = None
    truth: TruthTable | None = None
    truth_name: str = "truth"
