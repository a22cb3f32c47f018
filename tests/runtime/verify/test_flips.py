from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np

from cdul_edge_runtime.verify.flips import MOST_FLIPS, list_flips

NAMES = (["a.jpg", "b.jpg"], ["cat", "dog"])
THRESHOLDS = np.array([0.5, 0.25], np.float32)


def test_those_that_moved_most_come_first_with_what_decided_them() -> None:
    before = np.array([[0.75, 0.125], [0.25, 0.5]], np.float32)
    after = np.array([[0.25, 0.375], [0.25, 0.0]], np.float32)
    flipped = (before >= THRESHOLDS) != (after >= THRESHOLDS)
    first, second, third = list_flips(after, before, flipped, THRESHOLDS, names=NAMES)
    # cat on a and dog on b moved by 0.5 (the order of the pictures decides), dog on a by 0.25
    assert (first.picture, first.label) == ("a.jpg", "cat")
    assert (first.reference, first.score, first.threshold) == (0.75, 0.25, 0.5)
    assert (second.picture, second.label, second.score) == ("b.jpg", "dog", 0.0)
    assert (third.picture, third.label, third.reference) == ("a.jpg", "dog", 0.125)


def test_a_score_that_is_no_number_moved_farthest_and_json_can_hold_it() -> None:
    before = np.array([[0.75, 0.5], [0.25, 0.0]], np.float32)
    after = np.array([[0.0, np.nan], [0.25, np.inf]], np.float32)
    thresholds = np.array([0.5, np.inf], np.float32)
    flips = list_flips(after, before, np.ones((2, 2), bool), thresholds, names=NAMES)
    assert [flip.score for flip in flips[:2]] == [None, None]
    assert flips[0].threshold is None
    json.dumps([asdict(flip) for flip in flips], allow_nan=False)


def test_no_more_than_anyone_reads_are_listed() -> None:
    many = MOST_FLIPS + 3
    before = np.zeros((many, 1), np.float32)
    after = np.linspace(0.5, 1, many, dtype=np.float32)[:, None]
    names = ([f"{number}.jpg" for number in range(many)], ["cat"])
    flips = list_flips(after, before, after > 0, np.array([0.5], np.float32), names=names)
    assert len(flips) == MOST_FLIPS
    assert flips[0].picture == f"{many - 1}.jpg"
