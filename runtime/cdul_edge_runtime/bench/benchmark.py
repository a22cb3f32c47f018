"""How fast a bundle is here: latency, pictures a second by batch, memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bench.combinations import Combinations, Unavailable
from cdul_edge_runtime.bench.latency import Effort, Latency, measure_latency
from cdul_edge_runtime.bench.turns import comparable, time_in_turns, time_one
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import PROGRAM, program_version
from cdul_edge_runtime.bundle.measured import BenchRun, Timing, now, remember
from cdul_edge_runtime.choices import PrecisionRequest
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.device_choice import CPU_DEVICES
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.machine import (
    describe_machine,
    installed_versions,
    peak_memory_mib,
    usable_cores,
)
from cdul_edge_runtime.host.power import describe_power
from cdul_edge_runtime.pictures.resizer import resizer_name
from cdul_edge_runtime.run_order import RUNS

FORMAT = 1
VERSIONS = (
    *("numpy", "pillow", "cykooz-resizer", "onnxruntime", "onnxruntime-gpu", "openvino"),
    *("tensorrt", "tensorrt_lean"),
    *("tensorrt-cu12", "tensorrt-cu13", "tensorrt-rtx", "tensorrt-rtx-cu12", "tensorrt-rtx-cu13"),
)

Inputs = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Speed:
    """What was timed.

    Attributes:
        latency: "network" for one input, "end_to_end" for one 1280x720 frame, resize included.
        throughput: pictures a second, by batch size; the network alone, medians. None where the
            backend takes fewer pictures at once.
    """

    latency: dict[str, Latency]
    throughput: dict[int, float | None]


@dataclass(frozen=True)
class BenchRow:
    """One device, precision and number of threads.

    Attributes:
        threads: of the CPU; None on an accelerator.
        peak_memory_mib: largest resident size of this process, loading included.
        device_memory_mib: memory on the accelerator, where it tells.
        speed: None where the device failed.
        failure: None, or why it did not get to the end.
    """

    device: str
    precision: str
    backend: str
    threads: int | None
    speed: Speed | None
    peak_memory_mib: float | None
    device_memory_mib: float | None
    failure: str | None = None

    @classmethod
    def failed(cls, device: str, precision: str, threads: int | None, reason: str) -> BenchRow:
        """The row of a device that failed."""
        return cls(device, precision, "", threads, None, None, None, reason)

    def to_dict(self) -> dict[str, object]:
        """Plain values; the two parts of the speed stand beside the rest, empty without one."""
        plain = asdict(self)
        speed = plain.pop("speed") or {"latency": {}, "throughput": {}}
        return {**plain, **speed}


@dataclass(frozen=True)
class BenchReport:
    """All rows, and what could not run.

    Attributes:
        bundle: its folder.
        rows: one a device, precision and number of threads.
        effort: how long was timed.
        unavailable: what "all" did not find here.
        compared: OpenVINO beside ONNX Runtime, one a number of threads on which both were timed;
            it is what `auto` goes by.
        power: modes and clocks after the measurement.
        resizer: what resized the frame, with its version.
    """

    bundle: str
    rows: tuple[BenchRow, ...]
    effort: Effort
    unavailable: tuple[Unavailable, ...] = ()
    compared: tuple[BenchRun, ...] = ()
    power: Mapping[str, object] = field(default_factory=describe_power)
    resizer: str = field(default_factory=resizer_name)

    def to_dict(self) -> dict[str, object]:
        """Plain values, with the machine they were measured on."""
        return {
            "format": FORMAT,
            "program": PROGRAM,
            "version": program_version(),
            "stage": "bench",
            **asdict(self),
            "rows": [row.to_dict() for row in self.rows],
            "machine": describe_machine(),
            "versions": installed_versions(*VERSIONS),
        }


@dataclass(frozen=True)
class BenchRequest:
    """Which bundle to time, on what, and how long.

    Attributes:
        bundle: its folder.
        device: as `Classifier.load` takes it, such as "cuda:1"; "auto" is what it picks, "all"
            every one here, of several GPUs the first.
        precision: one of the bundle's; "auto" and "all" likewise.
        batches: sizes to measure the throughput at; those a backend does not take give None.
        threads: numbers of CPU threads, each a row; none leaves the number to the libraries.
        effort: how long to time.
    """

    bundle: Path
    device: str = "auto"
    precision: PrecisionRequest = "auto"
    batches: Sequence[int] = (1, 4, 16)
    threads: Sequence[int] = ()
    effort: Effort = field(default_factory=Effort)


def bench(request: BenchRequest, console: Console | None = None) -> BenchReport:
    """Measure every combination, on the CPU with every number of threads.

    Args:
        request: what to time.
        console: shows progress, and is warned where a comparison of OpenVINO with ONNX
            Runtime cannot be kept for `auto`; without one, warnings are issued.

    Raises:
        DeviceError: the device of a combination that was asked for by name failed.
        CdulEdgeError: a combination that was asked for by name is not here.
    """
    console = console or LibraryConsole()
    bundle, started = Bundle.load(request.bundle), now()
    combinations = Combinations.parse(request.device, request.precision)
    inputs = bundle.reference().inputs
    rows: list[BenchRow] = []
    unavailable: list[Unavailable] = []
    # None is what runs where nobody gives a number: each library counts the cores in its own way.
    counts: Sequence[int | None] = request.threads or (None,)
    for number, count in enumerate(counts):
        unavailable = []
        named = count or usable_cores()
        run = _Run(inputs, request.batches, request.effort, threads=named, first=number == 0)
        found = combinations.measure(
            bundle, run.measure, run.fail, unavailable, console, threads=count
        )
        rows += [row for row in found if row is not None]
    compared = tuple(
        BenchRun(started, count or usable_cores(), timings)
        for count in counts
        if (timings := _compare(bundle, inputs, rows, count, request.effort, console))
    )
    remember(bundle, compared, (), console)
    return BenchReport(
        str(bundle.folder), tuple(rows), request.effort, tuple(unavailable), compared=compared
    )


def measure_speed(
    classifier: Classifier, inputs: Inputs, batches: Sequence[int], effort: Effort
) -> Speed:
    """Time one picture, alone and from a camera's frame, and batches of the inputs.

    Args:
        inputs: (K, H, W, 3) uint8; larger batches repeat them.

    Raises:
        DeviceError: the device failed.
    """
    latency = time_one(classifier, inputs, effort)
    most = classifier.backend.max_batch
    fitting = [size for size in batches if most is None or size <= most]
    measured = {size: _throughput(classifier, inputs, size, effort) for size in fitting}
    return Speed(latency, {size: measured.get(size) for size in batches})


def _throughput(classifier: Classifier, inputs: Inputs, size: int, effort: Effort) -> float:
    batch = np.ascontiguousarray(inputs[np.arange(size) % len(inputs)])
    found = measure_latency(
        {"batch": lambda: classifier.backend.infer(batch)},
        repeats=effort.repeats,
        warm_up=min(effort.warm_up, 2),
        budget_s=effort.budget_s / 4,
        at_least=3,  # a large batch on a CPU takes seconds
    )
    return round(1000 * size / found["batch"].p50_ms, 1)


def _compare(
    bundle: Bundle,
    inputs: Inputs,
    rows: Sequence[BenchRow],
    threads: int | None,
    effort: Effort,
    console: Console,
) -> tuple[Timing, ...]:
    """Time OpenVINO beside ONNX Runtime where both were timed; a row that failed is left out."""
    count = threads or usable_cores()
    timed = {(row.device, row.precision) for row in rows if row.speed and row.threads == count}
    pairs = [(d, p) for d in CPU_DEVICES for p in RUNS[d] if (d, p.value) in timed]
    compared = comparable(pairs)
    if not compared:
        return ()
    try:
        return time_in_turns(bundle, inputs, compared, threads, effort, console)
    except CdulEdgeError as error:  # what was timed before stands
        console.warn(f"OpenVINO was not compared with ONNX Runtime: {error}")
        return ()


@dataclass(frozen=True)
class _Run:
    """All combinations once, with one number of CPU threads.

    An accelerator does not care for those: it has a row in the first run, and None later.
    """

    inputs: Inputs
    batches: Sequence[int]
    effort: Effort
    threads: int
    first: bool

    def measure(self, classifier: Classifier) -> BenchRow | None:
        picked = classifier.selection
        assert picked is not None  # Classifier.load gives one
        device = str(picked.where)
        if not self._counts(device):
            return None
        speed = measure_speed(classifier, self.inputs, self.batches, self.effort)
        return BenchRow(
            device=device,
            precision=picked.precision.value,
            backend=classifier.backend.name,
            threads=self._threads_of(device),
            speed=speed,
            peak_memory_mib=peak_memory_mib(),
            device_memory_mib=classifier.backend.device_memory_mib,
        )

    def fail(self, device: str, precision: str, reason: str) -> BenchRow | None:
        if not self._counts(device):
            return None
        return BenchRow.failed(device, precision, self._threads_of(device), reason)

    def _counts(self, device: str) -> bool:
        return self.first or device in CPU_DEVICES

    def _threads_of(self, device: str) -> int | None:
        return self.threads if device in CPU_DEVICES else None
