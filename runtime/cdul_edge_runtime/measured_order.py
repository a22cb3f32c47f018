"""Which of OpenVINO's precisions come before ONNX Runtime's: those measured faster here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdul_edge_runtime.backends.ort.library import PACKAGES
from cdul_edge_runtime.bundle.bundle import MEASURED, Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.measured import Measured, Subject, thresholds_sha256
from cdul_edge_runtime.choices import Device
from cdul_edge_runtime.device_choice import Auto
from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from cdul_edge_runtime.host.machine import installed_versions
from cdul_edge_runtime.run_order import RUNS, MeasuredOrder, Pair

# A median must be lower by this share to count as lower: runs on an idle machine differ by one or
# two percent.
MARGIN = 0.03
_OPENVINO = ("openvino", "openvino-nightly", "openvino-dev")  # packages with one module


def order_measured(
    bundle: Bundle, pairs: Sequence[Pair], baseline: Pair, precision: Precision | Auto, threads: int
) -> MeasuredOrder:
    """Compare what OpenVINO was measured to do here with what would run without it.

    It counts where one run of `bench` timed both with that number of threads, OpenVINO's median
    for a frame was lower by `MARGIN`, and `verify` found nothing wrong. Nothing is imported for it.

    Args:
        bundle: whose measurements.
        pairs: what would be tried without any.
        baseline: which of them would run.
        precision: the only one to look at; "auto" is all that are within their accuracy budget.
        threads: of the CPU.
    """
    try:
        measured = Measured.read(bundle.folder)
    except CdulEdgeError:
        return MeasuredOrder(remark=f"{MEASURED} cannot be read: remove it")
    if measured is None:
        return MeasuredOrder()
    known = {one.precision for one in measured.subjects() if one.device == "openvino"}
    wanted = [p for p in RUNS["openvino"] if p in known and precision in ("auto", p)]
    contenders = [p for p in wanted if ("openvino", p) != baseline]
    if contenders and not measured.of_this_machine:
        return MeasuredOrder(remark=f"openvino was measured on another machine, {measured.cpu}")
    faster: dict[Pair, tuple[float, str]] = {}
    against: dict[Pair, str] = {}
    compare = _Comparison(bundle, measured, baseline, threads)
    for one in contenders:
        try:
            faster["openvino", one] = compare.weigh(one, free=precision == "auto")
        except _Objection as objection:
            against["openvino", one] = str(objection)
    first = {pair: faster[pair][1] for pair in sorted(faster, key=lambda pair: faster[pair][0])}
    # what would be tried anyway still is
    return MeasuredOrder(first, {p: why for p, why in against.items() if p not in pairs})


def find_subject(bundle: Bundle, device: Device, precision: Precision) -> Subject:
    """What a measurement made now would be of; raises `BundleError` where the bundle lacks it."""
    packages = PACKAGES if device == "cpu" else _OPENVINO
    versions = installed_versions(*packages)
    library = ", ".join(f"{name} {version}" for name, version in versions.items())
    return Subject(device, precision, bundle.model_sha256(precision), library)


class _Objection(Exception):
    """Why a precision does not come first."""


@dataclass(frozen=True)
class _Comparison:
    bundle: Bundle
    measured: Measured
    baseline: Pair
    threads: int

    def weigh(self, precision: Precision, *, free: bool) -> tuple[float, str]:
        """The share of the baseline's time that it takes, and the reason to take it."""
        if free and (why := _find_fault(self.bundle, precision)):
            raise _Objection(why)
        try:
            mine = find_subject(self.bundle, "openvino", precision)
            other = find_subject(self.bundle, *self.baseline)
        except BundleError as error:
            raise _Objection(str(error)) from error
        for one in (mine, other):
            if not one.library:
                package = "onnxruntime" if one.device == "cpu" else "openvino"
                raise _Objection(
                    f"{package} is not installed here, or says no version: what was timed does "
                    "not count"
                )
        share, figures = self._compare_times(mine, other)
        self._check_verdict(mine)
        return share, f"bench: {figures}; verify passed"

    def _compare_times(self, mine: Subject, other: Subject) -> tuple[float, str]:
        runs = [run for run in self.measured.runs if run.threads == self.threads]
        both = ((run.find(mine), run.find(other)) for run in runs)
        found = next(((a, b) for a, b in both if a is not None and b is not None), None)
        if found is None:
            count = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
            raise _Objection(
                f"never timed beside {other} with {count} and the libraries that are here: run "
                f"`cdul-edge bench {self.bundle.folder} --device all --precision all "
                f"--threads {self.threads}`"
            )
        taken, before = (timing.end_to_end_ms for timing in found)
        if taken > (1 - MARGIN) * before:
            raise _Objection(f"no faster than {other} when bench timed both")
        return taken / before, f"{taken:.3g} ms against {before:.3g} ms for {other}"

    def _check_verdict(self, mine: Subject) -> None:
        judged = self.measured.find_judgement(mine, thresholds_sha256(self.bundle))
        if judged is None:
            raise _Objection(
                f"faster than {self.baseline[1].shown} on {self.baseline[0]}, and never verified "
                f"as it is here: run `cdul-edge verify {self.bundle.folder} --backend openvino "
                "--precision all --images PHOTOS`"
            )
        if judged.verdict == "unsure":
            raise _Objection(
                "verify had too few pictures to tell whether its accuracy is within the budget: "
                "give it --images"
            )
        if judged.verdict == "broken":
            raise _Objection("verify found that its accuracy is outside the budget")


def _find_fault(bundle: Bundle, precision: Precision) -> str | None:
    """What `calibrate` found against it; where it did not measure BF16, `verify` tells."""
    if precision is Precision.FP32 or not (precision.has_file or bundle.has_record(precision)):
        return None
    try:
        return bundle.record(precision).objection
    except BundleError as error:
        return str(error)
