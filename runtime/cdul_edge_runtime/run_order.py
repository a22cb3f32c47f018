"""Which file of a bundle makes sense on which device, and what comes first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import Device
from cdul_edge_runtime.device_choice import CPU, CPU_DEVICES, Auto, DeviceChoice
from cdul_edge_runtime.errors import CdulEdgeError

Pair = tuple[Device, Precision]

# Which file makes sense on which device.
RUNS: dict[Device, tuple[Precision, ...]] = {
    "cpu": tuple(p for p in Precision if p.has_file),
    "cuda": (Precision.FP32, Precision.FP16, Precision.INT8),
    "ort-tensorrt": (Precision.FP32, Precision.FP16, Precision.INT8),
    "tensorrt": (Precision.FP32, Precision.FP16, Precision.INT8),
    "tensorrt-rtx": (Precision.FP32, Precision.FP16, Precision.INT8),
    "openvino": tuple(Precision),
}
# FP16 is emulated there, and ONNX Runtime cannot fuse a Q/DQ file made for TensorRT: both are
# slower than FP32. They say what the file is worth, not how fast it is.
ACCURACY_ONLY: frozenset[Pair] = frozenset({("cpu", Precision.FP16), ("cpu", Precision.INT8)})
# What is usually the fastest comes first; nothing is timed. TensorRT timed its kernels on this very
# GPU, TensorRT for RTX takes them by rule and compiles them when it starts, and CUDA fuses least.
# Only a request by name picks "ort-tensorrt", which builds engines for minutes when it starts, and
# INT8 where it promises nothing over FP16: on CUDA, and with TensorRT for RTX, which computes in
# INT8, but writes FP32 and rounds that to INT8 again in separate kernels.
ORDER: tuple[Pair, ...] = (
    ("tensorrt", Precision.INT8),
    ("tensorrt", Precision.FP16),
    ("tensorrt", Precision.FP32),
    ("tensorrt-rtx", Precision.FP16),
    ("tensorrt-rtx", Precision.FP32),
    ("cuda", Precision.FP16),
    ("cuda", Precision.FP32),
    ("cpu", Precision.INT8_CPU),
    ("cpu", Precision.FP32),
)
# Devices that only a request by name picks: which file they take, in order.
_BY_NAME: dict[Device, tuple[Precision, ...]] = {
    "ort-tensorrt": (Precision.INT8, Precision.FP16, Precision.FP32),
    "openvino": (Precision.INT8_CPU, Precision.FP32),
}
# FP16 is what Intel's GPUs and NPUs were made for; an NPU may have nothing else.
_BESIDE_CPU = (Precision.FP16, Precision.FP32)
FLOOR: Pair = ("cpu", Precision.FP32)  # what runs wherever ONNX Runtime does
FLOOR_OF_OPENVINO: Pair = ("openvino", Precision.FP32)  # and where it alone is installed
_NO_ORT = "ONNX Runtime is not installed"


@dataclass(frozen=True)
class MeasuredOrder:
    """What a bundle's measurements on this machine say of the order; `order_measured` finds it.

    Attributes:
        first: what comes before the choice without measurements, the fastest first, each with the
            reason to take it.
        against: what was measured and is not taken, each with the reason.
        remark: why nothing that was measured counts; empty where it does.
    """

    first: dict[Pair, str] = field(default_factory=dict)
    against: dict[Pair, str] = field(default_factory=dict)
    remark: str = ""

    def put_into(self, pairs: Sequence[Pair]) -> list[Pair]:
        """`pairs` with what was measured before the first of them that runs on the CPU."""
        place = next((n for n, pair in enumerate(pairs) if runs_on_cpu(pair)), len(pairs))
        after = [pair for pair in pairs[place:] if pair not in self.first]
        return [*pairs[:place], *self.first, *self.against, *after]


def only_openvino() -> bool:
    """Whether OpenVINO is installed and ONNX Runtime is not; nothing is imported for it."""
    return find_spec("onnxruntime") is None and find_spec("openvino") is not None


def stand_in(
    pairs: Sequence[Pair], precision: Precision | Auto
) -> tuple[list[Pair], list[tuple[Device, Precision, str]]]:
    """`pairs` and, where OpenVINO alone is installed, those of the CPU that it stands in for.

    It takes FP32, or the precision that is named: nobody's choice is INT8 that was not measured.
    """
    if not only_openvino():
        return list(pairs), []
    kept = (pair for pair in pairs if pair[0] != "cpu" or precision != "auto" or pair == FLOOR)
    instead: list[Pair] = [
        ("openvino", p) if device == "cpu" else (device, p) for device, p in kept
    ]
    return instead, [(*pair, _NO_ORT) for pair in pairs if pair[0] == "cpu"]


def runs_on_cpu(pair: Pair) -> bool:
    """Whether it is compared with what OpenVINO was measured to do on the CPU."""
    return pair[0] in CPU_DEVICES


def worth_warming_up(where: DeviceChoice, asked: bool | None, *, fallback: bool = False) -> bool:
    """Whether to run once on an empty picture before the first one.

    ONNX Runtime's CPU has next to nothing to make at its first call: ResNet-18 takes 10.8 ms for it
    and 10.0 after it, in FP32 on two cores. The call would delay every first answer by as much.

    Args:
        where: what runs the network.
        asked: by the caller; None leaves it to the device. An accelerator always runs: only then is
            it known to work.
        fallback: whether there is something else to take if the network does not run.
    """
    if asked is None:
        return fallback or where.kind != "cpu"
    return asked or not where.on_cpu


def candidates(device: Device | Auto, precision: Precision | Auto, unit: str = CPU) -> list[Pair]:
    """The combinations to try, in order; one where both are given. `unit` is OpenVINO's."""
    if device != "auto" and precision != "auto":
        if precision not in RUNS[device]:
            only = "" if precision.has_file else ", only openvino computes in it"
            raise CdulEdgeError(
                f"{precision.value} is not for device {device}{only}: expected "
                f"{', '.join(p.value for p in RUNS[device])}"
            )
        return [(device, precision)]
    if device != "auto":
        pairs = [pair for pair in ORDER if pair[0] == device]
        return pairs or [(device, p) for p in (_BY_NAME[device] if unit == CPU else _BESIDE_CPU)]
    if precision != "auto":
        return list(_devices_for(precision))
    return list(ORDER)


def _devices_for(precision: Precision) -> Iterator[Pair]:
    yield from (pair for pair in ORDER if pair[1] is precision)
    if precision is Precision.BF16:
        yield "openvino", precision
    if precision is Precision.INT8:
        yield from (("tensorrt-rtx", precision), ("cuda", precision))
