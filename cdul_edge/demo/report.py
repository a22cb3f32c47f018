"""What the demo is asked for, and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from cdul_edge.version import __version__
from cdul_edge_runtime.bundle.verdict import Verdict
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.ownership import PROGRAM

# What `DemoResult.paths` names, relative to the demo's folder.
_PATHS = {
    "world": "world",
    "labels": "labels",
    "run": "run",
    "bundle": "bundle",
    "verify": "verify.json",
    "predictions": "predictions_heldout.jsonl",
    "contact_sheet": "contact_sheet.png",
    "report": "report.html",
}


@dataclass(frozen=True)
class DemoRequest:
    """One demo.

    Attributes:
        out: folder for everything that it makes.
        seed: of the drawn world and of training.
        train_pictures, heldout_pictures: how many are drawn, to learn from and to judge on.
        samples: held-out pictures on the contact sheet.
        supervised: also train on true labels, as an upper bound.
        force: replace an earlier demo.

    Raises:
        CdulEdgeError: too few pictures for a verdict that means anything.
    """

    out: Path
    seed: int = 0
    train_pictures: int = 3000
    heldout_pictures: int = 1000
    samples: int = 20
    supervised: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        if self.train_pictures < 64 or self.heldout_pictures < 20:
            raise CdulEdgeError(
                f"{self.train_pictures} training and {self.heldout_pictures} held-out pictures: "
                "the demo needs at least 64 and 20"
            )


@dataclass(frozen=True)
class PrecisionCost:
    """What one precision of the student costs and saves on the held-out pictures.

    Attributes:
        map: percent; `map_change` the points it gains over FP32, with its 95 % interval.
        flips_percent: decisions that differ from FP32's.
        verdict: of `verify`.
        mib: size of the model file.
        latency_ms: median per picture on the CPU; None where a CPU only emulates the precision.
    """

    map: float
    map_change: float
    map_change_interval: tuple[float, float]
    flips_percent: float
    verdict: Verdict
    mib: float
    latency_ms: float | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any], model: Path) -> PrecisionCost:
        """Read a row of verify.json."""
        pictures = row["pictures"]
        low, high = (_round(-end) for end in reversed(pictures["map_drop_interval"]))
        return cls(
            map=_round(pictures["map"]),
            map_change=_round(-pictures["map_drop"]),
            map_change_interval=(low, high),
            flips_percent=_round(100 * pictures["flip_rate"]),
            verdict=row["verdict"],
            mib=_round(model.stat().st_size / 2**20),
            latency_ms=row.get("latency", {}).get("network", {}).get("p50_ms"),
        )


@dataclass(frozen=True)
class Latency:
    """Median ms of one picture's forward pass, one thread each."""

    torch_ms: float
    onnxruntime_ms: float


@dataclass(frozen=True)
class DemoResult:
    """What a demo found.

    Attributes:
        out: the demo's folder.
        map: percent, by what it is of.
        precisions: what each costs, by name.
        latency: PyTorch beside ONNX Runtime.
        stage_seconds: how long each stage took, in their order.
        seed, student: what it was made with.
        machine: where it ran.
    """

    out: Path
    map: Mapping[str, float]
    precisions: Mapping[str, PrecisionCost]
    latency: Latency
    stage_seconds: Mapping[str, float]
    seed: int
    student: str
    machine: Mapping[str, object]

    @property
    def seconds(self) -> float:
        """How long the whole took."""
        return sum(self.stage_seconds.values())

    @property
    def paths(self) -> dict[str, Path]:
        """What it made, by name."""
        return {name: self.out / path for name, path in _PATHS.items()}

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        stages = self.stage_seconds
        return {
            "program": PROGRAM,
            "version": __version__,
            "stage": "demo",
            "map": {name: round(value, 2) for name, value in self.map.items()},
            "precisions": {name: asdict(cost) for name, cost in self.precisions.items()},
            "latency_ms": {name: round(value, 3) for name, value in asdict(self.latency).items()},
            "seconds": round(self.seconds, 1),
            "stage_seconds": {name: round(value, 1) for name, value in stages.items()},
            "paths": {name: str(path) for name, path in self.paths.items()},
            "settings": {"seed": self.seed, "student": self.student},
            "machine": dict(self.machine),
        }


class Stopwatch:
    """Seconds of each stage, in the order in which they ran."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, stage: str) -> None:
        """End a stage; the next one begins."""
        now = perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now


def _round(value: float) -> float:
    return round(value, 2) + 0.0  # no -0.0
