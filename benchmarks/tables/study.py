"""The sections about training methods, from the study on drawn worlds."""

from __future__ import annotations

from typing import Any

from benchmarks.tables.markdown import figures, section, spread, study_rows, table


def draw_study() -> tuple[str, ...]:
    """All of them, in order."""
    return draw_methods(), draw_strategies(), draw_observed(), draw_claims(), draw_overhead()


def draw_methods() -> str:
    """Training methods on the default labels."""
    rows = [
        (f"`{r['method']}`", spread(r, "heldout_map"), gain(r), spread(r, "heldout_macro_f1"),
         spread(r, "heldout_ece"), spread(r, "labels_last_map"), f"{r['seconds']:.0f}")
        for r in study_rows() if r["strategy"] == "default" and r["observed"] == "none"
    ]  # fmt: skip
    heads = ("method", "held-out mAP", "over `fixed`", "macro F1", "ECE", "labels after", "s")
    told = (
        "Three drawn worlds (600 training, 300 held-out images), the demo's network at 96 px, ten "
        "epochs. The labels start at 81.1 ± 0.4 mAP."
    )
    return section("Training methods", told, table(heads, rows))


def draw_strategies() -> str:
    """Labeling strategies under fixed labels."""
    rows = [
        (f"`{r['strategy']}`", spread(r, "labels_first_map"), spread(r, "heldout_map"),
         spread(r, "heldout_macro_f1"))
        for r in study_rows() if r["method"] == "fixed" and r["observed"] == "none"
    ]  # fmt: skip
    heads = ("strategy", "labels, mAP", "held-out mAP", "macro F1")
    return section("Labeling strategies, method `fixed`", table(heads, rows))


def draw_observed() -> str:
    """How far some true labels help each method."""
    levels = ("none", "10%", "50%")
    by_cell = {(r["method"], r["observed"]): r for r in study_rows() if r["strategy"] == "default"}
    methods = [m for m, level in by_cell if level == "50%"]
    rows = [(f"`{m}`", *(spread(by_cell[m, n], "heldout_map") for n in levels)) for m in methods]
    return section("Observed labels, held-out mAP", table(("method", *levels), rows))


def draw_claims() -> str:
    """Published claims, tried on the drawn worlds."""
    rows = []
    for claim in figures("study")["claims"]:
        if claim["mean"] is None:  # one side was not run
            continue
        compared = f"`{claim['better']}` - `{claim['worse']}`"
        side = "labels" if claim["measure"].startswith("labels") else "held-out"
        difference = f"{claim['mean']:+.2f} ± {claim['deviation']:.2f}"
        rows.append((claim["claim"], compared, side, difference, claim["verdict"]))
    heads = ("claim", "compared", "mAP of", "difference", "verdict")
    return section("Published claims", table(heads, rows))


def draw_overhead() -> str:
    """What a method costs in time."""
    rows = []
    for name, found in figures("method_overhead")["methods"].items():
        epoch = f"{found['over_fixed']:.2f} ± {found['standard_error']:.2f}"
        passes, whole = found["passes_in_20_epochs"], f"{found['with_passes']:.2f}"
        rows.append((f"`{name}`", epoch, passes, whole))
    heads = ("method", "epoch, relative to `fixed`", "extra passes in 20 epochs", "whole run")
    return section("Training time", table(heads, rows))


def gain(row: dict[str, Any]) -> str:
    """Mean held-out gain over fixed labels."""
    gains = list(row["gains"].values())
    return f"{sum(gains) / len(gains):+.1f}" if gains and row["method"] != "fixed" else ""
