"""Every result file is written here, so that no figure stands without its machine and command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from cdul_edge_runtime.host.files import write_json
from cdul_edge_runtime.host.machine import describe_machine, installed_versions

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "cdul-edge numpy pillow cykooz-resizer onnxruntime onnxruntime-gpu onnx onnxscript torch "
    "torchvision timm open_clip_torch pyarrow tensorrt-rtx-cu13"
).split()


def record(
    name: str, figures: dict[str, Any], *, threads: int | None, folder: Path | None = None
) -> Path:
    """Write `figures` beside machine, versions, command and commit; returns the file."""
    path = (folder or RESULTS) / f"{name}.json"
    content = {
        "benchmark": name,
        "command": "python -m " + " ".join([_module(), *sys.argv[1:]]),
        "measured": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": describe_machine(),
        "threads": threads,
        "versions": installed_versions(*PACKAGES),
        "figures": figures,
    }
    write_json(path, content)
    print(path)
    return path


def interleave(sides: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each call, the sides taking turns so that a busy spell meets them all."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, call in sides.items():
            start = perf_counter()
            call()
            seconds[name].append(perf_counter() - start)
    return seconds


def shorten(value: float) -> float:
    """Four digits: more is noise."""
    return float(f"{value:.4g}")


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Median over turns of above / below: robust to a machine that others use too."""
    return median(a / b for a, b in zip(above, below, strict=True))


def _module() -> str:
    """What was run, such as benchmarks.resize or benchmarks.streams.smoothing."""
    file = Path(sys.argv[0]).resolve().with_suffix("")
    root = Path(__file__).parents[1]
    if not file.is_relative_to(root):
        return f"benchmarks.{file.stem}"
    return ".".join(file.relative_to(root).parts).removesuffix(".__main__")


def _commit() -> str:
    try:
        run = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=RESULTS, capture_output=True, text=True
        )
    except OSError:  # a lent machine may have no git, and no measurement is lost for that
        return "unknown"
    return run.stdout.strip() or "unknown"
