"""Does this bundle, on this machine, say what PyTorch said? Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from cdul_edge_runtime.backends import Backend
from cdul_edge_runtime.bench.benchmark import VERSIONS
from cdul_edge_runtime.bench.combinations import Combinations, Unavailable
from cdul_edge_runtime.bench.latency import Effort
from cdul_edge_runtime.bundle.bundle import MANIFEST, Bundle
from cdul_edge_runtime.bundle.manifest import PROGRAM, Precision, program_version
from cdul_edge_runtime.bundle.measured import (
    REFERENCE_TRUTH,
    Judgement,
    now,
    remember,
    thresholds_sha256,
)
from cdul_edge_runtime.bundle.verdict import Verdict, worst
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.files import sha256_file
from cdul_edge_runtime.host.machine import describe_machine, installed_versions, reset_peak_memory
from cdul_edge_runtime.host.power import describe_power
from cdul_edge_runtime.measured_order import MARGIN, find_subject
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import PictureList, find_images
from cdul_edge_runtime.pictures.resizer import PILLOW, resizer_name
from cdul_edge_runtime.verify.pictures import (
    PictureTest,
    TruthKind,
    Unreadable,
    prepare_pictures,
)
from cdul_edge_runtime.verify.request import VerifyRequest
from cdul_edge_runtime.verify.row import VerifyRow, verify_row

FORMAT = 2
# What a precision should be faster than.
_FASTER_THAN = {"bf16": ("fp32",)} | dict.fromkeys(("int8", "int8-cpu"), ("fp32", "bf16", "fp16"))
PYTORCH = "pytorch"  # the device of the row that runs beside a run folder's network


@dataclass(frozen=True)
class PictureSummary:
    """How many pictures were read, what was not, and what mAP was taken against.

    Attributes:
        root: the folder that the paths of flipped decisions are relative to.
    """

    count: int
    unreadable: tuple[Unreadable, ...]
    truth: TruthKind
    root: str = ""

    @classmethod
    def of(cls, test: PictureTest) -> PictureSummary:
        """The summary of what a verification measured on."""
        root = str(test.pictures.root)
        return cls(len(test.fp32), test.unreadable, test.truth_kind, root)


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
        resizer: what resized the pictures here, and the frame that was timed.
        reference_resizer: what resized the reference pictures when the bundle was made.
    """

    bundle: str
    manifest_sha256: str
    rows: tuple[VerifyRow, ...]
    unavailable: tuple[Unavailable, ...] = ()
    pictures: PictureSummary | None = None
    doubts: tuple[str, ...] = ()
    power: Mapping[str, object] = field(default_factory=describe_power)
    resizer: str = field(default_factory=resizer_name)
    reference_resizer: str = PILLOW

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
        """What is not wrong but not as it should be."""
        return (*self.doubts, *self._slow)

    @property
    def _slow(self) -> tuple[str, ...]:
        """What is slower than what it should replace: its Q/DQ sits badly, or no kernel."""
        pairs = ((row, self._fastest_instead(row)) for row in self.rows)
        return tuple(
            f"{Precision(row.precision).shown} on {row.device} takes {_network_ms(row):.2f} ms and "
            f"{Precision(other.precision).shown} {_network_ms(other):.2f} ms: use "
            f"{other.precision} there"
            for row, other in pairs
            if other is not None and (1 - MARGIN) * _network_ms(row) > _network_ms(other)
        )

    def _fastest_instead(self, row: VerifyRow) -> VerifyRow | None:
        """Of what `row` should replace on its device, the one to take where that is faster."""
        others = (
            other
            for other in self.rows
            if other.device == row.device
            and other.precision in _FASTER_THAN.get(row.precision, ())
            and other.verdict == "ok"
            and _network_ms(other) > 0
        )
        return min(others, key=_network_ms, default=None)

    def to_dict(self) -> dict[str, object]:
        """Plain values for verify.json, with the machine they were measured on."""
        about = {
            "format": FORMAT,
            "program": PROGRAM,
            "version": program_version(),
            "stage": "verify",
            "passed": self.passed,
            "verdict": self.verdict,
        }
        return {
            **about,
            "bundle": self.bundle,
            "manifest_sha256": self.manifest_sha256,
            "rows": [row.to_dict() for row in self.rows],
            "unavailable": [asdict(one) for one in self.unavailable],
            "pictures": asdict(self.pictures) if self.pictures else {},
            "power": self.power,
            "resizer": self.resizer,
            "reference_resizer": self.reference_resizer,
            "warnings": list(self.warnings),
            "machine": describe_machine(),
            "versions": installed_versions(*VERSIONS),
        }


def verify(
    request: VerifyRequest, console: Console | None = None, *, beside: Backend | None = None
) -> VerifyReport:
    """Measure every combination against PyTorch's stored scores, one after the other.

    Args:
        request: what to verify.
        console: shows progress and warnings; without one, warnings are issued.
        beside: PyTorch itself, where it is at hand: an extra row, held to FP32's limits.

    Raises:
        BundleError: there is no reference, it does not fit, or a precision's file was changed.
        DeviceError: the device of a combination asked for by name failed; with "all" its row says
            so, and the others go on.
        CdulEdgeError: a combination asked for by name is not here, or no picture can be read.
    """
    console = console or LibraryConsole()
    bundle = Bundle.load(request.bundle)
    combinations = Combinations.parse(request.device, request.precision)
    for precision in bundle.precisions():
        bundle.model_path(precision)  # an edited file is an error, and not merely "not here"
    test = _prepare(bundle, request, console)

    def measure(classifier: Classifier) -> VerifyRow:
        picked = classifier.selection  # PyTorch's has none
        return verify_row(
            bundle,
            classifier,
            device=str(picked.where) if picked else PYTORCH,
            precision=picked.precision if picked else Precision.FP32,
            pictures=test,
            batches=request.batches,
            effort=Effort(request.repeats),
        )

    rows: list[VerifyRow] = []
    unavailable: list[Unavailable] = []
    if beside is not None:
        reset_peak_memory()
        row_of = partial(measure, Classifier(bundle.manifest, beside))
        rows.append(combinations.measure_one(row_of, VerifyRow.failed, PYTORCH, "fp32"))
    rows += combinations.measure(
        bundle, measure, VerifyRow.failed, unavailable, console, threads=request.threads
    )
    remember(bundle, (), _judge(bundle, rows, test), console)
    return VerifyReport(
        bundle=str(bundle.folder),
        manifest_sha256=sha256_file(bundle.folder / MANIFEST),
        rows=tuple(rows),
        unavailable=tuple(unavailable),
        pictures=PictureSummary.of(test) if test else None,
        doubts=_doubts(bundle, rows),
        reference_resizer=bundle.manifest.resampling.reference,
    )


def _prepare(bundle: Bundle, request: VerifyRequest, console: Console) -> PictureTest | None:
    if request.images is None:
        return None
    given = request.images
    pictures = given if isinstance(given, PictureList) else find_images(given)
    truth = None
    if request.truth is not None:
        table = read_truth(request.truth)
        truth = table.for_paths(pictures.paths, bundle.manifest.classes, pictures.root)
    test = prepare_pictures(bundle, pictures, truth, threads=request.threads)
    if test.unreadable:
        first = test.unreadable[0]
        console.warn(
            f"{len(test.unreadable)} of {len(pictures)} pictures cannot be read and are left out "
            f"(the first: {first.path} {first.error})"
        )
    return test


def _judge(bundle: Bundle, rows: Sequence[VerifyRow], test: PictureTest | None) -> list[Judgement]:
    """What `auto` asks about OpenVINO on the CPU; ONNX Runtime needs nobody's leave."""
    thresholds, judged = thresholds_sha256(bundle), now()
    count = len(bundle.reference().names) if test is None else len(test.fp32)
    return [
        Judgement(
            subject=find_subject(bundle, "openvino", Precision(row.precision)),
            thresholds_sha256=thresholds,
            verdict=row.verdict,
            pictures=count,
            truth=REFERENCE_TRUTH if test is None else test.truth_kind,
            judged=judged,
        )
        for row in rows
        if row.device == "openvino" and row.precision != "auto"  # which did not even load
    ]


def _doubts(bundle: Bundle, rows: Sequence[VerifyRow]) -> tuple[str, ...]:
    """Where a row without pictures rests on a record that could not tell either."""
    judged = {row.precision for row in rows if row.pictures is None and row.device != PYTORCH}
    reduced = (p for p in bundle.precisions() if bundle.has_record(p) and p.value in judged)
    return tuple(
        f"{precision.value} was calibrated on too few pictures to tell whether its accuracy is "
        "within the budget: verify it with --images"
        for precision in reduced
        if bundle.record(precision).verdict == "unsure"
    )


def default_report_path(bundle: Path) -> Path:
    """Where verify.json lands unless told: beside the bundle, which no stage changes."""
    return bundle.resolve().with_name(f"{bundle.resolve().name}-verify.json")


def _network_ms(row: VerifyRow) -> float:
    return row.speed.latency["network"].p50_ms if row.speed else 0.0
