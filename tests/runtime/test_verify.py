from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cdul_edge_runtime.bundle import REFERENCE, Bundle, Reference, record_file
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.files import write_json
from cdul_edge_runtime.images import find_images
from cdul_edge_runtime.verify import (
    Check,
    VerifyReport,
    default_report_path,
    measure_pictures,
    verify_bundle,
)


def verify(folder: Path, classifier: Classifier | None = None) -> VerifyReport:
    with classifier or Classifier.load(folder) as loaded:
        return verify_bundle(Bundle.load(folder), loaded, repeats=2)


def shift_reference(folder: Path, row: int, column: int, by: float) -> None:
    """Pretend that PyTorch had said something else."""
    bundle = Bundle.load(folder)
    reference = bundle.reference()
    scores = reference.scores.copy()
    scores[row, column] += by
    Reference(reference.inputs, scores, reference.names).write(folder / REFERENCE)
    content = bundle.manifest.to_dict()
    record = record_file(folder / REFERENCE)
    content["files"][REFERENCE] = {"sha256": record.sha256, "bytes": record.bytes}
    write_json(folder / "manifest.json", content)


class ByPosition:
    """A broken backend: what it says of a picture depends on its place in the batch."""

    name = "by position"
    input_shape = (8, 8)
    class_count = 3
    max_batch = None
    device_memory_mib = None

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        rows = np.linspace(0.1, 0.4, len(images), dtype=np.float32)
        return np.repeat(rows[:, None], 3, axis=1)

    def close(self) -> None: ...


def broken(report: VerifyReport) -> list[str]:
    return [check.name for check in report.checks if not check.passed]


def test_a_faithful_bundle_passes_with_full_agreement(bundle: Path) -> None:
    report = verify(bundle)
    assert report.passed
    assert report.map_reference == 100.0
    assert report.borderline == 0
    assert report.mean_error < 1e-6
    assert set(report.latency) == {"network", "end_to_end"}


def test_the_report_is_plain_json_with_its_machine(bundle: Path) -> None:
    content = json.loads(json.dumps(verify(bundle).to_dict(), allow_nan=False))
    assert content["passed"] is True
    assert content["stage"] == "verify"
    assert {"cpu", "cores"} <= set(content["machine"])
    assert "onnxruntime" in content["versions"]


def test_a_score_off_by_a_hundredth_breaks_the_limit_and_names_its_picture(bundle: Path) -> None:
    shift_reference(bundle, row=1, column=0, by=0.01)
    report = verify(bundle)
    assert broken(report) == ["largest score difference to PyTorch"]
    assert report.checks[0].value == pytest.approx(0.01, abs=1e-6)
    assert report.worst_picture == "green"
    assert report.mean_error == pytest.approx(0.01 / 9, abs=1e-6)


def test_a_decision_that_flips_is_counted_against_all_decisions(bundle: Path) -> None:
    shift_reference(bundle, row=0, column=0, by=-0.9)  # red's red: 0.98 -> 0.08, threshold 0.5
    report = verify(bundle)
    flips = next(check for check in report.checks if check.name.startswith("decisions"))
    assert flips.value == pytest.approx(100 / 9)
    assert not flips.passed


def test_a_flip_on_the_threshold_itself_is_only_reported(bundle: Path) -> None:
    bundle_ = Bundle.load(bundle)
    grey = float(bundle_.reference().scores[2, 0])
    content = bundle_.manifest.to_dict() | {"thresholds": [grey + 3e-5, 0.5, None]}
    write_json(bundle / "manifest.json", content)
    shift_reference(bundle, row=2, column=0, by=5e-5)
    report = verify(bundle)
    assert report.passed
    assert report.borderline == 1


def test_a_score_that_depends_on_the_neighbours_is_found(bundle: Path) -> None:
    report = verify(bundle, Classifier(Bundle.load(bundle).manifest, ByPosition()))
    assert {"one by one against a batch", "rows in another order"} <= set(broken(report))


def test_nan_breaks_a_limit() -> None:
    assert not Check("x", float("nan"), 1.0).passed


def test_pictures_are_measured_against_truth_and_faults_are_left_out(
    bundle: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, colour in (("a.png", (255, 0, 0)), ("b.png", (0, 255, 0)), ("d.png", (0, 0, 0))):
        Image.new("RGB", (9, 9), colour).save(folder / name)
    (folder / "c.png").write_bytes(b"broken")
    truth = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 1], [1, 0, -1]], np.int8)
    with Classifier.load(bundle) as classifier:
        found = measure_pictures(classifier, find_images(folder), truth)
        (folder / "a.png").write_bytes(b"")
        (folder / "b.png").write_bytes(b"")
        (folder / "d.png").write_bytes(b"")
        with pytest.raises(CdulEdgeError, match="none of the 4 pictures"):
            measure_pictures(classifier, find_images(folder), truth)
    assert found["count"] == 3
    assert [Path(row["path"]).name for row in found["unreadable"]] == ["c.png"]
    assert found["labels_per_picture"] == pytest.approx(2 / 3)
    # red: found at a, missed at d (rank 2 of 3 tied with b): AP = 1/2 + 1/2 * 2/3; green: 1.
    assert found["metrics"]["ap"]["red"] == pytest.approx(100 * (1 / 2 + 1 / 3))
    assert found["metrics"]["ap"]["green"] == pytest.approx(100)


def test_the_report_lands_beside_the_bundle(tmp_path: Path) -> None:
    assert default_report_path(tmp_path / "b") == tmp_path.resolve() / "b-verify.json"
