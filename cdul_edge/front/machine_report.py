"""What this machine has, and what will and won't work on it; nothing here fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from cdul_edge.front.engine_libraries import (
    Libraries,
    ask_libraries,
    engines_that_run,
    judge_rtx,
    judge_tensorrt,
)
from cdul_edge.front.machine_facts import ChildAnswer, Gpu, ask_driver, ask_python
from cdul_edge.front.openvino_facts import judge_openvino
from cdul_edge.front.stream_facts import judge_streams
from cdul_edge_runtime.backends.ort.library import explain_damage, two_installed
from cdul_edge_runtime.host.machine import describe_machine, installed_versions
from cdul_edge_runtime.pictures.resizer import resizer_name
from cdul_edge_runtime.run_order import only_openvino

_PACKAGES = (
    "cdul-edge numpy pillow cykooz-resizer onnxruntime onnxruntime-gpu openvino torch torchvision "
    "open_clip_torch onnx onnxscript pyarrow av rosbags paho-mqtt"
).split()
_TRAINING = ("torch", "torchvision", "open_clip", "onnx", "onnxscript", "onnxruntime", "pyarrow")
_ASK_TORCH = (
    "import json, torch; print(json.dumps({'version': torch.__version__, "
    "'built_for_cuda': torch.version.cuda, 'cuda_works': torch.cuda.is_available(), "
    "'device': torch.cuda.get_device_name() if torch.cuda.is_available() else None}))"
)
_ASK_ONNXRUNTIME = (
    "import json, onnxruntime as o; print(json.dumps({'providers': o.get_available_providers()}))"
)


@dataclass(frozen=True)
class MachineReport:
    """One machine.

    Attributes:
        machine: CPU, memory, system and Python.
        gpu: what the driver says.
        packages: version of each package that matters, or "not installed".
        engine_libraries: what TensorRT and TensorRT for RTX say of themselves.
        torch: what PyTorch says; empty where it is not installed.
        onnxruntime_providers: what this build of ONNX Runtime has.
        resizer: what resizes pictures here.
        works: what can be done here, each "yes" or "no" with the reason and the fix.
    """

    machine: Mapping[str, object]
    gpu: Gpu
    packages: Mapping[str, str]
    engine_libraries: Libraries
    torch: ChildAnswer
    onnxruntime_providers: tuple[str, ...]
    resizer: str
    works: Mapping[str, str]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "machine": dict(self.machine),
            "gpu": self.gpu.to_dict(),
            "packages": dict(self.packages) | self._engine_packages(),
            "torch": self.torch.to_dict(),
            "onnxruntime_providers": list(self.onnxruntime_providers),
            "resizer": self.resizer,
            "works": dict(self.works),
        }

    def _engine_packages(self) -> dict[str, str]:
        """TensorRT comes under many names of packages, so its module is asked."""
        libraries = self.engine_libraries
        return {"tensorrt": str(libraries["tensorrt"]), "tensorrt_rtx": str(libraries["rtx"])}


def examine_machine() -> MachineReport:
    """Look at hardware and packages; a broken library is a part of the answer."""
    gpu, torch, providers = ask_driver(), _ask_torch(), _ask_onnxruntime()
    libraries = ask_libraries()
    return MachineReport(
        machine=describe_machine(),
        gpu=gpu,
        packages=dict.fromkeys(_PACKAGES, "not installed") | installed_versions(*_PACKAGES),
        engine_libraries=libraries,
        torch=torch,
        onnxruntime_providers=providers,
        resizer=resizer_name(),
        works=judge(gpu, torch, providers, libraries)
        | {"predict --device openvino": judge_openvino()}
        | judge_streams(),
    )


def judge(
    gpu: Gpu, torch: ChildAnswer, providers: tuple[str, ...], libraries: Libraries
) -> dict[str, str]:
    """What can be done, by what is installed and seen.

    Args:
        gpu: what the driver says.
        torch: what PyTorch says of itself.
        providers: execution providers of ONNX Runtime.
        libraries: TensorRT and TensorRT for RTX.
    """
    missing = [name for name in _TRAINING if find_spec(name) is None]
    if missing or torch.error is not None:
        why = f"{', '.join(missing)} missing" if missing else torch.error
        train = f'no: {why}: pip install "cdul-edge[train]"'
    else:
        works = torch.facts.get("cuda_works")
        train = "yes, on the GPU" if works else "yes, on the CPU (slow)"
    return {
        "label, train, export": train,
        "predict, verify": _judge_running(gpu, providers, engines_that_run(libraries, gpu)),
        "TensorRT engines": judge_tensorrt(libraries["tensorrt"], gpu),
        "TensorRT for RTX engines": judge_rtx(libraries["rtx"], gpu),
        "GPU seen by the driver": "yes" if gpu.present else "no",
    }


def _ask_torch() -> ChildAnswer:
    return ChildAnswer({}) if find_spec("torch") is None else ask_python(_ASK_TORCH)


def _ask_onnxruntime() -> tuple[str, ...]:
    if find_spec("onnxruntime") is None:
        return ()
    providers = ask_python(_ASK_ONNXRUNTIME).facts.get("providers")
    return tuple(map(str, providers)) if isinstance(providers, list) else ("does not load",)


def _judge_running(gpu: Gpu, providers: tuple[str, ...], engines: tuple[str, ...]) -> str:
    on_engines = " and on ".join(engines)
    if "CPUExecutionProvider" in providers:
        also = f" and on {on_engines}" if engines else ""
        return f"yes, on the CPU{also}{_judge_cuda(gpu, providers)}{two_installed()}"
    if only_openvino():
        return f"yes, on {' and on '.join(('the CPU, by OpenVINO', *engines))}"
    missing = 'ONNX Runtime is missing: pip install "cdul-edge[cpu]"'
    if providers:
        missing = explain_damage("it does not load")
    if engines:
        return f"yes, on {on_engines}; on the CPU and verify --images: no: {missing}"
    return f"no: {missing}"


def _judge_cuda(gpu: Gpu, providers: tuple[str, ...]) -> str:
    """ONNX Runtime lists what it was built with; whether it starts, only `--device cuda` shows."""
    if "CUDAExecutionProvider" not in providers or not gpu.present:
        return ""
    return "; on the GPU if CUDA and cuDNN are those it was built for: try --device cuda"
