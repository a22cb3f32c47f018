"""Per-class thresholds without labels, and files of thresholds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList, own_spelling
from cdul_edge_runtime.bundle.log_odds import find_shifts, log_odds, sigmoid
from cdul_edge_runtime.bundle.threshold_values import thresholds_from_json, thresholds_to_json
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.host.ownership import FileKind

Floats = npt.NDArray[np.floating[Any]]

DEFAULT_RULE = "hard-prevalence"
# Each needs scores only, and their kind of pictures.
UNLABELED_RULES = (DEFAULT_RULE, "soft-prevalence", "expected-f1", "otsu", "fixed")


def hard_prevalence(pseudo_labels: Floats) -> npt.NDArray[np.float64]:
    """Share of pictures that a class's pseudo-label calls positive, (N, C) -> (C,) in [0, 1]."""
    return np.asarray((pseudo_labels >= 0.5).mean(axis=0), dtype=np.float64)


def prevalence_thresholds(scores: Floats, prevalence: Floats) -> npt.NDArray[np.float32]:
    """Predict each class as often as its pseudo-labels do; no label is needed.

    The threshold of class c is the ceil(prevalence_c * N)-th largest score of that class, so the
    rule does not change under any monotone rescaling of a class's scores.

    Args:
        scores: (N, C) of unlabeled pictures of the same kind as those in use.
        prevalence: (C,) expected share of positives, in [0, 1].

    Returns:
        (C,) float32; +inf for a class with prevalence 0, which is then never predicted.
    """
    pictures = scores.shape[0]
    # The rounding guards ceil() against 0.07 * 100 = 7.000000000000001.
    wanted = np.ceil(np.round(np.asarray(prevalence, np.float64) * pictures, 6)).astype(int)
    ranked = -np.sort(-scores, axis=0)
    columns = np.arange(scores.shape[1])
    chosen = ranked[np.clip(wanted - 1, 0, pictures - 1), columns].astype(np.float32)
    return np.asarray(np.where(wanted > 0, chosen, np.inf), dtype=np.float32)


def expected_f1_thresholds(scores: Floats) -> npt.NDArray[np.float32]:
    """Thresholds of the largest F1 to be expected if the scores are probabilities.

    Of the n pictures with the largest scores q, q_1 + ... + q_n are expected to be positive, of all
    sum(q): F1 is 2 (q_1 + ... + q_n) / (n + sum(q)). Scores that are no probabilities mislead it.

    Args:
        scores: (N, C) in [0, 1].

    Returns:
        (C,) float32; +inf for a class whose scores are all 0.
    """
    ranked = -np.sort(-np.asarray(scores, np.float64), axis=0)
    count = np.arange(1, len(ranked) + 1)[:, None]
    expected = 2 * np.cumsum(ranked, axis=0) / (count + ranked.sum(axis=0))
    # a threshold takes all pictures that tie at it
    tied = np.vstack([ranked[:-1] == ranked[1:], np.zeros((1, ranked.shape[1]), bool)])
    best = np.where(tied, -1.0, expected).argmax(axis=0)
    chosen = ranked[best, np.arange(ranked.shape[1])]
    return np.where(chosen > 0, chosen, np.inf).astype(np.float32)


def thresholds_for_new_pictures(scores: Floats, prevalence: Floats) -> npt.NDArray[np.float32]:
    """Of a network for pictures that it was not trained on, from its scores of those that it was.

    A network knows its training pictures too well. To predict each class as often as expected
    (`prevalence_thresholds`) is then too strict for a class that it learns badly: there F1 asks for
    more positives than there are. The largest F1 to be expected (`expected_f1_thresholds`) asks for
    them, but takes scores for what they are worth on new pictures, and they are worth less.

    This is halfway between both, in log-odds. Before the second, each class's log-odds are moved so
    that its scores add up to what is expected, as those of some methods never do.

    Args:
        scores: (N, C) in [0, 1], of the training pictures.
        prevalence: (C,) expected share of positives, in [0, 1].

    Returns:
        (C,) float32; +inf for a class with prevalence 0.
    """
    share = np.asarray(prevalence, np.float64)
    counted = prevalence_thresholds(scores, share)
    odds = log_odds(scores)
    moved = sigmoid(odds + find_shifts(odds.T, np.ones(len(odds)), len(odds) * share))
    best = expected_f1_thresholds(moved)
    # Back to the scores: the lowest that its moved one keeps above the threshold.
    reached = np.where(moved.astype(np.float32) >= best, scores, np.inf).min(axis=0)
    never = np.isinf(counted) | np.isinf(reached)
    halfway = sigmoid((log_odds(counted) + log_odds(reached)) / 2)
    # Where both are the same score, rounding must not push the threshold past it.
    between = np.clip(halfway, np.minimum(counted, reached), np.maximum(counted, reached))
    return np.where(never, np.inf, between).astype(np.float32)


def otsu_thresholds(scores: Floats) -> npt.NDArray[np.float32]:
    """Thresholds that leave the least variance within the two groups they make (Otsu 1979).

    Args:
        scores: (N, C), any real scores.

    Returns:
        (C,) float32, each the lowest score of its upper group; +inf for a class whose scores are
        all alike.
    """
    ranked = -np.sort(-np.asarray(scores, np.float64), axis=0)
    total, share = ranked.mean(axis=0), np.arange(1, len(ranked))[:, None] / len(ranked)
    above = np.cumsum(ranked, axis=0)[:-1] / len(ranked)
    between = (total * share - above) ** 2 / (share * (1 - share))
    between = np.where(ranked[:-1] == ranked[1:], -1.0, between)  # no border between equals
    thresholds = np.full(ranked.shape[1], np.inf, np.float32)
    for column in np.flatnonzero((between >= 0).any(axis=0)):
        thresholds[column] = ranked[between[:, column].argmax(), column]
    return thresholds


def unlabeled_thresholds(scores: Floats, rule: str) -> npt.NDArray[np.float32]:
    """Thresholds (C,) of (N, C) scores by one of `UNLABELED_RULES`."""
    if rule == "hard-prevalence":
        return prevalence_thresholds(scores, hard_prevalence(scores))
    if rule == "soft-prevalence":
        return prevalence_thresholds(scores, scores.mean(axis=0, dtype=np.float64))
    if rule == "expected-f1":
        return expected_f1_thresholds(scores)
    if rule == "otsu":
        return otsu_thresholds(scores)
    assert rule == "fixed", rule
    return np.full(scores.shape[1], 0.5, np.float32)


def read_thresholds(file: Path, classes: ClassList) -> npt.NDArray[np.float32]:
    """Read a JSON object {class: threshold in [0, 1], or null for never}; order does not matter.

    Raises:
        CdulEdgeError: no such file, no such object, a class missing or unknown, a wrong value.
    """
    given = _read_object(file, "threshold or null", never=True)
    content = {own_spelling(name, classes): value for name, value in given.items()}
    _require_classes(file, content, classes)
    return thresholds_from_json([content[name] for name in classes])


def read_shares(file: Path) -> dict[str, float]:
    """Read a JSON object {class: share of the pictures that show it, in [0, 1]}.

    Raises:
        CdulEdgeError: no such file, no such object, or a wrong value.
    """
    return _read_object(file, "share of the pictures", never=False)


def order_shares(
    shares: Mapping[str, float], classes: ClassList, file: Path
) -> npt.NDArray[np.float64]:
    """The shares (C,) in the order of the classes; each must be there, and no other."""
    own = {own_spelling(name, classes): share for name, share in shares.items()}
    _require_classes(file, own, classes)
    return np.array([own[name] for name in classes], np.float64)


def _read_object(file: Path, meaning: str, *, never: bool) -> dict[str, Any]:
    content = read_json(file)
    if not isinstance(content, dict):
        raise CdulEdgeError(f"{file}: expected a JSON object {{class: {meaning}}}")
    faults = [
        f"{value!r} for {name!r}"
        for name, value in content.items()
        if not (value is None and never) and not (_is_number(value) and 0 <= value <= 1)
    ]
    _refuse(file, faults, " or null" if never else "")
    return content


def _require_classes(file: Path, content: Mapping[str, Any], classes: ClassList) -> None:
    faults = [f"no class {name!r}" for name in classes if name not in content]
    faults += [f"unknown class {name!r}" for name in content if name not in classes.names]
    _refuse(file, faults, " or null")


def _refuse(file: Path, faults: list[str], never: str) -> None:
    if faults:
        raise CdulEdgeError(
            f"{file} has {'; '.join(faults[:5])}: expected every class once, with a number in "
            f"[0, 1]{never}"
        )


def _holds_thresholds(beginning: bytes) -> bool:
    try:
        content = json.loads(beginning)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and all(
        value is None or _is_number(value) for value in content.values()
    )


THRESHOLDS_FILE = FileKind("file of thresholds", _holds_thresholds)


def write_thresholds(file: Path, thresholds: Floats, classes: ClassList) -> None:
    """Write (C,) thresholds as the JSON object that `read_thresholds` reads, atomically."""
    write_json(file, dict(zip(classes, thresholds_to_json(thresholds), strict=True)))


def given_thresholds(given: float | Path, classes: ClassList) -> npt.NDArray[np.float32]:
    """(C,) thresholds that somebody gave: one for all classes, or a file of them.

    Raises:
        CdulEdgeError: as `same_threshold` and `read_thresholds`.
    """
    if isinstance(given, Path):
        return read_thresholds(given, classes)
    return same_threshold(given, classes)


def same_threshold(threshold: float, classes: ClassList) -> npt.NDArray[np.float32]:
    """One threshold for every class, (C,); outside [0, 1] it is a `CdulEdgeError`."""
    if not 0 <= threshold <= 1:
        raise CdulEdgeError(f"threshold {threshold}: expected a score in [0, 1]")
    return np.full(len(classes), threshold, dtype=np.float32)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
