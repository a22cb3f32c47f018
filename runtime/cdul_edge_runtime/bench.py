"""How fast a bundle is here: latency, pictures a second by batch, memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from cdul_edge_runtime.bundle import Bundle
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.combinations import Combinations, Unavailable
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.latency import Latency, measure_latency
from cdul_edge_runtime.machine import (
    describe_machine,
    installed_versions,
    peak_memory_mib,
    usable_cores,
)
from cdul_edge_runtime.manifest import PROGRAM, program_version
from cdul_edge_runtime.power import describe_power

FORMAT = 1
FRAME = (1280, 720)  # width and height of the picture that the end-to-end latency starts from
VERSIONS = ("numpy", "pillow", "onnxruntime", "onnxruntime-gpu", "tensorrt")

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
        throughput: pictures a second, by batch size; the network alone, medians.
    """

    latency: dict[str, Latency]
    throughput: dict[int, float]


@dataclass(frozen=True)
class BenchRow:
    """One device, precision and number of threads.

    Attributes:
        threads: of the CPU; None on an accelerator.
        peak_memory_mib: largest resident size of this process, loading included.
        device_memory_mib: memory on the accelerator, where it tells.
    """

    device: str
    precision: str
    backend: str
    threads: int | None
    speed: Speed
    peak_memory_mib: float | None
    device_memory_mib: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values; the two parts of the speed stand beside the rest."""
        plain = asdict(self)
        speed = plain.pop("speed")
        return {**plain, **speed}


@dataclass(frozen=True)
class BenchReport:
    """All rows, and what could not run."""

    bundle: str
    rows: tuple[BenchRow, ...]
    effort: Effort
    unavailable: tuple[Unavailable, ...] = ()
    power: dict[str, Any] = field(default_factory=describe_power)

    def to_dict(self) -> dict[str, Any]:
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


def bench_bundle(
    bundle: Bundle,
    combinations: Combinations,
    *,
    batches: Sequence[int] = (1, 4, 16),
    threads: Sequence[int] = (),
    effort: Effort = Effort(),
) -> BenchReport:
    """Measure every combination, on the CPU with every number of threads.

    Args:
        batches: sizes to measure the throughput at; those a backend does not take are left out.
        threads: numbers of CPU threads; none is every core.

    Raises:
        CdulEdgeError: a combination that was asked for by name is not here.
    """
    inputs = bundle.reference().inputs
    rows: list[BenchRow] = []
    unavailable: list[Unavailable] = []
    for number, count in enumerate(threads or (usable_cores(),)):
        missing: list[Unavailable] = []
        for classifier in combinations.open(bundle, missing, threads=count):
            on_cpu = classifier.selection is None or classifier.selection.device == "cpu"
            if on_cpu or number == 0:  # an accelerator does not care for the CPU's threads
                rows.append(
                    _measure(classifier, inputs, batches, count if on_cpu else None, effort)
                )
        unavailable = missing
    return BenchReport(str(bundle.folder), tuple(rows), effort, tuple(unavailable))


def measure_speed(
    classifier: Classifier, inputs: Inputs, batches: Sequence[int], effort: Effort
) -> Speed:
    """Time one picture, alone and from a camera's frame, and batches of the inputs.

    Args:
        inputs: (K, H, W, 3) uint8; larger batches repeat them.

    Raises:
        CdulEdgeError: the backend takes none of the batch sizes.
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
    sizes = [size for size in batches if most is None or size <= most]
    if not sizes:
        raise CdulEdgeError(f"{classifier.backend.name} takes at most {most} pictures at once")
    return Speed(latency, {size: _throughput(classifier, inputs, size, effort) for size in sizes})


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


def _measure(
    classifier: Classifier, inputs: Inputs, batches: Sequence[int], threads: int | None, how: Effort
) -> BenchRow:
    speed = measure_speed(classifier, inputs, batches, how)
    chosen = classifier.selection
    assert chosen is not None  # Classifier.load gives one
    return BenchRow(
        device=chosen.device,
        precision=chosen.precision.value,
        backend=classifier.backend.name,
        threads=threads,
        speed=speed,
        peak_memory_mib=peak_memory_mib(),
        device_memory_mib=classifier.backend.device_memory_mib,
    )
