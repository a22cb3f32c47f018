"""Pseudo-labels corrected by a few true ones: a shift of each class's log-odds.

A score p of class c becomes the probability whose log-odds are logit(p) + b_c, with

    b_c = b + d_c        b ~ N(0, 1/4)        d_c ~ N(0, t^2)        t^2 ~ N(0, 1)+ over t

so that most classes without an answer, or with few, stay nearly where they were; how far classes
differ, t, is learned from all answers together (empirical Bayes; the integral over the shifts is
Laplace's, that over t a sum). This is logistic regression with the score as an offset: as it looks
at answers given their scores, it does not matter that people were asked about doubtful entries
(Prentice and Pyke, Biometrika 1979). A slope is left alone: answers about doubtful entries say
nothing of the sure ones, and one found on them makes those worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.log_odds import log_odds, sigmoid

Singles = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Columns = npt.NDArray[np.intp]

_SHARED = 0.5  # standard deviation of b
_WIDEST = 1.0  # that of t, of which half a normal distribution is the prior
_WIDTHS = np.geomspace(0.05, 4.0, 14)  # of t, that are tried
# An answer against a score surer than that (0.25 %) is about an error of CLIP's that no shift
# explains, and one that agrees says nothing of a shift.
_NEAR = 6.0
# Below these shares, people did not answer what they were asked: they named what they saw, or
# struck out what was wrong, and the shares say nothing of the scores.
_LEAST_ABSENT, _LEAST_PRESENT = 0.2, 0.05
_ROWS = 1 << 16  # corrected at once
_SHOWN = 3  # classes in the line for people
_STEPS = 60  # of Newton's method, which takes five to ten
_CLOSE = 1e-9


@dataclass(frozen=True)
class ScoreShifts:
    """What answers say of the scores of C classes.

    Attributes:
        shifts: (C,) of the log-odds; 0 keeps a class as it is.
        answers: how many they are learned from: those about scores that are not very sure.
        unlearned: why nothing was learned, and all shifts are 0; empty where something was.
    """

    shifts: Doubles
    answers: int
    unlearned: str = ""

    def of(self, scores: Singles) -> Singles:
        """(M, C) scores in [0, 1], corrected; their order within a class stays, 0 and 1, too."""
        odds, moved = np.exp(self.shifts), np.empty(scores.shape, np.float32)
        for start in range(0, len(scores), _ROWS):
            wide = scores[start : start + _ROWS].astype(np.float64)
            moved[start : start + _ROWS] = wide * odds / (1 - wide + wide * odds)
        return moved

    def describe(self, classes: Sequence[str]) -> str:
        """What became of the scores, in words."""
        if self.unlearned:
            return f"{self.unlearned}: the scores stay"
        order = np.argsort(-np.abs(self.shifts), kind="stable")[:_SHOWN]
        most = ", ".join(f"{classes[one]} {self.shifts[one]:+.2f}" for one in order)
        return (
            f"{self.answers} answers about doubtful entries correct the scores; log-odds move most "
            f"for {most}"
        )


def fit_shifts(
    scores: Singles, columns: Columns, present: npt.NDArray[np.bool_], classes: int
) -> ScoreShifts:
    """Learn the shifts of all classes from K answers.

    Args:
        scores: (K,) pseudo-labels of the answered entries, in [0, 1].
        columns: (K,) their classes.
        present: (K,) the answers.
        classes: C.
    """
    odds = log_odds(scores)
    near = np.abs(odds) <= _NEAR
    if unlearned := _why_not(present[near]):
        return ScoreShifts(np.zeros(classes), int(near.sum()), unlearned)
    asked = _Asked(odds[near], columns[near], present[near], classes)
    found = [asked.settle(width) for width in _WIDTHS]
    evidence = np.array([one.evidence for one in found]) - (_WIDTHS / _WIDEST) ** 2 / 2
    weights = np.exp(evidence - evidence.max())
    shifts = np.average([one.shifts for one in found], axis=0, weights=weights)
    return ScoreShifts(np.asarray(shifts), int(near.sum()))


def _why_not(present: npt.NDArray[np.bool_]) -> str:
    """Why answers teach nothing; empty where they do."""
    if not len(present):
        return "no answer is about a doubtful entry (cdul-edge review finds some)"
    share = float(present.mean())
    if share > 1 - _LEAST_ABSENT:
        return f"{share:.0%} of the answers say present, as where only what is seen is named"
    if share < _LEAST_PRESENT:
        return f"{1 - share:.0%} of the answers say absent, as where only errors are struck out"
    return ""


@dataclass(frozen=True)
class _Settled:
    """The likeliest shifts for one t, and log p(answers | t) but for a constant."""

    shifts: Doubles
    evidence: float


@dataclass(frozen=True)
class _Asked:
    """K answers, as `fit_shifts` has them."""

    odds: Doubles
    columns: Columns
    present: npt.NDArray[np.bool_]
    classes: int

    def settle(self, width: float) -> _Settled:
        """Newton's method; the Hessian is diagonal but for one row, that of the shared shift."""
        shared, own = 0.0, np.zeros(self.classes)
        tight, loose = 1 / width**2, 1 / _SHARED**2
        for _ in range(_STEPS):
            chance = sigmoid(self.odds + shared + own[self.columns])
            missing, weight = self._sum(chance - self.present), self._sum(chance * (1 - chance))
            curve = weight + tight
            pivot = weight.sum() + loose - (weight**2 / curve).sum()
            slope = missing + tight * own
            step = (missing.sum() + loose * shared - (weight * slope / curve).sum()) / pivot
            steps = (slope - weight * step) / curve
            longest = max(abs(step), float(np.abs(steps).max()))
            shorter = min(1.0, 1 / max(longest, _CLOSE))
            shared, own = shared - shorter * step, own - shorter * steps
            if longest < _CLOSE:
                break
        moved = self.odds + shared + own[self.columns]
        likelihood = float(np.sum(self.present * moved - np.logaddexp(0, moved)))
        prior = -(loose * shared**2 + tight * float(own @ own)) / 2 - self.classes * np.log(width)
        volume = float(np.log(curve).sum() + np.log(pivot)) / 2
        return _Settled(shared + own, likelihood + prior - volume)

    def _sum(self, values: Doubles) -> Doubles:
        return np.asarray(np.bincount(self.columns, values, self.classes), np.float64)
