"""`verify` and `bench` of a bundle on one device, as figures."""

from __future__ import annotations

from pathlib import Path

from benchmarks.gpu.memory import MemoryLog
from benchmarks.gpu.step import Context, Figure, Outcome
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.choices import PrecisionName
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.verify import VerifyRequest, verify
from cdul_edge_runtime.verify.row import VerifyRow

BATCHES = (1, 8)  # engines take 8 by default


def verify_on(context: Context, bundle: Path, device: str, precision: PrecisionName) -> Outcome:
    """Every check of `cdul-edge verify`, latency of one picture, and pictures a second."""
    request = VerifyRequest(
        bundle=bundle,
        device=device,
        precision=precision,
        batches=BATCHES,
        repeats=context.size(200, 3),
        threads=2,
    )
    (row,) = verify(request, SilentConsole()).rows
    largest = row.checks[0]
    error = Figure(largest.name, largest.value, at_most=largest.limit)
    broken = [
        f"{one.name} is {one.value:g}, limit {one.limit:g}" for one in row.checks if not one.passed
    ]
    if row.failure is not None:
        broken.append(row.failure)
    details = {"backend": row.backend, "checks": [one.to_dict() for one in row.checks]}
    return Outcome((error, *_speed(row)), tuple(broken), details=details)


def _speed(row: VerifyRow) -> tuple[Figure, ...]:
    if row.speed is None:
        return ()
    latency = [
        Figure(f"{what.replace('_', ' ')}, p50", found.p50_ms, "ms")
        for what, found in row.speed.latency.items()
    ]
    rate = [
        Figure(f"batches of {size}", value, "pictures/s")
        for size, value in row.speed.throughput.items()
    ]
    return (*latency, *rate)


def watch_memory(context: Context, bundle: Path, device: str, precision: str) -> Outcome:
    """Memory while batches of 1 to 8 inputs go by."""
    inputs, log = Bundle.load(bundle).reference().inputs, MemoryLog(context)
    with Classifier.load(bundle, device=device, precision=precision, threads=2) as classifier:
        for number in range(log.batches):
            classifier.predict_inputs(inputs[: (1, 8, 3, 5)[number % 4]])
            log.batch_done()
    return log.outcome()
