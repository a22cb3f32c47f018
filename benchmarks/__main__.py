"""`python -m benchmarks`: every benchmark, one after another, each in its own process."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

HELPERS = {
    "__init__", "__main__", "drawn_stores", "lite0", "networks", "nvidia_compiler", "paired",
    "photographs", "published_settings", "record", "rule_verdicts", "tensorrt_compiler",
    "world_figures", "world_rows",
}  # fmt: skip
# A run of `cdul-edge train`, or a bundle, named on the spot.
NEED_A_RUN = {
    "deepstream",
    "drift",
    "real_contact_sheet",
    "real_deployment",
    "triton_server",
}
TAKES_HOURS = {"real_world"}  # without a GPU
NEED_RTX = {"int8_on_rtx", "tensorrt_build", "tensorrt_rules"}  # NVIDIA's compiler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    names = sorted(p.stem for p in Path(__file__).parent.glob("*.py"))
    failed = []
    for name in (n for n in names if n not in HELPERS | NEED_A_RUN | TAKES_HOURS):
        if name in NEED_RTX and find_spec("tensorrt_rtx") is None:
            print(f"== {name}: left out, TensorRT for RTX is not installed", file=sys.stderr)
            continue
        print(f"== {name}", file=sys.stderr)
        command = [sys.executable, "-m", f"benchmarks.{name}", "--threads", str(options.threads)]
        if subprocess.run(command).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
