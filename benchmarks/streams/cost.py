"""What a stream costs: CPU at 25 frames a second, and a large frame beyond the network."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import onnxruntime

from benchmarks.measured_rows.figures import Figure, Measured, at_most
from benchmarks.peers.turns import Stopwatch, take_turns
from benchmarks.streams.bundles import large_bundle, small_bundle
from benchmarks.streams.cameras import cameras
from benchmarks.streams.row import Setting
from benchmarks.streams.watching import classifying, watch_for
from cdul_edge_runtime.classifier import Classifier

CORE_PERCENT, MORE_THREADS, FRAME_MS = 15.0, 1.5, 2.5
FRAME_PX = (720, 1280)  # height, width
_THREADS: dict[str, int | None] = {"1": 1, "2": 2, "all": None}
_STREAMS = 2


def measure_cpu(setting: Setting) -> Measured:
    """Two streams at 25 frames a second, network included, in turns of eight seconds."""
    bundle = small_bundle(setting)
    found: dict[str, list[float]] = {name: [] for name in _THREADS}
    with cameras(_STREAMS) as camera:
        sources = {f"cam{n}": camera.url(f"cam{n}") for n in range(_STREAMS)}
        for _ in range(setting.rounds):
            for name, threads in _THREADS.items():
                with classifying(bundle, threads) as classifier:
                    turn = watch_for(classifier, sources, setting.seconds(8), clock=False)
                found[name].append(100 * turn.cpu_s / turn.wall_s / _STREAMS)
    ratios = {
        name: tuple(more / one for more, one in zip(values, found["1"], strict=True))
        for name, values in found.items()
    }
    cost = "of a core for each stream, threads"
    return Measured(
        (
            *(
                at_most(CORE_PERCENT, name, f"{cost} {name}", "%", *values)
                for name, values in found.items()
            ),
            *(
                at_most(MORE_THREADS, f"{name}/1", f"threads {name} / 1", "x", *ratios[name])
                for name in ("2", "all")
            ),
        )
    )


def measure_frame(setting: Setting) -> Measured:
    """`predict` of a 1280x720 frame beyond `InferenceSession.run`, one thread, int8-cpu."""
    frame = np.random.default_rng(1).integers(0, 256, (*FRAME_PX, 3), np.uint8)
    watch = Stopwatch()
    bundle = large_bundle(setting)
    with (
        Classifier.load(bundle, device="cpu", precision="int8-cpu", threads=1) as classifier,
        watch.around(onnxruntime.InferenceSession, "run"),
    ):
        beyond = watch.beyond(lambda: classifier.predict(frame, color="bgr"))

        def whole() -> float:
            start = perf_counter()
            classifier.predict(frame, color="bgr")
            return 1000 * (perf_counter() - start)

        calls = 3 if setting.quick else 40
        sides = {"beyond": beyond, "whole": whole}
        found = take_turns(sides, rounds=setting.rounds, calls=calls)
    what = "`predict` of 1280x720, ResNet-18 int8-cpu of 224 px"
    return Measured(
        (
            at_most(FRAME_MS, "beyond", f"{what}, beyond `session.run`", "ms", *found["beyond"]),
            Figure("whole", f"{what}, whole", "ms", found["whole"]),
        )
    )
