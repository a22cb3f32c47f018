"""Pseudo-labels corrected by what people said of a few of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.score_shifts import fit_shifts
from cdul_edge.training.data.observed import ObservedLabels
from cdul_edge_runtime.bundle.thresholds import prevalence_thresholds
from cdul_edge_runtime.host.console import Console


def correct_labels(labels: PseudoLabels, people: ObservedLabels, console: Console) -> PseudoLabels:
    """Shift each class's log-odds as `label --observed` does, and say so.

    Labels that `label --observed` has corrected, and observed labels that are all there is, stay;
    where that run learned nothing from its answers, these are tried.
    Thresholds move with the scores: those of a rule that was asked for decide as before.

    Args:
        labels: of N pictures.
        people: what was observed of the same ones.
        console: for a line.
    """
    if people.alone:
        return labels
    scoring = labels.provenance.get("aggregation")
    before = scoring.get("observed") if isinstance(scoring, Mapping) else None
    if isinstance(before, Mapping) and before.get("learned_from"):
        console.say("the pseudo-labels were corrected by observed labels when they were made")
        return labels
    rows, columns = np.nonzero(people.values)
    present = people.values[rows, columns] > 0
    shifts = fit_shifts(labels.scores[rows, columns], columns, present, len(labels.classes))
    console.say(f"pseudo-labels: {shifts.describe(labels.classes.names)}")
    if shifts.unlearned:
        return labels
    shown = (labels.scores >= labels.thresholds).mean(axis=0)
    scores = shifts.of(labels.scores)
    return replace(labels, scores=scores, thresholds=prevalence_thresholds(scores, shown))
