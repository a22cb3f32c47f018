from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from tests.fakes.residual_network import pictures, write_pictures, write_residual_bundle

WIDE = ("--max-map-drop", "5", "--max-flip-rate", "0.1", "--pictures", "32")
BEFORE = {"manifest.json", "model.fp32.onnx", "reference.npz"}


@pytest.fixture
def residual_bundle(tmp_path: Path) -> Path:
    return write_residual_bundle(tmp_path / "residual")


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pool", pictures(72))


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """So many that INT8's loss of a hundredth of a point is beyond doubt."""
    return write_pictures(tmp_path / "many", pictures(400))


def calibrate(*words: object) -> Result:
    return CliRunner().invoke(app, ["calibrate", *map(str, words)])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def last_line(result: Result) -> str:
    assert result.exit_code == 2, result.output
    return str(result.stderr.splitlines()[-1])


def test_all_three_are_made_and_shown(residual_bundle: Path, pool: Path) -> None:
    result = calibrate(residual_bundle, "--images", pool, *WIDE)
    assert result.exit_code == 0, result.output
    bundle = Bundle.load(residual_bundle)
    assert bundle.precisions() == tuple(Precision)
    lines = result.stdout.splitlines()
    assert lines[0] == f"{residual_bundle}: mAP on 40 pictures, truth: the FP32 scores"
    for precision in ("fp16", "int8", "int8-cpu"):
        # One line for what it costs, one for its file.
        assert [line.split(" ")[0] for line in lines].count(precision) == 2
        bundle.model_path(Precision(precision))


def test_json_on_stdout_is_json_alone(residual_bundle: Path, pool: Path) -> None:
    result = calibrate(
        residual_bundle, "--images", pool, *WIDE, "--precision", "fp16", "--json", "-"
    )
    content: dict[str, Any] = json.loads(result.stdout)
    (row,) = content["rows"]
    assert (row["precision"], row["written"], row["broken"]) == ("fp16", True, [])
    assert row["verdict"] == "ok"
    low, high = row["accuracy"]["flip_rate_interval"]
    assert low == 0 < high < 0.1
    assert row["accuracy"]["pictures"] == 40
    assert content["stage"] == "calibrate"
    assert "mAP on 40 pictures" in " ".join(result.stderr.split())


def test_a_refused_precision_is_exit_code_2_and_the_others_are_there(
    residual_bundle: Path, many: Path
) -> None:
    words = (residual_bundle, "--images", many, "--max-map-drop", 0, "--pictures", 32)
    result = calibrate(*words, "--precision", "int8", "--precision", "fp16", "--json", "-")
    line = last_line(result)
    assert "model.int8.onnx was not written: mAP falls by" in line
    assert "widen the budget" in line
    assert "model.int8.onnx" not in names(residual_bundle)
    assert "model.int8.json" not in names(residual_bundle)
    assert json.loads(result.stdout)["rows"][0]["written"] is False


def test_too_few_pictures_to_tell_are_said_and_fail_only_when_strict(
    residual_bundle: Path, pool: Path
) -> None:
    words = (residual_bundle, "--images", pool, "--pictures", 32, "--precision", "fp16")
    result = calibrate(*words)
    assert result.exit_code == 0, result.output
    assert "warning: fp16: not enough pictures to tell: " in result.stderr
    assert result.stdout.splitlines()[2].split()[-1] == "unsure"
    strict = calibrate(*words, "--force", "--strict", "--json", "-")
    assert strict.exit_code == 1
    (row,) = json.loads(strict.stdout)["rows"]
    assert (row["verdict"], row["written"], len(row["unsure"])) == ("unsure", True, 1)


def test_force_writes_what_breaks_the_budget(residual_bundle: Path, many: Path) -> None:
    words = (residual_bundle, "--images", many, "--max-map-drop", 0, "--pictures", 32)
    result = calibrate(*words, "--precision", "int8", "--force")
    assert result.exit_code == 0, result.output
    assert not Bundle.load(residual_bundle).record(Precision.INT8).within_budget
    assert "written anyway" in result.stderr


def test_what_exists_is_kept_without_force_and_replaced_with_it(
    residual_bundle: Path, pool: Path
) -> None:
    words = (residual_bundle, "--images", pool, *WIDE, "--precision", "fp16")
    assert calibrate(*words).exit_code == 0
    again = calibrate(*words)
    assert len(again.stderr.splitlines()) == 1
    assert "has model.fp16.onnx: replace them with --force" in last_line(again)
    assert calibrate(*words, "--force").exit_code == 0


def test_three_pictures_are_warned_about(residual_bundle: Path, tmp_path: Path) -> None:
    few = write_pictures(tmp_path / "few", pictures(3))
    result = calibrate(residual_bundle, "--images", few, "--precision", "fp16", *WIDE)
    assert result.exit_code == 0, result.output
    assert "warning: 3 calibration pictures: values that they do not show are" in result.stderr


def test_nothing_is_written_without_pictures(residual_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = calibrate(residual_bundle, "--images", tmp_path / "empty")
    assert "no pictures in" in last_line(result)
    assert len(result.stderr.splitlines()) == 1
    assert names(residual_bundle) == BEFORE


def test_nothing_is_written_from_corrupt_pictures(residual_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    for name in ("a.png", "b.jpg"):
        (tmp_path / "bad" / name).write_bytes(b"broken")
    result = calibrate(residual_bundle, "--images", tmp_path / "bad")
    assert "none of the 2 pictures under" in last_line(result)
    assert names(residual_bundle) == BEFORE


def test_corrupt_pictures_among_good_ones_are_named(residual_bundle: Path, pool: Path) -> None:
    (pool / "corrupt.png").write_bytes(b"broken")
    result = calibrate(
        residual_bundle, "--images", pool, *WIDE, "--pictures", 73, "--precision", "fp16"
    )
    assert result.exit_code == 0, result.output
    assert "skipped " in result.stderr
    assert "corrupt.png: is not a picture" in result.stderr


def test_the_training_pictures_are_the_default(pool: Path, tmp_path: Path) -> None:
    folder = write_residual_bundle(tmp_path / "b", provenance={"pictures_root": str(pool)})
    result = calibrate(folder, *WIDE, "--precision", "fp16")
    assert result.exit_code == 0, result.output
    assert Precision.FP16 in Bundle.load(folder).precisions()


@pytest.mark.parametrize("provenance", [{}, {"pictures_root": "/no/such/folder"}])
def test_training_pictures_that_are_not_known_are_asked_for(
    tmp_path: Path, provenance: dict[str, str]
) -> None:
    result = calibrate(write_residual_bundle(tmp_path / "b", provenance=provenance))
    assert "does not say where its training pictures are" in last_line(result)
    assert "with --images" in last_line(result)
    assert "/no/such/folder" not in result.stderr


def same_pictures(folder: Path, draw: Callable[[int], npt.NDArray[np.uint8]]) -> Path:
    """130 pictures."""
    folder.mkdir()
    for number in range(130):
        Image.fromarray(draw(number)).save(folder / f"{number:03}.png")
    return folder


FOREIGN: dict[str, Callable[[int], npt.NDArray[np.uint8]]] = {
    "nearly black": lambda number: np.random.default_rng(number).integers(
        0, 6, (8, 8, 3), np.uint8
    ),
    "white": lambda number: np.full((8, 8, 3), 255, np.uint8),
    "one picture": lambda number: pictures(1)[0],
    "nearly one picture": lambda number: (
        pictures(1)[0] // 2 + np.random.default_rng(number).integers(0, 2, 1, np.uint8)
    ),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_pictures_unlike_the_training_pictures_are_refused(
    residual_bundle: Path, tmp_path: Path, kind: str
) -> None:
    """Fault 4: on 130 nearly black frames no decision flips, and INT8 is useless elsewhere."""
    words = (residual_bundle, "--images", same_pictures(tmp_path / "foreign", FOREIGN[kind]))
    result = calibrate(*words)
    assert "do not represent the training pictures: " in last_line(result)
    assert "--force" in last_line(result)
    assert names(residual_bundle) == BEFORE
    forced = calibrate(*words, "--precision", "fp16", "--force")
    assert forced.exit_code == 0, forced.output
    assert "warning: the 130 calibration pictures under" in forced.stderr
    assert not Bundle.load(residual_bundle).record(Precision.FP16).within_budget  # never by itself


def test_where_the_training_pictures_get_the_same_labels_too_the_pictures_are_not_blamed(
    tmp_path: Path, pool: Path
) -> None:
    never = np.full(3, 2, np.float32)
    folder = write_residual_bundle(tmp_path / "b", thresholds=never)
    result = calibrate(folder, "--images", pool, *WIDE, "--precision", "fp16")
    assert result.exit_code == 0, result.output
    assert (
        "warning: no score reaches its threshold in any of 32 different pictures" in result.stderr
    )
    assert "nor in the reference pictures" in result.stderr


def test_a_precision_that_fails_on_the_reference_pictures_is_refused_however_well_it_does_elsewhere(
    residual_bundle: Path, tmp_path: Path
) -> None:
    """Plain grays have labels that differ, and no edges: INT8 ranges do not fit real pictures."""
    grays = same_pictures(tmp_path / "grays", lambda number: np.full((8, 8, 3), number, np.uint8))
    words = ("--precision", "int8-cpu", "--max-flip-rate", 0.1, "--max-map-drop", 5)
    line = last_line(calibrate(residual_bundle, "--images", grays, *words))
    assert "model.int8-cpu.onnx was not written: on the bundle's 3 reference pictures " in line
    assert "do not represent the training pictures" in line
    assert "model.int8-cpu.onnx" not in names(residual_bundle)


def test_a_bundle_that_cannot_be_written_to_is_one_line_before_any_work(
    residual_bundle: Path, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access
    if os.geteuid() == 0:  # for whom every folder on a writable disk can be written to
        monkeypatch.setattr(
            os, "access", lambda path, mode: not mode & os.W_OK and access(path, mode)
        )
    residual_bundle.chmod(0o555)
    result = calibrate(residual_bundle, "--images", pool)
    residual_bundle.chmod(0o755)
    assert "cannot be written to: copy the bundle" in last_line(result)
    assert len(result.stderr.splitlines()) == 1


def test_truth_of_other_pictures_is_taken(
    residual_bundle: Path, pool: Path, tmp_path: Path
) -> None:
    check = write_pictures(tmp_path / "check", pictures(4, seed=5))
    truth = tmp_path / "truth.csv"
    rows = [f"{n:02}.png,{n % 2},{1 - n % 2},1" for n in range(4)]
    truth.write_text("\n".join(["image_path,cat,dog,hen", *rows]))
    words = ("--check-images", check, "--truth", truth, "--precision", "fp16", "--json", "-")
    result = calibrate(residual_bundle, "--images", pool, *WIDE, *words)
    assert result.exit_code == 0, result.output
    accuracy = json.loads(result.stdout)["rows"][0]["accuracy"]
    assert (accuracy["pictures"], accuracy["truth"]) == (4, "truth.csv")
    assert Bundle.load(residual_bundle).record(Precision.FP16).accuracy.truth == "truth.csv"


@pytest.mark.parametrize(
    "words",
    [
        ("--method", "entropy"),
        ("--precision", "fp32"),
        ("--pictures", "0"),
        ("--max-flip-rate", "2"),
        ("--max-map-drop", "-1"),
        ("--seed", "-1"),
    ],
    ids=lambda words: words[0],
)
def test_an_option_without_sense_is_exit_code_2(
    residual_bundle: Path, pool: Path, words: tuple[str, ...]
) -> None:
    result = calibrate(residual_bundle, "--images", pool, *words)
    assert result.exit_code == 2
    assert words[0] in result.stderr
    assert names(residual_bundle) == BEFORE


def test_a_bundle_whose_onnx_was_edited_is_refused(residual_bundle: Path, pool: Path) -> None:
    with (residual_bundle / "model.fp32.onnx").open("ab") as file:
        file.write(b"x")
    result = calibrate(residual_bundle, "--images", pool)
    assert "model.fp32.onnx has " in last_line(result)
    assert "export it again" in last_line(result)


def test_a_full_disk_is_one_line_and_the_bundle_still_runs(
    residual_bundle: Path, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def fail(self: Path, target: Path | str) -> Path:
        if Path(target).name == "model.fp16.onnx":
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    result = calibrate(residual_bundle, "--images", pool, *WIDE, "--precision", "fp16")
    assert "the disk is full" in last_line(result)
    assert names(residual_bundle) == BEFORE | {"calibration.json"}
    assert Bundle.load(residual_bundle).precisions() == (Precision.FP32, Precision.BF16)


def test_the_seed_decides_the_pictures(residual_bundle: Path, pool: Path) -> None:
    chosen = []
    for seed in (1, 1, 2):
        words = ("--precision", "fp16", "--force", "--seed", seed)
        assert calibrate(residual_bundle, "--images", pool, *WIDE, *words).exit_code == 0
        content = json.loads((residual_bundle / "calibration.json").read_text())
        chosen.append(list(content["calibration"]))
    assert chosen[0] == chosen[1]
    assert set(chosen[0]) != set(chosen[2])
    assert np.all([len(paths) == 32 for paths in chosen])
