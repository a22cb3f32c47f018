"""The figures of the project's README: photographs first, then labels of cached CLIP outputs."""

from __future__ import annotations

from typing import Any

from benchmarks.tables.gpu import draw_gpu_line
from benchmarks.tables.markdown import figures, spread, study_rows, table
from benchmarks.tables.peers import draw_peers_summary
from benchmarks.tables.photographs import measured, percent, seeds
from benchmarks.tables.records import RealWorld, read_deployment, read_real_world

WAYS = ("global", "cdul")  # and the default, with its own method
Row = tuple[str, str, str, str]


def draw_summary() -> str:
    """Everything between the marks."""
    world = read_real_world()
    rows = [*([] if world is None else photograph_rows(world)), *label_rows()]
    told = draw_bounds(world) + draw_device() + draw_gpu_line()
    heads = ("", "CLIP, whole image", "CDUL's scores", "cdul-edge, default")
    drawn = [] if told else drawn_rows()
    parts = [table(heads, [*rows, *drawn]), f"{told.strip()}\n", draw_peers_summary()]
    return "\n".join(part for part in parts if part.strip())


def photograph_rows(world: RealWorld) -> list[Row]:
    """A network that learned from real photographs; no row of what was not run."""
    own = world.learned("default", world.default_method)
    students = [*(world.learned(way, "fixed") for way in WAYS), own]
    maps = ["" if one is None else seeds(one) for one in students]
    shares = ["" if one is None else percent(one.f1_share) for one in students]
    first = f"EfficientNet-Lite0 from {world.photographs:,} photographs, held-out mAP"
    rows: list[Row] = [
        (first, maps[0], maps[1], bold(maps[2])),
        ("its macro F1, % of that at the best thresholds", shares[0], shares[1], bold(shares[2])),
    ]
    return [row for row in rows if any(row[1:])]


def draw_bounds(world: RealWorld | None) -> str:
    """What truth instead of free labels brings, by one method; empty where that was not run."""
    if world is None:
        return ""
    for method in (world.default_method, "fixed"):
        if (truth := world.learned("truth", method)) is not None:
            same = world.learned("default@with-truth", method)
            free = "" if same is None else f", from their free labels {seeds(same)}"
            return f"From the truth of {world.with_truth} of them it reaches {seeds(truth)}{free}. "
    return ""


def draw_device() -> str:
    """What is left of it on a device; empty where that was not measured."""
    found = read_deployment()
    if found is None:
        return ""
    int8 = found.precisions["int8-cpu"]
    tensorrt = found.precisions.get("int8")
    also = (
        "" if tensorrt is None else f", TensorRT's INT8 by {measured(tensorrt.map_drop.negative)}"
    )
    return (
        f"`int8-cpu` changes mAP by {measured(int8.map_drop.negative)} points{also} (95 % "
        "intervals)."
    )


def label_rows() -> list[Row]:
    """Labels of cached CLIP outputs."""
    real, whole = figures("real_vectors")["real"], figures("real_vectors")["reproduced"]
    sides = (whole["global at 0.01"], real)
    return [
        ("labels of 2,818 VOC 2012 photographs, mAP", *of_three(*sides, "map")),
        ("their macro F1, thresholds found without labels", *of_three(*sides, "macro_f1")),
    ]


def drawn_rows() -> list[Row]:
    """Labels of drawn worlds, and a network that learned from them."""
    drawn = figures("real_vectors")["drawn"]
    study = {(r["strategy"], r["method"], r["observed"]): r for r in study_rows()}
    first, second, third = (
        spread(study[strategy, method, "none"], "heldout_map")
        for strategy, method in (("global", "fixed"), ("cdul", "fixed"), ("default", "cdul"))
    )
    return [
        ("labels of drawn worlds, mAP", *of_three(drawn["global"], drawn, "map")),
        ("a small network trained on them, held-out mAP", first, second, third),
    ]


def bold(text: str) -> str:
    """What the product does unless told otherwise."""
    return text and f"**{text}**"


def of_three(whole: dict[str, float], scored: dict[str, Any], key: str) -> tuple[str, str, str]:
    """One figure of the whole image's scores, of CDUL's, and of the default's."""
    sides = (whole, scored["cdul"], scored["evidence (default)"])
    first, second, third = (f"{side[key]:.1f}" for side in sides)
    return first, second, bold(third)
