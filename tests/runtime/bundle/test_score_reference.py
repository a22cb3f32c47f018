"""The histogram of scores that travels with a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cdul_edge_runtime.bundle.bundle import SCORE_REFERENCE, Bundle
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.log_odds import sigmoid
from cdul_edge_runtime.bundle.score_reference import BINS, EDGES, ScoreReference
from cdul_edge_runtime.errors import BundleError, CdulEdgeError

CLASSES = ClassList(("cat", "dog"))
# Log-odds of 0 and 1 lie on edges, where a bin begins.
SCORES = np.array([[0.5, 0.0], [0.5, 1.0], [0.6, 0.2], [0.9, 0.2]], np.float32)
THRESHOLDS = np.array([0.6, np.inf], np.float32)


def reference() -> ScoreReference:
    return ScoreReference.of(SCORES, THRESHOLDS, CLASSES)


def test_scores_fall_into_bins_an_eighth_of_log_odds_wide() -> None:
    assert EDGES[0] == -12
    assert EDGES[-1] == 12
    assert np.allclose(np.diff(EDGES), 1 / 8)
    assert BINS == len(EDGES) + 1 == 194
    made = reference()
    cat = {int(b): int(made.counts[0, b]) for b in np.flatnonzero(made.counts[0])}
    # log-odds 0, 0.405 and 2.197: 96, 99 and 113 eighths above -12, after the bin below it
    assert cat == {97: 2, 100: 1, 114: 1}
    assert made.counts[1, 0] == made.counts[1, -1] == 1  # 0 and 1 lie in the open bins
    assert made.pictures == 4
    np.testing.assert_allclose(made.mean_scores, [0.625, 0.35])
    np.testing.assert_array_equal(made.prevalence, [0.5, 0])  # at or above; never


def test_another_threshold_counts_whole_bins_and_its_share_of_its_own() -> None:
    edge = float(sigmoid(np.array(1.0)))
    moved = reference().at(np.array([edge, 0.3], np.float32))
    np.testing.assert_allclose(moved.prevalence, [0.25, 0.25], atol=1e-6)
    middle = float(sigmoid(np.array(1 / 16)))  # of the bin that holds the two scores of 0.5
    assert reference().at(np.array([middle, 0.3])).prevalence[0] == pytest.approx(0.75)
    # the threshold at which pictures were counted is remembered exactly
    np.testing.assert_array_equal(reference().at(THRESHOLDS).prevalence, [0.5, 0])
    assert reference().at(np.array([np.inf, 0.0])).prevalence.tolist() == [0, 1]
    assert reference().at(np.array([1.5, -np.inf])).prevalence.tolist() == [0, 1]


def test_any_threshold_is_within_a_bin_of_the_truth() -> None:
    draws = np.random.default_rng(0)
    scores = sigmoid(draws.normal(-2, 2, (4000, 2))).astype(np.float32)
    made = ScoreReference.of(scores, THRESHOLDS, CLASSES)
    for threshold in (0.01, 0.1, 0.33, 0.5, 0.77, 0.98):
        found = made.at(np.full(2, threshold, np.float32)).prevalence
        np.testing.assert_allclose(found, (scores >= np.float32(threshold)).mean(axis=0), atol=6e-3)


def test_a_file_keeps_everything_and_the_same_bytes(tmp_path: Path) -> None:
    made, first, second = reference(), tmp_path / "a.npz", tmp_path / "b.npz"
    made.write(first)
    read = ScoreReference.read(first, CLASSES)
    read.write(second)
    assert first.read_bytes() == second.read_bytes()
    for name in ("counts", "mean_scores", "thresholds", "prevalence"):
        np.testing.assert_array_equal(getattr(read, name), getattr(made, name))
    assert (read.classes, read.seen, read.pictures) == (CLASSES, "all", 4)


@pytest.mark.parametrize(("classes", "limit"), [(80, 40_000), (1000, 500_000)])
def test_a_file_is_small(classes: int, limit: int, tmp_path: Path) -> None:
    draws = np.random.default_rng(1)
    many = sigmoid(draws.normal(-5, 2.5, (2000, classes))).astype(np.float32)
    names = ClassList(tuple(f"class number {i}" for i in range(classes)))
    made = ScoreReference.of(many, np.full(classes, 0.5, np.float32), names)
    made = ScoreReference(  # as of 200,000 pictures, whose counts are larger and as uneven
        names, made.counts * 100 + draws.integers(1, 2, made.counts.shape), made.mean_scores,
        made.thresholds, made.prevalence,
    )  # fmt: skip
    made.write(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").stat().st_size < limit


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        (np.zeros((0, 2)), "N >= 1"),
        (np.zeros((3, 1)), r"expected \(N, 2\)"),
        (np.full((1, 2), np.nan), "NaN or outside 0 to 1"),
        (np.full((1, 2), 1.5), "NaN or outside 0 to 1"),
    ],
)
def test_what_are_no_scores_is_refused(scores: np.ndarray, says: str) -> None:
    with pytest.raises(CdulEdgeError, match=says):
        ScoreReference.of(scores, THRESHOLDS, CLASSES)


def _damage(file: Path, **changed: object) -> None:
    reference().write(file)
    with np.load(file) as arrays:
        content = dict(arrays)
    np.savez(file, **{**content, **changed})


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"classes": np.array(["cat", "cow"])}, "of other classes"),
        ({"seen": np.array("some")}, "seen is 'some'"),
        ({"counts": np.full((2, BINS), -1)}, "counts are int64"),
        ({"counts": np.zeros((2, BINS), np.uint8)}, "different pictures, or none"),
        ({"counts": np.ones((2, 5), np.uint8)}, "expected (2, 194)"),
        ({"prevalence": np.array([0.5, 1.5])}, "between 0 and 1"),
        ({"mean_scores": np.array(["a", "b"])}, "not a readable histogram"),
    ],
)
def test_a_damaged_file_is_named(changed: dict[str, object], says: str, tmp_path: Path) -> None:
    file = tmp_path / "damaged.npz"
    _damage(file, **changed)
    with pytest.raises(BundleError) as caught:
        ScoreReference.read(file, CLASSES)
    assert says in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_file_that_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"nothing")
    with pytest.raises(BundleError, match="not a readable histogram"):
        ScoreReference.read(tmp_path / "x.npz", CLASSES)


def test_a_bundle_of_an_earlier_version_has_none(bundle: Path) -> None:
    assert SCORE_REFERENCE not in Bundle.load(bundle).manifest.files
    assert Bundle.load(bundle).score_reference() is None
