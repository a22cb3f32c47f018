"""What `calibrate` finds about bf16, of which it makes no file."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdul_edge_calibration import CalibrateRequest, CalibrateResult, calibrate
from cdul_edge_calibration.accuracy import Cost
from cdul_edge_calibration.data.calibration_record import CALIBRATION, CalibrationRecord
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.verify.check import UNMEASURED, RowLimits
from tests.fakes.bf16_cpu import skip_without_bf16
from tests.fakes.residual_network import pictures, write_pictures

BF16 = Precision.BF16
BEFORE = {"manifest.json", "model.fp32.onnx", "reference.npz"}


def measure(bundle: Path, pool: Path, *, force: bool = False) -> CalibrateResult:
    request = CalibrateRequest(
        bundle, pool, (BF16,), 32, 40, max_map_drop=5, max_flip_rate=0.1, force=force
    )
    return calibrate(request, SilentConsole())


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pool", pictures(80))


def test_bf16_is_measured_on_its_pictures_and_leaves_a_record_alone(
    residual_bundle: Path, pool: Path
) -> None:
    skip_without_bf16()
    before = {name: (residual_bundle / name).read_bytes() for name in BEFORE}
    (outcome,) = measure(residual_bundle, pool).outcomes
    made = {path.name for path in residual_bundle.iterdir()} - BEFORE
    assert made == {"model.bf16.json", CALIBRATION}
    assert {name: (residual_bundle / name).read_bytes() for name in BEFORE} == before
    bundle = Bundle.load(residual_bundle)
    record = bundle.record(BF16)
    assert record == outcome.record
    assert record.sha256 == record.source_sha256 == bundle.fp32_sha256
    assert record.accuracy.against.startswith("openvino ")
    assert record.speed_up is not None
    assert record.objection is None
    checked = CalibrationRecord.read(residual_bundle)
    assert checked is not None
    inputs = [Image.open(pool / path) for path in checked.check]
    scores = []
    for device, precision in (("cpu", "fp32"), ("openvino", "bf16")):
        with Classifier.load(residual_bundle, device=device, precision=precision) as loaded:
            scores.append(np.stack([one.scores for one in loaded.predict_batch(inputs)]))
    largest = np.abs(scores[0] - scores[1]).max()
    assert record.accuracy.max_error == pytest.approx(largest, abs=1e-3)
    assert 1e-5 < largest < UNMEASURED.max_score_error  # rounded to 8 bits, and no worse


def test_a_second_measurement_needs_force(residual_bundle: Path, pool: Path) -> None:
    skip_without_bf16()
    measure(residual_bundle, pool)
    with pytest.raises(CdulEdgeError, match=r"has model\.bf16\.json: replace them with --force"):
        measure(residual_bundle, pool)
    assert measure(residual_bundle, pool, force=True).refused == ()


def test_a_budget_that_it_breaks_leaves_a_record_that_auto_goes_by(
    residual_bundle: Path, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without_bf16()
    monkeypatch.setattr(Cost, "judge", lambda cost, limits: "broken")
    result = measure(residual_bundle, pool)
    assert [outcome.precision for outcome in result.refused] == [BF16]
    objection = Bundle.load(residual_bundle).record(BF16).objection
    assert objection is not None
    assert "outside the budget" in objection


def test_without_openvino_that_is_said_before_any_work(
    residual_bundle: Path, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == "openvino"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"cdul-edge\[openvino\]"):
        measure(residual_bundle, pool)
    assert {path.name for path in residual_bundle.iterdir()} == BEFORE


def test_verify_holds_bf16_to_the_default_budget_until_it_was_measured(
    residual_bundle: Path,
) -> None:
    limits = RowLimits.of(Bundle.load(residual_bundle), BF16)
    assert (limits.map_drop, limits.flip_rate, limits.score_error) == (0.5, 0.02, 0.05)
