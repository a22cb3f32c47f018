"""Statistics of a set that take its biases out, by hand and by their laws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cdul_edge.labelling.arrays import softmax
from cdul_edge.labelling.score.aggregation import Aggregation
from cdul_edge.labelling.score.debias import (
    center_classes,
    fit_ridge,
    measure_columns,
    measure_top1_bias,
    standardize_rows_and_columns,
)
from cdul_edge.labelling.score.set_statistics import ReadParts, gather_views
from cdul_edge.labelling.store.parts import Part
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge.labels.settings import Snippets

COSINES = np.random.default_rng(0).normal(0.2, 0.03, (30, 5, 4)) + np.array([0.05, 0.0, -0.02, 0.0])


def parts(cosines: Any, size: int = 8) -> ReadParts:
    def read() -> Iterator[Part]:
        for start in range(0, len(cosines), size):
            values = cosines[start : start + size].astype(np.float32)
            names = (f"{start + i}" for i in range(len(values)))
            yield Part(tuple(map(StoredPicture, names)), values)

    return read


def test_columns_by_hand() -> None:
    # two pictures, one snippet: (0.3, 0.1) is (0.1, -0.1) about its mean
    cosines = np.array([[[0.3, 0.1], [0.2, 0.2]], [[0.1, 0.5], [0.6, 0.2]]])
    found = measure_columns(parts(cosines), "all")
    assert found.mean == pytest.approx(np.array([[-0.05, 0.05], [0.1, -0.1]]))
    assert found.spread == pytest.approx(np.array([[0.15, 0.15], [0.1, 0.1]]), abs=1e-6)
    assert found.temperature == pytest.approx(0.15, abs=1e-6)


@pytest.mark.parametrize("snippets", ["all", "extremes"])
def test_centered_classes_have_the_mean_zero_in_every_kind_of_view(snippets: Snippets) -> None:
    cosines = COSINES if snippets == "all" else COSINES[:, :3]
    read = parts(cosines)
    centered = center_classes(cosines, measure_columns(read, snippets))
    centered = centered - centered.mean(axis=2, keepdims=True)
    assert centered[:, 0].mean(axis=0) == pytest.approx(0, abs=1e-6)
    kinds = [centered[:, 1:]] if snippets == "all" else [centered[:, 1:2], centered[:, 2:]]
    for views in kinds:
        assert views.mean(axis=(0, 1)) == pytest.approx(0, abs=1e-6)


def test_a_favored_class_loses_its_advantage_by_centering() -> None:
    favored = COSINES.copy()
    favored[:, :, 2] += 0.5
    both = [
        Aggregation(0.01).scores(center_classes(c, measure_columns(parts(c), "all")), "all")
        for c in (COSINES, favored)
    ]
    assert both[0] == pytest.approx(both[1], abs=1e-4)


def test_rows_then_columns_are_standardized_and_keep_their_unit() -> None:
    read = parts(COSINES)
    columns = measure_columns(read, "all", rows=True)
    made = standardize_rows_and_columns(COSINES, columns, 0.03)
    assert made[:, 0].mean(axis=0) == pytest.approx(0, abs=1e-6)
    assert made[:, 0].std(axis=0) == pytest.approx(0.03, rel=1e-4)
    assert made[:, 1:].std(axis=(0, 1)) == pytest.approx(0.03, rel=1e-4)
    # a picture twice as contrasty, and a brighter one, are the same picture
    scaled = COSINES.copy()
    scaled[3] = 0.1 + 2 * scaled[3]
    again = parts(scaled)
    columns = measure_columns(again, "all", rows=True)
    other = standardize_rows_and_columns(scaled, columns, 0.03)
    assert other == pytest.approx(made, abs=1e-5)


def test_top1_bias_by_hand() -> None:
    # softmax (3/4, 1/4), (1/4, 3/4), and (9/10, 1/10): class 0 is first at 0.75 and 0.9
    odds = np.log([[3.0, 1.0], [1.0, 3.0], [9.0, 1.0]])
    found = measure_top1_bias(odds, 1.0)
    # the entropies of the first two, 0.81 bits, are above 2/3: only the third counts
    assert found[0] == pytest.approx(0.9)
    assert found[1] == pytest.approx(0.9)  # class 1 never comes first: the others' mean
    sharp = measure_top1_bias(odds * 2, 1.0)
    # squared odds: 9/10, 9/10, 81/82
    assert sharp == pytest.approx([(0.9 + 81 / 82) / 2, 0.9])


def test_top1_bias_changes_nothing_where_no_picture_is_clear() -> None:
    assert (measure_top1_bias(np.zeros((5, 4)), 1.0) == 1).all()


def test_a_ridge_on_the_cosines_repairs_one_wrong_score() -> None:
    drawn = np.random.default_rng(1).normal(0.2, 0.03, (200, 1, 3))
    cosines = np.repeat(drawn, 3, axis=1)
    views = gather_views(parts(cosines), 200, Aggregation(0.05, "global"), "all", 1.0)
    row = int(views.plain[:, 0].argmax())
    true = float(views.plain[row, 0])
    views.plain[row, 0] = 0.0
    assert fit_ridge(views)[1][row, 0] > 0.35 * true
    # where nothing regresses, the mean of the class is left
    flat = gather_views(
        parts(np.full((20, 3, 3), 0.2)), 20, Aggregation(0.05, "global"), "all", 1.0
    )
    assert fit_ridge(flat)[1] == pytest.approx(np.full((20, 3), 1 / 3))


@pytest.mark.parametrize("debias", ["center", "sparc"])
def test_constant_cosines_give_no_nan(debias: str) -> None:
    flat = np.full((12, 3, 4), 0.2)
    columns = measure_columns(parts(flat), "all", rows=debias == "sparc")
    values = (
        center_classes(flat, columns)
        if debias == "center"
        else standardize_rows_and_columns(flat, columns, columns.temperature)
    )
    assert np.isfinite(values).all()
    assert softmax(values[:, 0], columns.temperature) == pytest.approx(np.full((12, 4), 0.25))
