"""Does this bundle, on this machine, say what PyTorch said? Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cdul_edge_runtime.backends import Backend
from cdul_edge_runtime.bench.bench import VERSIONS, Effort
from cdul_edge_runtime.bench.combinations import Combinations, Unavailable
from cdul_edge_runtime.bundle.bundle import MANIFEST, Bundle
from cdul_edge_runtime.bundle.manifest import PROGRAM, Precision, program_version
from cdul_edge_runtime.bundle.verdict import Verdict, worst
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.host.files import sha256_file
from cdul_edge_runtime.host.machine import describe_machine, installed_versions, reset_peak_memory
from cdul_edge_runtime.host.power import describe_power
from cdul_edge_runtime.metrics.metrics import Truth
from cdul_edge_runtime.pictures.images import PictureList
from cdul_edge_runtime.verify.pictures import PictureTest, prepare_pictures
from cdul_edge_runtime.verify.row import VerifyRow, verify_row

FORMAT = 2
BATCHES = (1, 8, 16)
PYTORCH = "pytorch"  # the device of the row that runs beside a run folder's network


@dataclass(frozen=True)
class VerifyReport:
    """What was measured, against which limits.

    Attributes:
        bundle, manifest_sha256: what was verified.
        rows: one a device and precision.
        unavailable: what "all" did not find here.
        warnings: what is not wrong but not as it should be.
        pictures: how many were given, what cannot be read, what mAP was taken against.
        power: modes and clocks after the measurement.
    """

    bundle: str
    manifest_sha256: str
    rows: tuple[VerifyRow, ...]
    unavailable: tuple[Unavailable, ...] = ()
    pictures: dict[str, Any] = field(default_factory=dict)
    power: dict[str, Any] = field(default_factory=describe_power)

    @property
    def verdict(self) -> Verdict:
        """The worst of the rows."""
        return worst(row.verdict for row in self.rows)

    @property
    def passed(self) -> bool:
        """Whether no check of any row is broken, as far as the pictures tell."""
        return self.verdict != "broken"

    @property
    def warnings(self) -> tuple[str, ...]:
        """INT8 that is no faster than what it should replace: its Q/DQ sits badly, or no kernel."""
        return tuple(
            f"{row.precision} on {row.device} takes {mine:.2f} ms and {other.precision} "
            f"{theirs:.2f} ms: use {other.precision} there"
            for row in self.rows
            for other in self.rows
            if row.precision.startswith("int8")
            and other.device == row.device
            and not other.precision.startswith("int8")
            and (mine := _network_ms(row)) > (theirs := _network_ms(other)) > 0
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for verify.json, with the machine they were measured on."""
        return {
            "format": FORMAT,
            "program": PROGRAM,
            "version": program_version(),
            "stage": "verify",
            "passed": self.passed,
            "verdict": self.verdict,
            **asdict(self),
            "rows": [row.to_dict() for row in self.rows],
            "warnings": list(self.warnings),
            "machine": describe_machine(),
            "versions": installed_versions(*VERSIONS),
        }


def verify_bundle(
    bundle: Bundle,
    combinations: Combinations,
    *,
    pictures: PictureList | None = None,
    truth: Truth | None = None,
    threads: int | None = None,
    beside: Backend | None = None,
    batches: Sequence[int] = BATCHES,
    effort: Effort = Effort(),
) -> VerifyReport:
    """Measure every combination against PyTorch's stored scores, one after the other.

    Args:
        bundle: what to verify.
        combinations: devices and precisions.
        pictures: pictures to classify in addition, and to compare with FP32 on the CPU.
        truth: (N, C) int8 of those pictures, -1 unknown; never looked at without them.
        threads: of the CPU.
        beside: PyTorch itself, where it is at hand: an extra row, held to FP32's limits.
        batches: sizes at which the throughput is measured.
        effort: how long to time.

    Raises:
        BundleError: there is no reference, it does not fit, or a precision's file was changed.
        DeviceError: the device of a combination asked for by name failed; with "all" its row says
            so, and the others go on.
        CdulEdgeError: a combination asked for by name is not here, or no picture can be read.
    """
    for precision in bundle.precisions():
        bundle.model_path(precision)  # an edited file is an error, and not merely "not here"
    test = prepare_pictures(bundle, pictures, truth, threads=threads) if pictures else None

    def measure(classifier: Classifier) -> VerifyRow:
        picked = classifier.selection  # PyTorch's has none
        return verify_row(
            bundle,
            classifier,
            device=picked.device if picked else PYTORCH,
            precision=picked.precision if picked else Precision.FP32,
            pictures=test,
            batches=batches,
            effort=effort,
        )

    rows: list[VerifyRow] = []
    unavailable: list[Unavailable] = []
    if beside is not None:
        reset_peak_memory()
        row_of = partial(measure, Classifier(bundle.manifest, beside))
        rows.append(combinations.measure_one(row_of, VerifyRow.failed, PYTORCH, "fp32"))
    rows += combinations.measure(bundle, measure, VerifyRow.failed, unavailable, threads=threads)
    about = _about_pictures(test) if test else {}
    digest = sha256_file(bundle.folder / MANIFEST)
    return VerifyReport(str(bundle.folder), digest, tuple(rows), tuple(unavailable), about)


def default_report_path(bundle: Path) -> Path:
    """Where verify.json lands unless told: beside the bundle, which no stage changes."""
    return bundle.resolve().with_name(f"{bundle.resolve().name}-verify.json")


def _about_pictures(test: PictureTest) -> dict[str, Any]:
    return {
        "count": len(test.fp32),
        "unreadable": test.unreadable,
        "truth": "fp32 scores" if test.truth is None else "given",
    }


def _network_ms(row: VerifyRow) -> float:
    return row.speed.latency["network"].p50_ms if row.speed else 0.0
