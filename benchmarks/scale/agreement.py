"""Scores of a fit to a sample against those of all pictures at once.

A decision is a score at or above its class's threshold, by the default rule on either side. The
flips of a sample that lacks one picture only say how much the method itself depends on each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drawn_stores import DrawnStore, paint_sets
from benchmarks.measured_rows.figures import Figure, Measured, at_most, stated
from benchmarks.measured_rows.row import Setting
from cdul_edge.labelling import ImportRequest, Scoring, label
from cdul_edge.labelling.score.sample import SAMPLE
from cdul_edge.labelling.score.score_store import SnippetScoring
from cdul_edge.labelling.store.reader import StoreReader
from cdul_edge.labels.manifest import LabelsManifest, read_manifest
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.thresholds import DEFAULT_RULE, unlabeled_thresholds
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.metrics.metrics import mean_average_precision
from cdul_edge_runtime.metrics.truth import read_truth

VOC = Path(__file__).parents[3] / "shared/data/voc2012-clip-rn50x64/similarities.npz"
DRAWN = 44_000
SALTS = ("a", "b", "c")
OTHERS = {
    "max-spread": Scoring("max", temperature="spread"),
    "max-center": Scoring("max", debias="center"),
    "max-sparc": Scoring("max", debias="sparc"),
    "max-ccd": Scoring("max", debias="ccd"),
    "max-ridge": Scoring("max", debias="ridge"),
}


@dataclass(frozen=True)
class Side:
    """A finished store, its truth (N, C), and what all its pictures at once say."""

    store: StoreReader
    manifest: LabelsManifest
    truth: Any

    @classmethod
    def open(cls, folder: Path, truth: Path) -> Side:
        manifest = read_manifest(folder)
        assert manifest is not None
        store = StoreReader(folder, manifest.similarities.parts)
        paths = tuple(path for index in range(store.parts) for path in store.readable(index))
        classes = ClassList(manifest.classes)
        return cls(store, manifest, read_truth(truth).for_paths(paths, classes))

    def score(self, scoring: Scoring, sample: int | None = None, salt: str = "") -> Any:
        """(N, C) scores, fitted to so many pictures; None is all."""
        facts, most = self.manifest.similarities, sample or len(self.truth)
        aggregation = scoring.resolve(facts.model_temperature, facts.cached_temperature)
        scorer = SnippetScoring(scoring, aggregation, facts.snippets, most, salt)
        fitted = scorer.fit(self.store, self.manifest.classes)
        parts = range(self.store.parts)
        return np.concatenate([fitted.apply(self.store, index).scores for index in parts])

    def compare(self, found: Any, whole: Any) -> tuple[float, float]:
        """Difference in mAP, and the share of decisions that flip, percent."""
        maps = [mean_average_precision(scores, self.truth) for scores in (found, whole)]
        shown = [scores >= unlabeled_thresholds(scores, DEFAULT_RULE) for scores in (found, whole)]
        return abs(maps[0] - maps[1]), 100 * float((shown[0] != shown[1]).mean())


def measure_agreement(setting: Setting) -> Measured:
    """Real vectors, fitted to half of them; a drawn world, fitted to the product's sample."""
    figures: list[Figure] = []
    if VOC.is_file():
        folder = setting.work / "real"
        label(ImportRequest(VOC, folder), SilentConsole())
        side = Side.open(folder, VOC)
        half = len(side.truth) // 2
        figures += _compare(side, "real", f"real vectors, {half:,} of {len(side.truth):,}", half)
    pictures = 600 if setting.quick else DRAWN
    painted = setting.work / "drawn" / "seed-0"
    store = DrawnStore(painted)
    if not store.store.is_dir():  # ten minutes' work is kept
        paint_sets(setting.work / "drawn", pictures, 1)
        store.label(Scoring())
    side = Side.open(store.store, store.truth_file)
    sample = 300 if setting.quick else SAMPLE
    figures += _compare(side, "drawn", f"drawn world, {sample:,} of {pictures:,}", sample)
    _, doubled = side.compare(side.score(Scoring(), 2 * sample, SALTS[0]), side.score(Scoring()))
    figures.append(stated("drawn-double", "drawn world, twice the sample: flips", "%", doubled))
    return Measured(tuple(figures), () if VOC.is_file() else (f"{VOC.name} is not there",))


def _compare(side: Side, key: str, title: str, sample: int) -> Iterator[Figure]:
    whole = side.score(Scoring())
    found = [side.compare(side.score(Scoring(), sample, salt), whole) for salt in SALTS]
    maps, flips = zip(*found, strict=True)
    yield at_most(0.1, f"{key}-map", f"{title}: difference in mAP", "points", *maps)
    yield at_most(0.1, f"{key}-flips", f"{title}: decisions that flip", "%", *flips)
    _, fewer = side.compare(side.score(Scoring(), len(whole) - 1), whole)
    yield stated(f"{key}-fewer", f"{title}: flips where one picture is left out", "%", fewer)
    for name, scoring in OTHERS.items():
        found_map, found_flips = side.compare(side.score(scoring, sample), side.score(scoring))
        yield at_most(0.1, f"{key}-{name}-map", f"{title}, {name}: mAP", "points", found_map)
        yield at_most(0.1, f"{key}-{name}-flips", f"{title}, {name}: flips", "%", found_flips)
