"""What a study can compare, by name: ways to label, and ways to learn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cdul_edge.labelling import Scoring, Views, WholePicture
from cdul_edge.training.config import METHODS, LabelKind, MethodName, SettingValue
from cdul_edge.training.presets import PRESETS, ConfigChanges
from cdul_edge_runtime.errors import CdulEdgeError

# The strategy of every cell that is not about strategies: what `cdul-edge label` does unasked.
DEFAULT_STRATEGY = "default"
# The method of every cell that is not about methods, and what all others are held against.
BASELINE = "fixed"
NOTHING_OBSERVED = "none"
# Subsets of the training pictures that every study knows; the others are lists that it is given.
WITH_TRUTH, WITHOUT_TRUTH = "with-truth", "without-truth"


@dataclass(frozen=True)
class Strategy:
    """A way to label: what CLIP sees of a picture, and how it is scored.

    With `from_truth` the labels are the truth itself, of the pictures that have it: what a network
    could learn at best.
    """

    scoring: Scoring = field(default_factory=Scoring)
    views: Views | WholePicture = field(default_factory=Views)
    from_truth: bool = False


@dataclass(frozen=True)
class MethodVariant:
    """A way to learn; what is missing is as the study's preset and options have it.

    Attributes:
        settings: of the method.
        options: of the run.
    """

    method: MethodName
    labels: LabelKind | None = None
    settings: Mapping[str, SettingValue] = field(default_factory=dict)
    options: ConfigChanges = field(default_factory=lambda: ConfigChanges())


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
    "truth": Strategy(from_truth=True),
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


def split_strategy(name: str) -> tuple[str, str | None]:
    """`STRATEGY@SUBSET` is a strategy's labels of a part of the pictures; None is all of them."""
    strategy, at, subset = name.partition("@")
    return strategy, subset if at else None


def check_names(
    strategies: Sequence[str],
    methods: Sequence[str],
    *,
    subsets: Iterable[str] = (),
    variants: Iterable[str] = (),
) -> None:
    """Raise `CdulEdgeError` that names every variant there is none of, or that comes twice.

    Args:
        subsets, variants: names that the study brings itself.
    """
    faults = []
    pairs = [split_strategy(name) for name in strategies]
    known_subsets = (WITH_TRUTH, WITHOUT_TRUTH, *subsets)
    for kind, asked, known in (
        ("strategy", [name for name, _ in pairs], STRATEGIES),
        ("subset", [subset for _, subset in pairs if subset is not None], known_subsets),
        ("method", methods, (*METHOD_VARIANTS, *variants)),
    ):
        unknown = [name for name in dict.fromkeys(asked) if name not in known]
        if unknown:
            faults.append(f"no {kind} {', '.join(unknown)}: there are {', '.join(known)}")
    for kind, asked in (("strategy", strategies), ("method", methods)):
        twice = sorted({name for name in asked if asked.count(name) > 1})
        if twice:
            faults.append(f"the {kind} {', '.join(twice)} is named twice")
    if faults:
        raise CdulEdgeError("; ".join(faults))
