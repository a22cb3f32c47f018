"""What a study can compare, by name: ways to label, and ways to learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cdul_edge.labelling import Scoring, Views, WholePicture
from cdul_edge.training.config import METHODS, LabelKind, MethodName, SettingValue
from cdul_edge.training.presets import PRESETS
from cdul_edge_runtime.errors import CdulEdgeError

# The strategy of every cell that is not about strategies: what `cdul-edge label` does unasked.
DEFAULT_STRATEGY = "default"
# The method of every cell that is not about methods, and what all others are held against.
BASELINE = "fixed"
NOTHING_OBSERVED = "none"


@dataclass(frozen=True)
class Strategy:
    """A way to label: what CLIP sees of a picture, and how it is scored."""

    scoring: Scoring = field(default_factory=Scoring)
    views: Views | WholePicture = field(default_factory=Views)


@dataclass(frozen=True)
class MethodVariant:
    """A way to learn; where `labels` is None and `settings` are missing, the preset decides."""

    method: MethodName
    labels: LabelKind | None = None
    settings: Mapping[str, SettingValue] = field(default_factory=dict)


STRATEGIES: dict[str, Strategy] = {
    DEFAULT_STRATEGY: Strategy(),
    "global": Strategy(Scoring(strategy="global")),
    "average": Strategy(Scoring(strategy="average", fusion="pooled")),
    "max": Strategy(Scoring(strategy="max", fusion="pooled")),
    "cdul": Strategy(Scoring(strategy="cdul")),
    "cdul-zeta0": Strategy(Scoring(strategy="cdul", zeta=0.0)),
    "cdul-center": Strategy(Scoring(strategy="cdul", debias="center")),
    "cdul-sparc": Strategy(Scoring(strategy="cdul", debias="sparc")),
    "cosine-mean": Strategy(Scoring(strategy="cosine-mean")),
    "overlap": Strategy(views=Views(overlap=0.25)),
    "grid4x4": Strategy(views=Views(4, 4)),
}

_PAPER = PRESETS["cdul-paper"]["method_settings"]

# Each method under its own name, then others.
METHOD_VARIANTS: dict[str, MethodVariant] = {
    **{name: MethodVariant(name) for name in METHODS},
    "fixed-hard": MethodVariant("fixed", "hard"),
    "cdul-hard": MethodVariant("cdul", "hard"),
    "cdul-no-gaussian": MethodVariant("cdul", settings={"weighted": False}),
    "cdul-paper": MethodVariant("cdul", settings=_PAPER),
    "cdul-paper-hard": MethodVariant("cdul", "hard", _PAPER),
    "cdul-paper-no-gaussian": MethodVariant("cdul", settings={**_PAPER, "weighted": False}),
    "vlpl+negatives": MethodVariant("vlpl", settings={"delta": 0.2}),
}


def check_names(strategies: Sequence[str], methods: Sequence[str]) -> None:
    """Raise `CdulEdgeError` that names every variant there is none of, or that comes twice."""
    faults = []
    for kind, asked, known in (
        ("strategy", strategies, STRATEGIES),
        ("method", methods, METHOD_VARIANTS),
    ):
        unknown = [name for name in asked if name not in known]
        if unknown:
            faults.append(f"no {kind} {', '.join(unknown)}: there are {', '.join(known)}")
        twice = sorted({name for name in asked if asked.count(name) > 1})
        if twice:
            faults.append(f"the {kind} {', '.join(twice)} is named twice")
    if faults:
        raise CdulEdgeError("; ".join(faults))
