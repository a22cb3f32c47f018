"""OpenVINO and ONNX Runtime, or one's precisions, in turns: what `auto` compares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

import numpy as np
import numpy.typing as npt
from PIL import Image

from cdul_edge_runtime.bench.latency import Effort, Latency, measure_latency
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.measured import Timing
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.device_choice import CPU_DEVICES
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.measured_order import find_subject
from cdul_edge_runtime.run_order import (
    ACCURACY_ONLY,
    FLOOR_OF_OPENVINO,
    Pair,
    only_openvino,
)

Inputs = npt.NDArray[np.uint8]

FRAME = (1280, 720)  # width and height of the picture that the end-to-end latency starts from
TURNS = 3
_FEWEST_CALLS = 10


def time_one(classifier: Classifier, inputs: Inputs, effort: Effort) -> dict[str, Latency]:
    """Latency of one picture: "network" as it is, "end_to_end" from a camera's frame.

    Args:
        classifier: what is timed.
        inputs: (K, H, W, 3) uint8, of which the first is taken.
        effort: how long.

    Raises:
        DeviceError: the device failed.
    """
    infer = classifier.backend.infer
    first = np.ascontiguousarray(inputs[:1])
    frame = np.asarray(Image.fromarray(first[0]).resize(FRAME))
    return measure_latency(
        {"network": lambda: infer(first), "end_to_end": lambda: classifier.predict(frame)},
        repeats=effort.repeats,
        warm_up=effort.warm_up,
        budget_s=effort.budget_s,
    )


def comparable(pairs: Sequence[Pair]) -> list[Pair]:
    """Those that can be picked on a CPU; none without OpenVINO and what `auto` takes instead."""
    found = [one for one in pairs if one[0] in CPU_DEVICES and one not in ACCURACY_ONLY]
    if only_openvino():
        return found if len(found) > 1 and FLOOR_OF_OPENVINO in found else []
    return found if {device for device, _ in found} == set(CPU_DEVICES) else []


def time_in_turns(
    bundle: Bundle,
    inputs: Inputs,
    pairs: Sequence[Pair],
    threads: int | None,
    effort: Effort,
    console: Console,
) -> tuple[Timing, ...]:
    """Medians of `TURNS` turns, in each of which every pair is loaded, timed, and closed.

    A busy moment of the machine hits one turn of one pair, and does not decide. Two models at once
    would not do: the waiting threads of one take the cores of the other.

    Args:
        bundle: what to time.
        inputs: (K, H, W, 3) uint8.
        pairs: which devices and precisions.
        threads: of the CPU; None lets each library choose, as `Classifier.load` does.
        effort: how long each pair is timed, over all turns.
        console: shows progress.

    Raises:
        CdulEdgeError: one of them cannot be opened, or fails.
    """
    turn = Effort(
        max(effort.repeats // TURNS, _FEWEST_CALLS), effort.warm_up, effort.budget_s / TURNS
    )
    found: dict[Pair, list[dict[str, Latency]]] = {pair: [] for pair in pairs}
    with console.progress("comparing", TURNS * len(pairs), unit="turns") as advance:
        for pair in _each_turn(pairs):
            device, precision = pair
            with Classifier.load(
                bundle, device=device, precision=precision.value, threads=threads, warm_up=True
            ) as classifier:
                found[pair].append(time_one(classifier, inputs, turn))
            advance(1)
    return tuple(_summarize(bundle, pair, turns) for pair, turns in found.items())


def _each_turn(pairs: Sequence[Pair]) -> Iterator[Pair]:
    for _ in range(TURNS):
        yield from pairs


def _summarize(bundle: Bundle, pair: Pair, turns: Sequence[dict[str, Latency]]) -> Timing:
    network, frame = (
        round(median(turn[name].p50_ms for turn in turns), 3) for name in ("network", "end_to_end")
    )
    return Timing(find_subject(bundle, *pair), network, frame)
