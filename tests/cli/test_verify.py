from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge.cli.output.tables.verify import SELF_TESTS, show_report
from cdul_edge_runtime.bench.benchmark import Speed
from cdul_edge_runtime.bench.combinations import Unavailable
from cdul_edge_runtime.bench.latency import Latency
from cdul_edge_runtime.bundle.bundle import MANIFEST
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.verdict import Estimate
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.pictures.resizer import resizer_name
from cdul_edge_runtime.run_order import RUNS
from cdul_edge_runtime.verify.check import Check
from cdul_edge_runtime.verify.pictures import PictureComparison, Unreadable
from cdul_edge_runtime.verify.row import VerifyRow
from cdul_edge_runtime.verify.verification import PictureSummary, VerifyReport


def verify(*words: object) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, words)])


def test_a_faithful_bundle_passes_and_leaves_a_report_beside_it(bundle: Path) -> None:
    before = sorted(path.name for path in bundle.iterdir())
    result = verify(bundle)
    assert result.exit_code == 0, result.output
    assert "fp32" in result.stdout
    report = read_json(bundle.parent / "bundle-verify.json")
    assert report["passed"] is True
    assert report["resizer"] == resizer_name()
    assert report["reference_resizer"] == "Pillow"  # as in every bundle before it was recorded
    assert f"resized by {resizer_name()}" in result.stdout
    (row,) = report["rows"]
    assert (row["device"], row["precision"], row["passed"]) == ("cpu", "fp32", True)
    assert row["checks"][0]["name"] == "largest score difference to PyTorch"
    assert sorted(path.name for path in bundle.iterdir()) == before


def test_a_broken_limit_is_exit_code_1_and_stands_in_the_report(
    bundle: Path, tmp_path: Path
) -> None:
    content = read_json(bundle / MANIFEST)
    content["parity"]["limit"] = -1.0
    write_json(bundle / MANIFEST, content)
    result = verify(bundle, "--json", tmp_path / "r.json")
    assert result.exit_code == 1
    assert "verification failed" in result.stdout
    broken = [line for line in result.stdout.splitlines() if line.startswith("broken: ")]
    assert any("largest score difference to PyTorch" in b and "limit -1" in b for b in broken)
    assert read_json(tmp_path / "r.json")["passed"] is False


def test_pictures_with_truth_are_measured_and_json_goes_to_stdout(
    bundle: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (9, 9), (255, 0, 0)).save(folder / "r.png")
    Image.new("RGB", (9, 9), (0, 255, 0)).save(folder / "g.png")
    truth = tmp_path / "truth.csv"
    truth.write_text("image_path,Blue,red,green\nr.png,0,1,0\ng.png,0,0,1\n")
    result = verify(bundle, "--images", folder, "--truth", truth, "--json", "-")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    (row,) = report["rows"]
    assert row["pictures"]["metrics"]["map"] == row["pictures"]["map"] == 100.0
    root = str(folder.resolve())
    told = {"count": 2, "unreadable": [], "truth": "given", "root": root}
    assert report["pictures"] == told
    assert "mAP against the given truth" in result.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing file", "reference.npz is missing"),
        ("unknown version", "has format 7, this program reads 1"),
        ("not JSON", "is not valid JSON"),
    ],
)
def test_a_damaged_bundle_is_one_line_and_exit_code_2(
    bundle: Path, change: str, message: str
) -> None:
    if change == "missing file":
        (bundle / "reference.npz").unlink()
    elif change == "unknown version":
        write_json(bundle / MANIFEST, read_json(bundle / MANIFEST) | {"format": 7})
    else:
        (bundle / MANIFEST).write_text("{")
    result = verify(bundle)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert not (bundle.parent / "bundle-verify.json").exists()


def test_truth_without_images_and_a_bare_file_are_refused(bundle: Path, tmp_path: Path) -> None:
    assert "--truth needs --images" in verify(bundle, "--truth", tmp_path).stderr
    bare = verify(bundle / "model.fp32.onnx")
    assert bare.exit_code == 2
    assert "is not a folder" in bare.stderr


def test_all_lists_what_is_here_and_says_why_the_rest_is_not(
    bundle: Path, add_precision: Callable[..., None]
) -> None:
    add_precision(bundle, Precision.INT8_CPU)
    result = verify(bundle, "--precision", "all", "--backend", "all", "--repeats", 1)
    assert result.exit_code == 0, result.output
    report = read_json(bundle.parent / "bundle-verify.json")
    found = {(row["device"], row["precision"]) for row in report["rows"]}
    missing = {(one["device"], one["precision"]) for one in report["unavailable"]}
    assert {("cpu", "fp32"), ("cpu", "int8-cpu")} <= found
    assert ("cpu", "fp16") in missing
    assert len(found) + len(missing) == sum(map(len, RUNS.values()))
    lacking = [line for line in result.stdout.splitlines() if "has no fp16 model" in line]
    assert len(lacking) == 1  # one reason, one line, whatever the devices
    assert lacking[0].startswith("not here: cpu")


def test_a_wish_that_cannot_be_met_is_exit_code_2(bundle: Path) -> None:
    for words in (["--precision", "int8"], ["--precision", "int8", "--backend", "all"]):
        result = verify(bundle, *words)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1
        assert "int8" in result.stderr
    assert "--batches 1,x: expected whole numbers" in verify(bundle, "--batches", "1,x").stderr
    assert not (bundle.parent / "bundle-verify.json").exists()


def test_info_knows_the_report(bundle: Path) -> None:
    verify(bundle, "--repeats", 1)
    result = CliRunner().invoke(app, ["info", str(bundle.parent / "bundle-verify.json")])
    assert "verify report" in result.stdout
    assert '"precision": "fp32"' in result.stdout


def make_report(device: str = "ort-tensorrt", **changes: Any) -> VerifyReport:
    """Two rows with the widest names and figures, one of them not timed."""
    latency = Latency(12345.67, 12345.67, 12345.67, 3)
    speed = Speed(
        {"network": latency, "end_to_end": latency},
        {1: 12345.6, 8: 12345.6, 16: 3.0, 32: 3.0, 128: None, 256: None},
    )
    tests = [Check(name, 0.0, 1.0) for name in SELF_TESTS]
    row = VerifyRow(
        device=device,
        precision="int8-cpu",
        backend="x",
        accuracy_only=False,
        checks=tuple(tests),
        max_error=0.00123,
        mean_error=4.5e-5,
        worst_picture="a",
        flip_rate=0.0123,
        flip_rate_interval=(0.001, 0.0456),
        borderline=0,
        map_reference=99.5,
        speed=speed,
        peak_memory_mib=12345.0,
        device_memory_mib=67890.0,
    )
    checks = (*tests[1:], Check("largest score difference to PyTorch", math.nan, 0.5))
    slow = replace(row, device="cpu", speed=None, accuracy_only=True, checks=checks)
    return VerifyReport("/bundle", "0" * 64, (row, slow), **changes)


def printed(report: VerifyReport) -> list[str]:
    out = io.StringIO()
    show_report(report, Console(file=out, width=80, soft_wrap=True, markup=False, highlight=False))
    return out.getvalue().splitlines()


def test_three_tables_fit_into_80_columns_with_their_headers_whole() -> None:
    lines = printed(make_report())
    assert not any("…" in line for line in lines)
    assert max(len(line) for line in lines if ": " not in line) <= 80  # not the sentences
    text = [line.split() for line in lines]
    assert "device precision max error mean error mAP verdict".split() in text
    assert "device precision flips % 95 % interval change 95 % interval".split() in text
    wide, slow = ["ort-tensorrt", "int8-cpu"], ["cpu", "int8-cpu"]
    assert [*wide, "0.0012", "4.5e-05", "99.50", "ok"] in text
    assert [*slow, "0.0012", "4.5e-05", "99.50", "broken"] in text
    assert [*wide, "1.23", *"0.10 to 4.56".split(), "-0.50", "-"] in text
    assert [*(3 * ["network"]), *(3 * ["frame"])] in text
    assert ["device", "precision", *(2 * ["p50", "ms", "p95", "ms", "p99", "ms"])] in text
    assert [*wide, *(6 * ["12345.67"])] in text
    assert [*slow, *(6 * ["-"])] in text
    assert ["device", "precision", "1", "8", "16", "32", "128", "MiB", "MiB"] in text
    assert [*wide, "12346", "12346", "3", "3", "-", "12345", "67890"] in text
    assert [*slow, *(5 * ["-"]), "12345", "67890"] in text
    assert ["device", "precision", "256", "MiB", "MiB"] in text  # a column too many: one more table
    assert any("larger than the row takes at once" in line for line in lines)


def test_the_self_tests_that_were_passed_are_named_for_each_row() -> None:
    lines = printed(make_report())
    every = "row order, repeat, twins, one by one against batch"
    assert f"self-tests passed by ort-tensorrt int8-cpu: {every}" in lines
    assert "self-tests passed by cpu int8-cpu: " + every.partition(", ")[2] in lines
    assert "broken: cpu int8-cpu: largest score difference to PyTorch: nan, limit 0.5" in lines
    alike = make_report()
    assert f"self-tests passed: {every}" in printed(replace(alike, rows=alike.rows[:1]))


def test_on_pictures_flips_and_map_are_those_of_the_pictures() -> None:
    report = make_report()
    found = PictureComparison(
        count=9,
        labels_per_picture=1.0,
        max_error=0.1,
        mean_error=0.01,
        flips=Estimate(0.05, 0.01, 0.2, 9),
        strange_scores=0,
        truth="fp32 scores",
        map_fp32=72.5,
        map=70.0,
        loss=Estimate(2.5, -0.25, 5.25, 9),
        metrics=None,
    )
    none = replace(found, flips=Estimate(0.0, 0.0, 0.3, 9), map=None, loss=None)
    lost = Check("mAP lost on the pictures, points", 2.5, 0.5, (-0.25, 5.25), 9)
    rows = (
        replace(report.rows[0], pictures=found, checks=(lost,)),
        replace(report.rows[1], pictures=none),
        VerifyRow.failed("cuda", "fp16", "out of memory"),
    )
    about = PictureSummary(9, (Unreadable("a.png", "is damaged"),), "fp32 scores")
    lines = printed(replace(report, rows=rows, pictures=about))
    text = [line.split() for line in lines]
    wide = ["ort-tensorrt", "int8-cpu"]
    assert [*wide, "0.0012", "4.5e-05", "70.00", "unsure"] in text
    assert [*wide, *"5.00 1.00 to 20.00 -2.50 -5.25 to +0.25".split()] in text
    assert ["cpu", "int8-cpu", *"0.00 0.00 to 30.00 - -".split()] in text
    assert ["cuda", "fp16", "-", "-", "-", "broken"] in text
    assert ["cuda", "fp16", *(4 * ["-"])] in text
    # 2.75 to the lower end, 2 to the limit: 9 x (2.75 / 2)^2 pictures
    assert (
        "unsure: ort-tensorrt int8-cpu: mAP lost on the pictures, points: 2.5 (95 % interval "
        "-0.25 to 5.25), limit 0.5: not enough pictures to tell: 9 pictures, about 18 would tell"
    ) in lines
    assert "broken: cuda fp16: out of memory" in lines
    assert any("9 pictures (1 unreadable), mAP against FP32's scores" in line for line in lines)


def test_one_reason_of_several_devices_is_one_line_and_stands_whole_in_the_report() -> None:
    reason = "onnxruntime 1.31.1 here has only CPUExecutionProvider: pip install x"
    missing = [
        Unavailable(device, precision, f"{device} was asked for, and {reason}")
        for device in ("cuda", "ort-tensorrt")
        for precision in ("fp32", "fp16", "int8")
    ]
    missing += [Unavailable("cpu", "int8", "b has no int8 model")]
    missing += [Unavailable("cuda", "int8-cpu", "b has no int8 model")]
    report = make_report(unavailable=tuple(missing))
    lines = printed(report)
    assert f"not here: cuda, ort-tensorrt fp32/fp16/int8: {reason}" in lines
    assert "not here: cpu int8; cuda int8-cpu: b has no int8 model" in lines
    kept = json.loads(json.dumps(report.to_dict()))["unavailable"][0]["reason"]
    assert kept == f"cuda was asked for, and {reason}"


@pytest.mark.parametrize("in_the_way", ["folder", "file of another program"])
def test_a_place_that_cannot_be_written_to_costs_the_report_and_not_the_verdict(
    bundle: Path, tmp_path: Path, in_the_way: str
) -> None:
    """As beside a bundle on a read-only disk: what lies in the report's place stands for that."""
    place = bundle.parent / "bundle-verify.json"
    if in_the_way == "folder":
        place.mkdir()
    else:
        place.write_text("[]")
    result = verify(bundle, "--repeats", 1)
    assert result.exit_code == 0, result.output
    assert "ok" in result.stdout
    (line,) = result.stderr.splitlines()
    assert "the report was not written to" in line
    assert "name a place with --json" in line
    (tmp_path / "folder").mkdir()
    named = verify(bundle, "--repeats", 1, "--json", tmp_path / "folder")
    assert named.exit_code == 2  # it was asked for
    assert " ok" in named.stdout
