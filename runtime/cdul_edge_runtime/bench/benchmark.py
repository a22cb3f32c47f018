"""How fast a bundle is here: latency, pictures a second by batch, memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cdul_edge_runtime.bench.combinations import Combinations, Unavailable
from cdul_edge_runtime.bench.latency import Latency, measure_latency
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import PROGRAM, program_version
from cdul_edge_runtime.choices import PrecisionRequest
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.device_choice import CPU_DEVICES
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.machine import (
    describe_machine,
    installed_versions,
    peak_memory_mib,
    usable_cores,
)
from cdul_edge_runtime.host.power import describe_power
from cdul_edge_runtime.pictures.resizer import resizer_name

FORMAT = 1
FRAME = (1280, 720)  # width and height of the picture that the end-to-end latency starts from
VERSIONS = (
    *("numpy", "pillow", "cykooz-resizer", "onnxruntime", "onnxruntime-gpu", "openvino"),
    *("tensorrt", "tensorrt_lean"),
    *("tensorrt-cu12", "tensorrt-cu13", "tensorrt-rtx", "tensorrt-rtx-cu12", "tensorrt-rtx-cu13"),
)

Inputs = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        repeats: calls that count.
        warm_up: calls before that do not.
        budget_s: seconds after which a measurement stops early, though not before ten calls.
    """

    repeats: int = 200
    warm_up: int = 5
    budget_s: float = 10.0


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
    """All rows, what could not run, and what resized the frame."""

    bundle: str
    rows: tuple[BenchRow, ...]
    effort: Effort
    unavailable: tuple[Unavailable, ...] = ()
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
        threads: numbers of CPU threads, each a row; none is every core.
        effort: how long to time.
    """

    bundle: Path
    device: str = "auto"
    precision: PrecisionRequest = "auto"
    batches: Sequence[int] = (1, 4, 16)
    threads: Sequence[int] = ()
    effort: Effort = Effort()


def bench(request: BenchRequest, console: Console | None = None) -> BenchReport:
    """Measure every combination, on the CPU with every number of threads.

    Args:
        request: what to time.
        console: told how many runs there are; without one, nothing is said.

    Raises:
        DeviceError: the device of a combination that was asked for by name failed.
        CdulEdgeError: a combination that was asked for by name is not here.
    """
    console = console or LibraryConsole()
    bundle = Bundle.load(request.bundle)
    combinations = Combinations.parse(request.device, request.precision)
    inputs = bundle.reference().inputs
    rows: list[BenchRow] = []
    unavailable: list[Unavailable] = []
    counts = request.threads or (usable_cores(),)
    with console.progress("timing", len(counts), unit="numbers of threads") as advance:
        for number, count in enumerate(counts):
            unavailable = []
            run = _Run(inputs, request.batches, request.effort, threads=count, first=number == 0)
            found = combinations.measure(bundle, run.measure, run.fail, unavailable, threads=count)
            rows += [row for row in found if row is not None]
            advance(1)
    return BenchReport(str(bundle.folder), tuple(rows), request.effort, tuple(unavailable))


def measure_speed(
    classifier: Classifier, inputs: Inputs, batches: Sequence[int], effort: Effort
) -> Speed:
    """Time one picture, alone and from a camera's frame, and batches of the inputs.

    Args:
        inputs: (K, H, W, 3) uint8; larger batches repeat them.

    Raises:
        DeviceError: the device failed.
    """
    infer = classifier.backend.infer
    first = np.ascontiguousarray(inputs[:1])
    frame = np.asarray(Image.fromarray(first[0]).resize(FRAME))
    latency = measure_latency(
        {"network": lambda: infer(first), "end_to_end": lambda: classifier.predict(frame)},
        repeats=effort.repeats,
        warm_up=effort.warm_up,
        budget_s=effort.budget_s,
    )
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
