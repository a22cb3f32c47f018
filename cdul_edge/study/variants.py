"""What a study can compare, by name: ways to label, and ways to learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cdul_edge.training.config import METHODS
from cdul_edge.training.presets import PRESETS
from cdul_edge_runtime.errors import CdulEdgeError

Options = Mapping[str, Any]

# The strategy of every cell that is not about strategies: what `cdul-edge label` does unasked.
DEFAULT_STRATEGY = "default"
# The method of every cell that is not about methods, and what all others are held against.
BASELINE = "fixed"
NOTHING_OBSERVED = "none"

# Options of `cdul-edge label`, by their names there; what is not named is the default.
STRATEGIES: dict[str, Options] = {
    DEFAULT_STRATEGY: {},
    "global": {"strategy": "global"},
    "average": {"strategy": "average", "fusion": "pooled"},
    "max": {"strategy": "max", "fusion": "pooled"},
    "cdul": {"strategy": "cdul"},
    "cdul-zeta0": {"strategy": "cdul", "zeta": 0.0},
    "cdul-center": {"strategy": "cdul", "debias": "center"},
    "cdul-sparc": {"strategy": "cdul", "debias": "sparc"},
    "cosine-mean": {"strategy": "cosine-mean"},
    "overlap": {"overlap": 0.25},
    "grid4x4": {"grid": "4x4"},
}

_PAPER: Options = PRESETS["cdul-paper"]["method_settings"]

# Settings of a run that differ from the study's own; each method under its own name, then others.
METHOD_VARIANTS: dict[str, Options] = {
    **{name: {"method": name} for name in METHODS},
    "fixed-hard": {"method": "fixed", "labels": "hard"},
    "cdul-hard": {"method": "cdul", "labels": "hard"},
    "cdul-no-gaussian": {"method": "cdul", "method_settings": {"weighted": False}},
    "cdul-paper": {"method": "cdul", "method_settings": _PAPER},
    "cdul-paper-hard": {"method": "cdul", "labels": "hard", "method_settings": _PAPER},
    "cdul-paper-no-gaussian": {
        "method": "cdul",
        "method_settings": {**_PAPER, "weighted": False},
    },
    "vlpl+negatives": {"method": "vlpl", "method_settings": {"delta": 0.2}},
}


def check_names(strategies: Sequence[str], methods: Sequence[str]) -> None:
    """Raise `CdulEdgeError` that names every variant there is none of, or that comes twice."""
    faults = []
    for kind, asked, known in (
        ("strategy", strategies, STRATEGIES),
        ("method", methods, METHOD_VARIANTS),
    ):
        odd = [name for name in asked if name not in known]
        if odd:
            faults.append(f"no {kind} {', '.join(odd)}: there are {', '.join(known)}")
        twice = sorted({name for name in asked if asked.count(name) > 1})
        if twice:
            faults.append(f"the {kind} {', '.join(twice)} is asked for twice")
    if faults:
        raise CdulEdgeError("; ".join(faults))
