"""Two streams for as long as `--soak` says; their camera is killed every minute."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measured_rows.figures import Measured, at_most
from benchmarks.streams.bundles import small_bundle
from benchmarks.streams.cameras import cameras
from benchmarks.streams.row import Setting
from benchmarks.streams.watching import classifying
from cdul_edge_runtime.host.machine import resident_memory_mib
from cdul_edge_runtime.streams.rows import Appeared, FramePrediction, Gone, Row, Status
from cdul_edge_runtime.streams.watch import watch
from tests.fakes.rtsp_camera import Camera

GROWTH_MIB = 5.0
_KILL_EVERY_S, _AWAY_S, _SAMPLE_S = 60.0, 2.0, 2.0


@dataclass(frozen=True)
class _Sample:
    at_s: float
    rss_mib: float
    files: int
    threads: int


@dataclass
class _Soak:
    """What was seen so far."""

    samples: list[_Sample] = field(default_factory=list)
    open_events: set[str] = field(default_factory=set)
    wrong_events: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    connected: set[str] = field(default_factory=set)

    def take_in(self, row: Row) -> None:
        self.counts[type(row).__name__] += 1
        if isinstance(row, Appeared):
            self.wrong_events += row.id in self.open_events
            self.open_events.add(row.id)
        elif isinstance(row, Gone):
            self.wrong_events += row.id not in self.open_events
            self.open_events.discard(row.id)
        elif isinstance(row, Status):
            self.counts[row.state] += 1
            if row.state == "connected":
                self.connected.add(row.stream)
            else:
                self.connected.discard(row.stream)

    def sample(self, at_s: float) -> None:
        """Memory and handles while both streams are there."""
        gc.collect()
        files, threads = (
            len(list(Path(f"/proc/self/{name}").iterdir())) for name in ("fd", "task")
        )
        self.samples.append(_Sample(at_s, resident_memory_mib(), files, threads))


def measure_soak(setting: Setting) -> Measured:
    """Growth from the first fifth, when every pool was filled, to the last."""
    soak = _Soak()
    with cameras(2) as camera, classifying(small_bundle(setting)) as classifier:
        sources = {f"cam{n}": camera.url(f"cam{n}") for n in range(2)}
        over = threading.Event()
        with watch(classifier, sources, stats_s=10.0) as rows:
            begun_s = time.monotonic()
            killer = threading.Thread(target=_keep_killing, args=(camera, over))
            killer.start()
            next_s, stopped = 0.0, False
            for row in rows:
                soak.take_in(row)
                at_s = time.monotonic() - begun_s
                is_calm = isinstance(row, FramePrediction) and len(soak.connected) == 2
                if is_calm and at_s >= next_s:
                    soak.sample(at_s)
                    next_s = at_s + _SAMPLE_S
                if at_s >= setting.soak_s and not stopped:
                    stopped = True
                    rows.stop()  # and every label that is there goes
        over.set()
        killer.join()
    return _told(soak, setting)


def _keep_killing(camera: Camera, over: threading.Event) -> None:
    while not over.wait(_KILL_EVERY_S - _AWAY_S):
        camera.kill()
        over.wait(_AWAY_S)
        camera.start()


def _told(soak: _Soak, setting: Setting) -> Measured:
    share = max(1, len(soak.samples) // 5)
    early, late = soak.samples[share : 2 * share] or soak.samples, soak.samples[-share:]
    growth = _middle([s.rss_mib for s in late]) - _middle([s.rss_mib for s in early])
    files = _middle([s.files for s in late]) - _middle([s.files for s in early])
    threads = _middle([s.threads for s in late]) - _middle([s.threads for s in early])
    unpaired = soak.wrong_events + len(soak.open_events)
    told = f"{setting.soak_s / 60:g} minutes"
    notes = (
        f"soak: {soak.counts['FramePrediction']} results, {soak.counts['lost']} losses, "
        f"{soak.counts['Appeared']} labels appeared and {soak.counts['Gone']} went; "
        f"{_middle([s.rss_mib for s in late]):.0f} MiB, {late[-1].files} files, "
        f"{late[-1].threads} threads at the end",
    )
    return Measured(
        (
            at_most(GROWTH_MIB, "growth", f"memory gained in {told}", "MiB", growth),
            at_most(0, "files", "open files more than early on", "", files),
            at_most(0, "threads", "threads more than early on", "", threads),
            at_most(0, "unpaired", "labels that appeared or went alone", "", unpaired),
        ),
        notes,
    )


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
