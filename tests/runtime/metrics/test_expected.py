"""What scores promise, against labels drawn from them."""

from __future__ import annotations

import numpy as np
import pytest

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.doubt import CALIBRATED, LABELS_DOUBT, Doubt
from cdul_edge_runtime.metrics.expected import Expectation, Floats, expect_metrics
from cdul_edge_runtime.metrics.metrics import evaluate_scores

PAIR = ClassList(("cat", "dog"))
HALF = np.full(2, 0.5)


def holds(expected: Expectation, figure: float) -> bool:
    return expected.low - 1e-9 <= figure <= expected.high + 1e-9


def logit(scores: Floats) -> Floats:
    return np.log(scores / (1 - scores))


def sigmoid(logits: Floats) -> Floats:
    return 1 / (1 + np.exp(-logits))


def draw_scores(generator: np.random.Generator, pictures: int, classes: int) -> Floats:
    """Mostly near 0, some near 1, as those of real classes are."""
    present = generator.random((pictures, classes)) < 0.2
    return sigmoid(generator.normal(np.where(present, 2.0, -3.0), 1.5))


def test_two_pictures_are_what_counting_all_labels_gives() -> None:
    # labels of the two, with their probability: 11 0.32, 10 0.48, 01 0.08, 00 0.12 (left out)
    scores = np.array([[0.8, 0.8], [0.4, 0.4]])
    found = expect_metrics(scores, PAIR, HALF, draws=40_000).classes["cat"]
    assert found.predicted == 1
    assert found.prevalence.value == pytest.approx(60)
    assert found.precision.value == pytest.approx(80)
    assert found.recall.value == pytest.approx(100 * (0.32 / 2 + 0.48) / 0.88, abs=0.7)
    assert found.f1.value == pytest.approx(100 * (0.32 * 2 / 3 + 0.48) / 0.88, abs=0.7)
    assert found.ap.value == pytest.approx(100 * (0.32 + 0.48 + 0.08 / 2) / 0.88, abs=0.7)
    assert (found.precision.low, found.precision.high) == (0, 100)


def test_certain_scores_leave_nothing_to_doubt() -> None:
    scores = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [1, 0]], np.float32)
    thresholds = np.array([0.5, 0.0])  # dog is said of every picture
    report = expect_metrics(scores, PAIR, thresholds)
    truth = evaluate_scores(scores, scores.astype(np.int8), PAIR, thresholds)
    dog = report.classes["dog"]
    assert dog.precision == dog.prevalence == Expectation(40, 40, 40)
    assert dog.f1.low == dog.f1.high == pytest.approx(200 * 2 / 7)
    assert report.macro_f1.value == pytest.approx(truth.macro_f1)
    assert report.map.value == pytest.approx(truth.map)


@pytest.mark.parametrize("pictures", [150, 800])
def test_the_interval_holds_the_figures_of_calibrated_scores_in_95_of_100_cases(
    pictures: int,
) -> None:
    generator = np.random.default_rng(1)
    classes = ClassList(tuple("abcde"))
    thresholds = np.array([0.5, 0.5, 0.3, 0.7, 0.5])
    held = []
    for _ in range(10):
        scores = draw_scores(generator, pictures, len(classes))
        report = expect_metrics(scores, classes, thresholds, draws=500)
        for _ in range(30):
            truth = (generator.random(scores.shape) < scores).astype(np.int8)
            found = evaluate_scores(scores, truth, classes, thresholds)
            right = ((scores >= thresholds) & (truth == 1)).sum(axis=0)
            named = (scores >= thresholds).sum(axis=0)
            for column, one in enumerate(report.classes.values()):
                f1 = 200 * right[column] / (named[column] + truth[:, column].sum())
                held.append(holds(one.f1, f1))
                held.append(holds(one.recall, 100 * right[column] / truth[:, column].sum()))
                held.append(holds(one.precision, 100 * right[column] / named[column]))
            held.append(holds(report.macro_f1, found.macro_f1))
            held.append(holds(report.map, found.map))
    assert len(held) == 10 * 30 * 17
    assert 0.92 <= np.mean(held) <= 0.98


def test_too_sure_scores_are_found_out_by_doubt_only() -> None:
    generator = np.random.default_rng(2)
    classes = ClassList(tuple("abcde"))
    thresholds = np.full(5, 0.5)
    gaps, believed, doubted = [], [], []
    for _ in range(10):
        scores = draw_scores(generator, 500, 5)
        # the classes' true log-odds are shallower, and shifted up or down
        likely = sigmoid(0.6 * logit(scores) + generator.normal(0, 1, 5))
        truth = (generator.random(scores.shape) < likely).astype(np.int8)
        macro = evaluate_scores(scores, truth, classes, thresholds).macro_f1
        naive = expect_metrics(scores, classes, thresholds, CALIBRATED, draws=100)
        wary = expect_metrics(scores, classes, thresholds, LABELS_DOUBT, draws=300)
        gaps.append(naive.macro_f1.value - macro)
        believed.append(holds(naive.macro_f1, macro))
        right = ((scores >= 0.5) & (truth == 1)).sum(axis=0)
        f1 = 200 * right / ((scores >= 0.5).sum(axis=0) + truth.sum(axis=0))
        doubted += [holds(one.f1, f1[c]) for c, one in enumerate(wary.classes.values())]
    assert np.mean(gaps) > 10  # points of macro F1 that the scores promise too much
    assert np.mean(believed) < 0.2
    assert np.mean(doubted) > 0.9


def test_a_slope_keeps_the_positives_that_the_scores_promise() -> None:
    scores = draw_scores(np.random.default_rng(3), 400, 2)
    report = expect_metrics(scores, PAIR, HALF, Doubt(slope=0.6, slope_spread=0.3))
    for column, one in enumerate(report.classes.values()):
        assert one.prevalence.value == pytest.approx(100 * scores[:, column].mean(), rel=1e-3)
        assert one.precision.value < 100 * scores[scores[:, column] >= 0.5, column].mean()


def test_a_common_doubt_does_not_average_out_over_the_classes() -> None:
    classes = ClassList(tuple("abcdefghij"))
    scores = draw_scores(np.random.default_rng(5), 400, 10)
    own, common = (
        expect_metrics(scores, classes, np.full(10, 0.5), doubt, draws=400)
        for doubt in (Doubt(slope_spread=0.4), Doubt(common_spread=0.4))
    )
    widths = [report.macro_f1.high - report.macro_f1.low for report in (own, common)]
    assert widths[1] > 1.5 * widths[0]
    of_class = [report.classes["a"].f1 for report in (own, common)]
    assert of_class[0].high - of_class[0].low == pytest.approx(
        of_class[1].high - of_class[1].low, rel=0.3
    )


def test_many_pictures_are_grouped_without_a_trace() -> None:
    scores = draw_scores(np.random.default_rng(4), 20_000, 2)
    report = expect_metrics(scores, PAIR, np.array([0.5, 0.2]))
    for column, (threshold, one) in enumerate(
        zip((0.5, 0.2), report.classes.values(), strict=True)
    ):
        named = scores[:, column] >= threshold
        right, all_ = scores[named, column].sum(), scores[:, column].sum()
        assert one.predicted == named.sum()
        assert one.precision.value == pytest.approx(100 * right / named.sum())
        assert one.f1.value == pytest.approx(200 * right / (named.sum() + all_), abs=0.1)
        assert one.recall.value == pytest.approx(100 * right / all_, abs=0.1)


def test_what_is_not_defined_is_null() -> None:
    scores = np.array([[0.0, 0.9], [0.0, 0.2]])
    report = expect_metrics(scores, PAIR, np.array([0.5, np.inf]))
    cat, dog = report.to_dict()["classes"].values()  # type: ignore[attr-defined]
    nothing = {"value": None, "low": None, "high": None}
    assert cat["precision"] == cat["recall"] == cat["f1"] == cat["ap"] == nothing
    assert cat["prevalence"] == {"value": 0, "low": 0, "high": 0}
    assert dog["precision"] == nothing
    assert dog["recall"]["value"] == dog["f1"]["value"] == 0


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.array([[1.5, 0.1]]), "only probabilities can be judged"),
        (np.array([[np.nan, 0.1]]), "only probabilities can be judged"),
        (np.zeros((0, 2)), "at least one picture"),
        (np.zeros((4, 3)), "do not fit 2 classes"),
    ],
)
def test_what_is_no_probability_is_refused(scores: Floats, message: str) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        expect_metrics(scores, PAIR, HALF)


def test_a_doubt_that_means_nothing_is_refused() -> None:
    with pytest.raises(CdulEdgeError, match="slope above 0"):
        Doubt(slope=0)
    with pytest.raises(CdulEdgeError, match="spreads of 0 or more"):
        Doubt(shift_spread=-1)
