"""How often the intervals from answers hold the truth."""

from __future__ import annotations

from benchmarks.tables.markdown import figures, section, table

_FIGURES = {"precision": "precision", "recall": "recall", "f1": "F1"}


def draw_sampling() -> str:
    """Coverage by the number of questions per class."""
    found = figures("sampling")
    rows = []
    for sample in found["samples"]:
        cells = [
            _spread([one[key]["coverage"] for one in sample["classes"].values()])
            for key in _FIGURES
        ]
        macro = sample["macro_f1"]
        told = f"{macro['mean']:.1f} ± {macro['width'] / 2:.1f}"
        rows.append((sample["per_class"], *cells, f"{macro['coverage']:.1f}", told))
    truth = found["samples"][0]["macro_f1"]["truth"]
    heads = (
        *("asked per class", *(f"{name} of a class" for name in _FIGURES.values()), "macro F1"),
        f"its estimate, half an interval (truth: {truth:.1f})",
    )
    told = (
        f"How many of {found['repeats']} 95 % intervals of `evaluate --sampled` hold the truth, in "
        f"percent: the lowest and the highest of eight classes, {found['pictures']} photographs."
    )
    return section("Estimates from answers", told, table(heads, rows))


def _spread(values: list[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}"
