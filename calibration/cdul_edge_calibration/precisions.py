"""Making one reduced precision, holding it to the budget, and writing it with its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from cdul_edge_calibration.accuracy import SOFT_TRUTH, Cost, measure_accuracy, score_batches
from cdul_edge_calibration.collect import Collected
from cdul_edge_calibration.graphs.fp16 import find_fp16_hazards, to_fp16
from cdul_edge_calibration.graphs.layers import work_share
from cdul_edge_calibration.graphs.quantize import quantize_for_cpu, quantize_for_tensorrt
from cdul_edge_calibration.graphs.tensorrt_graph import OPSET
from cdul_edge_calibration.graphs.tensorrt_rules import find_violations
from cdul_edge_calibration.request import CalibrateRequest
from cdul_edge_calibration.sensitivity import Fit, LayerSensitivity, fit_budget
from cdul_edge_calibration.speed import measure_speed_up
from cdul_edge_runtime.bundle.bundle import Bundle, record_file
from cdul_edge_runtime.bundle.manifest import FileRecord, Precision
from cdul_edge_runtime.bundle.precision_record import Accuracy, Limits, PrecisionRecord
from cdul_edge_runtime.bundle.verdict import UNSURE, Verdict
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.host.files import atomic_write

# A device rounds otherwise than the CPU that measured: `verify` allows twice the largest error
# seen here, and at least this.
_SMALLEST_ERROR_LIMIT = 0.01

# What runs in INT8 in either file.
_IN_INT8 = {Precision.INT8: ("Conv",), Precision.INT8_CPU: ("Conv", "Gemm")}
_SAID = {"Conv": "convolutions", "Gemm": "linear layers on vectors"}
_LITTLE_INT8 = 0.5  # share of the work below which it is hardly an INT8 model


@dataclass(frozen=True)
class PrecisionOutcome:
    """What became of one precision.

    Attributes:
        precision: which.
        cost: on the pictures to check on, and on the bundle's reference pictures.
        float_layers: what stayed in floating point.
        verdict: whether it holds the budget, as far as the pictures tell.
        reasons: the limits it breaks, or of which the pictures do not tell; empty where it is ok.
        record: what was written beside its file; None where it was refused.
    """

    precision: Precision
    cost: Cost
    float_layers: tuple[str, ...]
    verdict: Verdict
    reasons: tuple[str, ...]
    record: PrecisionRecord | None

    @property
    def accuracy(self) -> Accuracy:
        """What it costs on the pictures to check on."""
        return self.cost.accuracy


@dataclass(frozen=True)
class Maker:
    """Everything that the precisions of one calibration share.

    Attributes:
        model: the FP32 graph, every node named.
        truth: (N, C) int8 of the check pictures; None takes the FP32 scores.
        ranked: layers by sensitivity, the most sensitive first.
        folder: for files that are measured before they are written.
    """

    bundle: Bundle
    model: onnx.ModelProto
    collected: Collected
    truth: npt.NDArray[np.int8] | None
    truth_name: str
    ranked: Sequence[LayerSensitivity]
    request: CalibrateRequest
    folder: Path
    console: Console

    def make(self, precision: Precision) -> PrecisionOutcome:
        """Make, measure and, within the budget or with `force`, write one precision."""
        fit, reason = self._fit(precision)
        verdict = fit.cost.judge(self._limits)
        reasons = () if verdict == "ok" else self._limits_that_are(verdict, fit)
        if self.collected.foreign:  # then no figure shows that the budget holds
            verdict, reasons = "broken", (self.collected.foreign, *reasons)
        self._explain(precision, fit, reason, verdict, reasons)
        self._warn_of_little_int8(precision)
        refused = verdict == "broken" and not self.request.force
        record = None if refused and precision.has_file else self._write(precision, fit, verdict)
        if refused:  # BF16 needs no file to be run: its record says not to
            record = None
        return PrecisionOutcome(precision, fit.cost, fit.float_layers, verdict, reasons, record)

    def _limits_that_are(self, verdict: Verdict, fit: Fit) -> tuple[str, ...]:
        return tuple(fit.cost.find_limits(self._limits, verdict))

    @property
    def _limits(self) -> Limits:
        return Limits(self.request.max_map_drop, self.request.max_flip_rate, 1.0)

    def _fit(self, precision: Precision) -> tuple[Fit, str]:
        if precision is Precision.FP16:
            return self._fit_fp16()
        if precision is Precision.BF16:
            return Fit(self.model, self._measure_file(self.bundle.model_path(), precision), ()), ""
        return self._fit_int8(precision)

    def _fit_fp16(self) -> tuple[Fit, str]:
        hazards = find_fp16_hazards(self.model, self.collected.record.extremes)
        graph = to_fp16(self.model, hazards)
        reason = "; ".join(f"{node}: {why}" for node, why in hazards.items())
        return Fit(graph, self._measure(graph, Precision.FP16), tuple(hazards)), reason

    def _fit_int8(self, precision: Precision) -> tuple[Fit, str]:
        known = self.collected.record
        quantize = quantize_for_cpu if precision is Precision.INT8_CPU else quantize_for_tensorrt
        full, best = fit_budget(
            [row.layer for row in self.ranked],
            self._limits,
            lambda layers: quantize(self.model, known.ranges, layers, known.means),
            lambda graph: self._measure(graph, precision),
        )
        fit = best or full
        # A graph that could not be exported at opset 17 is for TensorRT 10; `build` says so on 8.6.
        opset = max(OPSET, self.bundle.manifest.graph.opset)
        if precision is Precision.INT8 and (faults := find_violations(fit.model, opset=opset)):
            raise CdulEdgeError(
                f"the INT8 graph would not run as INT8 in TensorRT ({faults[0]}; {len(faults)} "
                "faults): make the others with --precision fp16 --precision int8-cpu"
            )
        return fit, "; ".join(self._limits_that_are("broken", full))

    def _measure(self, graph: onnx.ModelProto, precision: Precision) -> Cost:
        path = self.folder / precision.file_name
        onnx.save(graph, path)
        return self._measure_file(path, precision)

    def _measure_file(self, path: Path, precision: Precision) -> Cost:
        check, reference = self.collected.check, self.collected.reference
        with self.console.progress(f"scoring in {precision.value}", len(check)) as advance:
            batches = chain(check.batches(advance), [reference.inputs])
            scores, against = score_batches(path, batches, precision)
        manifest = self.bundle.manifest
        near = manifest.parity.limit
        return Cost(
            measure_accuracy(
                scores[: len(check)],
                self.collected.fp32_scores,
                manifest.thresholds,
                near=near,
                against=against,
                truth=self.truth,
                truth_name=self.truth_name,
            ),
            measure_accuracy(
                scores[len(check) :],
                reference.scores,
                manifest.thresholds,
                near=near,
                against=against,
                truth_name=SOFT_TRUTH,
            ),
        )

    def _measure_speed_up(self, precision: Precision) -> float | None:
        if precision not in (Precision.BF16, Precision.INT8_CPU):
            return None
        picture = next(self.collected.check.batches())[:1]
        made = self.bundle.folder / precision.file_name
        speed_up = measure_speed_up(self.bundle.model_path(), made, precision, picture)
        advice = ": FP32 is the better choice here" if speed_up < 1 else ""
        self.console.say(f"{precision.value}: {speed_up:.2f}x as fast as FP32 on this CPU{advice}")
        return round(speed_up, 2)

    def _explain(
        self,
        precision: Precision,
        fit: Fit,
        reason: str,
        verdict: Verdict,
        reasons: tuple[str, ...],
    ) -> None:
        """Say which layers stayed in floating point and why, and what does not hold."""
        if fit.float_layers:
            shown = ", ".join(fit.float_layers)
            self.console.say(
                f"{precision.value}: {len(fit.float_layers)} stay in floating point, the most "
                f"sensitive first: {shown} ({reason})"
            )
        if verdict == "unsure":
            self.console.warn(f"{precision.value}: {UNSURE}: {'; '.join(reasons)}")
        elif verdict == "broken":
            tried = precision in _IN_INT8 and fit.cost.judge(self._limits) == "broken"
            half = ", with half of the layers in FP32 too" if tried else ""
            fate = "written anyway" if self.request.force else "not written"
            if not precision.has_file:
                fate = "auto will not take it"
            self.console.warn(f"{precision.value}: {'; '.join(reasons)}{half}: {fate}")

    def _warn_of_little_int8(self, precision: Precision) -> None:
        """Transformers do most of their work where neither file is INT8."""
        kinds = _IN_INT8.get(precision)
        share = 1.0 if kinds is None else work_share(self.model, kinds)
        if share < _LITTLE_INT8:
            self.console.warn(
                f"{precision.value}: {' and '.join(_SAID[kind] for kind in kinds or ())} do "
                f"{100 * share:.0f} % of this network's work, and nothing else runs in INT8: "
                "expect little of it"
            )

    def _write(self, precision: Precision, fit: Fit, verdict: Verdict) -> PrecisionRecord:
        """The record goes first and comes last: without it the file beside it does not count."""
        folder = self.bundle.folder
        (folder / precision.record_name).unlink(missing_ok=True)
        if not precision.has_file:
            source = self.bundle.manifest.files[precision.file_name]
            record = self._record(precision, fit, verdict, source)
            record.write(folder)
            return record
        with atomic_write(folder / precision.file_name) as temporary:
            onnx.save(fit.model, temporary)
        written = record_file(folder / precision.file_name)
        record = self._record(precision, fit, verdict, written)
        record.write(folder)
        return record

    def _record(
        self, precision: Precision, fit: Fit, verdict: Verdict, file: FileRecord
    ) -> PrecisionRecord:
        key, calibration = self.collected.record.key, self.collected.record
        seen = max(fit.cost.accuracy.max_error, fit.cost.on_reference.max_error)
        largest = max(2 * seen, _SMALLEST_ERROR_LIMIT)
        return PrecisionRecord(
            precision=precision,
            sha256=file.sha256,
            bytes=file.bytes,
            source_sha256=self.bundle.fp32_sha256,
            limits=replace(self._limits, max_score_error=largest),
            accuracy=fit.cost.accuracy,
            within_budget=verdict != "broken",
            speed_up=self._measure_speed_up(precision),
            float_layers=fit.float_layers,
            calibration={
                "method": key.method,
                "pictures": len(calibration.calibration),
                "pictures_sha256": calibration.pictures_sha256,
                "seed": key.seed,
            },
        )
