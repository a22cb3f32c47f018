"""Fit to a sample, apply to a part: small sets as all at once, large ones alike, and no cliff."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge.labelling.arrays import softmax
from cdul_edge.labelling.score.aggregation import Aggregation
from cdul_edge.labelling.score.evidence_model import EvidenceScoring
from cdul_edge.labelling.score.mixture import fit_split, typical_split
from cdul_edge.labelling.score.rivals import fit_rivals
from cdul_edge.labelling.score.sample import choose_sample
from cdul_edge.labelling.score.score_store import SnippetScoring
from cdul_edge.labelling.score.scorer import FittedScorer
from cdul_edge.labelling.score.scoring import Scoring
from cdul_edge.labelling.store.parts import Part, part_name, write_part
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge.labelling.store.reader import StoreReader
from cdul_edge_runtime.metrics.metrics import mean_average_precision

T = 0.01
CLASSES = tuple(f"class {i}" for i in range(6))
OF_SETS = [
    Scoring(),
    Scoring("max", temperature="spread"),
    *(Scoring("max", debias=debias) for debias in ("center", "sparc", "ccd", "ridge")),
]
NAMES = ["evidence", "spread", "center", "sparc", "ccd", "ridge"]


def paint(pictures: int, classes: int = 6, seed: int = 0) -> tuple[Any, Any]:
    """Cosines (N, 4, C), each class in 15 % of the pictures; and truth."""
    rng = np.random.default_rng(seed)
    truth = rng.random((pictures, classes)) < 0.15
    cosines = rng.normal(0.2, 0.006, (pictures, 4, classes)) + rng.normal(0, 0.01, classes)
    cosines += truth[:, None] * rng.uniform(0.02, 0.06, (pictures, 4, classes))
    return cosines.astype(np.float32), truth.astype(np.int8)


COSINES, TRUTH = paint(600)


def write(folder: Path, cosines: Any, size: int = 70, bad: int = 0) -> StoreReader:
    """A store whose every `bad`-th picture cannot be read, and was not in `cosines`."""
    rows, names, parts = iter(cosines), 0, 0
    left = len(cosines)
    while left:
        pictures: list[StoredPicture] = []
        values: list[Any] = []
        while left and len(pictures) < size:
            names += 1
            unreadable = bool(bad) and names % bad == 0
            pictures.append(StoredPicture(f"{names:05}", reason="is bad" if unreadable else None))
            if not unreadable:
                values.append(next(rows))
                left -= 1
        part = Part(tuple(pictures), np.stack(values))
        write_part(folder / part_name(parts), part, "cosines", "")
        parts += 1
    return StoreReader(folder, parts)


def fit(store: StoreReader, scoring: Scoring, sample: int = 10_000, salt: str = "") -> FittedScorer:
    scorer = SnippetScoring(scoring, scoring.resolve(T, None), "all", sample, salt)
    return scorer.fit(store, CLASSES)


def apply(fitted: FittedScorer, store: StoreReader) -> Any:
    return np.concatenate([fitted.apply(store, index).scores for index in range(store.parts)])


def sampled(store: StoreReader, most: int) -> Any:
    """Places of the sample among the readable pictures of the store."""
    starts = np.concatenate([[0], np.cumsum([len(store.readable(i)) for i in range(store.parts)])])
    rows = choose_sample(store, most).rows
    return np.concatenate([starts[index] + some for index, some in rows.items()])


def score_at_once(cosines: Any) -> Any:
    """Evidence in a few lines, all pictures in memory: what small sets must get to the bit."""

    def standardize(values: Any) -> Any:
        spread = values.std(axis=0, dtype=np.float64)
        centered = values - values.mean(axis=0, dtype=np.float64)
        return (centered / np.where(spread > 1e-9, spread, np.inf)).astype(np.float32)

    count, scoring = cosines.shape[2], EvidenceScoring()
    views = cosines - cosines.mean(axis=2, keepdims=True)
    whole, rows = views[:, 0], views[:, 1:]
    mean = whole.mean(axis=0, dtype=np.float64)
    temperature = float(np.sqrt(((whole - mean) ** 2).mean()))
    local = rows.sum(axis=(0, 1), dtype=np.float64) / (len(rows) * rows.shape[1])
    shares = softmax(whole - mean, temperature) + softmax(rows - local, temperature).max(axis=1)
    kinds = [standardize(view) for view in (whole, rows.max(axis=1), rows.min(axis=1))]
    raw = standardize(shares.astype(np.float32)) + kinds[1]
    inputs = np.concatenate(kinds, axis=1)
    weights, levels = fit_rivals(inputs, raw, scoring)
    targets = np.concatenate([raw, kinds[0] + kinds[1]], axis=1)
    ranks, left = np.split(targets - levels - inputs @ weights, 2, axis=1)
    left = standardize(left)
    splits = [fit_split(column) for column in left.T]
    scores = Aggregation(T).scores(cosines)
    for column in np.flatnonzero((scores >= 0.5).mean(axis=0) >= scoring.seen):
        split = splits[column] if splits[column].found else typical_split(splits)
        if split is not None:
            likely = np.sort(split.probabilities(left[:, column]))
            _, place, number = np.unique(ranks[:, column], return_inverse=True, return_counts=True)
            sums, ends = np.concatenate([[0.0], np.cumsum(likely)]), np.cumsum(number)
            scores[:, column] = ((sums[ends] - sums[ends - number]) / number)[place]
    assert scores.shape[1] == count
    return scores


@pytest.mark.parametrize("case", ["plain", "twice", "constant", "nowhere", "two classes"])
def test_a_set_that_is_its_own_sample_is_scored_as_at_once_to_the_bit(
    tmp_path: Path, case: str
) -> None:
    cosines = COSINES.copy()
    if case == "twice":
        cosines[300:340] = cosines[:40]
    elif case == "constant":
        cosines[:, :, 3] = 0.25
    elif case == "nowhere":
        cosines[:, :, 2] = np.random.default_rng(1).normal(0.1, 0.006, (600, 4))
    elif case == "two classes":
        cosines = cosines[:, :, :2]
    # one part: sums over pictures are then taken in the same order
    store = write(tmp_path, cosines, 700)
    scorer = SnippetScoring(Scoring(), Aggregation(T), "all")
    found = apply(scorer.fit(store, CLASSES[: cosines.shape[2]]), store)
    assert found.tobytes() == score_at_once(cosines).astype(np.float32).tobytes()


@pytest.mark.parametrize("scoring", OF_SETS, ids=NAMES)
def test_one_picture_more_than_the_sample_is_no_cliff(tmp_path: Path, scoring: Scoring) -> None:
    store = write(tmp_path / "all", COSINES, bad=7)
    fitted = fit(store, scoring, 599)
    assert (fitted.settings["fitted_to"], fitted.settings["of"]) == (599, 600)
    found = apply(fitted, store)
    # the same sample as a set of its own, without the picture that was left out
    kept = sampled(store, 599)
    (left_out,) = set(range(600)) - set(kept.tolist())
    alone = write(tmp_path / "alone", COSINES[kept], bad=0)
    alike = fit(alone, scoring)
    assert "fitted_to" not in alike.settings
    assert found[kept] == pytest.approx(apply(alike, alone), abs=2e-5)
    assert np.isfinite(found[left_out]).all()


@pytest.mark.parametrize("scoring", OF_SETS, ids=NAMES)
def test_a_sample_says_what_the_set_says(tmp_path: Path, scoring: Scoring) -> None:
    cosines, truth = paint(1500, seed=1)
    store = write(tmp_path, cosines, 400, bad=9)
    whole = apply(fit(store, scoring), store)
    expected = mean_average_precision(whole, truth)
    found = apply(fit(store, scoring, 750), store)
    assert mean_average_precision(found, truth) == pytest.approx(expected, abs=1.0)
    assert np.abs(found - whole).mean() < 0.01
    assert ((found >= 0.5) != (whole >= 0.5)).mean() < 0.01


@pytest.mark.parametrize("scoring", OF_SETS, ids=NAMES)
def test_parts_and_their_order_do_not_matter(tmp_path: Path, scoring: Scoring) -> None:
    one, other = (write(tmp_path / str(size), COSINES, size) for size in (70, 401))
    found = apply(fit(one, scoring, 300), one)
    assert apply(fit(other, scoring, 300), other) == pytest.approx(found, abs=2e-5)


@pytest.mark.parametrize("scoring", OF_SETS, ids=NAMES)
@pytest.mark.parametrize("case", ["constant", "flat", "one class", "outside"])
def test_what_a_sample_cannot_tell_gives_no_nan(
    tmp_path: Path, scoring: Scoring, case: str
) -> None:
    cosines = COSINES[:300].copy()
    if case == "constant":
        cosines[:, :, 3] = 0.25
    elif case == "flat":
        cosines[:] = 0.2
    elif case == "one class":
        cosines = cosines[:, :, :1]
    store = write(tmp_path, cosines, 70)
    if case == "outside":  # a class that varies only where no picture was learned from
        learned = sampled(store, 150)
        cosines[learned, :, 4] = cosines[learned][:, :, [0, 1, 2, 3, 5]].mean(axis=2)
        store = write(tmp_path, cosines, 70)
    scorer = SnippetScoring(scoring, scoring.resolve(T, None), "all", 150)
    found = apply(scorer.fit(store, CLASSES[: cosines.shape[2]]), store)
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_few_pictures_and_none(tmp_path: Path) -> None:
    few = write(tmp_path / "few", COSINES[:99])
    fitted = fit(few, Scoring())
    assert fitted.notes[0].startswith("99 pictures are too few for statistics")
    assert (apply(fitted, few) == apply(fit(few, Scoring("cdul")), few)).all()
    pictures = tuple(StoredPicture(f"{i}", reason="is bad") for i in range(3))
    part = Part(pictures, np.empty((0, 4, 6), np.float32))
    write_part(tmp_path / "none" / part_name(0), part, "cosines", "")
    none = StoreReader(tmp_path / "none", 1)
    for scoring in OF_SETS:
        found = fit(none, scoring).apply(none, 0)
        assert found.scores.shape == found.cosines.shape == (0, 6)
        assert [picture.path for picture in found.skipped] == ["0", "1", "2"]
