"""Peak memory of labeling 2,000 and 20,000 small pictures: it must not grow with their number.

Each run is a `cdul-edge label` of its own with the bundled CLIP; the peak is the largest resident
size of its main process, and of the largest of its decoding processes.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.record import record
from benchmarks.relabelling import VOC_CLASSES, paint_small_pictures
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.child_python import module_command

COUNTS = (2_000, 20_000)


def peaks_mib(folder: Path, threads: int) -> tuple[float, float]:
    """Peak of the main process and of its largest decoding process, in MiB."""
    command: list[str | Path] = [*module_command("cdul_edge.cli"), "label"]
    command += [folder / "pictures", "--classes", folder / "classes.txt", "--clip", "demo"]
    command += ["--threads", str(threads), "--workers", str(threads), "--out", folder / "labels"]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    main = child = 0.0
    while run.poll() is None:  # the kernel keeps the peak; it is read until the process is gone
        main = max(main, _peak_mib(run.pid))
        child = max([child, *map(_peak_mib, _children(run.pid))])
        time.sleep(0.05)
    if run.returncode:
        raise CdulEdgeError(f"cdul-edge label ended with exit code {run.returncode}")
    return round(main, 1), round(child, 1)


def _peak_mib(process: int) -> float:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peaks[0]) / 1024 if peaks else 0.0


def _children(process: int) -> list[int]:
    try:
        listed = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in listed.split()]


def measure(threads: int, repeats: int) -> dict[str, Any]:
    found: dict[int, list[tuple[float, float]]] = {count: [] for count in COUNTS}
    for _ in range(repeats):
        for count in COUNTS:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                paint_small_pictures(folder / "pictures", count)
                (folder / "classes.txt").write_text("\n".join(VOC_CLASSES))
                found[count].append(peaks_mib(folder, threads))
    main = {count: median(peak for peak, _ in runs) for count, runs in found.items()}
    few, many = COUNTS
    return {
        "main_process_mib": {str(count): peak for count, peak in main.items()},
        "decoding_process_mib": {
            str(count): median(peak for _, peak in runs) for count, runs in found.items()
        },
        "growth": round(main[many] / main[few], 4),
        "runs_mib": {str(count): runs for count, runs in found.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    figures = measure(options.threads, options.repeats)
    print(figures)
    record("label_memory", figures, threads=options.threads)


if __name__ == "__main__":
    main()
