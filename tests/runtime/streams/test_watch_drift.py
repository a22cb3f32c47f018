"""Drift in the figures of a watch: from the bundle's reference to a JSON row."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge import Classifier, watch
from cdul_edge_runtime.bundle.bundle import MANIFEST, SCORE_REFERENCE, Bundle, record_file
from cdul_edge_runtime.bundle.score_reference import ScoreReference
from cdul_edge_runtime.host.files import write_json
from cdul_edge_runtime.metrics.drift import ClassDrift, DriftReport
from cdul_edge_runtime.streams.row_json import to_json
from cdul_edge_runtime.streams.rows import Stats
from tests.fakes.stream_source import FakeSource, frame

# 120 brightnesses, in an order in which neighbors are not alike
LEVELS = ((np.arange(120) * 77) % 120 * 2).astype(np.uint8)
GRAYS = np.broadcast_to(LEVELS[:, None, None, None], (120, 8, 8, 3))


@pytest.fixture
def referenced(bundle: Path) -> Path:
    """The tiny bundle, with its scores of those pictures for a reference."""
    loaded = Bundle.load(bundle)
    with Classifier.load(loaded, device="cpu", threads=1) as classifier:
        scores = np.stack([one.scores for one in classifier.predict_batch(GRAYS)])
    made = ScoreReference.of(scores, loaded.manifest.thresholds, loaded.manifest.classes)
    made.write(bundle / SCORE_REFERENCE)
    record = {SCORE_REFERENCE: record_file(bundle / SCORE_REFERENCE)}
    manifest = replace(loaded.manifest, files={**loaded.manifest.files, **record})
    write_json(bundle / MANIFEST, manifest.to_dict())
    return bundle


def figures(
    bundle: Path, pictures: np.ndarray, thresholds: np.ndarray | None = None
) -> tuple[Stats, dict[str, Any]]:
    """The last figures of a file with a picture a second, and their part of the JSON row."""
    source = FakeSource(finite=True)
    source.send(*(frame(float(n), picture) for n, picture in enumerate(pictures))).end()
    with (
        Classifier.load(bundle, device="cpu", threads=1) as classifier,
        watch(classifier, {"door": source}, stats_s=3600, thresholds=thresholds) as rows,
    ):
        *_, last = (row for row in rows if isinstance(row, Stats))
    return last, json.loads(to_json(last))["drift"]


def test_the_pictures_of_the_reference_have_not_moved(referenced: Path) -> None:
    row, told = figures(referenced, GRAYS)
    assert row.drift is not None
    assert row.drift_note is None
    assert (told["frames"], told["classes"], told["shifted"]) == (120, 3, 0)
    red = row.drift.classes["red"]
    assert (red.psi, red.prevalence) == (0, red.reference_prevalence)
    assert row.drift.classes["blue"].prevalence == 0  # never predicted


def test_darkened_pictures_have_shifted_and_the_row_says_which_classes_most(
    referenced: Path,
) -> None:
    dark = GRAYS.copy()
    dark[..., 1] //= 4
    row, told = figures(referenced, dark)
    assert row.drift is not None
    assert row.drift.shifted == ("green",)
    assert next(iter(told["worst"])) == "green"
    worst = told["worst"]["green"]
    assert worst == {
        "psi": pytest.approx(row.drift.classes["green"].psi, abs=1e-4),
        "prevalence": 0,
        "reference_prevalence": pytest.approx(0.4667, abs=0.01),
        "calibration_shift": pytest.approx(row.drift.classes["green"].calibration_shift, abs=1e-4),
    }
    assert len(told["worst"]) == 3


def test_thresholds_of_the_watch_decide_on_both_sides(referenced: Path) -> None:
    row, _ = figures(referenced, GRAYS, np.full(3, 0.9))
    assert row.drift is not None
    for one in row.drift.classes.values():
        assert 0.1 < one.prevalence < 0.3
        assert one.prevalence == pytest.approx(one.reference_prevalence, abs=0.02)


def test_a_row_without_drift_says_why(referenced: Path, tmp_path: Path) -> None:
    row, told = figures(referenced, GRAYS[:12])
    assert row.drift is None
    assert told == {"note": "too few frames: 12 of 100"}
    (referenced / SCORE_REFERENCE).unlink()
    manifest = json.loads((referenced / MANIFEST).read_text())
    del manifest["files"][SCORE_REFERENCE]
    write_json(referenced / MANIFEST, manifest)
    assert figures(referenced, GRAYS)[1] == {"note": "no reference"}


def test_one_file_alone_has_no_reference(referenced: Path) -> None:
    with Classifier.load(referenced / "model.fp32.onnx", device="cpu") as classifier:
        assert classifier.score_reference() is None


def test_a_row_of_many_classes_stays_short() -> None:
    rest = (0.1, 0.2, -0.01, 0.03)
    classes = {f"class {n}": ClassDrift(n / 100, *rest) for n in range(80)}
    row = Stats("door", 0.0, 25, 5, 0, 1.0, 2.0, 0, 100.0, DriftReport(300, 3000, classes))
    told = json.loads(to_json(row))["drift"]
    assert (told["classes"], told["shifted"], told["median_psi"]) == (80, 54, 0.395)
    assert list(told["worst"]) == [f"class {n}" for n in (79, 78, 77, 76, 75)]
