"""The tables of the project's README: photographs first, then labels of cached CLIP outputs."""

from __future__ import annotations

from typing import Any

from benchmarks.tables.markdown import figures, spread, study_rows, table


def draw_summary() -> str:
    """The one table of the project's README."""
    real, drawn = (figures("real_vectors")[side] for side in ("real", "drawn"))
    whole = figures("real_vectors")["reproduced"]["global at 0.01"]
    study = {(r["strategy"], r["method"], r["observed"]): r for r in study_rows()}
    students = [
        spread(study[strategy, method, "none"], "heldout_map")
        for strategy, method in (("global", "fixed"), ("cdul", "fixed"), ("default", "cdul"))
    ]
    speed = figures("precision_latency")["resnet50_224"]
    rows = [
        ("labels of 2,818 VOC 2012 photographs, mAP", *of_three(whole, real, "map")),
        ("their macro F1, thresholds found without labels", *of_three(whole, real, "macro_f1")),
        ("labels of drawn worlds, mAP", *of_three(drawn["global"], drawn, "map")),
        ("a small network trained on them, held-out mAP", *students),
    ]
    heads = ("", "CLIP, whole image", "CDUL's scores", "cdul-edge, default")
    return table(heads, rows) + (
        f"\nResNet-50 at 224 px takes {speed['torch_fp32_ms']:.0f} ms in PyTorch, "
        f"{speed['onnxruntime_fp32_ms']:.0f} ms in ONNX Runtime, and "
        f"{speed['onnxruntime_int8_cpu_ms']:.0f} ms in INT8 (batch 1, two cores).\n"
    )


def of_three(whole: dict[str, float], scored: dict[str, Any], key: str) -> tuple[str, str, str]:
    """One figure of the whole image's scores, of CDUL's, and of the default's."""
    sides = (whole, scored["cdul"], scored["evidence (default)"])
    first, second, third = (f"{side[key]:.1f}" for side in sides)
    return first, second, f"**{third}**"
