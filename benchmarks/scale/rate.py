"""Pictures a second on Ray, against one process.

Both run on the same CPUs of this machine. The fixed cost is Ray's time to its first part beyond
that of one process; the steady rate counts from the first part to the last.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import cdul_edge  # noqa: F401 - `child_command` looks where it lies
from benchmarks.measured_rows.figures import Figure, Measured, at_least, at_most, stated
from benchmarks.measured_rows.row import Setting
from benchmarks.scale.world import find_world
from cdul_edge_runtime.host.child_python import child_command, child_environment

PICTURES, PART = 20_000, 500
NOTE = "rates count from the first part to the last, one process and Ray in turn on the same CPUs"
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


def measure_rate(setting: Setting) -> Measured:
    """Both engines in turn, over drawn pictures under as many names as it takes."""
    world, found = find_world(setting), {"local": list[Timed](), "ray": list[Timed]()}
    count = 2 * PART if setting.quick else PICTURES
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures"
        pictures.mkdir()
        drawn = sorted((world / "train").iterdir())
        for at in range(count):
            file = drawn[at % len(drawn)]
            (pictures / f"{at:07}{file.suffix}").symlink_to(file.resolve())
        for turn in range(setting.rounds):
            for engine, timed in found.items():
                out = Path(folder) / f"{engine}{turn}"
                timed.append(time_label(pictures, world / "classes.txt", out, engine))
    return Measured(tuple(_compare(found["ray"], found["local"], count)), (NOTE,))


def _compare(ray: list[Timed], local: list[Timed], count: int) -> Iterator[Figure]:
    pairs = list(zip(ray, local, strict=True))
    title = f"{count:,} drawn pictures"
    rates = (one.pictures_per_s / other.pictures_per_s for one, other in pairs)
    fixed = (one.first_part_s - other.first_part_s for one, other in pairs)
    yield at_least(0.95, "rate", f"{title}: Ray against one process", "x", *rates)
    yield at_most(15, "fixed", f"{title}: time to Ray's first part, beyond", "s", *fixed)
    for key, timed in (("ray", ray), ("local", local)):
        rates = (one.pictures_per_s for one in timed)
        yield stated(f"{key}-rate", f"{title}: {key}", "pictures/s", *rates)
