"""Papers on weak labels, as published: which method learned from which labels, and what was said.

Every cell learns from observed labels alone (the levels `only-…`), drawn from the truth of the 855
photographs that have it; VLPL adds CLIP's own positives, as its paper does. `PUBLISHED` are the
cells, `CLAIMS` what the papers say of them. The photographs are no VOC, the network is smaller, and
the pictures are few: a claim that cannot be told here may well hold there.
"""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

from cdul_edge.study.cells import Row
from cdul_edge.study.variants import MethodVariant
from cdul_edge.training.config import SettingValue

# Labels of the default strategy, of the photographs with truth: only their CLIP outputs are used.
STRATEGY = "default@with-truth"

# Labels that move for most of a short run: with the defaults an ablation could hardly show.
_EARLY: dict[str, SettingValue] = {"label_warmup": 2, "freeze_after": 1.0}

# Papers' settings that are no default of ours, and their ablations.
VARIANTS: dict[str, MethodVariant] = {
    # The mean number of classes, which single positives do not tell; VOC's in the paper's code.
    "role-voc": MethodVariant("role", settings={"k_bar": 1.5}),
    "pu-mlc-voc": MethodVariant("pu-mlc", settings={"gamma": 0.85, "alpha": 2.0}),
    "plmcl-early": MethodVariant("plmcl", settings=_EARLY),
    "plmcl-no-momentum": MethodVariant("plmcl", settings={**_EARLY, "momentum": 0, "damping": 0}),
    "plmcl-no-velocity": MethodVariant("plmcl", settings={**_EARLY, "damping": 0}),
    "plmcl-all-at-once": MethodVariant("plmcl", settings={**_EARLY, "easy_first": False}),
    "g2netpl-early": MethodVariant("g2netpl", settings=_EARLY),
    "g2netpl-no-kl": MethodVariant("g2netpl", settings={**_EARLY, "eta": 0, "unstable": True}),
}

ONE, HALF_ONE = "only-single-positive", "only-single-positive=50%"
# Where "vlpl+negatives" is a variant of every study.
_ONE_POSITIVE = (
    "an", "ls", "wan", "asl", "role-voc", "em", "em-apl", "ll-r", "ll-ct", "ll-cp", "vlpl",
    "vlpl+negatives", "plmcl", "g2netpl",
)  # fmt: skip
_SHARES = ("only-10%", "only-50%", "only-90%")
_ANY_SHARE = ("fixed", "partial-bce", "role", "plmcl", "g2netpl", "an", "asl")
_ABLATIONS = (
    "plmcl-early", "plmcl-no-momentum", "plmcl-no-velocity", "plmcl-all-at-once", "g2netpl-early",
    "g2netpl-no-kl",
)  # fmt: skip
_POSITIVES = tuple(f"only-positives={share}%" for share in (10, 50, 90))

PUBLISHED: tuple[Row, ...] = tuple(
    (STRATEGY, method, level)
    for method, level in chain(
        ((method, ONE) for method in _ONE_POSITIVE),
        ((method, HALF_ONE) for method in ("an", "plmcl", "g2netpl")),
        ((method, level) for level in _SHARES for method in _ANY_SHARE),
        ((method, "only-10%") for method in _ABLATIONS),
        ((method, level) for level in _POSITIVES for method in ("pu-mlc-voc", "an", "em")),
    )
)


class Side(NamedTuple):
    """A method at a level: one side of a claim."""

    method: str
    level: str


class Claim(NamedTuple):
    """Somebody wrote that one method beats another, or that a part of it helps."""

    text: str
    better: Side
    worse: Side


def _at(level: str, *claims: tuple[str, str, str]) -> tuple[Claim, ...]:
    return tuple(
        Claim(text, Side(better, level), Side(worse, level)) for text, better, worse in claims
    )


CLAIMS: tuple[Claim, ...] = (
    *_at(
        ONE,
        ("VLPL beats EM (VLPL, CVPRW 2024)", "vlpl", "em"),
        ("EM beats AN (EM, ECCV 2022)", "em", "an"),
        ("pseudo-positives alone beat both signs (VLPL)", "vlpl", "vlpl+negatives"),
        ("APL adds to EM (EM, ECCV 2022)", "em-apl", "em"),
        ("label smoothing beats AN (ROLE, CVPR 2021)", "ls", "an"),
        ("weak negatives beat AN (ROLE, CVPR 2021)", "wan", "an"),
        ("ROLE beats AN (CVPR 2021)", "role-voc", "an"),
        ("LL-R beats AN (large loss, CVPR 2022)", "ll-r", "an"),
        ("LL-Ct beats AN (large loss, CVPR 2022)", "ll-ct", "an"),
        ("LL-Cp beats AN (large loss, CVPR 2022)", "ll-cp", "an"),
    ),
    *_at(
        HALF_ONE,
        ("PLMCL beats AN with one positive in half of the images", "plmcl", "an"),
        ("G2NetPL beats AN with one positive in half of the images", "g2netpl", "an"),
    ),
    *_at(
        "only-10%",
        ("partial BCE beats AN (CVPR 2019)", "partial-bce", "an"),
        ("PLMCL beats learning the known labels alone", "plmcl", "fixed"),
        ("PLMCL: momentum helps", "plmcl-early", "plmcl-no-momentum"),
        ("PLMCL: the velocity term helps", "plmcl-early", "plmcl-no-velocity"),
        ("PLMCL: sure labels first helps", "plmcl-early", "plmcl-all-at-once"),
        ("G2NetPL beats learning the known labels alone", "g2netpl", "fixed"),
        ("G2NetPL: the KL term helps", "g2netpl-early", "g2netpl-no-kl"),
    ),
    # Both learn from the same draw; PU-MLC drops its negatives.
    Claim(
        "PU-MLC beats learning positives and negatives (arXiv 2306.16016)",
        Side("pu-mlc-voc", "only-positives=10%"),
        Side("fixed", "only-10%"),
    ),
    *_at("only-positives=10%", ("PU-MLC beats unknown taken for absent", "pu-mlc-voc", "an")),
)
