"""What `benchmarks.real_world` runs: rows of its parts, recipes to choose from, comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from benchmarks.published_settings import PUBLISHED
from benchmarks.published_settings import VARIANTS as PUBLISHED_VARIANTS
from benchmarks.recipes import RECIPES
from cdul_edge.study.cells import Row
from cdul_edge.study.variants import MethodVariant
from cdul_edge.training.config import METHODS as EVERY_METHOD
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.presets import ConfigChanges

Part = Literal["labels", "strategies", "methods", "observed", "bounds", "published", "recipes"]
PARTS: tuple[Part, ...] = get_args(Part)
Protocol = Literal["final", "tune"]

# What judges on the held-out photographs, and what is judged on those with truth while networks
# learn from the others: defaults are chosen by the latter.
PARTS_OF: dict[Protocol, tuple[Part, ...]] = {
    "final": ("labels", "strategies", "methods", "observed", "bounds", "published"),
    "tune": ("labels", "recipes", "methods", "strategies"),
}

EVIDENCE = "default"  # the strategy of `cdul-edge label`
STRATEGIES = ("global", "cdul", "max", EVIDENCE)
METHODS = tuple(
    name for name in EVERY_METHOD if name != "ccd"
)  # it asks the CLIP, which is not here
DEFAULT_METHOD = TrainConfig().method
NOTHING = "none"
LEVEL = "10%"
HALF = "with-truth"
# As many steps on the photographs with truth as on all of them.
LONG = "fixed-as-many-steps"


def rows_of(part: Part, protocol: Protocol, recipes: Sequence[str] = ()) -> tuple[Row, ...]:
    """The study's rows of a part; labels are judged without any."""
    where = "" if protocol == "final" else "@without-truth"
    rows: dict[Part, tuple[Row, ...]] = {
        "labels": (),
        "strategies": tuple((f"{name}{where}", "fixed", NOTHING) for name in STRATEGIES),
        "methods": tuple((f"{EVIDENCE}{where}", name, NOTHING) for name in METHODS),
        "observed": tuple((EVIDENCE, name, LEVEL) for name in METHODS),
        "bounds": BOUNDS,
        "published": PUBLISHED,
        "recipes": tuple((f"{EVIDENCE}{where}", name, NOTHING) for name in recipes),
    }
    return rows[part]


FREE, FREE_HALF, TRUTH = (
    (strategy, "fixed", NOTHING) for strategy in (EVIDENCE, f"{EVIDENCE}@{HALF}", "truth")
)
FREE_HALF_LONG, TRUTH_LONG = ((row[0], LONG, NOTHING) for row in (FREE_HALF, TRUTH))
# The same with the method that training uses unasked.
OWN_FREE, OWN_FREE_HALF, OWN_TRUTH = (
    (row[0], DEFAULT_METHOD, NOTHING) for row in (FREE, FREE_HALF, TRUTH)
)
BOUNDS: tuple[Row, ...] = (
    *(TRUTH, FREE_HALF, FREE, TRUTH_LONG, FREE_HALF_LONG),
    *(OWN_TRUTH, OWN_FREE_HALF, OWN_FREE),
)


class Comparison(NamedTuple):
    """Two rows whose difference is reported, better minus worse."""

    name: str
    better: Row
    worse: Row


def comparisons(methods: Sequence[str] = METHODS) -> tuple[Comparison, ...]:
    """Every difference that is reported of the final protocol."""
    pairs = (
        ("evidence", EVIDENCE, "cdul"),
        ("cdul", "cdul", "global"),
        ("evidence", EVIDENCE, "max"),
    )
    return (
        Comparison("free labels against the truth of the same photographs", FREE_HALF, TRUTH),
        Comparison("the same, as many steps as on all", FREE_HALF_LONG, TRUTH_LONG),
        Comparison("free labels of all photographs against the truth of half", FREE, TRUTH),
        Comparison("the same, as many steps", FREE, TRUTH_LONG),
        Comparison("default method: free labels against truth", OWN_FREE_HALF, OWN_TRUTH),
        Comparison("default method: free labels of all against truth of half", OWN_FREE, OWN_TRUTH),
        Comparison("free labels of all, default method, against truth, fixed", OWN_FREE, TRUTH),
        *(
            Comparison(
                f"{name} labels against {worse} labels",
                (better, "fixed", NOTHING),
                (worse, "fixed", NOTHING),
            )
            for name, better, worse in pairs
        ),
        *(
            Comparison(
                f"{name} against fixed", (EVIDENCE, name, NOTHING), (EVIDENCE, "fixed", NOTHING)
            )
            for name in methods
            if name != "fixed"
        ),
        *(
            Comparison(
                f"{name}: {LEVEL} observed against none",
                (EVIDENCE, name, LEVEL),
                (EVIDENCE, name, NOTHING),
            )
            for name in methods
        ),
    )


def variants_of(epochs: int, with_truth: int, pictures: int) -> dict[str, MethodVariant]:
    """Every way to learn that a study does not know by itself.

    Args:
        epochs: of every other run.
        with_truth, pictures: training photographs with truth, and all of them.
    """
    longer = max(1, round(epochs * pictures / max(with_truth, 1)))
    return {
        **PUBLISHED_VARIANTS,
        LONG: MethodVariant("fixed", options=ConfigChanges(epochs=longer)),
        **{
            name: MethodVariant(
                options.get("method") or DEFAULT_METHOD,
                options.get("labels"),
                options=_of_the_run(options),
            )
            for name, options in RECIPES.items()
        },
    }


def _of_the_run(options: ConfigChanges) -> ConfigChanges:
    """What a variant does not say in fields of its own."""
    kept = options.copy()
    kept.pop("labels", None)
    kept.pop("method", None)
    return kept
