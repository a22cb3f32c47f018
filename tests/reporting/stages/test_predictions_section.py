from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cdul_edge.reporting.stages.predictions.drift_tally import DriftTally
from cdul_edge_runtime.bundle.bundle import SCORE_REFERENCE, record_file
from cdul_edge_runtime.bundle.score_reference import ScoreReference
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import write_json
from cdul_edge_runtime.metrics.drift import measure_drift
from tests.fakes.shown_page import ShownPage, show

COLORS = ("red", "green", "blue")
# red at a threshold between 0.25 and 0.5; green never, blue once.
SCORES = {"a": (0.75, 0.125, 0.0), "b": (0.5, 0.25, 1.0), "c": (0.25, 0.0, 0.0)}


def write_predictions(folder: Path, **scores: tuple[float, ...]) -> Path:
    lines = []
    for name, row in {**SCORES, **scores}.items():
        path = folder / f"{name}.png"
        Image.new("RGB", (20, 20), tuple(int(255 * one) for one in row[:3])).save(path)
        named = dict(zip(COLORS, row, strict=True))
        labels = [color for color, one in named.items() if one >= 0.5]
        lines.append(json.dumps({"path": str(path), "labels": labels, "scores": named}))
    file = folder / "predictions.jsonl"
    file.write_text("\n".join(lines) + "\n")
    return file


def classes(page: ShownPage) -> list[dict[str, Any]]:
    found = page.at("/sections/predictions/classes")
    assert isinstance(found, list)
    return found


def add_reference(bundle: Path, scores: np.ndarray) -> ScoreReference:
    thresholds = np.array([0.5, 0.5, np.inf], np.float32)
    reference = ScoreReference.of(scores, thresholds, COLORS)
    reference.write(bundle / SCORE_REFERENCE)
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    record = record_file(bundle / SCORE_REFERENCE)
    manifest["files"][SCORE_REFERENCE] = {"sha256": record.sha256, "bytes": record.bytes}
    write_json(bundle / "manifest.json", manifest)
    return reference


def test_classes_are_counted_and_the_pictures_around_the_threshold_shown(tmp_path: Path) -> None:
    page = show(tmp_path, write_predictions(tmp_path))
    at = "/sections/predictions"
    assert (page.at(f"{at}/pictures"), page.at(f"{at}/without_label")) == (3, 1)
    assert page.at(f"{at}/labels_per_picture") == 1.0
    red, green, blue = classes(page)
    assert (red["given"], green["given"], blue["given"]) == (2, 0, 1)
    assert (red["mean_score"], red["share"]) == (0.5, 2 / 3)
    assert (red["lowest_given"], red["highest_not_given"]) == (0.5, 0.25)
    assert green["lowest_given"] is None
    assert red["psi"] is None
    shown = page.at(f"{at}/shown/0")
    assert isinstance(shown, dict)
    assert [Path(one["picture"]).stem for one in shown["surest"]] == ["a", "b"]
    assert [Path(one["picture"]).stem for one in shown["barely_given"]] == ["b", "a"]
    assert [one["score"] for one in shown["barely_not"]] == [0.25]
    assert all(one["thumbnail"] for one in shown["surest"])
    assert "no bundle or run of these classes" in page.html


def test_drift_is_measured_against_the_bundle_on_the_page(tmp_path: Path, bundle: Path) -> None:
    rng = np.random.default_rng(0)
    reference = add_reference(bundle, rng.random((200, 3)).astype(np.float32) / 2)
    rows = {f"p{i}": tuple(map(float, row)) for i, row in enumerate(rng.random((40, 3)))}
    file = write_predictions(tmp_path, **rows)
    page = show(tmp_path, file, bundle)
    scores = np.array([*SCORES.values(), *rows.values()], np.float32)
    expected = measure_drift(scores, reference)
    assert page.at("/sections/predictions/reference") == str(bundle)
    assert page.at("/sections/predictions/shifted") == len(expected.shifted) > 0
    for one in classes(page):
        known = expected.classes[one["name"]]
        assert one["psi"] == pytest.approx(known.psi)
        assert one["calibration_shift"] == pytest.approx(known.calibration_shift)
        assert one["reference_share"] == known.reference_prevalence


@pytest.mark.parametrize("step", [1, 7, 100])
def test_drift_in_passing_is_that_of_all_scores_at_once(step: int) -> None:
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(size=(100, 3)), axis=0)  # neighbors are alike, as in a video
    walk[:, 2] = 0.5  # and one class never moves
    scores = (1 / (1 + np.exp(-walk))).astype(np.float32)
    reference = ScoreReference.of(rng.random((50, 3)), np.full(3, 0.5), COLORS)
    tally = DriftTally(3)
    for start in range(0, 100, step):
        tally.add(scores[start : start + step])
    expected = measure_drift(scores, reference)
    found = tally.measure(reference, (scores >= 0.5).mean(axis=0))
    for one, known in zip(found, expected.classes.values(), strict=True):
        assert one.psi == pytest.approx(known.psi, rel=1e-6)
        assert one.luck == pytest.approx(known.luck, rel=1e-6)
        assert one.prevalence == known.prevalence


def test_a_bundle_of_an_earlier_version_has_nothing_to_compare_with(
    tmp_path: Path, bundle: Path
) -> None:
    page = show(tmp_path, write_predictions(tmp_path), bundle)
    assert page.at("/sections/predictions/reference") is None
    assert "made by an earlier version" in page.html


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"path": "d", "labels": [], "scores": {"red": 0.5}}', "without --top"),
        ('{"path": "d", "labels": [], "scores": {"red": NaN}}', "line 4"),
        ('{"path": "d", "la', "line 4 is not JSON"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, told: str) -> None:
    file = write_predictions(tmp_path)
    with file.open("a") as opened:
        opened.write(line + "\n")
    with pytest.raises(CdulEdgeError, match=told) as raised:
        show(tmp_path, file)
    assert "\n" not in str(raised.value)


def test_scores_outside_zero_and_one_are_shown_without_drift(
    tmp_path: Path, make_bundle: Callable[..., Path]
) -> None:
    bundle = make_bundle()
    add_reference(bundle, np.full((20, 3), 0.5, np.float32))
    page = show(tmp_path, write_predictions(tmp_path, d=(1.0, 0.0, 0.0)), bundle)
    assert page.at("/sections/predictions/reference") is not None
    table = tmp_path / "logits.csv"
    table.write_text("image_path,red,green,blue\na.png,3.5,-2,0\n")
    page = show(tmp_path, table, bundle)
    assert page.at("/sections/predictions/reference") is None
    assert "outside 0 to 1" in page.html
