"""What `bench` timed and `verify` judged on this machine, so that `auto` can take what is faster.

It lies with the engines, which are this machine's too: the bundle is complete without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from cdul_edge_runtime.bundle.bundle import MEASURED, Bundle
from cdul_edge_runtime.bundle.manifest import PROGRAM, Precision, program_version
from cdul_edge_runtime.bundle.verdict import Verdict
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.host.json_record import check_header, parse_record
from cdul_edge_runtime.host.machine import describe_machine

FORMAT = 1
STAGE = "measured"
REFERENCE_TRUTH = "reference"  # what a judgement on the bundle's own pictures rests on
_MOST_RUNS = 8  # of one number of threads


@dataclass(frozen=True)
class Subject:
    """What was measured: another model file or library is another subject.

    Attributes:
        device: as `str` of a `DeviceChoice` writes it, such as "openvino".
        precision: in which it computed.
        model_sha256: of the ONNX file that it read.
        library: with its version, such as "openvino 2026.4.1".
    """

    device: str
    precision: Precision
    model_sha256: str
    library: str

    def __str__(self) -> str:
        return f"{self.precision.shown} on {self.device}"


@dataclass(frozen=True)
class Timing:
    """Medians of one row of `bench`, in ms: one input, and one 1280x720 frame with its resize.

    Raises:
        CdulEdgeError: a time that is not above 0, which no run takes.
    """

    subject: Subject
    network_ms: float
    end_to_end_ms: float

    def __post_init__(self) -> None:
        if not (self.network_ms > 0 and self.end_to_end_ms > 0):
            raise CdulEdgeError(
                f"{self.subject} took {self.network_ms} and {self.end_to_end_ms} ms, expected "
                "more than 0"
            )


@dataclass(frozen=True)
class BenchRun:
    """What one run of `bench` timed with one number of CPU threads: only these are compared.

    Attributes:
        started: when, in UTC, as ISO 8601.
        threads: of the CPU.
        rows: one a device and precision.
    """

    started: str
    threads: int
    rows: tuple[Timing, ...]

    def find(self, subject: Subject) -> Timing | None:
        """The row of that very model and library."""
        return next((row for row in self.rows if row.subject == subject), None)

    @property
    def pairs(self) -> set[tuple[str, Precision]]:
        """Devices and precisions of the rows."""
        return {(row.subject.device, row.subject.precision) for row in self.rows}


@dataclass(frozen=True)
class Judgement:
    """What one row of `verify` said.

    Attributes:
        subject: of what.
        thresholds_sha256: of the thresholds that decided what a flip is.
        verdict: the worst of the row's checks.
        pictures: how many it was judged on.
        truth: "reference" where those were the bundle's own, and else what mAP was taken against:
            "given" or "fp32 scores".
        judged: when, in UTC, as ISO 8601.
    """

    subject: Subject
    thresholds_sha256: str
    verdict: Verdict
    pictures: int
    truth: str
    judged: str


@dataclass(frozen=True)
class Measured:
    """Everything that was measured on one machine; `read` and `remember` are its two ends.

    Attributes:
        cpu: the processor's name.
        cpu_flags: those of its instruction sets that decide how fast networks run.
        runs: of `bench`, the newest first.
        judgements: of `verify`, one a subject and thresholds.
        version: of the program that wrote it.
    """

    cpu: str
    cpu_flags: tuple[str, ...]
    runs: tuple[BenchRun, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    version: str = field(default_factory=program_version)

    @classmethod
    def here(cls) -> Measured:
        """Nothing yet, on this machine."""
        machine = describe_machine()
        return cls(machine["cpu"], tuple(machine["cpu_flags"]))

    @classmethod
    def read(cls, bundle: Path) -> Measured | None:
        """What the bundle's folder holds; None where nothing was measured.

        Raises:
            CdulEdgeError: it is damaged, or of another format.
        """
        path = bundle / MEASURED
        if not path.is_file():
            return None
        try:
            content = read_json(path)
            check_header(content, program=PROGRAM, format=FORMAT, stage=STAGE)
            return parse_record(cls, content)
        except (CdulEdgeError, OSError) as error:
            reason = error.__cause__ or error  # without the path and the advice of `read_json`
            raise CdulEdgeError(f"{path} cannot be read ({reason}): remove it") from error

    @property
    def of_this_machine(self) -> bool:
        """Whether it was measured on a CPU like the one here."""
        here = Measured.here()
        return (self.cpu, self.cpu_flags) == (here.cpu, here.cpu_flags)

    def write(self, bundle: Path) -> None:
        """Write it into the bundle's folder, atomically."""
        about = {"format": FORMAT, "program": PROGRAM, "stage": STAGE}
        write_json(bundle / MEASURED, {**about, **asdict(self)})

    def with_run(self, run: BenchRun) -> Measured:
        """With one more run; earlier ones that it times all of go, and so do the oldest."""
        kept = [one for one in self.runs if one.threads == run.threads and one.pairs - run.pairs]
        others = [one for one in self.runs if one.threads != run.threads]
        return replace(self, runs=(run, *kept[: _MOST_RUNS - 1], *others))

    def with_judgement(self, new: Judgement) -> Measured:
        """With one more judgement, which replaces that of the same subject.

        One on the few reference pictures does not replace one on more, unless it is broken.
        """
        same = [one for one in self.judgements if _is_of(one, new)]
        weaker = new.truth == REFERENCE_TRUTH and new.verdict != "broken"
        if weaker and any(one.truth != REFERENCE_TRUTH for one in same):
            return self
        others = tuple(one for one in self.judgements if one not in same)
        return replace(self, judgements=(*others, new))

    def find_judgement(self, subject: Subject, thresholds_sha256: str) -> Judgement | None:
        """What `verify` said of that very model, library and thresholds."""
        found = (one for one in self.judgements if one.subject == subject)
        return next((one for one in found if one.thresholds_sha256 == thresholds_sha256), None)

    def subjects(self) -> Iterator[Subject]:
        """Of every row and judgement; some more than once."""
        for run in self.runs:
            yield from (row.subject for row in run.rows)
        yield from (one.subject for one in self.judgements)


def remember(
    bundle: Bundle, runs: Iterable[BenchRun], judgements: Iterable[Judgement], console: Console
) -> None:
    """Add to what the bundle's folder says of this machine; what is of another one goes.

    A folder that cannot be written to, and a file that cannot be read, are warnings.
    """
    runs, judgements = tuple(runs), tuple(judgements)
    if not (runs or judgements):
        return
    try:
        found = Measured.read(bundle.folder)
    except CdulEdgeError:
        console.warn(f"{bundle.folder / MEASURED} cannot be read, and is replaced")
        found = None
    if found is None or not found.of_this_machine:
        found = Measured.here()
    for run in runs:
        found = found.with_run(run)
    for judgement in judgements:
        found = found.with_judgement(judgement)
    try:
        replace(found, version=program_version()).write(bundle.folder)
    except OSError as error:
        console.warn(
            f"{bundle.folder / MEASURED} cannot be written ({error.strerror}): device auto will "
            "not know what was measured; copy the bundle to a writable folder"
        )


def thresholds_sha256(bundle: Bundle) -> str:
    """Digest of a bundle's thresholds, float32 in the order of its classes."""
    return hashlib.sha256(bundle.manifest.thresholds.astype("<f4").tobytes()).hexdigest()


def now() -> str:
    """In UTC, as ISO 8601 with microseconds: no two runs start at once."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def _is_of(one: Judgement, other: Judgement) -> bool:
    """Whether they judge the same device and precision of one file, library and thresholds aside.

    What was judged with an earlier library or other thresholds says nothing any more.
    """
    mine, its = one.subject, other.subject
    return (mine.device, mine.precision) == (its.device, its.precision)
