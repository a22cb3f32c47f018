from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cdul_edge_runtime.backends import Backend
from cdul_edge_runtime.bench.latency import Effort
from cdul_edge_runtime.bundle.bundle import REFERENCE, Bundle, Reference, record_file
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.precision_record import Limits
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.host.files import write_json
from cdul_edge_runtime.pictures.images import find_images
from cdul_edge_runtime.verify.check import Check
from cdul_edge_runtime.verify.pictures import PictureTest, prepare_pictures
from cdul_edge_runtime.verify.row import VerifyRow, verify_row

Scores = npt.NDArray[np.float32]
Inputs = npt.NDArray[np.uint8]


def measure(
    folder: Path,
    precision: Precision = Precision.FP32,
    *,
    backend: Backend | None = None,
    pictures: PictureTest | None = None,
) -> VerifyRow:
    bundle = Bundle.load(folder)
    if backend:
        classifier = Classifier(bundle.manifest, backend)
    else:
        classifier = Classifier.load(bundle, device="cpu", precision=precision)
    with classifier:
        return verify_row(
            bundle,
            classifier,
            device="cpu",
            precision=precision,
            pictures=pictures,
            batches=(1, 2),
            effort=Effort(2, 1),
        )


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


class Broken:
    """A backend with a fault: `spoil` changes true scores, knowing the call and its inputs."""

    name = "broken"
    input_shape = (8, 8)
    class_count = 3
    device_memory_mib = 7.0

    def __init__(
        self,
        scores: Callable[[Inputs], Scores],
        spoil: Callable[[int, Scores], Scores],
        max_batch: int | None = None,
    ) -> None:
        self._scores, self._spoil, self.max_batch = scores, spoil, max_batch
        self.calls: list[int] = []

    def infer(self, images: Inputs) -> Scores:
        self.calls.append(len(images))
        return self._spoil(len(self.calls), self._scores(images))

    def close(self) -> None: ...


def add_by_place(call: int, scores: Scores) -> Scores:
    return (scores + np.linspace(0, 0.005, len(scores))[:, None]).astype(np.float32)


def add_by_call(call: int, scores: Scores) -> Scores:
    return (scores * (1 - 0.001 * call)).astype(np.float32)


def add_by_size(call: int, scores: Scores) -> Scores:
    return (scores * (1 - 0.001 * len(scores))).astype(np.float32)


def all_nan(call: int, scores: Scores) -> Scores:
    return np.full_like(scores, np.nan)


def infinite(call: int, scores: Scores) -> Scores:
    return np.full_like(scores, np.inf)


def broken(row: VerifyRow) -> list[str]:
    return [check.name for check in row.checks if not check.passed]


def value(row: VerifyRow, name: str) -> float:
    return next(check.value for check in row.checks if check.name.startswith(name))


def test_a_faithful_bundle_passes_with_full_agreement(bundle: Path) -> None:
    row = measure(bundle)
    assert row.passed
    assert row.map_reference == 100.0
    assert (row.borderline, row.flip_rate) == (0, 0.0)
    assert row.mean_error < 1e-6
    assert row.speed is not None
    assert set(row.speed.latency) == {"network", "end_to_end"}
    assert set(row.speed.throughput) == {1, 2}


def test_a_score_off_by_a_hundredth_breaks_the_limit_and_names_its_picture(bundle: Path) -> None:
    shift_reference(bundle, row=1, column=0, by=0.01)
    row = measure(bundle)
    assert broken(row) == ["largest score difference to PyTorch"]
    assert row.checks[0].value == row.max_error == pytest.approx(0.01, abs=1e-6)
    assert row.worst_picture == "green"
    assert row.mean_error == pytest.approx(0.01 / 9, abs=1e-6)


def test_a_decision_that_flips_is_counted_against_all_decisions(bundle: Path) -> None:
    shift_reference(bundle, row=0, column=0, by=-0.9)  # red's red: 0.98 -> 0.08, threshold 0.5
    row = measure(bundle)
    assert value(row, "decisions that flip") == pytest.approx(100 / 9)
    assert row.flip_rate == pytest.approx(1 / 9)
    assert "decisions that flip, percent" in broken(row)


def test_a_flip_on_the_threshold_itself_is_only_reported(bundle: Path) -> None:
    bundle_ = Bundle.load(bundle)
    gray = float(bundle_.reference().scores[2, 0])
    content = bundle_.manifest.to_dict() | {"thresholds": [gray + 3e-5, 0.5, None]}
    write_json(bundle / "manifest.json", content)
    shift_reference(bundle, row=2, column=0, by=5e-5)
    row = measure(bundle)
    assert row.passed
    assert row.borderline == 1


def test_a_reduced_precision_is_held_to_its_own_limits(
    bundle: Path, add_precision: Callable[..., None]
) -> None:
    # A bias of -3.9: the middle of the sigmoid rises by 0.1 / 4 at most, which FP32 may not.
    add_precision(bundle, Precision.INT8_CPU, bias=-3.9, limits=Limits(0.5, 0.02, 0.05))
    row = measure(bundle, Precision.INT8_CPU)
    assert row.passed
    assert 1e-3 < row.max_error <= 0.025
    add_precision(bundle, Precision.INT8_CPU, bias=-3.9, limits=Limits(0.5, 0.02, 1e-3))
    assert broken(measure(bundle, Precision.INT8_CPU)) == ["largest score difference to PyTorch"]
    # A bias of -1: 7 of 9 decisions stay; white-ish gray and nothing else reaches a threshold.
    add_precision(bundle, Precision.INT8_CPU, bias=-1, limits=Limits(0.5, 0.02, 1.0))
    flips = value(measure(bundle, Precision.INT8_CPU), "decisions that flip, percent")
    assert flips == pytest.approx(100 * 2 / 9)  # gray: mean 45 / 255, 8 * 0.176 - 1 > 0, twice


def test_what_is_emulated_on_the_cpu_is_not_timed(
    bundle: Path, add_precision: Callable[..., None]
) -> None:
    add_precision(bundle, Precision.FP16)
    row = measure(bundle, Precision.FP16)
    assert row.accuracy_only
    assert row.speed is None
    assert row.to_dict()["latency"] == row.to_dict()["throughput"] == {}


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (add_by_place, {"one by one against a batch", "rows in another order"}),
        (add_by_place, {"the same picture twice in a batch"}),
        (add_by_call, {"the same batch again"}),
        (add_by_size, {"one by one against a batch"}),
        (all_nan, {"scores that are NaN or outside 0 to 1", "the same batch again"}),
    ],
)
def test_each_test_of_itself_notices_its_fault(
    bundle: Path,
    tiny_scores: Callable[[Inputs], Scores],
    spoil: Callable[[int, Scores], Scores],
    expected: set[str],
) -> None:
    row = measure(bundle, backend=Broken(tiny_scores, spoil))
    assert expected <= set(broken(row))
    assert row.to_dict()["passed"] is False


def test_another_batch_size_may_round_a_reduced_precision_differently(
    bundle: Path, tiny_scores: Callable[[Inputs], Scores], add_precision: Callable[..., None]
) -> None:
    add_precision(bundle, Precision.INT8)
    row = measure(bundle, Precision.INT8, backend=Broken(tiny_scores, add_by_size))
    # 3 pictures at once against 1: 0.982 * 0.002, under the record's 0.05 and over FP32's 1e-4.
    assert value(row, "one by one") == pytest.approx(0.982 * 0.002, rel=0.01)
    assert "one by one against a batch" not in broken(row)


def test_no_batch_is_larger_than_the_backend_takes(
    bundle: Path, tiny_scores: Callable[[Inputs], Scores]
) -> None:
    backend = Broken(tiny_scores, lambda call, scores: scores, max_batch=2)
    row = measure(bundle, backend=backend)
    assert row.passed
    assert row.device_memory_mib == 7.0
    assert max(backend.calls) == 2


def test_where_a_batch_is_one_picture_no_check_takes_two(
    bundle: Path, tiny_scores: Callable[[Inputs], Scores]
) -> None:
    backend = Broken(tiny_scores, lambda call, scores: scores, max_batch=1)
    row = measure(bundle, backend=backend)
    assert row.passed
    assert max(backend.calls) == 1
    names = {check.name for check in row.checks}
    assert "the same batch again" in names
    assert "the same picture twice in a batch" not in names
    assert row.speed is not None
    assert row.speed.throughput[1]
    assert row.speed.throughput[2] is None


@pytest.mark.parametrize("spoil", [all_nan, infinite])
@pytest.mark.parametrize("with_truth", [False, True])
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
def test_scores_that_are_no_numbers_are_a_broken_row_and_never_a_traceback(
    spoil: Callable[[int, Scores], Scores],
    with_truth: bool,
    precision: Precision,
    bundle: Path,
    pictures: Path,
    tiny_scores: Callable[[Inputs], Scores],
    add_precision: Callable[..., None],
) -> None:
    add_precision(bundle, Precision.INT8)
    truth = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, -1]], np.int8)
    test = prepare_pictures(
        Bundle.load(bundle), find_images(pictures), truth if with_truth else None
    )
    row = measure(bundle, precision, backend=Broken(tiny_scores, spoil), pictures=test)
    assert {
        "largest score difference to PyTorch",
        "scores that are NaN or outside 0 to 1",
        "scores on the pictures that are NaN or outside 0 to 1",
    } <= set(broken(row))
    assert row.map_reference is None
    assert row.pictures is not None
    assert row.pictures.map is None
    assert row.pictures.metrics is None
    json.dumps(row.to_dict(), allow_nan=False)


def test_fp32_that_is_nan_on_the_pictures_alone_is_broken(
    bundle: Path, pictures: Path, tiny_scores: Callable[[Inputs], Scores]
) -> None:
    """Also where a decision against NaN does not look like a flip, and NaN is the measure."""
    test = prepare_pictures(Bundle.load(bundle), find_images(pictures), None)
    test = replace(test, fp32=np.full_like(test.fp32, np.nan))

    def spoil(call: int, scores: Scores) -> Scores:
        return scores if call <= 7 else np.full_like(scores, np.nan)

    row = measure(bundle, backend=Broken(tiny_scores, spoil), pictures=test)
    assert broken(row) == ["scores on the pictures that are NaN or outside 0 to 1"]
    json.dumps(row.to_dict(), allow_nan=False)


def test_nan_breaks_a_limit() -> None:
    assert not Check("x", float("nan"), 1.0).passed
    assert Check("x", float("nan"), 1.0).to_dict()["value"] is None


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Red, green, and a gray of 90: at 8 * 90 / 255 - 4 it scores 0.236 everywhere."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, color in (("a", (255, 0, 0)), ("b", (0, 255, 0)), ("d", (90, 90, 90))):
        Image.new("RGB", (9, 9), color).save(folder / f"{name}.png")
    (folder / "c.png").write_bytes(b"broken")
    return folder


def test_pictures_show_what_a_precision_loses_against_fp32(
    bundle: Path, pictures: Path, add_precision: Callable[..., None]
) -> None:
    add_precision(bundle, Precision.INT8_CPU, bias=-2, limits=Limits(0.5, 0.5, 1.0))
    test = prepare_pictures(Bundle.load(bundle), find_images(pictures), None)
    row = measure(bundle, Precision.INT8_CPU, pictures=test)
    # Gray now scores 8 * 90 / 255 - 2 > 0: red and green flip there, blue is never predicted.
    found = row.pictures
    assert found is not None
    assert found.loss is not None
    assert found.count == 3
    assert found.flips.value == pytest.approx(2 / 9)
    assert found.loss.value == pytest.approx(0.0)  # a bias changes no order
    assert found.truth == "fp32 scores"
    assert value(row, "decisions that flip on the pictures") == pytest.approx(100 * 2 / 9)
    assert [one.path for one in test.unreadable] == [str(pictures / "c.png")]
    # "d.png" is the fourth picture and the third that can be read; 0.236 and 0.697 around 0.5.
    assert found.flipped_decisions == 2
    assert [(flip.picture, flip.label) for flip in found.flipped] == [
        ("d.png", "red"),
        ("d.png", "green"),
    ]
    before, after = 1 / (1 + math.exp(4 - 720 / 255)), 1 / (1 + math.exp(2 - 720 / 255))
    assert found.flipped[0].reference == pytest.approx(before, abs=1e-6)
    assert found.flipped[0].score == pytest.approx(after, abs=1e-6)
    assert found.flipped[0].threshold == 0.5
    assert found.to_dict()["flipped"] == [asdict(flip) for flip in found.flipped]
    strict = replace(test, truth=None)
    # Two of nine decisions on three pictures may be a rate of 10 % as well: exit code 0.
    add_precision(bundle, Precision.INT8_CPU, bias=-2, limits=Limits(0.5, 0.1, 1.0))
    row = measure(bundle, Precision.INT8_CPU, pictures=strict)
    assert (row.verdict, row.passed) == ("unsure", True)
    (check,) = [check for check in row.checks if check.verdict == "unsure"]
    assert check.name == "decisions that flip on the pictures, percent"
    assert check.interval is not None
    assert check.interval[0] < 10 < check.interval[1]
    assert check.pictures_needed == check.to_dict()["pictures_needed"]
    assert (check.pictures_needed or 0) > 3
    # Where none may flip, one that does is enough.
    add_precision(bundle, Precision.INT8_CPU, bias=-2, limits=Limits(0.5, 0.0, 1.0))
    assert "decisions that flip on the pictures, percent" in broken(
        measure(bundle, Precision.INT8_CPU, pictures=strict)
    )


def test_a_precision_that_ranks_pictures_wrongly_loses_map(
    bundle: Path,
    pictures: Path,
    tiny_scores: Callable[[Inputs], Scores],
    add_precision: Callable[..., None],
) -> None:
    add_precision(bundle, Precision.INT8)
    truth = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, -1]], np.int8)
    test = prepare_pictures(Bundle.load(bundle), find_images(pictures), truth)
    assert test.truth is not None
    assert test.truth.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, -1]]  # c cannot be read
    upside_down = Broken(tiny_scores, lambda call, scores: 1 - scores)
    row = measure(bundle, Precision.INT8, backend=upside_down, pictures=test)
    # Red: first of three before, last now (AP 1/3); green the same; blue has no positive.
    found = row.pictures
    assert found is not None
    assert found.metrics is not None
    assert found.map_fp32 == pytest.approx(100)
    assert found.map == pytest.approx(100 / 3)
    assert found.metrics.map == pytest.approx(100 / 3)
    assert value(row, "mAP lost") == pytest.approx(100 * 2 / 3)
    (lost,) = [check for check in row.checks if check.name.startswith("mAP lost")]
    assert lost.interval is not None
    assert lost.interval[0] < 0 < lost.interval[1]  # three pictures tell nothing
    assert lost.verdict == "unsure"
