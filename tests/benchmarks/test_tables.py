"""Tables of photographs from result files; what was not run has no row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.tables import photographs, readme_page, records


def learned(
    strategy: str, method: str = "fixed", level: str = "none", map_: float = 78.0
) -> object:
    return {
        "strategy": strategy, "method": method, "level": level, "seeds": {"0": map_, "1": map_},
        "map": map_, "map_deviation": 0.44, "map_interval": [map_ - 2, map_ + 2], "ap": {},
        "macro_f1": 70.0, "macro_f1_best": 75.0, "f1_share": 93.33, "ece": 2.0, "seconds": 61.4,
    }  # fmt: skip


def labels(name: str, map_: float) -> object:
    return {
        "labels": name, "pictures": 855, "map": map_, "map_all_classes": map_, "ap": {},
        "macro_f1": 80.0, "macro_f1_best": 82.0, "f1_share": 97.56, "ece": 1.5,
    }  # fmt: skip


def gain(name: str, mean: float) -> object:
    return {
        "comparison": name, "better": ["default", "distill", "none"], "worse": [],
        "gains": {}, "mean": mean, "ratio": 99.5,
        "over_seeds": [None, None], "over_pictures": [mean - 1, mean + 1],
    }  # fmt: skip


WORLD = {
    "protocol": "final",
    "photographs": 1697,
    "with_truth": 855,
    "judged_on": 947,
    "labels": [labels("cdul", 88.04), labels("default", 90.06)],
    "strategies": [learned("cdul", map_=77.0), learned("default", map_=80.26)],
    "bounds": [learned("truth", map_=77.94)],
    "methods": [learned("default"), learned("default", "asl", map_=79.0)],
    "comparisons": [gain("asl against fixed", 1.0)],
}
MEASURED = {"value": 0.21, "low": -0.1, "high": 0.44}
PRECISION = {
    "map": {"value": 80.26, "low": 78.0, "high": 82.0}, "map_drop": MEASURED,
    "flips_percent": MEASURED, "macro_f1": 70.0, "f1_share": 93.0, "ece": 2.0, "size_mib": 3.66,
    "float_layers": [0, 2], "layers": 49, "p50_ms": 4.24,
}  # fmt: skip
DEPLOYMENT = {
    "networks": ["timm:tf_efficientnet_lite0"] * 2,
    "heldout": 947,
    "precisions": {"fp32": {**PRECISION, "p50_ms": 8.0}, "int8-cpu": PRECISION},
    "torch_ms": 21.2,
    "threads": 2,
    "runs": [],
}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    return tmp_path


def write(results: Path, name: str, figures: object) -> None:
    (results / f"{name}.json").write_text(json.dumps({"figures": figures}))


def test_nothing_is_drawn_of_what_was_never_run(results: Path) -> None:
    assert photographs.draw_all() == ()
    assert photographs.draw_main() == ""
    assert readme_page.draw_bounds(None) == readme_page.draw_device() == ""
    assert "EfficientNet" not in readme_page.draw_summary()


def test_the_readme_begins_with_photographs_and_leaves_no_empty_row(results: Path) -> None:
    write(results, "real_world", WORLD)
    head, _, student, share, *_ = readme_page.draw_summary().splitlines()
    assert head == "|  | CLIP, whole image | CDUL's scores | cdul-edge, default |"
    assert student.endswith(" photographs, held-out mAP |  | 77.0 ± 0.4 | **80.3 ± 0.4** |")
    assert share.endswith("thresholds |  | 93.3 | **93.3** |")
    told = "From the truth of 855 of them it reaches 77.9 ± 0.4."
    assert told in readme_page.draw_summary().splitlines()  # no free labels of those were run


def test_truth_and_free_labels_are_compared_by_the_same_method(results: Path) -> None:
    own = gain("free labels of all, default method, against truth, fixed", 3.0)
    bounds = [learned("truth", map_=76.0), learned("default@with-truth", "distill", map_=78.0)]
    world = {**WORLD, "bounds": bounds, "comparisons": [own]}
    write(results, "real_world", world)
    assert "it reaches 76.0 ± 0.4.\n" in readme_page.draw_summary()
    write(results, "real_world", {**world, "bounds": [*bounds, learned("truth", "distill")]})
    assert "it reaches 78.0 ± 0.4, from their free labels 78.0 ± 0.4." in readme_page.draw_summary()


def test_the_readme_shows_only_the_rows_that_were_run(results: Path) -> None:
    write(results, "real_world", {**WORLD, "strategies": [], "methods": [], "bounds": []})
    assert "EfficientNet" not in readme_page.draw_summary()


def test_the_default_is_what_training_does_unasked(results: Path) -> None:
    own = gain("free labels of all, default method, against truth, fixed", 3.0)
    bounds = [learned("truth"), learned("default", "distill", map_=81.0)]
    write(results, "real_world", {**WORLD, "bounds": bounds, "comparisons": [own]})
    assert "|  | 77.0 ± 0.4 | **81.0 ± 0.4** |" in readme_page.draw_summary()
    page = photographs.draw_main()
    assert "| free labels of all | 81.0 ± 0.4 |" in page
    assert "| free labels of all, `fixed` | 80.3 ± 0.4 |" in page
    assert "| free labels of all, default method, against truth, fixed | +3.0 |" in page


def test_methods_stand_by_map_with_what_they_gain_over_fixed(results: Path) -> None:
    write(results, "real_world", WORLD)
    page = "\n".join(photographs.draw_all())
    better, fixed = (page.index(f"| `{name}` |") for name in ("asl", "fixed"))
    assert better < fixed
    assert "| `asl` | 79.0 ± 0.4 | +1.0 | 0.0 to 2.0 | 70.0 | 93.3 | 2.0 | 61 |" in page
    assert "observed" not in page
    assert "EfficientNet-Lite0, 2 seeds; ±" in page


def test_a_loss_stands_with_its_interval_and_fp32_loses_nothing(results: Path) -> None:
    write(results, "real_deployment", DEPLOYMENT)
    lines = photographs.draw_deployment().splitlines()
    assert "| `fp32` | 80.3 (78.0 to 82.0) |  |  |  | 8.0 | 3.7 |" in lines
    row = "| `int8-cpu` | 80.3 (78.0 to 82.0) | 0.21 (-0.10 to 0.44) | 0.21 (-0.10 to 0.44) |"
    assert f"{row} 0 to 2 of 49 | 4.2 | 3.7 |" in lines
    told = readme_page.draw_device()
    assert told == "`int8-cpu` changes mAP by -0.2 (-0.4 to 0.1) points (95 % intervals)."
