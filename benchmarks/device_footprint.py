"""What the device pays: megabytes of a fresh install, and memory of a loaded ResNet-50.

Builds the wheel, installs `cdul-edge[cpu]` from it into a new virtual environment, and loads an
int8-cpu classifier there, in a process that has never seen PyTorch.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.networks import add_int8_cpu, export_random
from benchmarks.record import record

ROOT = Path(__file__).parents[1]
LIMITS = {"installed_mb": 250, "rss_mb": 250}
CASES = (("resnet50", 224), ("resnet50", 448))

# Runs with nothing but the device's packages.
LOAD = """
import json, sys
from pathlib import Path
import numpy as np
from cdul_edge import Classifier

def rss_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM")}

with Classifier.load(sys.argv[1], device="cpu", precision="int8-cpu", threads=2) as classifier:
    frame = np.zeros((720, 1280, 3), np.uint8)
    for _ in range(5):
        classifier.predict(frame)
    print(json.dumps({**rss_mb(), "torch": "torch" in sys.modules, "onnx": "onnx" in sys.modules}))
"""


def install(folder: Path) -> Path:
    """A new virtual environment with the wheel and its `cpu` extra; gives its Python."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, f"{wheel}[cpu]"], check=True)
    return python


def measure_install(python: Path) -> dict[str, Any]:
    """Megabytes of everything but pip and setuptools, which the environment brings itself."""
    (packages,) = (python.parents[1] / "lib").glob("python*/site-packages")
    sizes = {
        entry.name: sum(f.stat().st_size for f in entry.rglob("*") if f.is_file())
        if entry.is_dir()
        else entry.stat().st_size
        for entry in packages.iterdir()
        if not entry.name.startswith(("pip", "setuptools", "pkg_resources", "_distutils"))
    }
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:6]
    return {
        "installed_mb": round(sum(sizes.values()) / 1e6, 1),
        "largest_mb": {name: round(size / 1e6, 1) for name, size in largest},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="taken; two are used")
    parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        python = install(folder)
        figures: dict[str, Any] = {**measure_install(python), "limits": LIMITS}
        for name, size_px in CASES:
            bundle, _ = export_random(name, size_px, folder / f"{name}-{size_px}")
            add_int8_cpu(bundle)
            answer = subprocess.run(
                [str(python), "-c", LOAD, str(bundle)], check=True, capture_output=True, text=True
            )
            found = json.loads(answer.stdout)
            figures[f"{name}_{size_px}_int8_cpu"] = {
                "rss_mb": round(found["VmRSS"], 1),
                "peak_rss_mb": round(found["VmHWM"], 1),
                "torch_loaded": found["torch"],
                "onnx_loaded": found["onnx"],
            }
    finally:
        shutil.rmtree(folder)
    print(figures)
    record("device_footprint", figures, threads=2)


if __name__ == "__main__":
    main()
