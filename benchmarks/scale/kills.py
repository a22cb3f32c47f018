"""Actors, machines and drivers are killed at random moments.

A cluster of two machines, real raylets on this one, labels drawn pictures again and again. After
each kill the run goes on, or is started again where the driver died, and in the end its folder is
compared with that of one process: no part that stood may be lost or made again, and every byte is
the same. The longest silence is the longest time without a new part while a driver was at work.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Literal

from benchmarks.measured_rows.figures import Figure, Measured, at_least, at_most, stated
from benchmarks.measured_rows.row import Setting
from benchmarks.scale.machines import Machines
from benchmarks.scale.world import find_world
from cdul_edge_runtime.host.child_python import child_command, child_environment

Kind = Literal["actor", "machine", "driver"]
KINDS: tuple[Kind, ...] = ("actor", "machine", "driver")
PART, KILLS = 25, 30
# As Ray tells an actor of one CPU: PyTorch rounds otherwise where OpenMP may take more threads.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
MACHINES = 2
MOST_GIVEN_UP = 3
LONGEST_RUN_S = 600.0
# CLIP was never so quick to load: a kill within it would only make the run longer.
APART_S = (2.0, 9.0)

_LABEL = """
import sys
from pathlib import Path
from cdul_edge import label
world, out, engine, address = sys.argv[1:]
more = {"address": address} if engine == "ray" else {}
label(images=Path(world) / "train", classes=Path(world) / "classes.txt", out=Path(out),
      clip="demo", part_pictures=PART, threads=1, encoder="torch", engine=engine, **more)
""".replace("PART", str(PART))


@dataclass
class Kill:
    """One kill, and what was seen of it."""

    kind: Kind
    parts_before: int
    parts_lost: int = 0
    silence_s: float = 0.0


@dataclass
class Run:
    """A folder from the first part to the last."""

    kills: list[Kill] = field(default_factory=list)
    gave_up: int = 0
    same_bytes: bool = False
    seconds: float = 0.0


def parts_of(out: Path) -> dict[str, tuple[int, int]]:
    """What identifies each part that stands: a part that is made again is another file."""
    found = {}
    for file in out.glob("similarities/part-*.parquet"):
        facts = file.stat()
        found[file.name] = facts.st_ino, facts.st_mtime_ns
    return found


def contents(out: Path) -> dict[str, bytes]:
    """Parts, labels, and manifest."""
    files = [*out.glob("similarities/*"), out / "pseudo_labels.parquet", out / "manifest.json"]
    return {file.relative_to(out).as_posix(): file.read_bytes() for file in files}


@contextlib.contextmanager
def driver(world: Path, out: Path, engine: str, address: str) -> Iterator[subprocess.Popen[bytes]]:
    """A `label` in a process of its own, which ends with the block at the latest."""
    process = subprocess.Popen(
        child_command(_LABEL, str(world), str(out), engine, address),
        env=child_environment() | ONE_THREAD,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run_once(
    world: Path, out: Path, machines: Machines, wanted: int, choice: random.Random
) -> tuple[Run, bool]:
    """Label, with up to `wanted` kills; and whether the last driver ended well."""
    run, begun = Run(), monotonic()
    while True:
        with driver(world, out, "ray", machines.address) as process:
            if _interfere(process, out, machines, run, wanted, choice):
                continue
        if process.returncode and run.gave_up < MOST_GIVEN_UP:
            run.gave_up += 1  # in a line of its own, as where the cluster does not answer in time
            continue
        run.seconds = monotonic() - begun
        return run, process.returncode == 0


def _interfere(
    process: subprocess.Popen[bytes],
    out: Path,
    machines: Machines,
    run: Run,
    wanted: int,
    choice: random.Random,
) -> bool:
    """Kill until the driver is gone; true where it was killed and is to be started again."""
    before, last = parts_of(out), monotonic()
    due, deadline = last + choice.uniform(*APART_S), last + LONGEST_RUN_S
    progressed = False  # since the last kill
    while process.poll() is None and monotonic() < deadline:
        sleep(0.05)
        now, parts = monotonic(), parts_of(out)
        if run.kills:
            run.kills[-1].silence_s = max(run.kills[-1].silence_s, now - last)
        if len(parts) > len(before):
            if run.kills:
                run.kills[-1].parts_lost += sum(parts.get(k) != v for k, v in before.items())
            before, last, progressed = parts, now, True
        if now < due or not progressed or len(run.kills) >= wanted:
            continue
        kill = Kill(choice.choice(KINDS), len(parts))
        run.kills.append(kill)
        due, progressed = now + choice.uniform(*APART_S), False
        if kill.kind == "driver":
            process.kill()
            return True
        if kill.kind == "machine":
            machines.kill(choice.randrange(MACHINES))
        else:
            for one in choice.sample(actors := machines.actors(), min(1, len(actors))):
                os.kill(one, signal.SIGKILL)
    return False


def measure_kills(setting: Setting) -> Measured:
    """Thirty kills, over as many runs as it takes; no more where one does not end well."""
    world, choice, well = find_world(setting), random.Random(0), True
    wanted, runs = 3 if setting.quick else KILLS, list[Run]()
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "alone"
        with driver(world, alone, "local", "") as process:
            process.wait()
        expected, machines = contents(alone), Machines(MACHINES)
        try:
            while well and (left := wanted - sum(len(run.kills) for run in runs)) > 0:
                out = Path(folder) / f"run{len(runs)}"
                run, well = run_once(world, out, machines, left, choice)
                run.same_bytes = well and contents(out) == expected
                runs.append(run)
                print(len(runs), run, file=sys.stderr, flush=True)
        finally:
            machines.close()
    note = f"a cluster of {MACHINES} machines, on this one; {len(expected) - 2} parts a run"
    return Measured(tuple(_judge(runs)), (note,))


def _judge(runs: list[Run]) -> Iterator[Figure]:
    kills = [kill for run in runs for kill in run.kills]
    for kind in KINDS:
        count = [kill.kind for kill in kills].count(kind)
        yield stated(f"{kind}s", f"{kind}s killed", "kills", count)
    yield at_least(KILLS, "kills", "kills at random moments", "kills", len(kills))
    lost = sum(kill.parts_lost for kill in kills)
    yield at_most(0, "lost", "finished parts lost or made again", "parts", lost)
    others = sum(not run.same_bytes for run in runs)
    yield at_most(0, "others", f"of {len(runs)} runs with other bytes", "runs", others)
    longest = max(kill.silence_s for kill in kills)
    yield at_most(60, "silence", "longest time without a new part", "s", longest)
    again = sum(run.gave_up for run in runs)
    yield stated("again", "commands given again after an error", "commands", again)
