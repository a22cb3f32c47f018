"""Records of `bench` and `verify` as a test wants them: nothing is timed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.measured import (
    BenchRun,
    Judgement,
    Measured,
    Timing,
    thresholds_sha256,
)
from cdul_edge_runtime.bundle.verdict import Verdict
from cdul_edge_runtime.choices import Device
from cdul_edge_runtime.measured_order import find_subject
from cdul_edge_runtime.run_order import Pair

THREADS = 2
# Figures of ResNet-18 that were measured on an AMD EPYC: a frame of 1280x720.
FRAMES: dict[Pair, float] = {("cpu", Precision.FP32): 21.5, ("openvino", Precision.BF16): 12.8}


def a_run(
    folder: Path, frames: Mapping[Pair, float], threads: int = THREADS, started: str = "2026-11-26"
) -> BenchRun:
    """What `bench` says when it timed these medians of a frame, in ms."""
    bundle = Bundle.load(folder)
    rows = (Timing(find_subject(bundle, *pair), ms - 0.5, ms) for pair, ms in frames.items())
    return BenchRun(started, threads, tuple(rows))


def a_judgement(
    folder: Path,
    precision: Precision,
    verdict: Verdict = "ok",
    *,
    device: Device = "openvino",
    truth: str = "given",
) -> Judgement:
    """What `verify` says when it judged a row so."""
    bundle = Bundle.load(folder)
    subject = find_subject(bundle, device, precision)
    return Judgement(subject, thresholds_sha256(bundle), verdict, 400, truth, "2026-11-26")


def write_measured(
    folder: Path,
    frames: Mapping[Pair, float] = FRAMES,
    verdicts: Mapping[Precision, Verdict] | None = None,
) -> Measured:
    """A record of this machine; without verdicts, everything of OpenVINO's passed."""
    if verdicts is None:
        verdicts = {p: "ok" for device, p in frames if device == "openvino"}
    judgements = tuple(a_judgement(folder, p, verdict) for p, verdict in verdicts.items())
    here = Measured.here()
    found = Measured(here.cpu, here.cpu_flags, (a_run(folder, frames),), judgements)
    found.write(folder)
    return found
