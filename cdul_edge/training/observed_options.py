"""The command line's options for whose labels a run learns from, and which it sets aside."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from cdul_edge.training import config
from cdul_edge.training.options import request_option, setting

_supervision = partial(request_option, "Pseudo-labels")
Observed = Annotated[
    list[Path] | None,
    _supervision(
        "CSV or NPZ file with labels that people gave to some of the pictures, such as what "
        "`review` saves. They are never revised. May be repeated.",
    ),
]
LabelsFrom = Annotated[
    config.LabelsFrom,
    _supervision(
        "Learn from the observed labels alone, or let pseudo-labels fill their gaps. Without "
        "pseudo-labels, what nobody observed is unknown, as in the papers on weak labels.",
        "--labels-from",
    ),
]
Simulate = Annotated[
    str | None,
    _supervision(
        "Draw such labels from --train-truth instead, to study how many are needed: "
        "single-positive (one present class per image), known=10% (present and absent alike), "
        "positives=30%, pictures=10%, or single-positive=50% (of half of the images).",
    ),
]
CorrectLabels = Annotated[
    bool | None,
    setting(
        "Pseudo-labels",
        "correct_labels",
        "Let --observed labels correct the scores of all pictures too, class by class, as "
        "`label --observed` does.",
        "--correct-labels/--no-correct-labels",
    ),
]
SetAside = Annotated[
    int | None,
    setting(
        "Pseudo-labels",
        "set_aside",
        "Do not train on so many pictures, at most a sixteenth of them: their labels tell how sure "
        "the scores may be. 0 trains on all.",
    ),
]
