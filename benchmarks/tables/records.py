"""The result files about photographs as records; what a file lacks was not run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.tables.markdown import RESULTS
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.json_record import parse_record

Ends = tuple[float | None, float | None]
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class JudgedLabels:
    """A way to label, judged on the training photographs with truth; percent."""

    labels: str
    pictures: int
    map: float
    macro_f1: float
    f1_share: float | None
    ece: float | None


@dataclass(frozen=True)
class Learned:
    """What a network learned in one way, on held-out photographs; percent, means over seeds."""

    strategy: str
    method: str
    level: str
    seeds: Mapping[str, float | None]
    map: float
    map_deviation: float | None
    map_interval: Ends
    macro_f1: float
    f1_share: float | None
    ece: float | None
    seconds: float | None


@dataclass(frozen=True)
class Gain:
    """A difference of two ways to learn, in points of mAP, with 95 % intervals."""

    comparison: str
    better: tuple[str, ...]
    mean: float
    ratio: float | None
    over_seeds: Ends
    over_pictures: Ends


@dataclass(frozen=True)
class RealWorld:
    """real_world.json."""

    photographs: int
    with_truth: int
    judged_on: int
    labels: tuple[JudgedLabels, ...] = ()
    strategies: tuple[Learned, ...] = ()
    methods: tuple[Learned, ...] = ()
    observed: tuple[Learned, ...] = ()
    bounds: tuple[Learned, ...] = ()
    comparisons: tuple[Gain, ...] = ()

    def learned(self, strategy: str, method: str, level: str = "none") -> Learned | None:
        """That row, whichever part ran it."""
        rows = (*self.strategies, *self.methods, *self.observed, *self.bounds)
        wanted = (strategy, method, level)
        return next((r for r in rows if (r.strategy, r.method, r.level) == wanted), None)

    @property
    def most_seeds(self) -> int:
        """Of any row."""
        rows = (*self.strategies, *self.methods, *self.observed, *self.bounds)
        return max((len(row.seeds) for row in rows), default=0)

    @property
    def default_method(self) -> str:
        """The method that training used unasked when the file was written."""
        own = self.gain("free labels of all, default method, against truth, fixed")
        return "fixed" if own is None else own.better[1]

    def gain(self, comparison: str) -> Gain | None:
        """That comparison."""
        return next((one for one in self.comparisons if one.comparison == comparison), None)


@dataclass(frozen=True)
class Measured:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def negative(self) -> Measured:
        """The change that a loss is."""
        return Measured(0.0 - self.value, 0.0 - self.high, 0.0 - self.low)


@dataclass(frozen=True)
class Deployed:
    """A precision of the deployed networks: means over the runs."""

    map: Measured
    map_drop: Measured
    flips_percent: Measured
    macro_f1: float
    f1_share: float
    ece: float
    size_mib: float
    float_layers: tuple[int, ...]
    layers: int
    p50_ms: float | None = None


@dataclass(frozen=True)
class Deployment:
    """real_deployment.json: `torch_ms` is PyTorch's latency on the same CPU."""

    networks: tuple[str, ...]
    heldout: int
    precisions: Mapping[str, Deployed]
    torch_ms: float
    threads: int


def read_real_world() -> RealWorld | None:
    """None where it was never run."""
    return _read("real_world", RealWorld)


def read_deployment() -> Deployment | None:
    """None where it was never run."""
    return _read("real_deployment", Deployment)


def _read(name: str, kind: type[Kind]) -> Kind | None:
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        return None
    return parse_record(kind, read_json(path)["figures"], name)
