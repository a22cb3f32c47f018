"""`python -m benchmarks.scale.rate`: pictures a second on Ray, against one process.

Both run on the same CPUs of this machine. The fixed cost is Ray's time to its first part beyond
that of one process; the steady rate counts from the first part to the last.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import cdul_edge  # noqa: F401 - `child_command` looks where it lies
from benchmarks.record import record
from cdul_edge_runtime.host.child_python import child_command, child_environment

PART = 500
_LABEL = """
import sys
from pathlib import Path
from cdul_edge import label
pictures, classes, out, engine = sys.argv[1:]
label(images=Path(pictures), classes=Path(classes), out=Path(out), clip="demo",
      part_pictures=PART, encoder="torch", engine=engine)
""".replace("PART", str(PART))


@dataclass(frozen=True)
class Timed:
    """Seconds to the first part, and pictures a second from there to the last one."""

    first_part_s: float
    pictures_per_s: float


def time_label(pictures: Path, classes: Path, out: Path, engine: str) -> Timed:
    """Label, and look when parts come."""
    begun, seen, first, last = monotonic(), 0, 0.0, 0.0
    with subprocess.Popen(
        child_command(_LABEL, str(pictures), str(classes), str(out), engine),
        env=child_environment(),
    ) as process:
        while process.poll() is None:
            count = len(list(out.glob("similarities/part-*.parquet")))
            if count > seen:
                last = monotonic()
                first, seen = first or last, count
            sleep(0.05)
    if process.returncode:
        raise SystemExit(f"label --engine {engine} ended with exit code {process.returncode}")
    return Timed(first - begun, (seen - 1) * PART / (last - first))


def main() -> int:
    """Measure, alternating, and write results/scale_rate.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", type=Path, required=True, help="as `cdul-edge demo` drew it")
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    found: dict[str, list[Timed]] = {"local": [], "ray": []}
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures"
        pictures.mkdir()
        drawn = sorted((given.world / "train").iterdir())
        for at in range(given.pictures):  # the same ones under several names
            file = drawn[at % len(drawn)]
            (pictures / f"{at:07}{file.suffix}").symlink_to(file.resolve())
        for turn in range(given.rounds):
            for engine, timed in found.items():
                out = Path(folder) / f"{engine}{turn}"
                timed.append(time_label(pictures, given.world / "classes.txt", out, engine))
    pairs = list(zip(found["ray"], found["local"], strict=True))
    figures = {
        "pictures": given.pictures,
        "rate_against_one_process": median(r.pictures_per_s / o.pictures_per_s for r, o in pairs),
        "fixed_cost_s": median(r.first_part_s - o.first_part_s for r, o in pairs),
        "rounds": {engine: [asdict(one) for one in timed] for engine, timed in found.items()},
    }
    record("scale_rate", figures, threads=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
