"""What runs a bundle here: asked for, or the best that is really there, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from cdul_edge_runtime.backends import Backend, closed_on_error, run_once
from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.backends.ort.library import import_onnxruntime, two_installed
from cdul_edge_runtime.backends.ort.providers import PROVIDERS
from cdul_edge_runtime.bundle.bundle import ENGINES, MEASURED, Bundle, list_stamps
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import ENGINE_FLAVORS, Device
from cdul_edge_runtime.device_choice import CPU, Auto, CpuThreads, DeviceChoice
from cdul_edge_runtime.errors import BundleError, CdulEdgeError, MissingExtraError
from cdul_edge_runtime.host.machine import describe_machine, nvidia_driver_there, usable_cores
from cdul_edge_runtime.host.meanwhile import Meanwhile
from cdul_edge_runtime.passed_over import (
    NO_DRIVER,
    NO_ENGINE,
    Passed,
    explain_refusal,
    list_passed,
)
from cdul_edge_runtime.run_order import (
    FLOOR,
    MeasuredOrder,
    Pair,
    candidates,
    runs_on_cpu,
    stand_in,
    worth_warming_up,
)

_GPU_PROVIDERS: tuple[Device, ...] = ("cuda", "ort-tensorrt")
_FAST_INT8 = {"avx512_vnni", "avx_vnni", "amx_int8"}


@dataclass(frozen=True)
class Selection:
    """The device and precision that were chosen, and why.

    Attributes:
        device: what runs the network.
        precision: which of the bundle's files it runs.
        reason: why this pair.
        passed_over: pairs that would have come first, each with the reason against it.
        gpu: which of several; 0 on the CPU.
        unit: of "openvino": "CPU", "GPU", "GPU.1", "NPU".
    """

    device: Device
    precision: Precision
    reason: str
    passed_over: tuple[Passed, ...] = ()
    gpu: int = 0
    unit: str = CPU

    @property
    def where(self) -> DeviceChoice:
        """The device with its number or unit; `str` gives what `Classifier.load` takes."""
        return DeviceChoice(self.device, self.gpu, self.unit)

    def __str__(self) -> str:
        return f"{self.precision.shown} on {self.where} ({self.reason})"


def parse_precision(text: str) -> Precision | Auto:
    """Raises `CdulEdgeError` for a precision that does not exist."""
    for precision in Precision:
        if precision.value == text:
            return precision
    if text != "auto":
        known = ", ".join(precision.value for precision in Precision)
        raise CdulEdgeError(f"unknown precision {text!r}: expected auto, {known}")
    return "auto"


def open_best(
    bundle: Bundle,
    device: DeviceChoice | Auto,
    precision: Precision | Auto,
    *,
    threads: CpuThreads = CpuThreads(),
    warm_up: bool | None = None,
    check: Meanwhile[None],
) -> tuple[Backend, Selection]:
    """Open what was asked for, and the best that is available where "auto" leaves the choice.

    Args:
        bundle: what to run.
        device, precision: one that is named is used, or raises.
        threads: of the CPU.
        warm_up: run once on an empty picture, as `worth_warming_up` takes it.
        check: of `Bundle.checked_meanwhile`; its result is asked for before a network runs.

    Raises:
        CdulEdgeError: nothing fits the request; every candidate is named with its reason.
    """
    gpu, unit = (0, CPU) if device == "auto" else (device.gpu, device.unit)
    pairs = candidates("auto" if device == "auto" else device.kind, precision, unit)
    free_choice = "auto" in (device, precision)
    pairs, passed = stand_in(pairs, precision) if device == "auto" else (pairs, [])
    measured = MeasuredOrder()
    if free_choice and threads.between == 1 and str(device) in ("auto", "openvino"):
        measured = _order_measured(bundle, pairs, precision, threads.within or usable_cores())
    opened = partial(open_backend, bundle, gpu=gpu, unit=unit, threads=threads)
    for pair in measured.put_into(pairs):
        if free_choice and (why := _objection(bundle, pair, measured, precision)):
            passed.append((*pair, why))
            continue
        try:
            backend = opened(*pair, meanwhile=check)
            where, fallback = DeviceChoice(pair[0], gpu, unit), free_choice and pair != FLOOR
            with closed_on_error(backend):
                check.result()
                if worth_warming_up(where, warm_up, fallback=fallback):
                    run_once(backend)
        except CdulEdgeError as error:
            # FP32 on the CPU is the floor: when even that fails, its own words are the best,
            # unless something else should have run.
            expected = [one for one in passed if one[:2] not in measured.against]
            if not free_choice or (pair == FLOOR and not _accelerator_failed(expected, error)):
                raise
            passed.append((*pair, str(error)))
            if pair == FLOOR:
                raise type(error)(
                    explain_refusal(bundle.folder, device, precision, passed)
                ) from error
        else:
            reason = _explain(pair, passed, measured) if free_choice else "as asked"
            return backend, Selection(*pair, reason, tuple(passed), gpu, unit)
    raise CdulEdgeError(explain_refusal(bundle.folder, device, precision, passed))


def open_backend(
    bundle: Bundle,
    device: Device,
    precision: Precision,
    *,
    gpu: int = 0,
    unit: str = CPU,
    threads: CpuThreads = CpuThreads(),
    meanwhile: Meanwhile[None] | None = None,
) -> Backend:
    """Open one file on one device, without any choice; `gpu` or `unit` says which of several.

    `meanwhile` is begun when the network is loaded.

    Raises:
        CdulEdgeError: the bundle does not have it, or the device does not start.
    """
    if meanwhile is not None:
        if device in PROVIDERS:
            import_onnxruntime()  # before: it holds Python's lock, and making a session does not
        meanwhile.begin()
    if device in ENGINE_FLAVORS:
        # here and not above: machines without a GPU do not pay for it
        from cdul_edge_runtime.backends.trt.backend import TrtBackend

        return TrtBackend.open(bundle, precision, flavor=ENGINE_FLAVORS[device], gpu=gpu)
    model = bundle.model_path(precision)
    if device == "openvino":
        from cdul_edge_runtime.backends.openvino.backend import Cache, OpenVinoBackend

        return OpenVinoBackend(
            model,
            unit=unit,
            precision=precision,
            threads=threads,
            cache=Cache(bundle.folder / ENGINES, bundle.model_sha256(precision)),
        )
    # ONNX Runtime's engine cache takes a graph with new weights for the old one: a folder each.
    digest = bundle.model_sha256(precision)[:12]
    cache_dir = bundle.folder / ENGINES / f"ort-{precision.value}-{digest}"
    return OrtBackend(
        model,
        device=device,
        gpu=gpu,
        precision=precision,
        threads=threads,
        cache_dir=cache_dir,
    )


def _order_measured(
    bundle: Bundle, pairs: list[Pair], precision: Precision | Auto, threads: int
) -> MeasuredOrder:
    """What the bundle's measurements say against the first of `pairs` that runs on the CPU."""
    free = precision == "auto"
    on_cpu = (pair for pair in pairs if runs_on_cpu(pair))
    first = (pair for pair in on_cpu if _obstacle(bundle, pair, precision_is_free=free) is None)
    baseline = next(first, None)
    if baseline is None or not (bundle.folder / MEASURED).is_file():
        return MeasuredOrder()
    # here and not above: where nothing was measured, nobody pays for it
    from cdul_edge_runtime.measured_order import order_measured

    return order_measured(bundle, pairs, baseline, precision, threads)


def _objection(
    bundle: Bundle, pair: Pair, measured: MeasuredOrder, precision: Precision | Auto
) -> str | None:
    if pair in measured.first:
        return None
    if pair in measured.against:
        return measured.against[pair]
    return _obstacle(bundle, pair, precision_is_free=precision == "auto")


def _explain(pair: Pair, passed: list[Passed], measured: MeasuredOrder) -> str:
    if pair in measured.first:
        return measured.first[pair]
    reason = f"passed over {list_passed(passed)}" if passed else "the first choice"
    return f"{reason}; {measured.remark}" if measured.remark and runs_on_cpu(pair) else reason


def _obstacle(bundle: Bundle, pair: Pair, *, precision_is_free: bool) -> str | None:
    """Why there is no point in opening it; cheap, so that a CPU pays nothing for GPUs."""
    device, precision = pair
    if device in ENGINE_FLAVORS and not any(list_stamps(bundle.folder)):
        return NO_ENGINE
    if device in _GPU_PROVIDERS and (why := _no_cuda()):
        return why
    if precision not in bundle.precisions():
        return "not in the bundle"
    if precision_is_free and (why := _not_by_itself(bundle, precision, device)):
        return why
    if device in ENGINE_FLAVORS:
        from cdul_edge_runtime.backends.trt.engine_stamp import damaged_stamps, list_engines

        if not list_engines(bundle.folder, precision, ENGINE_FLAVORS[device]):
            return "; ".join(damaged_stamps(bundle.folder)) or NO_ENGINE
        if device == "tensorrt-rtx" and not nvidia_driver_there():  # its engines are built anywhere
            return NO_DRIVER
    return None


def _accelerator_failed(passed: list[Passed], error: CdulEdgeError) -> bool:
    """Whether there is an engine or a GPU among what was passed over.

    Engines that lack a driver count where the CPU has no ONNX Runtime, as on a device of theirs.
    """
    accelerators = [(device, why) for device, _, why in passed if device != "cpu"]
    if isinstance(error, MissingExtraError) and ("tensorrt-rtx", NO_DRIVER) in accelerators:
        return True
    return any(why not in (NO_ENGINE, NO_DRIVER) for _, why in accelerators)


def _not_by_itself(bundle: Bundle, precision: Precision, device: Device) -> str | None:
    """Why only a request by name picks this precision here."""
    if precision is Precision.FP32:
        return None
    try:
        record = bundle.record(precision)
    except BundleError as error:
        return str(error)
    if record.objection is not None:
        return record.objection
    # what `calibrate` times is ONNX Runtime
    if device != "openvino" and record.speed_up is not None and record.speed_up < 1:
        return f"no faster than FP32 on the CPU that made it ({record.speed_up:.2f}x)"
    if precision is Precision.INT8_CPU and _FAST_INT8.isdisjoint(describe_machine()["cpu_flags"]):
        return "this CPU has no fast INT8 (VNNI or AMX)"
    return None


def _no_cuda() -> str | None:
    if not nvidia_driver_there():
        return NO_DRIVER
    if find_spec("onnxruntime") is None:
        return "onnxruntime-gpu is not installed"
    try:
        onnxruntime = import_onnxruntime()
    except CdulEdgeError as error:
        return str(error)
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return f"onnxruntime {onnxruntime.__version__} here has no CUDA{two_installed()}"
    return None
