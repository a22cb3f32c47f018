from __future__ import annotations

import errno
import getpass
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from cdul_edge_calibration import CalibrateRequest, collect
from cdul_edge_calibration import calibrate as calibrate_bundle
from cdul_edge_calibration.calibration import SENSITIVITY
from cdul_edge_calibration.data.calibration_record import CALIBRATION
from cdul_edge_calibration.graphs.tensorrt_rules import count_int8_convolutions, find_violations
from cdul_edge_calibration.precisions import PrecisionOutcome
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.host.folder_lock import lock_folder
from cdul_edge_runtime.pictures.images import PictureList, find_images
from tests.fakes.residual_network import (
    CLASSES,
    LAYERS,
    build_residual,
    pictures,
    write_pictures,
    write_residual_bundle,
)

INT8, FP16, CPU = Precision.INT8, Precision.FP16, Precision.INT8_CPU
Calibrate = Callable[..., tuple[PrecisionOutcome, ...]]


@pytest.fixture
def pool(tmp_path: Path) -> PictureList:
    return find_images(write_pictures(tmp_path / "pool", pictures(80)))


@pytest.fixture
def many(tmp_path: Path) -> PictureList:
    """So many that INT8's loss of a hundredth of a point is beyond doubt."""
    return find_images(write_pictures(tmp_path / "many", pictures(400)))


@pytest.fixture
def calibrate(residual_bundle: Path, pool: PictureList, console: Console) -> Calibrate:
    """Calibrate the residual bundle, quickly and with room in the budget."""

    def run(
        *, folder: Path = residual_bundle, pictures: PictureList = pool, **changes: Any
    ) -> tuple[PrecisionOutcome, ...]:
        wide = {"count": 32, "check_count": 40, "max_map_drop": 5, "max_flip_rate": 0.1}
        request = CalibrateRequest(folder, pictures, **(wide | changes))
        return calibrate_bundle(request, console).outcomes

    return run


@pytest.fixture
def no_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Choosing pictures, to measure new ranges on them, is an error from here on."""

    def refuse(*arguments: object, **options: object) -> object:
        raise AssertionError("pictures were chosen")

    monkeypatch.setattr(collect, "choose_pictures", refuse)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


BEFORE = {"manifest.json", "model.fp32.onnx", "reference.npz"}


def test_every_precision_gets_a_file_and_a_record_and_the_bundle_is_not_changed(
    calibrate: Calibrate, residual_bundle: Path
) -> None:
    before = {name: (residual_bundle / name).read_bytes() for name in BEFORE}
    outcomes = calibrate()
    made = {f"model.{p.value}.{end}" for p in (FP16, INT8, CPU) for end in ("onnx", "json")}
    assert names(residual_bundle) == BEFORE | made | {CALIBRATION, SENSITIVITY}
    assert {name: (residual_bundle / name).read_bytes() for name in BEFORE} == before
    assert [outcome.precision for outcome in outcomes] == [FP16, INT8, CPU]
    bundle = Bundle.load(residual_bundle)
    for outcome in outcomes:
        assert bundle.model_path(outcome.precision).is_file()
        assert bundle.record(outcome.precision) == outcome.record
        assert outcome.accuracy.pictures == 40


def test_the_files_run_and_cost_what_their_records_say(
    calibrate: Calibrate, residual_bundle: Path, pool: PictureList
) -> None:
    outcomes = calibrate()
    paths = json.loads((residual_bundle / CALIBRATION).read_text())["check"]
    inputs = [Image.open(pool.root / path) for path in paths]
    scores = {}
    for precision in (p for p in Precision if p.has_file):
        with Classifier.load(residual_bundle, device="cpu", precision=precision.value) as loaded:
            scores[precision] = np.stack([p.scores for p in loaded.predict_batch(inputs)])
    for outcome in outcomes:
        error = np.abs(scores[outcome.precision] - scores[Precision.FP32])
        assert outcome.accuracy.max_error == pytest.approx(error.max(), abs=1e-5)
        assert outcome.accuracy.mean_error == pytest.approx(error.mean(), abs=1e-5)
        assert 0 < error.max() < (0.002 if outcome.precision is FP16 else 0.1)
        assert outcome.record is not None
        limit = outcome.record.limits.max_score_error
        assert limit == pytest.approx(max(0.01, 2 * outcome.accuracy.max_error))


def test_the_int8_file_keeps_the_rules_and_the_record_its_origin(
    calibrate: Calibrate, residual_bundle: Path
) -> None:
    (outcome,) = calibrate(precisions=(INT8,), seed=5)
    model = onnx.load(residual_bundle / "model.int8.onnx")
    assert find_violations(model) == []
    assert count_int8_convolutions(model) == (6, 6)
    record = outcome.record
    assert record is not None
    assert record.within_budget
    content = json.loads((residual_bundle / CALIBRATION).read_text())
    joined = "".join(content["calibration"].values()).encode()
    assert record.calibration == {
        "method": "minmax",
        "pictures": 32,
        "pictures_sha256": hashlib.sha256(joined).hexdigest(),
        "seed": 5,
    }


def test_calibrating_twice_gives_the_same_bytes(
    calibrate: Calibrate, residual_bundle: Path, tmp_path: Path
) -> None:
    other = write_residual_bundle(tmp_path / "other")
    calibrate()
    calibrate(folder=other)
    for precision in (FP16, INT8, CPU):
        ours, theirs = (folder / precision.file_name for folder in (residual_bundle, other))
        assert ours.read_bytes() == theirs.read_bytes()


def test_the_calibration_names_its_pictures_and_their_digests(
    calibrate: Calibrate, residual_bundle: Path, pool: PictureList
) -> None:
    calibrate(precisions=(FP16,))
    content = json.loads((residual_bundle / CALIBRATION).read_text())
    assert (len(content["calibration"]), len(content["check"])) == (32, 40)
    assert not set(content["calibration"]) & set(content["check"])
    for path, digest in {**content["calibration"], **content["check"]}.items():
        assert digest == hashlib.sha256((pool.root / path).read_bytes()).hexdigest()
    assert set(content["ranges"]) >= {"shifted", *LAYERS, "linear"}


def test_the_sensitivity_table_ranks_every_convolution(
    calibrate: Calibrate, residual_bundle: Path
) -> None:
    calibrate(precisions=(INT8,))
    content = json.loads((residual_bundle / SENSITIVITY).read_text())
    errors = [row["mean_error"] for row in content["layers"]]
    assert {row["layer"] for row in content["layers"]} == set(LAYERS)
    assert errors == sorted(errors, reverse=True)
    assert content["source_sha256"] == Bundle.load(residual_bundle).fp32_sha256


def test_fp16_alone_ranks_no_layers(calibrate: Calibrate, residual_bundle: Path) -> None:
    calibrate(precisions=(FP16,))
    assert not (residual_bundle / SENSITIVITY).exists()


@pytest.mark.usefixtures("no_ranges")
def test_measured_ranges_are_what_the_fixture_watches(calibrate: Calibrate) -> None:
    with pytest.raises(AssertionError, match="pictures were chosen"):
        calibrate()


def test_ranges_are_kept_while_nothing_changed(
    calibrate: Calibrate, console: Any, request: pytest.FixtureRequest
) -> None:
    first = calibrate(precisions=(FP16, INT8))
    request.getfixturevalue("no_ranges")
    again = calibrate(force=True, precisions=(FP16, INT8))
    assert any("ranges of the last calibration are kept" in line for line in console.said)
    assert [o.accuracy for o in again] == [o.accuracy for o in first]
    assert [o.record for o in again] == [o.record for o in first]


@pytest.mark.parametrize("change", ["model", "picture", "pool", "method", "seed", "record"])
def test_ranges_are_measured_again_when_something_changed(
    calibrate: Calibrate,
    residual_bundle: Path,
    pool: PictureList,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    change: str,
) -> None:
    calibrate(precisions=(FP16,))
    content = json.loads((residual_bundle / CALIBRATION).read_text())
    folder, kept = residual_bundle, pool
    changes: dict[str, Any] = {}
    if change == "model":  # the same pictures: the old calibration lies in another model's bundle
        folder = write_residual_bundle(tmp_path / "other", build_residual(seed=4))
        (residual_bundle / CALIBRATION).rename(folder / CALIBRATION)
    elif change == "picture":
        Image.new("RGB", (8, 8)).save(pool.root / next(iter(content["calibration"])))
    elif change == "pool":
        kept = PictureList(pool.root, pool.paths[:-1])
    elif change == "record":
        (residual_bundle / CALIBRATION).write_text(json.dumps({**content, "format": 0}))
    else:
        changes = {"method": "percentile"} if change == "method" else {"seed": 1}
    request.getfixturevalue("no_ranges")
    with pytest.raises(AssertionError, match="pictures were chosen"):
        calibrate(folder=folder, pictures=kept, precisions=(FP16,), force=True, **changes)


def test_percentile_ranges_lie_within_the_extremes(
    calibrate: Calibrate, residual_bundle: Path
) -> None:
    calibrate(precisions=(CPU,), method="percentile")
    content = json.loads((residual_bundle / CALIBRATION).read_text())
    assert content["key"]["method"] == "percentile"
    assert content["ranges"] != content["extremes"]
    for name, (low, high) in content["ranges"].items():
        lowest, highest = content["extremes"][name]
        assert lowest <= low <= high <= highest


def test_what_exists_is_refused_before_any_work(
    calibrate: Calibrate, residual_bundle: Path, request: pytest.FixtureRequest
) -> None:
    calibrate(precisions=(INT8,))
    request.getfixturevalue("no_ranges")
    before = (residual_bundle / "model.int8.json").read_bytes()
    with pytest.raises(CdulEdgeError, match=r"has model\.int8\.onnx: replace them with --force"):
        calibrate(seed=2)
    assert (residual_bundle / "model.int8.json").read_bytes() == before


def test_layers_that_cost_too_much_stay_float_and_are_named(
    calibrate: Calibrate, residual_bundle: Path, many: PictureList, console: Any
) -> None:
    common = {"precisions": (INT8,), "pictures": many, "check_count": 368, "max_flip_rate": 1}
    everything = calibrate(max_map_drop=100, **common)[0]
    cost = everything.accuracy.map_drop
    ranked = json.loads((residual_bundle / SENSITIVITY).read_text())["layers"]
    assert everything.float_layers == ()
    (outcome,) = calibrate(max_map_drop=cost * 0.6, force=True, **common)
    assert 1 <= len(outcome.float_layers) <= 3
    expected = tuple(row["layer"] for row in ranked[: len(outcome.float_layers)])
    assert outcome.float_layers == expected
    assert outcome.verdict != "broken"
    assert outcome.accuracy.map_drop < cost
    assert outcome.record is not None
    assert outcome.record.float_layers == expected
    (told,) = [line for line in console.said if "stay in floating point" in line]
    assert ", ".join(expected) in told
    assert "mAP falls by" in told


def test_a_loss_that_few_pictures_cannot_tell_from_the_limit_is_unsure_and_written(
    calibrate: Calibrate, residual_bundle: Path, console: Any
) -> None:
    """No decision flips among 40 x 3: by the rule of three the rate may still be near 9 %."""
    (outcome,) = calibrate(precisions=(FP16,), max_flip_rate=0.02)
    assert (outcome.verdict, outcome.accuracy.flip_rate) == ("unsure", 0.0)
    assert outcome.accuracy.flips.high == pytest.approx(3.8415 / 43.8415, rel=1e-3)
    record = Bundle.load(residual_bundle).record(FP16)
    assert (record.verdict, record.within_budget) == ("unsure", True)
    (told,) = [line for line in console.warned if "not enough pictures to tell" in line]
    assert "fp16: not enough pictures to tell: 0.00 % of decisions flip" in told
    assert "40 pictures, about 180 would tell" in told


def test_a_broken_budget_refuses_that_file_and_writes_the_others(
    calibrate: Calibrate, residual_bundle: Path, many: PictureList, console: Any
) -> None:
    made = calibrate(max_map_drop=0, precisions=(FP16, INT8), pictures=many, check_count=368)
    outcomes = {outcome.precision: outcome for outcome in made}
    refused = outcomes[INT8]
    assert (refused.record, refused.verdict) == (None, "broken")
    assert "mAP falls by" in refused.reasons[0]
    assert not {"model.int8.onnx", "model.int8.json"} & names(residual_bundle)
    assert any("int8: mAP falls by" in line and "not written" in line for line in console.warned)


def test_force_writes_what_breaks_the_budget_and_says_so(
    calibrate: Calibrate, residual_bundle: Path, many: PictureList, console: Any
) -> None:
    strict = {"max_map_drop": 0, "pictures": many, "check_count": 368}
    (outcome,) = calibrate(precisions=(INT8,), force=True, **strict)
    record = Bundle.load(residual_bundle).record(INT8)
    assert not record.within_budget
    assert record == outcome.record
    assert any("written anyway" in line for line in console.warned)


def test_a_handful_of_pictures_is_warned_about(
    calibrate: Calibrate, pool: PictureList, console: Any
) -> None:
    calibrate(pictures=PictureList(pool.root, pool.paths[:3]), precisions=(FP16,))
    told = " ".join(console.warned)
    assert "3 calibration pictures: values that they do not show are clipped" in told
    assert "3 pictures leave none to check on" in told
    assert "predicted in fewer than 4 calibration pictures: " in told


def test_given_pictures_and_truth_check_the_accuracy(
    calibrate: Calibrate, pool: PictureList, tmp_path: Path, console: Any
) -> None:
    folder = write_pictures(tmp_path / "given", pictures(6, seed=7))
    (folder / "03.png").write_bytes(b"broken")
    given = find_images(folder)
    truth = tmp_path / "truth.csv"
    rows = [f"{path},{n < 3:d},{n >= 3:d},{n < 3:d}" for n, path in enumerate(given.paths)]
    truth.write_text("\n".join(["image_path,Dog,hen,cat", *rows]))
    (outcome,) = calibrate(precisions=(FP16,), check_images=given, truth=truth)
    assert outcome.accuracy.pictures == 5
    assert outcome.accuracy.truth == "truth.csv"
    assert any("skipped" in line and "03.png" in line for line in console.said)
    truth.write_text("\n".join(["image_path,Dog,hen", *(row[:-2] for row in rows)]))
    with pytest.raises(CdulEdgeError, match="has no class 'cat'"):
        calibrate(precisions=(INT8,), check_images=given, truth=truth)
    assert CLASSES.names == ("cat", "dog", "hen")


def test_copies_among_the_pictures_to_check_on_count_once(
    calibrate: Calibrate, tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "given", pictures(5, seed=7))
    for number in range(30):
        (folder / f"copy{number}.png").write_bytes((folder / "00.png").read_bytes())
    (outcome,) = calibrate(precisions=(FP16,), check_images=folder)
    assert outcome.accuracy.pictures == 5


def test_a_calibrated_bundle_names_no_folder_of_the_machine(
    calibrate: Calibrate, residual_bundle: Path, tmp_path: Path
) -> None:
    """Whether a list names pictures anywhere on it, by absolute paths or by `..`."""
    folder = tmp_path / "secret" / "photos"
    folder.parent.mkdir()
    paths = [str(path) for path in sorted(write_pictures(folder, pictures(72)).iterdir())]
    paths[::2] = [os.path.relpath(path, tmp_path / "lists") for path in paths[::2]]
    (tmp_path / "lists").mkdir()
    listed = tmp_path / "lists" / "list.txt"
    listed.write_text("\n".join(paths))
    truth = folder.parent / "truth.csv"
    truth.write_text("\n".join(["image_path,cat,dog,hen", *(f"{path},1,0,1" for path in paths)]))
    wide = {"max_flip_rate": 1, "max_map_drop": 100}
    calibrate(pictures=find_images(listed), check_images=folder, truth=truth, **wide)
    words = [str(tmp_path), "secret", f"{getpass.getuser()}/"]
    for file in residual_bundle.rglob("*"):
        content = file.read_bytes()
        assert [word for word in words if word.encode() in content] == [], file.name


def test_pictures_of_a_list_are_found_again_by_their_names_in_the_record(
    calibrate: Calibrate, pool: PictureList, console: Any, tmp_path: Path
) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(str(pool.root / path) for path in pool.paths))
    calibrate(pictures=find_images(listed), precisions=(FP16,))
    calibrate(pictures=find_images(listed), precisions=(CPU,))
    assert any("ranges of the last calibration are kept" in line for line in console.said)


def test_a_bundle_that_another_process_calibrates_is_left_to_it(
    calibrate: Calibrate, residual_bundle: Path
) -> None:
    with (
        lock_folder(residual_bundle, "calibrating"),
        pytest.raises(CdulEdgeError, match=r"another process is calibrating .*: wait until it"),
    ):
        calibrate(precisions=(FP16,))
    assert not (residual_bundle / "model.fp16.onnx").exists()


def full_disk(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The disk is full for the file of that name."""
    replace = Path.replace

    def fail(self: Path, target: Path | str) -> Path:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)


@pytest.mark.parametrize("name", ["model.int8.onnx", "model.int8.json"])
def test_a_full_disk_leaves_no_half_file_and_no_old_record(
    calibrate: Calibrate,
    residual_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    calibrate(precisions=(INT8,))
    with monkeypatch.context() as patch:
        full_disk(patch, name)
        with pytest.raises(OSError, match="No space"):
            calibrate(precisions=(INT8,), seed=1, force=True)
    assert not [path for path in residual_bundle.iterdir() if path.name.endswith(".tmp")]
    assert Bundle.load(residual_bundle).precisions() == (Precision.FP32, Precision.BF16)
    with Classifier.load(residual_bundle, device="cpu") as classifier:
        assert classifier.selection is not None
        assert classifier.selection.precision is Precision.FP32
    calibrate(precisions=(INT8,), seed=1)  # goes on from the kept ranges, without --force


def test_an_interrupted_calibration_goes_on_from_its_ranges(
    calibrate: Calibrate,
    residual_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    def interrupt(*arguments: object, **options: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cdul_edge_calibration.calibration.measure_sensitivity", interrupt)
        with pytest.raises(KeyboardInterrupt):
            calibrate(precisions=(INT8,))
    assert names(residual_bundle) == BEFORE | {CALIBRATION}
    request.getfixturevalue("no_ranges")
    calibrate(precisions=(INT8,))
    assert Bundle.load(residual_bundle).precisions() == (Precision.FP32, Precision.BF16, INT8)
