"""What the real photographs say, as tables: the most important ones, and all of them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.tables.markdown import section, table
from benchmarks.tables.records import (
    Deployed,
    Ends,
    Gain,
    Learned,
    Measured,
    RealWorld,
    read_deployment,
    read_real_world,
)

# Strategies as readers know them.
NAMES = {
    "global": "CLIP, whole image",
    "cdul": "CDUL's scores",
    "max": "best snippet",
    "default": "cdul-edge, default",
    "truth": "truth",
}
# What a network learned from, with the default method where none is named.
BOUNDS = (
    ("free labels of all", "default", ""),
    ("free labels of all, `fixed`", "default", "fixed"),
    ("free labels of those with truth", "default@with-truth", ""),
    ("the same, `fixed`", "default@with-truth", "fixed"),
    ("the same, as many steps as on all", "default@with-truth", "fixed-as-many-steps"),
    ("their truth, `fixed`", "truth", "fixed"),
    ("the same, as many steps as on all", "truth", "fixed-as-many-steps"),
    ("their truth", "truth", ""),
)
AGAINST = (
    "free labels against the truth of the same photographs",
    "the same, as many steps as on all",
    "free labels of all photographs against the truth of half",
    "the same, as many steps",
    "default method: free labels against truth",
    "default method: free labels of all against truth of half",
    "free labels of all, default method, against truth, fixed",
)
PRECISIONS = ("fp32", "fp16", "int8", "int8-cpu", "int8-cpu, biases of FP32")


def draw_main() -> str:
    """docs/reproduce.md's tables: labels, networks and bounds, deployment."""
    world = read_real_world()
    parts = [] if world is None else [_labels(world), _students(world), _bounds(world)]
    return "\n".join(part for part in (*parts, draw_deployment()) if part)


def draw_all() -> tuple[str, ...]:
    """The sections of benchmarks/README.md."""
    world = read_real_world()
    if world is None:
        return ()
    told = (
        f"{world.judged_on} held-out photographs of an animal-heavy subset of VOC 2012, eight "
        f"classes: not VOC results. EfficientNet-Lite0, {count(world.most_seeds, 'seed')}; ± is "
        "their deviation, and intervals of 95 % are over photographs."
    )
    sections = (
        ("Photographs: labels and networks", (_labels(world), _students(world), _bounds(world))),
        ("Photographs: training methods", (_methods(world),)),
        ("Photographs: 10 % of the labels observed", (_observed(world),)),
        ("Photographs: deployment", (draw_deployment(),)),
    )
    drawn = [(title, [part for part in parts if part]) for title, parts in sections]
    kept = [(title, parts) for title, parts in drawn if parts]
    return tuple(
        section(title, *([told] if not place else []), *parts)
        for place, (title, parts) in enumerate(kept)
    )


def draw_deployment() -> str:
    """What each precision loses on the held-out photographs; empty where it was not measured."""
    found = read_deployment()
    if found is None:
        return ""
    rows = []
    for name in PRECISIONS:
        if (one := found.precisions.get(name)) is not None:
            lost = (measured(one.map_drop, 2), measured(one.flips_percent, 2), layers(one))
            milliseconds = "" if one.p50_ms is None else f"{one.p50_ms:.1f}"
            costs = ("", "", "") if name == "fp32" else lost
            rows.append(
                (f"`{name}`", measured(one.map), *costs, milliseconds, f"{one.size_mib:.1f}")
            )
    heads = ("precision", "mAP", "points lost", "flips, %", "in FP", "ms", "MiB")
    told = (
        f"Means of {count(len(found.networks), 'run')}, {found.heldout} photographs, 95 % "
        f"intervals in parentheses. Batch 1, {count(found.threads, 'thread')}; PyTorch takes "
        f"{found.torch_ms:.1f} ms.\n"
    )
    return f"{table(heads, rows)}\n{told}"


def _labels(world: RealWorld) -> str:
    rows = [
        (NAMES.get(one.labels, one.labels), f"{one.map:.1f}", f"{one.macro_f1:.1f}",
         percent(one.f1_share), percent(one.ece))
        for one in world.labels
    ]  # fmt: skip
    heads = ("labels", "mAP", "macro F1", "% of the best F1", "ECE")
    return table(heads, rows) if rows else ""


def _students(world: RealWorld) -> str:
    rows = [
        (NAMES.get(one.strategy, one.strategy), *quality(one)) for one in world.strategies
    ]  # fmt: skip
    heads = ("network learned from", "mAP", "95 %", "macro F1", "% of the best F1", "ECE")
    return table(heads, rows) if rows else ""


def _bounds(world: RealWorld) -> str:
    own = world.default_method
    found = {
        (strategy, method or own): name for name, strategy, method in reversed(BOUNDS)
    }  # once each, where the default is `fixed`
    rows = [
        (name, *quality(one))
        for (strategy, method), name in reversed(found.items())
        if (one := world.learned(strategy, method)) is not None
    ]
    gains = [(name, gain) for name in AGAINST if (gain := world.gain(name)) is not None]
    heads = ("network learned from", "mAP", "95 %", "macro F1", "% of the best F1", "ECE")
    parts = [table(heads, rows)] if rows else []
    if gains:
        compared = ((name, *difference(gain), percent(gain.ratio)) for name, gain in gains)
        heads_of_gains = ("compared", "points", "over seeds", "over photographs", "ratio, %")
        parts.append(table(heads_of_gains, compared))
    return "\n".join(parts)


def _methods(world: RealWorld) -> str:
    rows = []
    for one in sorted(world.methods, key=lambda row: -row.map):
        gain = world.gain(f"{one.method} against fixed")
        over = ("", "") if gain is None else difference(gain)[::2]
        seconds = "" if one.seconds is None else f"{one.seconds:.0f}"
        rows.append((f"`{one.method}`", *quality(one)[:1], *over, *quality(one)[2:], seconds))
    heads = ("method", "mAP", "over `fixed`", "95 %", "macro F1", "% of the best F1", "ECE", "s")
    return table(heads, rows) if rows else ""


def _observed(world: RealWorld) -> str:
    rows = []
    for one in sorted(world.observed, key=lambda row: -row.map):
        gain = world.gain(f"{one.method}: {one.level} observed against none")
        over = ("", "") if gain is None else difference(gain)[::2]
        rows.append((f"`{one.method}`", quality(one)[0], *over))
    heads = ("method", "mAP", "over none observed", "95 %")
    return table(heads, rows) if rows else ""


def quality(one: Learned) -> tuple[str, str, str, str, str]:
    """mAP with its deviation and interval, macro F1, its share of the best, calibration error."""
    interval = ends(one.map_interval)
    return seeds(one), interval, f"{one.macro_f1:.1f}", percent(one.f1_share), percent(one.ece)


def seeds(one: Learned) -> str:
    """mAP, and how far the seeds lie apart."""
    return f"{one.map:.1f}" + ("" if one.map_deviation is None else f" ± {one.map_deviation:.1f}")


def difference(gain: Gain) -> tuple[str, str, str]:
    """Points, and the two intervals."""
    return f"{gain.mean:+.1f}", ends(gain.over_seeds), ends(gain.over_pictures)


def measured(one: Measured, digits: int = 1) -> str:
    """A figure with its interval in parentheses."""
    return f"{one.value:.{digits}f} ({one.low:.{digits}f} to {one.high:.{digits}f})"


def layers(one: Deployed) -> str:
    """How many layers stay in floating point, in each run."""
    if not one.float_layers:
        return ""
    counts: Sequence[int] = sorted(set(one.float_layers))
    return f"{' to '.join(str(n) for n in (counts[0], counts[-1])[: len(counts)])} of {one.layers}"


def count(number: int, what: str) -> str:
    """Of 1, no plural."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def ends(interval: Ends | None) -> str:
    """Both ends of an interval, or nothing."""
    low, high = interval or (None, None)
    return "" if low is None or high is None else f"{low:.1f} to {high:.1f}"


def percent(value: float | None) -> str:
    """One decimal, or nothing where it was not measured."""
    return "" if value is None else f"{value:.1f}"
