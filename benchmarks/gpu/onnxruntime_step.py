"""Step (d): ONNX Runtime's providers on the GPU: the CPU's scores, and little beside the network.

`end to end` is `Classifier.predict` of a picture that has the network's size, through IOBinding to
labels, against a plain `session.run` on the same input. A camera's frame is resized on the CPU
before, which stands beside it without a bar.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.gpu.parts import Part, run_parts
from benchmarks.gpu.step import Context, Figure, Outcome, Setting, Step
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import PrecisionName

CUDA = "CUDAExecutionProvider"
MOST = 1.15  # end to end, in session.run's time
_PRECISIONS: tuple[PrecisionName, ...] = ("fp32", "fp16")
_BATCH = 16


def needs(setting: Setting) -> str | None:
    """A provider for the GPU."""
    if not setting.machine.providers:
        return "onnxruntime is not installed"
    if setting.device == "cuda" and CUDA not in setting.machine.providers:
        return f"onnxruntime lists only {', '.join(setting.machine.providers)}"
    return None


def run(context: Context) -> Outcome:
    """Parity, then latency, of the provider of this device."""
    from benchmarks.gpu.bundles import make_bundle
    from benchmarks.gpu.verified import verify_on, watch_memory

    bundle = make_bundle(context, "resnet50", (Precision.FP16,))
    parts: dict[str, Part] = {"fp32 in batches": partial(_compare_batches, context, bundle)}
    for precision in _PRECISIONS:
        parts[precision] = partial(verify_on, context, bundle, context.device, precision)
    parts["latency"] = partial(_measure_latency, context, bundle)
    parts["memory"] = partial(watch_memory, context, bundle, context.device, "fp32")
    return run_parts(context, parts)


def _compare_batches(context: Context, bundle: Path) -> Outcome:
    """FP32 on this device against the CPU, in batches of several sizes."""
    import numpy as np

    from cdul_edge_runtime.classifier import Classifier

    with (
        Classifier.load(bundle, device="cpu", precision="fp32", threads=2) as cpu,
        Classifier.load(bundle, device=context.device, precision="fp32", threads=2) as here,
    ):
        name, most = here.backend.name, cpu.manifest.parity.limit
        inputs = np.random.default_rng(0).integers(
            0, 256, (_BATCH, *here.backend.input_shape, 3), dtype=np.uint8
        )
        errors = {
            count: float(
                np.abs(here.backend.infer(inputs[:count]) - cpu.backend.infer(inputs[:count])).max()
            )
            for count in (1, 3, _BATCH)
        }
    figure = Figure("largest score difference to the CPU", max(errors.values()), at_most=most)
    return Outcome((figure,), details={"backend": name, "errors": errors})


def _measure_latency(context: Context, bundle: Path) -> Outcome:
    """`predict` and a whole batch against the bare session, which take turns."""
    import numpy as np
    import onnxruntime

    from cdul_edge_runtime.bench.latency import measure_latency
    from cdul_edge_runtime.classifier import Classifier

    rng = np.random.default_rng(1)
    with Classifier.load(bundle, device=context.device, precision="fp32", threads=2) as classifier:
        height, width = classifier.backend.input_shape
        picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        frame = rng.integers(0, 256, (720, 1280, 3), dtype=np.uint8)
        batch = rng.integers(0, 256, (_BATCH, height, width, 3), dtype=np.uint8)
        options = {"use_tf32": "0"} if context.device == "cuda" else {}
        provider = CUDA if context.device == "cuda" else "CPUExecutionProvider"
        session = onnxruntime.InferenceSession(
            str(bundle / "model.fp32.onnx"), providers=[(provider, options)]
        )
        if session.get_providers()[0] != provider:
            return Outcome(failures=(f"the bare session runs on {session.get_providers()[0]}",))
        one = picture[np.newaxis]
        found = measure_latency(
            {
                "session_run": lambda: session.run(None, {"images": one}),
                "infer": lambda: classifier.backend.infer(one),
                "end_to_end": lambda: classifier.predict(picture),
                "frame": lambda: classifier.predict(frame),
                "session_run_batch": lambda: session.run(None, {"images": batch}),
                "end_to_end_batch": lambda: classifier.predict_inputs(batch),
            },
            repeats=context.size(300, 3),
            warm_up=context.size(30, 1),
        )
    ms = {name: latency.p50_ms for name, latency in found.items()}
    return Outcome(
        (
            Figure("session.run of one picture, p50", ms["session_run"], "ms"),
            _ratio("end to end over session.run", ms["end_to_end"], ms["session_run"], MOST),
            _ratio("IOBinding over session.run", ms["infer"], ms["session_run"], None),
            _ratio(
                f"end to end over session.run, batches of {_BATCH}",
                ms["end_to_end_batch"],
                ms["session_run_batch"],
                MOST,
            ),
            Figure("a frame of 1280x720, p50", ms["frame"], "ms"),
        ),
        details={"p50_ms": ms},
    )


def _ratio(name: str, above: float, below: float, most: float | None) -> Figure:
    return Figure(name, round(above / below, 3), "", at_most=most, costs=True)


STEP = Step(
    name="onnxruntime",
    title="ONNX Runtime on this device: parity, IOBinding, latency, memory",
    needs=needs,
    seconds=45,
    quick_seconds=15,
    run=run,
    modules=("torch", "torchvision", "pyarrow", "onnx", "onnxscript", "onnxruntime"),
)
