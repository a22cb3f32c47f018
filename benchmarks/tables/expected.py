"""What `evaluate` without truth expects, beside what truth says."""

from __future__ import annotations

from benchmarks.tables.markdown import figures, section, table


def draw_expected() -> str:
    """One row per set of scores."""
    rows = []
    for name, one in figures("expected")["sets"].items():
        f1, ap = one["macro_f1"], one["map"]
        held = f"{one['held']} of {len(one['classes'])}"
        rows.append(
            (name, one["pictures"], f1["true"], _interval(f1["expected"]),
             f"{f1['if_calibrated'][0]:.1f}", held, ap["true"], _interval(ap["expected"]))
        )  # fmt: skip
    heads = (
        "scores", "images", "macro F1", "expected", "with no doubt about the scores",
        "classes whose F1 is in its interval", "mAP", "expected",
    )  # fmt: skip
    told = (
        "`evaluate` without truth beside the truth, in percent, with 95 % intervals. The doubt "
        "about labels was chosen on the first two rows, that about networks on a linear probe and "
        "a short run that learned from the other photographs. The network is one that learned free "
        "labels with `fixed`, on held-out photographs that nothing was chosen on."
    )
    return section("Estimates without truth", told, table(heads, rows))


def _interval(figure: list[float]) -> str:
    value, low, high = figure
    return f"{value:.1f} ({low:.1f} to {high:.1f})"
