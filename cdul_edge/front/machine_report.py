"""What this machine has, and what will and won't work on it; nothing here fails."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from cdul_edge_runtime.host.child_python import child_command, child_environment
from cdul_edge_runtime.host.machine import (
    describe_machine,
    installed_versions,
    nvidia_driver_there,
)

_PACKAGES = (
    "cdul-edge numpy pillow onnxruntime onnxruntime-gpu tensorrt tensorrt_lean torch torchvision "
    "open_clip_torch onnx onnxscript pyarrow"
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
class Gpu:
    """What the driver says.

    Attributes:
        nvidia: name, driver, memory and compute capability; begins with "none" where there is none.
        jetson: first line of a Jetson's release file; None elsewhere.
    """

    nvidia: str
    jetson: str | None = None

    @property
    def present(self) -> bool:
        """Whether the driver sees one."""
        return not self.nvidia.startswith("none")

    def to_dict(self) -> dict[str, str]:
        """Plain values for JSON."""
        return {"nvidia": self.nvidia} | ({"jetson": self.jetson} if self.jetson else {})


@dataclass(frozen=True)
class ChildAnswer:
    """What a Python process of its own found, or why it did not."""

    facts: Mapping[str, object]
    error: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {"error": self.error} if self.error is not None else dict(self.facts)


@dataclass(frozen=True)
class MachineReport:
    """One machine.

    Attributes:
        machine: CPU, memory, system and Python.
        gpu: what the driver says.
        packages: version of each package that matters, or "not installed".
        torch: what PyTorch says; empty where it is not installed.
        onnxruntime_providers: what this build of ONNX Runtime has.
        works: what can be done here, each "yes" or "no" with the reason and the fix.
    """

    machine: Mapping[str, object]
    gpu: Gpu
    packages: Mapping[str, str]
    torch: ChildAnswer
    onnxruntime_providers: tuple[str, ...]
    works: Mapping[str, str]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "machine": dict(self.machine),
            "gpu": self.gpu.to_dict(),
            "packages": dict(self.packages),
            "torch": self.torch.to_dict(),
            "onnxruntime_providers": list(self.onnxruntime_providers),
            "works": dict(self.works),
        }


def examine_machine() -> MachineReport:
    """Look at hardware and packages; a broken library is a part of the answer."""
    gpu, torch, providers = _ask_driver(), _ask_torch(), _ask_onnxruntime()
    return MachineReport(
        machine=describe_machine(),
        gpu=gpu,
        packages=name_versions(installed_versions(*_PACKAGES)),
        torch=torch,
        onnxruntime_providers=providers,
        works=judge(gpu, torch, providers),
    )


def name_versions(versions: Mapping[str, str]) -> dict[str, str]:
    """Version of each package; TensorRT has its modules under other package names, too."""
    found = {name: versions.get(name, "not installed") for name in _PACKAGES}
    for name in ("tensorrt", "tensorrt_lean"):
        if name not in versions and find_spec(name) is not None:
            found[name] = "installed, as part of another package"
    return found


def ask_python(script: str) -> ChildAnswer:
    """Run `script` in a process of its own, which prints JSON: a broken library can end it."""
    try:
        answer = subprocess.run(
            child_command(script),
            env=child_environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        facts = json.loads(answer.stdout.strip().splitlines()[-1])
    except subprocess.CalledProcessError as error:
        return ChildAnswer({}, (error.stderr.strip().splitlines() or ["it crashed"])[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        return ChildAnswer({}, str(error))
    return ChildAnswer(facts)


def judge(gpu: Gpu, torch: ChildAnswer, providers: tuple[str, ...]) -> dict[str, str]:
    """What can be done, by what is installed and seen.

    Args:
        gpu: what the driver says.
        torch: what PyTorch says of itself.
        providers: execution providers of ONNX Runtime.
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
        "predict, verify": _judge_running(gpu, providers),
        "TensorRT engines": _judge_tensorrt(gpu),
        "GPU seen by the driver": "yes" if gpu.present else "no",
    }


def _ask_driver() -> Gpu:
    loaded = nvidia_driver_there()
    if jetson := _read_text(Path("/etc/nv_tegra_release")):
        seen = "device files are there" if loaded else "none (no device files: --runtime nvidia?)"
        return Gpu(seen, jetson.splitlines()[0])
    query = "--query-gpu=name,driver_version,memory.total,compute_cap"
    try:
        answer = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        silent = "nvidia-smi does not answer"
        return Gpu(f"a driver is loaded, and {silent}" if loaded else f"none ({silent})")
    return Gpu("; ".join(answer.stdout.strip().splitlines()))


def _ask_torch() -> ChildAnswer:
    return ChildAnswer({}) if find_spec("torch") is None else ask_python(_ASK_TORCH)


def _ask_onnxruntime() -> tuple[str, ...]:
    if find_spec("onnxruntime") is None:
        return ()
    providers = ask_python(_ASK_ONNXRUNTIME).facts.get("providers")
    return tuple(map(str, providers)) if isinstance(providers, list) else ("does not load",)


def _judge_running(gpu: Gpu, providers: tuple[str, ...]) -> str:
    engines = None
    if gpu.present and find_spec("tensorrt") is not None:
        engines = "TensorRT engines"
    elif gpu.present and find_spec("tensorrt_lean") is not None:
        engines = "version-compatible TensorRT engines"
    if "CPUExecutionProvider" in providers:
        also = f" and on {engines}" if engines else ""
        return f"yes, on the CPU{also}{_judge_cuda(gpu, providers)}"
    missing = 'ONNX Runtime is missing or broken: pip install "cdul-edge[cpu]"'
    if engines:
        return f"yes, on {engines}; on the CPU and verify --images: no: {missing}"
    return f"no: {missing}"


def _judge_cuda(gpu: Gpu, providers: tuple[str, ...]) -> str:
    """ONNX Runtime lists what it was built with; whether it starts, only `--device cuda` shows."""
    if "CUDAExecutionProvider" not in providers or not gpu.present:
        return ""
    return "; on the GPU if CUDA and cuDNN are those it was built for: try --device cuda"


def _judge_tensorrt(gpu: Gpu) -> str:
    """By what is installed alone: importing TensorRT on a broken machine can end the process."""
    full, lean = find_spec("tensorrt") is not None, find_spec("tensorrt_lean") is not None
    if not full and not lean:
        how = "apt install python3-libnvinfer" if gpu.jetson else 'pip install "cdul-edge[trt]"'
        return f"no: TensorRT is not installed ({how})"
    if not gpu.present:
        return "no: TensorRT is installed, and the driver sees no GPU"
    if not full:
        return "run: yes, version-compatible ones; build: no, the lean runtime is alone here"
    return "yes: build and run"


def _read_text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
