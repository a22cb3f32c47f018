import json
from pathlib import Path

import numpy as np
import pytest

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.threshold_values import thresholds_from_json, thresholds_to_json
from cdul_edge_runtime.bundle.thresholds import (
    UNLABELED_RULES,
    expected_f1_thresholds,
    hard_prevalence,
    order_shares,
    otsu_thresholds,
    prevalence_thresholds,
    read_shares,
    read_thresholds,
    same_threshold,
    thresholds_for_new_pictures,
    unlabeled_thresholds,
    write_thresholds,
)
from cdul_edge_runtime.errors import CdulEdgeError


def test_prevalence_counts_what_the_pseudo_labels_call_positive() -> None:
    labels = np.array([[0.5, 0.1], [0.49, 0.2], [0.9, 0.3], [0.1, 0.4]], np.float32)
    np.testing.assert_array_equal(hard_prevalence(labels), [0.5, 0.0])


def test_each_class_is_predicted_as_often_as_expected() -> None:
    scores = np.array([[0.1, 5.0], [0.4, 6.0], [0.3, 7.0], [0.2, 8.0]])
    thresholds = prevalence_thresholds(scores, np.array([0.5, 0.25]))
    np.testing.assert_allclose(thresholds, [0.3, 8.0])
    np.testing.assert_array_equal((scores.astype(np.float32) >= thresholds).sum(axis=0), [2, 1])


def test_a_part_of_a_picture_rounds_up_but_no_rounding_error_does() -> None:
    scores = np.arange(100, 0, -1, dtype=np.float64)[:, None]
    assert prevalence_thresholds(scores, np.array([0.07]))[0] == 94  # the 7th largest
    assert prevalence_thresholds(scores, np.array([0.071]))[0] == 93  # the 8th


def test_a_class_that_is_never_expected_is_never_predicted() -> None:
    thresholds = prevalence_thresholds(np.array([[0.9, 0.9]]), np.array([0.0, 1.0]))
    assert np.isinf(thresholds[0])
    np.testing.assert_allclose(thresholds[1], 0.9)


def test_a_monotone_rescaling_of_the_scores_changes_no_decision() -> None:
    generator = np.random.default_rng(0)
    scores = generator.random((50, 3))
    prevalence = np.array([0.1, 0.33, 0.8])
    before = scores.astype(np.float32) >= prevalence_thresholds(scores, prevalence)
    stretched = np.exp(3 * scores)
    after = stretched.astype(np.float32) >= prevalence_thresholds(stretched, prevalence)
    np.testing.assert_array_equal(before, after)


def test_new_pictures_get_a_threshold_halfway_between_counting_and_the_f1_to_be_expected() -> None:
    scores = np.array([[0.8], [0.6], [0.4], [0.2]])  # which add up to the two that are expected
    assert prevalence_thresholds(scores, np.array([0.5]))[0] == np.float32(0.6)
    # 2 x 0.8 / (1 + 2) = 0.53, 2 x 1.4 / (2 + 2) = 0.70, 2 x 1.8 / (3 + 2) = 0.72, 4 / 6 = 0.67
    assert expected_f1_thresholds(scores)[0] == np.float32(0.4)
    found = thresholds_for_new_pictures(scores, np.array([0.5]))
    np.testing.assert_allclose(found, 0.5)  # log odds 0, between 0.405 and -0.405


def test_scores_that_add_up_to_something_else_give_the_same_decisions_on_new_pictures() -> None:
    odds = np.random.default_rng(3).normal(-1, 2, (80, 3))
    prevalence = np.array([0.1, 0.3, 0.6])
    decisions = []
    for moved in (odds, odds + 3, odds - np.array([1, 2, 4])):
        scores = (1 / (1 + np.exp(-moved))).astype(np.float32)
        decisions.append(scores >= thresholds_for_new_pictures(scores, prevalence))
    np.testing.assert_array_equal(decisions[0], decisions[1])
    np.testing.assert_array_equal(decisions[0], decisions[2])
    assert (decisions[0].mean(axis=0) >= prevalence).all()


def test_new_pictures_are_never_given_a_class_that_is_never_expected() -> None:
    scores = np.array([[0.9, 0.0, 1.0], [0.3, 0.0, 1.0]], np.float32)
    found = thresholds_for_new_pictures(scores, np.array([0.0, 0.5, 1.0]))
    assert np.isinf(found[0])
    assert found[1] <= 1e-6  # all alike: all or none
    assert 0.99 < found[2] <= 1


def test_infinity_survives_json() -> None:
    thresholds = np.array([0.25, np.inf], np.float32)
    text = json.dumps(thresholds_to_json(thresholds), allow_nan=False)
    assert text == "[0.25, null]"
    np.testing.assert_array_equal(thresholds_from_json(json.loads(text)), thresholds)


def test_a_file_of_thresholds_is_read_by_class_name(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    file.write_text('{"dog": null, "cat": 0.25}')
    thresholds = read_thresholds(file, ClassList(("cat", "dog")))
    np.testing.assert_array_equal(thresholds, [0.25, np.inf])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[0.5, 0.5]", "expected a JSON object"),
        ('{"cat": 0.5}', "no class 'dog'"),
        ('{"cat": 0.5, "dog": 0.5, "cow": 0.5}', "unknown class 'cow'"),
        ('{"cat": 1.5, "dog": true}', "1.5 for 'cat'; True for 'dog'"),
    ],
)
def test_a_faulty_file_of_thresholds_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "t.json"
    file.write_text(text)
    with pytest.raises(CdulEdgeError, match=message):
        read_thresholds(file, ClassList(("cat", "dog")))


def test_one_threshold_serves_every_class() -> None:
    two = ClassList(("cat", "dog"))
    assert same_threshold(0.5, two).tolist() == [0.5, 0.5]
    with pytest.raises(CdulEdgeError, match="expected a score"):
        same_threshold(1.01, two)


def test_reading_a_file_of_thresholds_undoes_writing_it(tmp_path: Path) -> None:
    thresholds = np.array([0.1, np.inf, 1.0], np.float32)
    classes = ClassList(("cat", "ünïcode", "dog"))
    write_thresholds(tmp_path / "t.json", thresholds, classes)
    turned = ClassList(("dog", "cat", "ünïcode"))
    np.testing.assert_array_equal(
        read_thresholds(tmp_path / "t.json", turned), thresholds[[2, 0, 1]]
    )


def test_expected_f1_takes_pictures_as_long_as_they_are_likelier_than_half_the_best_f1() -> None:
    # sum 2: F1 of the first n is 2 * 0.9 / 3 = 0.6, 2 * 1.7 / 4 = 0.85, 2 * 1.9 / 5 = 0.76
    scores = np.array([[0.2], [0.9], [0.1], [0.8]])
    assert expected_f1_thresholds(scores) == pytest.approx([0.8])
    # sum 1.5: 2 * 0.5 / 2.5 = 0.4, 0.57, 0.67: all three tie at the one threshold there is
    assert expected_f1_thresholds(np.full((3, 1), 0.5)) == pytest.approx([0.5])
    assert np.isinf(expected_f1_thresholds(np.zeros((3, 2)))).all()


def test_otsu_splits_where_the_two_groups_are_tightest() -> None:
    scores = np.array([[0.1, 3.0], [0.2, 3.0], [0.8, 3.0], [0.9, 3.0], [0.7, 3.0]])
    found = otsu_thresholds(scores)
    assert found[0] == pytest.approx(0.7)
    assert np.isinf(found[1])
    # 0, 0 | 1: variance 0 within, whatever ties
    assert otsu_thresholds(np.array([[0.0], [1.0], [0.0]])) == pytest.approx([1.0])


@pytest.mark.parametrize("rule", UNLABELED_RULES)
def test_a_rule_needs_no_order_of_pictures_or_classes(rule: str) -> None:
    generator = np.random.default_rng(1)
    scores = generator.random((40, 3)).astype(np.float32) ** 3
    found = unlabeled_thresholds(scores, rule)
    turned = unlabeled_thresholds(scores[::-1, ::-1], rule)
    np.testing.assert_allclose(turned[::-1], found, rtol=1e-6)


def test_rules_by_name() -> None:
    scores = np.array([[0.9], [0.6], [0.2], [0.1]], np.float32)
    expected = {
        "hard-prevalence": 0.6,  # two reach 0.5
        "soft-prevalence": 0.6,  # the mean is 0.45: ceil(1.8) pictures
        "expected-f1": 0.6,  # 2 * 1.5 / 3.8 against 1.8 / 2.8 and 3.4 / 4.8
        "otsu": 0.6,
        "fixed": 0.5,
    }
    for rule, threshold in expected.items():
        assert unlabeled_thresholds(scores, rule) == pytest.approx([threshold]), rule


def test_shares_are_read_in_the_order_of_the_classes(tmp_path: Path) -> None:
    file = tmp_path / "shares.json"
    file.write_text('{"dog": 0.5, "cat": 0}')
    classes = ClassList(("cat", "dog"))
    np.testing.assert_array_equal(order_shares(read_shares(file), classes, file), [0, 0.5])
    with pytest.raises(CdulEdgeError, match="no class 'cow'; unknown class 'dog'"):
        order_shares(read_shares(file), ClassList(("cat", "cow")), file)
    file.write_text('{"dog": null, "cat": 1.5}')
    with pytest.raises(CdulEdgeError, match=r"None for 'dog'; 1.5 for 'cat'"):
        read_shares(file)
    file.write_text("[0.5]")
    with pytest.raises(CdulEdgeError, match=r"expected a JSON object \{class: share of"):
        read_shares(file)
