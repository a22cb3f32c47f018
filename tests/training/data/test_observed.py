"""Labels that people gave: three forms in, one table out; and what a simulation may reveal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge.labels.observed import read_observed
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
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from tests.training.conftest import Train

PATHS = ("a/1.jpg", "a/2.jpg", "b/3.jpg")
CLASSES = ClassList(("cat", "traffic light", "dog"))
Read = Callable[[str], list[list[int]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The observed labels of a CSV with this text."""

    def of(text: str) -> list[list[int]]:
        file = tmp_path / "seen.csv"
        file.write_text(text, encoding="utf-8")
        found: list[list[int]] = read_observed(file, PATHS, CLASSES).tolist()
        return found

    return of


def test_multi_hot_rows_and_columns_may_come_in_any_order(read: Read) -> None:
    found = read("Dog,image_path,cat\n0,b/3.jpg,1\n,a/1.jpg,-1\n1,2,0\n")
    assert found == [[0, 0, 0], [-1, 0, 1], [1, 0, -1]]


def test_named_classes_are_there_and_those_with_a_hyphen_are_not(read: Read) -> None:
    text = 'image_path,label\n1.jpg,"cat, -dog"\na/2.jpg,-traffic_light\nb/3.jpg,\n'
    assert read(text) == [[1, 0, -1], [0, -1, 0], [0, 0, 0]]


def test_a_picture_may_have_several_rows(read: Read) -> None:
    text = "image_path,label\n1.jpg,cat\n1.jpg,-dog\n1.jpg,cat\n"
    assert read(text) == [[1, 0, -1], [0, 0, 0], [0, 0, 0]]
    assert read("image_path,cat,dog\n1.jpg,1,\n1.jpg,1,0\n")[0] == [1, 0, -1]


def test_npz_has_the_values_of_truth(tmp_path: Path) -> None:
    labels = np.array([[1, -1], [0, 1]], dtype=np.int8)
    np.savez(tmp_path / "s.npz", names=["2", "3"], classes=["dog", "cat"], labels=labels)
    found = read_observed(tmp_path / "s.npz", PATHS, CLASSES)
    assert found.tolist() == [[0, 0, 0], [0, 0, 1], [1, 0, -1]]
    assert found.dtype == np.int8


def test_a_class_whose_name_begins_with_a_hyphen_is_itself(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text('image_path,label\n1.jpg,"-18, -adult"\n')
    found = read_observed(tmp_path / "s.csv", PATHS, ClassList(("-18", "adult")))
    assert found[0].tolist() == [1, -1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_path,label\n9.jpg,cat\n8.jpg,dog\n", r"2 picture\(s\) that are not among the 3"),
        (
            "image_path,label\n1.jpg,cow\n",
            "names 'cow', which is no class of the labels: their 3 classes include cat",
        ),
        ("image_path,label\n1.jpg,-cow\n", "names 'cow', which is no class"),
        ("image_path,cow,pig\n1.jpg,1,0\n", "names 'cow', 'pig', which are no classes"),
        ('image_path,label\n1.jpg,"cat,-cat"\n', r"1 label\(s\): 'cat' is both there and not th"),
        ("image_path,cat\n1.jpg,1\n1.jpg,0\n", r"'cat' is both there and not there in 'a/1.jpg'"),
        ("image_path,cat,CAT\n1.jpg,1,0\n", "contradicts itself"),
        ("image_path,cat\n1.jpg,\n2.jpg,-1\n", "nothing is known in it"),
        ("image_path,label\n", "nothing is known in it"),
        ("image_path,cat\n1.jpg,2\n", "row 2 holds '2', expected 1"),
        ("picture,cat\n1.jpg,2\n", "begins with 'picture,cat'"),
        ("image_path,cat\n1.jpg,1\na/1.jpg,1\n", "both fit one picture of the label file"),
    ],
)
def test_a_faulty_file_is_one_line(read: Read, text: str, message: str) -> None:
    with pytest.raises(CdulEdgeError, match=rf"seen\.csv.*{message}") as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_a_name_that_fits_two_labelled_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("image_path,label\n1.jpg,cat\n")
    with pytest.raises(CdulEdgeError, match=r"the label file has several pictures for '1\.jpg'"):
        read_observed(tmp_path / "s.csv", ("a/1.jpg", "b/1.jpg"), CLASSES)


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.csv", "are not a file: check the path"), ("seen.json", r"expected \.csv or \.npz")],
)
def test_no_file_and_another_kind_are_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "seen.json").write_text("{}")
    with pytest.raises(CdulEdgeError, match=message):
        read_observed(tmp_path / name, PATHS, CLASSES)


def test_an_npz_of_other_shapes_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", names=["1"], classes=["cat"], labels=np.ones((2, 1), np.int8))
    with pytest.raises(CdulEdgeError, match=r"1 names and 1 classes do not fit labels \(2, 1\)"):
        read_observed(tmp_path / "s.npz", PATHS, CLASSES)


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
        ObservedOptions(Path("a.csv"), "10%", Path("t.csv"))
    with pytest.raises(CdulEdgeError, match=r"--simulate 10% draws from .*: give --train-truth"):
        ObservedOptions(None, "10%")


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
