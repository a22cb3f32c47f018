"""Run the whole job on real photographs with random weights.

Decoding, batching, parity, and latency are real; the answers mean nothing.

Any folder of photographs will do (`--photos`); without one there is nothing to measure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.record import record
from cdul_edge_runtime.host.child_python import module_command

PHOTOS = Path(__file__).parents[2] / "shared" / "data" / "photos"
CLASSES = ("bicycle", "bird", "car", "dog", "giraffe", "horse", "kite", "person", "zebra")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    options = parser.parse_args()
    if not options.photos.is_dir():
        print(f"{options.photos} is not there: give a folder with --photos", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as work:
        figures = run_job(options.photos.resolve(), Path(work), options.threads)
    record("real_photos", figures, threads=options.threads)


def run_job(photos: Path, work: Path, threads: int) -> dict[str, Any]:
    """Label with RN50, train resnet50, export, verify and predict; random weights throughout."""
    (work / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    commands = [
        f"label {photos} --classes classes.txt --clip RN50 --pretrained none --out labels "
        f"--threads {threads} --json label.json",
        "train labels --network resnet50 --weights none --image-size 224 --epochs 2 "
        "--batch-size 3 --out run",
        "export run --out bundle",
        f"verify bundle --images {photos} --threads {threads} --json verify.json",
        f"predict bundle {photos} --threads {threads} --out predictions.jsonl",
    ]
    for command in commands:
        print(f"$ cdul-edge {command}", file=sys.stderr)
        subprocess.run([*module_command("cdul_edge.cli"), *command.split()], cwd=work, check=True)
    label = json.loads((work / "label.json").read_text(encoding="utf-8"))
    manifest = json.loads((work / "bundle" / "manifest.json").read_text(encoding="utf-8"))
    verify = json.loads((work / "verify.json").read_text(encoding="utf-8"))
    (row,) = verify["rows"]
    lines = (work / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return {
        "commands": [f"cdul-edge {command.replace(str(photos), 'PHOTOS')}" for command in commands],
        "photographs": label["labelled"],
        "skipped": len(label["skipped"]),
        "predicted": len(lines),
        "parity_at_export": manifest["parity"],
        "verify_passed": verify["passed"],
        "checks": row["checks"],
        "latency": row["latency"],
        "peak_memory_mib": row["peak_memory_mib"],
    }


if __name__ == "__main__":
    main()
