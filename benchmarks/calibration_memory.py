"""Peak memory and time of `cdul-edge calibrate`: ResNet-50 at 448 px with 512 pictures."""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from benchmarks.networks import export_random
from benchmarks.record import record
from cdul_edge_runtime.host.child_python import module_command
from cdul_edge_runtime.host.files import read_json

NETWORK, SIZE_PX = "resnet50", 448
LIMIT_MIB = 3 * 1024


def paint(folder: Path, count: int) -> Path:
    """Smooth random pictures of different sizes, as JPEG."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        coarse = random.integers(0, 256, (9, 12, 3), dtype=np.uint8)
        size = (int(random.integers(320, 800)), int(random.integers(240, 600)))
        image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        image.save(folder / f"{number:04}.jpg", quality=85)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="taken, and without effect")
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--check-pictures", type=int, default=32)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle, _ = export_random(NETWORK, SIZE_PX, Path(folder, "bundle"))
        images = paint(Path(folder, "pictures"), options.pictures + options.check_pictures)
        command = [*module_command("cdul_edge.cli"), "calibrate", str(bundle)]
        command += ["--images", str(images), "--pictures", str(options.pictures), "--force"]
        command += ["--check-pictures", str(options.check_pictures)]
        started = perf_counter()
        subprocess.run(command, check=True)
        seconds = perf_counter() - started
        peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        used = len(read_json(bundle / "calibration.json")["calibration"])
    figures = {
        "network": f"{NETWORK} at {SIZE_PX} px, random weights",
        "calibration_pictures": used,
        "check_pictures": options.check_pictures,
        "peak_memory_mib": round(peak_mib),
        "limit_mib": LIMIT_MIB,
        "seconds": round(seconds),
    }
    print(figures)
    record("calibration_memory", figures, threads=None)


if __name__ == "__main__":
    main()
