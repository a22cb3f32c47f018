"""Step (e): TensorRT and TensorRT for RTX, where installed: build, verify, time, watch memory.

On a CPU TensorRT for RTX builds ahead of time, which is all that it can do there.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks.gpu.parts import Part, run_parts
from benchmarks.gpu.step import Context, Figure, Outcome, Setting, Step
from cdul_edge_runtime.backends.trt.library import MODULES
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import ENGINE_DEVICES, FLAVORS, Flavor, PrecisionName
from cdul_edge_runtime.errors import CdulEdgeError

_PRECISIONS: tuple[PrecisionName, ...] = ("fp32", "fp16", "int8")
_ORT = "TensorrtExecutionProvider"
_AHEAD = ("sm86", "sm89")  # what is built for where there is no GPU


def needs(setting: Setting) -> str | None:
    """One of the two libraries, for this GPU."""
    reasons = {flavor: why_not(setting, flavor) for flavor in FLAVORS}
    return None if None in reasons.values() else "; ".join(filter(None, reasons.values()))


def why_not(setting: Setting, flavor: Flavor) -> str | None:
    """Why a library builds nothing here."""
    module, machine = MODULES[flavor][0], setting.machine
    if find_spec(module) is None:
        return f"{module} is not installed"
    if setting.device == "cpu":
        return f"{module} builds on a GPU only" if flavor == "tensorrt" else None
    if flavor == "rtx" and machine.capability not in machine.rtx_capabilities:
        known = ", ".join(machine.rtx_capabilities) or "nothing: it does not load"
        return f"{module} is not for compute capability {machine.capability} but {known}"
    return None


def run(context: Context) -> Outcome:
    """Each library in turn."""
    from benchmarks.gpu.bundles import make_bundle
    from benchmarks.gpu.verified import verify_on, watch_memory

    bundle = make_bundle(context, "resnet18", (Precision.FP16, Precision.INT8))
    parts: dict[str, Part] = {}
    notes = []
    for flavor, device in ENGINE_DEVICES.items():
        if why := why_not(context, flavor):
            notes.append(why)
            continue
        parts[f"{flavor} build"] = partial(_build, context, bundle, flavor)
        if context.device == "cpu":
            notes.append(f"{flavor}: verify, timing, and memory need a GPU")
            continue
        for precision in _PRECISIONS:
            name = f"{flavor} {precision}"
            parts[name] = partial(verify_on, context, bundle, device, precision)
        parts[f"{flavor} memory"] = partial(watch_memory, context, bundle, device, "fp16")
    if _ORT in context.machine.providers and context.device == "cuda":
        parts["ort-tensorrt fp16"] = partial(_try_provider, context, bundle)
    return run_parts(context, parts, notes)


def _try_provider(context: Context, bundle: Path) -> Outcome:
    """ONNX Runtime's TensorRT, which is listed also where no TensorRT that it could use is here."""
    from benchmarks.gpu.verified import verify_on
    from cdul_edge_runtime.classifier import Classifier

    try:
        Classifier.load(bundle, device="ort-tensorrt", precision="fp16").close()
    except CdulEdgeError as error:
        return Outcome(notes=(f"does not start: {error}",))
    return verify_on(context, bundle, "ort-tensorrt", "fp16")


def _build(context: Context, bundle: Path, flavor: Flavor) -> Outcome:
    """Engines of all precisions."""
    from cdul_edge_export import BuildRequest, build

    gpus = _AHEAD if context.device == "cpu" else ()
    result = build(BuildRequest(bundle, flavor=flavor, for_gpus=gpus, force=True))
    figures, stamps = [], []
    for engine in result.engines:
        stamp, name = engine.stamp, engine.stamp.precision.value
        seconds = stamp.build["seconds"]
        figures.append(Figure(f"{name} seconds", float(seconds), "s"))
        figures.append(Figure(f"{name} engine", round(stamp.bytes / (1 << 20), 1), "MiB"))
        stamps.append({"file": engine.path.name, **stamp.to_dict()})
    figures.append(Figure("engines", len(result.engines), at_least=len(_PRECISIONS)))
    return Outcome(tuple(figures), details={"stamps": stamps})


STEP = Step(
    name="tensorrt",
    title="TensorRT and TensorRT for RTX: build, verify, latency, memory",
    needs=needs,
    seconds=65,
    quick_seconds=15,
    run=run,
    modules=("torch", "torchvision", "pyarrow", "onnx", "onnxscript", "onnxruntime"),
)
