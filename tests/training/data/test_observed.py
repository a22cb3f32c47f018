"""Labels that people gave to a run, and what a simulation may reveal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.data.observed import (
    ObservedLabels,
    Simulation,
    open_observed,
    parse_simulation,
    simulate,
)
from cdul_edge.training.request import ObservedOptions
from cdul_edge.training.run_folder import RunConfig
from cdul_edge_runtime.errors import CdulEdgeError
from tests.training.conftest import Train


def make_truth(count: int = 400) -> tuple[npt.NDArray[np.int8], tuple[str, ...]]:
    """Of ten classes a third each present, absent and unknown."""
    truth = np.random.default_rng(0).integers(-1, 2, (count, 10)).astype(np.int8)
    return truth, tuple(f"{index}.jpg" for index in range(count))


KINDS = [
    "single-positive", "single-positive=50%", "10%", "0.5", "positives=30%", "pictures=30%", "100%"
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_revealed_agrees_with_the_truth(kind: str) -> None:
    truth, paths = make_truth()
    seen = simulate(truth, kind, seed=3, paths=paths)
    assert seen.dtype == np.int8
    assert (truth[seen == 1] == 1).all()
    assert (truth[seen == -1] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_order_and_subset_of_the_pictures_do_not_matter(kind: str) -> None:
    truth, paths = make_truth()
    seen = simulate(truth, kind, seed=3, paths=paths)
    chosen = np.random.default_rng(1).permutation(len(paths))[:150]
    again = simulate(truth[chosen], kind, seed=3, paths=[paths[i] for i in chosen])
    assert np.array_equal(again, seen[chosen])


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_another_seed_reveals_others(kind: str) -> None:
    truth, paths = make_truth()
    one, other = (simulate(truth, kind, seed=seed, paths=paths) for seed in (0, 1))
    assert not np.array_equal(one, other)


def test_exactly_one_positive_a_picture_each_as_likely() -> None:
    truth, paths = make_truth(3000)
    truth[0] = [0, -1] * 5
    truth[1:2001] = [1, 0, 1, 1, 0, -1, 0, 1, 0, 0]
    seen = simulate(truth, "single-positive", seed=0, paths=paths)
    assert (seen >= 0).all()
    assert np.array_equal(seen.sum(axis=1), (truth == 1).any(axis=1))
    shares = seen[1:2001, [0, 2, 3, 7]].mean(axis=0)
    # 2000 draws of one in four: a standard deviation is 0.0097.
    np.testing.assert_allclose(shares, 0.25, atol=0.04)


@pytest.mark.parametrize(("kind", "share"), [("10%", 0.1), ("0.5", 0.5)])
def test_a_share_reveals_positives_and_negatives_alike(kind: str, share: float) -> None:
    truth, paths = make_truth(3000)
    seen = simulate(truth, kind, seed=0, paths=paths)
    # 10,000 entries each: a standard deviation is at most 0.005.
    assert float((seen[truth == 1] == 1).mean()) == pytest.approx(share, abs=0.02)
    assert float((seen[truth == 0] == -1).mean()) == pytest.approx(share, abs=0.02)
    assert not seen[truth == -1].any()


def test_positives_alone_are_revealed_where_that_is_asked() -> None:
    truth, paths = make_truth(3000)
    seen = simulate(truth, "positives=30%", seed=0, paths=paths)
    assert float((seen[truth == 1] == 1).mean()) == pytest.approx(0.3, abs=0.02)
    assert (seen >= 0).all()


def test_one_positive_of_half_of_the_pictures_is_the_one_of_all_of_them() -> None:
    truth, paths = make_truth(3000)
    every, half, more = (
        simulate(truth, f"single-positive{share}", seed=0, paths=paths)
        for share in ("", "=50%", "=60%")
    )
    shown = np.asarray(half.any(axis=1))
    # of 3000 pictures: a standard deviation is 0.009
    assert float(shown[every.any(axis=1)].mean()) == pytest.approx(0.5, abs=0.04)
    assert np.array_equal(half[shown], every[shown])
    assert np.array_equal(more[shown], half[shown])


def test_pictures_are_revealed_whole_or_not_at_all() -> None:
    truth, paths = make_truth(3000)
    seen = simulate(truth, "pictures=30%", seed=0, paths=paths)
    shown = np.asarray(seen.any(axis=1))
    assert float(shown.mean()) == pytest.approx(0.3, abs=0.04)
    assert np.array_equal(seen[shown] != 0, truth[shown] >= 0)


def test_the_positives_of_a_share_are_those_of_positives_alone() -> None:
    truth, paths = make_truth()
    both, alone = (simulate(truth, f"{k}=30%", seed=0, paths=paths) for k in ("known", "positives"))
    assert np.array_equal(alone, both.clip(min=0))
    assert np.array_equal(both, simulate(truth, "30%", seed=0, paths=paths))


def test_all_of_the_truth_is_all_of_it() -> None:
    truth, paths = make_truth()
    everything = np.where(truth < 0, 0, np.where(truth == 1, 1, -1))
    assert np.array_equal(simulate(truth, "100%", seed=0, paths=paths), everything)


def test_a_larger_share_shows_what_a_smaller_one_does() -> None:
    truth, paths = make_truth()
    few, many = (simulate(truth, kind, seed=0, paths=paths) for kind in ("10%", "50%"))
    assert np.array_equal(many[few != 0], few[few != 0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("single-positive", Simulation("one positive", 1.0)),
        ("10%", Simulation("entries", 0.1)),
        ("0.25", Simulation("entries", 0.25)),
        ("known=10%", Simulation("entries", 0.1)),
        ("positives=30%", Simulation("positives", 0.3)),
        ("pictures=0.5", Simulation("pictures", 0.5)),
        ("single-positive=50%", Simulation("one positive", 0.5)),
    ],
)
def test_kinds_are_read(text: str, expected: Simulation) -> None:
    assert parse_simulation(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "0%",
        "-5%",
        "nan",
        "some",
        "=10%",
        "positives=",
        "negatives=10%",
        "110%",
        "single-positive=",
    ],
)
def test_other_kinds_are_refused(text: str) -> None:
    with pytest.raises(CdulEdgeError, match="expected single-positive, a share of all labels"):
        parse_simulation(text)


def test_a_truth_that_reveals_nothing_is_refused() -> None:
    with pytest.raises(CdulEdgeError, match="reveals nothing of this truth"):
        simulate(np.zeros((2, 3), np.int8), "single-positive", seed=0, paths=("a", "b"))


def test_labels_of_some_pictures_are_counted_among_those_and_refused_where_there_are_none() -> None:
    every = ObservedLabels(np.array([[1, 0], [0, -1], [0, 0]], np.int8), "seen.csv", alone=True)
    some = every.take(np.array([2, 0]))
    assert some.values.tolist() == [[0, 0], [1, 0]]
    assert some.source == "seen.csv: 1 present, 0 absent, of 4 labels, without pseudo-labels"
    with pytest.raises(CdulEdgeError, match=r"seen\.csv: nothing is known of the 1 picture\(s\)"):
        every.take(np.array([2]))


def test_two_sources_or_no_truth_are_refused() -> None:
    with pytest.raises(CdulEdgeError, match="--observed and --simulate exclude each other"):
        ObservedOptions((Path("a.csv"),), "10%", Path("t.csv"))
    with pytest.raises(CdulEdgeError, match=r"--simulate 10% draws from .*: give --train-truth"):
        ObservedOptions((), "10%")


def test_a_run_keeps_what_was_seen_and_says_where_it_came_from(
    train: Train, squares: Any, tmp_path: Path
) -> None:
    options = ObservedOptions(simulate="50%", truth=squares.truth)
    found = open_observed(options, PseudoLabels.read(squares.labels), seed=5)
    assert found is not None
    seen = found.values
    present, absent = int((seen > 0).sum()), int((seen < 0).sum())
    assert found.source == (
        f"50% of {squares.truth}, simulated with seed 5: {present} present, {absent} absent, "
        "of 36 labels"
    )
    train(tmp_path / "run", observed=options, seed=5, method="an", epochs=1)
    config = RunConfig.read(tmp_path / "run")
    assert config.observed_from == found.source
    assert config.observed_sha256
    refined = PseudoLabels.read(tmp_path / "run" / "pseudo_labels_refined.parquet").scores
    assert (refined[seen > 0] == 1).all()
    assert (refined[seen < 0] == 0).all()
    with pytest.raises(CdulEdgeError, match="holds a run of other settings: observed labels"):
        train(tmp_path / "run", seed=5, method="an", epochs=1)


def test_no_option_observes_nothing(squares: Any) -> None:
    options = ObservedOptions(truth=squares.truth)
    assert open_observed(options, PseudoLabels.read(squares.labels), seed=0) is None
