"""What is known of a reduced precision: where its file came from, and what it costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cdul_edge_runtime.bundle.manifest import PROGRAM, Precision, program_version
from cdul_edge_runtime.bundle.verdict import Estimate, Interval, Verdict, worst
from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from cdul_edge_runtime.host.files import read_json, sha256_file, write_json
from cdul_edge_runtime.host.json_record import check_header, parse_record

FORMAT = 1


@dataclass(frozen=True)
class Limits:
    """How far a precision may be from FP32.

    Attributes:
        max_map_drop: points of mAP.
        max_flip_rate: share of all decisions (pictures x classes) that may differ, in [0, 1].
        max_score_error: largest absolute score difference that `verify` allows.
    """

    max_map_drop: float
    max_flip_rate: float
    max_score_error: float


@dataclass(frozen=True)
class Accuracy:
    """What a precision was measured to cost against FP32, on pictures it was not calibrated on.

    Attributes:
        pictures: how many.
        truth: what mAP was taken against, such as "fp32 scores" or a truth file's name.
        map_fp32, map: mAP in percent of the FP32 file and of this one.
        flip_rate: share of decisions at the thresholds that differ, in [0, 1].
        max_error: largest absolute score difference.
        mean_error: mean absolute score difference.
        against: what ran both files, such as "onnxruntime 1.31.1, CPUExecutionProvider".
        map_drop_interval: 95 % interval of the points of mAP lost; None in records of versions
            that did not measure it, whose figures are taken as exact.
        flip_rate_interval: 95 % interval of the flip rate, likewise.
    """

    pictures: int
    truth: str
    map_fp32: float
    map: float
    flip_rate: float
    max_error: float
    mean_error: float
    against: str
    map_drop_interval: Interval | None = None
    flip_rate_interval: Interval | None = None

    @property
    def map_drop(self) -> float:
        """Points of mAP lost; negative where this precision is better."""
        return self.map_fp32 - self.map

    @property
    def map_loss(self) -> Estimate:
        """Points of mAP lost, with their interval."""
        return Estimate.of(self.map_drop, self.map_drop_interval, self.pictures)

    @property
    def flips(self) -> Estimate:
        """The flip rate with its interval."""
        return Estimate.of(self.flip_rate, self.flip_rate_interval, self.pictures)

    def judge(self, limits: Limits) -> Verdict:
        """Whether the cost is within the limits, exceeds one, or pictures were too few to tell.

        Where no decision may flip at all, one that does exceeds the limit and none holds it.
        """
        flips = self.flips if limits.max_flip_rate else self.flips.exact
        return worst((self.map_loss.judge(limits.max_map_drop), flips.judge(limits.max_flip_rate)))


@dataclass(frozen=True)
class PrecisionRecord:
    """The sidecar of one reduced-precision file: model.int8.json beside model.int8.onnx.

    That of BF16 describes how the FP32 file does when it is computed in BF16.

    Attributes:
        precision: which file.
        sha256, bytes: of that file.
        source_sha256: of the model.fp32.onnx that it was made from.
        limits: what `verify` holds it to.
        accuracy: what it was measured to cost when it was made.
        within_budget: false where that cost exceeds a limit, which only `--force` writes; `verdict`
            tells what is within the limits from what too few pictures were there to judge.
        speed_up: how many times as fast as FP32 it was on the CPU that made it; None where that
            says nothing, because the file is for another device.
        float_layers: layers that stayed in floating point, the most sensitive first.
        calibration: method, count and digest of the pictures, seed.
        version: of the program that made it.
    """

    precision: Precision
    sha256: str
    bytes: int
    source_sha256: str
    limits: Limits
    accuracy: Accuracy
    within_budget: bool
    speed_up: float | None = None
    float_layers: tuple[str, ...] = ()
    calibration: dict[str, Any] = field(default_factory=dict)
    version: str = field(default_factory=program_version)

    @property
    def verdict(self) -> Verdict:
        """What its pictures say about its accuracy."""
        return self.accuracy.judge(self.limits) if self.within_budget else "broken"

    @property
    def objection(self) -> str | None:
        """Why only a request by name picks this precision; None where its accuracy is fine."""
        if not self.within_budget:
            return "its accuracy is outside the budget it was made for (calibrate --force)"
        if self.verdict == "unsure":
            return (
                "it was made on too few pictures to tell whether its accuracy is within the budget"
            )
        return None

    def write(self, folder: Path) -> None:
        """Write the sidecar into the bundle's folder, atomically."""
        about = {"format": FORMAT, "program": PROGRAM, "stage": "calibrate"}
        content = {**about, **asdict(self), "precision": self.precision.value}
        write_json(folder / self.precision.record_name, content)

    @classmethod
    def read(cls, folder: Path, precision: Precision) -> PrecisionRecord:
        """Read the sidecar of `precision`.

        Raises:
            BundleError: there is none, or it is damaged or of another format.
        """
        path = folder / precision.record_name
        if not path.is_file():
            command = f"cdul-edge calibrate {folder} --images PICTURES"
            raise BundleError(
                f"{folder} has no {precision.value} model: make one with `{command}`"
                if precision.has_file
                else f"{folder} does not say what {precision.value} costs: measure it with "
                f"`{command} --precision {precision.value}`"
            )
        try:
            content = read_json(path)
            header = {"program": PROGRAM, "format": FORMAT, "stage": "calibrate"}
            check_header(content, **header, precision=precision.value)
            return parse_record(cls, content)
        except CdulEdgeError as error:
            raise BundleError(
                f"{path} is damaged ({error}): make it again with `cdul-edge calibrate --force`"
            ) from error

    def check(self, folder: Path, fp32_sha256: str) -> None:
        """Make sure that the ONNX file is this record's, and was made from this FP32 file.

        Raises:
            BundleError: it is missing, was changed, or belongs to another model.fp32.onnx.
        """
        path = folder / self.precision.file_name
        self.check_source(folder, fp32_sha256)
        if not path.is_file():
            raise BundleError(f"{path} is missing: run `cdul-edge calibrate --force` again")
        digest = sha256_file(path)
        if digest != self.sha256:
            raise BundleError(
                f"{path} is not the file its record names (sha256 {digest[:8]}…, expected "
                f"{self.sha256[:8]}…): copy the bundle again, or calibrate again with --force"
            )

    def check_source(self, folder: Path, fp32_sha256: str) -> None:
        """Make sure that it is about this FP32 file.

        Raises:
            BundleError: it belongs to another model.fp32.onnx.
        """
        if self.source_sha256 == fp32_sha256:
            return
        own = self.precision.has_file
        what = self.precision.file_name if own else self.precision.record_name
        raise BundleError(
            f"{folder / what} was made from another {Precision.FP32.file_name} (sha256 "
            f"{self.source_sha256[:8]}…, this one is {fp32_sha256[:8]}…): run "
            "`cdul-edge calibrate --force` again"
        )
