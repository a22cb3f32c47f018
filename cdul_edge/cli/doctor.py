"""`cdul-edge doctor`: what this machine has, and what will and won't work on it."""

from __future__ import annotations

import json as json_module
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cdul_edge.cli.output.result_console import result_console
from cdul_edge.cli.output.summary import write_summary

_PACKAGES = (
    "cdul-edge numpy pillow onnxruntime onnxruntime-gpu tensorrt tensorrt_lean torch torchvision "
    "open_clip_torch onnx onnxscript pyarrow"
).split()
_TRAINING = ("torch", "torchvision", "open_clip", "onnx", "onnxscript", "onnxruntime", "pyarrow")


def doctor(
    json: Annotated[
        Path | None,
        typer.Option(
            help="Write the facts as JSON to this file; - is stdout.", show_default="a table"
        ),
    ] = None,
) -> None:
    """Show Python, CPU, GPU, and packages, and what this machine can run."""
    facts = examine_machine()
    if json is None:
        _show(facts)
    else:
        write_summary(json, facts)


def examine_machine() -> dict[str, Any]:
    """Plain values; nothing here fails, whatever is missing or broken."""
    from cdul_edge_runtime.host.machine import describe_machine, installed_versions

    gpu, torch_facts = _ask_driver(), _ask_torch()
    providers = _ask_onnxruntime()
    return {
        "machine": describe_machine(),
        "gpu": gpu,
        "packages": _name_versions(installed_versions(*_PACKAGES)),
        "torch": torch_facts,
        "onnxruntime_providers": providers,
        "works": _judge(gpu, torch_facts, providers),
    }


def _name_versions(versions: dict[str, str]) -> dict[str, str]:
    """Of each package; TensorRT has its modules under other package names, too."""
    found = {name: versions.get(name, "not installed") for name in _PACKAGES}
    for name in ("tensorrt", "tensorrt_lean"):
        if name not in versions and find_spec(name) is not None:
            found[name] = "installed, as part of another package"
    return found


def _ask_driver() -> dict[str, Any]:
    """What the driver says; a value that begins with "none" is no GPU."""
    from cdul_edge_runtime.host.machine import nvidia_driver_there

    loaded = nvidia_driver_there()
    if jetson := _read_text(Path("/etc/nv_tegra_release")):
        seen = "device files are there" if loaded else "none (no device files: --runtime nvidia?)"
        return {"jetson": jetson.splitlines()[0], "nvidia": seen}
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
        return {"nvidia": f"a driver is loaded, and {silent}" if loaded else f"none ({silent})"}
    return {"nvidia": "; ".join(answer.stdout.strip().splitlines())}


def _ask_torch() -> dict[str, Any]:
    """Asked in a process of its own: a broken CUDA library can end the one that loads it."""
    if find_spec("torch") is None:
        return {}
    script = (
        "import json, torch; print(json.dumps({'version': torch.__version__, "
        "'built_for_cuda': torch.version.cuda, 'cuda_works': torch.cuda.is_available(), "
        "'device': torch.cuda.get_device_name() if torch.cuda.is_available() else None}))"
    )
    return _ask_python(script)


def _ask_onnxruntime() -> list[str]:
    if find_spec("onnxruntime") is None:
        return []
    script = "import json, onnxruntime as o; print(json.dumps({'p': o.get_available_providers()}))"
    return list(_ask_python(script).get("p", ["does not load"]))


def _ask_python(script: str) -> dict[str, Any]:
    from cdul_edge_runtime.host.child_python import child_command, child_environment

    try:
        answer = subprocess.run(
            child_command(script),
            env=child_environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        facts: dict[str, Any] = json_module.loads(answer.stdout.strip().splitlines()[-1])
    except subprocess.CalledProcessError as error:
        return {"error": (error.stderr.strip().splitlines() or ["it crashed"])[-1]}
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        return {"error": str(error)}
    return facts


def _judge(
    gpu: dict[str, Any], torch_facts: dict[str, Any], providers: list[str]
) -> dict[str, str]:
    missing = [name for name in _TRAINING if find_spec(name) is None]
    if missing or "error" in torch_facts:
        why = f"{', '.join(missing)} missing" if missing else torch_facts["error"]
        train = f'no: {why}: pip install "cdul-edge[train]"'
    else:
        train = "yes, on the GPU" if torch_facts.get("cuda_works") else "yes, on the CPU (slow)"
    return {
        "label, train, export": train,
        "predict, verify": _judge_running(gpu, providers),
        "TensorRT engines": _judge_tensorrt(gpu),
        "GPU seen by the driver": "yes" if _has_gpu(gpu) else "no",
    }


def _judge_running(gpu: dict[str, Any], providers: list[str]) -> str:
    engines = None
    if _has_gpu(gpu) and find_spec("tensorrt") is not None:
        engines = "TensorRT engines"
    elif _has_gpu(gpu) and find_spec("tensorrt_lean") is not None:
        engines = "version-compatible TensorRT engines"
    if "CPUExecutionProvider" in providers:
        also = f" and on {engines}" if engines else ""
        return f"yes, on the CPU{also}{_judge_cuda(gpu, providers)}"
    missing = 'ONNX Runtime is missing or broken: pip install "cdul-edge[cpu]"'
    if engines:
        return f"yes, on {engines}; on the CPU and verify --images: no: {missing}"
    return f"no: {missing}"


def _judge_cuda(gpu: dict[str, Any], providers: list[str]) -> str:
    """ONNX Runtime lists what it was built with; whether it starts, only `--device cuda` shows."""
    if "CUDAExecutionProvider" not in providers or not _has_gpu(gpu):
        return ""
    return "; on the GPU if CUDA and cuDNN are those it was built for: try --device cuda"


def _judge_tensorrt(gpu: dict[str, Any]) -> str:
    """By what is installed alone: importing TensorRT on a broken machine can end the process."""
    full, lean = find_spec("tensorrt") is not None, find_spec("tensorrt_lean") is not None
    if not full and not lean:
        how = (
            "apt install python3-libnvinfer" if "jetson" in gpu else 'pip install "cdul-edge[trt]"'
        )
        return f"no: TensorRT is not installed ({how})"
    if not _has_gpu(gpu):
        return "no: TensorRT is installed, and the driver sees no GPU"
    if not full:
        return "run: yes, version-compatible ones; build: no, the lean runtime is alone here"
    return "yes: build and run"


def _has_gpu(gpu: dict[str, Any]) -> bool:
    return not str(gpu.get("nvidia", "")).startswith("none")


def _read_text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _show(facts: dict[str, Any]) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for section, content in facts.items():
        pairs = content.items() if isinstance(content, dict) else [("", content)]
        table.add_row(section.replace("_", " "), "")
        for key, value in pairs:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            table.add_row(f"  {key}", text)
    result_console().print(table)
