from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cdul_edge_runtime.bench.benchmark import Speed
from cdul_edge_runtime.bench.combinations import Combinations
from cdul_edge_runtime.bench.latency import Latency
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import PrecisionRequest
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.verify.request import VerifyRequest
from cdul_edge_runtime.verify.verification import VerifyReport, default_report_path
from cdul_edge_runtime.verify.verification import verify as verify_bundle

AddPrecision = Callable[..., None]


def verify(
    folder: Path, device: str = "auto", precision: PrecisionRequest = "auto"
) -> VerifyReport:
    return verify_bundle(VerifyRequest(folder, device, precision, batches=(1,), repeats=1))


def names(report: VerifyReport) -> list[tuple[str, str]]:
    return [(row.device, row.precision) for row in report.rows]


def test_the_report_is_plain_json_with_its_machine(bundle: Path) -> None:
    content = json.loads(json.dumps(verify(bundle).to_dict(), allow_nan=False))
    assert content["passed"] is True
    assert (content["stage"], content["format"]) == ("verify", 2)
    assert {"cpu", "cores"} <= set(content["machine"])
    assert "onnxruntime" in content["versions"]
    (row,) = content["rows"]
    assert (row["device"], row["precision"], row["passed"]) == ("cpu", "fp32", True)
    assert {"latency", "throughput", "peak_memory_mib", "checks", "map_reference"} <= set(row)
    assert content["unavailable"] == content["warnings"] == []


def test_all_on_the_cpu_is_a_row_a_file(bundle: Path, add_precision: AddPrecision) -> None:
    for precision in (Precision.FP16, Precision.INT8_CPU):
        add_precision(bundle, precision)
    report = verify(bundle, "cpu", "all")
    assert names(report) == [("cpu", "fp32"), ("cpu", "fp16"), ("cpu", "int8-cpu")]
    (missing,) = report.unavailable
    assert (missing.device, missing.precision) == ("cpu", "int8")
    assert "no int8 model" in missing.reason
    assert names(verify(bundle, "auto", "all")) == names(report)


def test_a_name_must_be_met_and_all_takes_what_there_is(
    bundle: Path, add_precision: AddPrecision
) -> None:
    add_precision(bundle, Precision.INT8)
    report = verify(bundle, "all", "int8")
    assert ("cpu", "int8") in names(report)
    assert {u.precision for u in report.unavailable} <= {"int8"}
    assert names(verify(bundle, "cpu", "int8")) == [("cpu", "int8")]
    with pytest.raises(
        CdulEdgeError, match=r"run as asked: cpu, openvino int8-cpu: .* has no int8-c"
    ):
        verify(bundle, "all", "int8-cpu")
    with pytest.raises(CdulEdgeError, match="has no fp16 model"):
        verify(bundle, "cpu", "fp16")
    with pytest.raises(CdulEdgeError, match="unknown device 'gpu'"):
        Combinations.parse("gpu", "all")


def test_one_broken_row_breaks_the_report(bundle: Path, add_precision: AddPrecision) -> None:
    add_precision(bundle, Precision.INT8_CPU, bias=3)
    report = verify(bundle, "cpu", "all")
    assert [row.passed for row in report.rows] == [True, False]
    assert not report.passed


def test_a_row_without_pictures_says_where_calibration_could_not_tell_either(
    bundle: Path, add_precision: AddPrecision
) -> None:
    add_precision(bundle, Precision.INT8_CPU)
    assert verify(bundle, "cpu", "int8-cpu").doubts == ()
    record = Bundle.load(bundle).record(Precision.INT8_CPU)
    few = replace(record.accuracy, flip_rate_interval=(0.0, 0.1))
    replace(record, accuracy=few).write(bundle)
    report = verify(bundle, "cpu", "int8-cpu")
    assert report.passed
    (doubt,) = report.warnings
    assert doubt.startswith("int8-cpu was calibrated on too few pictures to tell")
    assert "verify it with --images" in doubt


def test_int8_that_is_slower_than_fp32_is_a_warning_and_no_fault(
    bundle: Path, add_precision: AddPrecision
) -> None:
    add_precision(bundle, Precision.INT8_CPU)
    report = verify(bundle, "cpu", "all")
    fp32, int8 = report.rows

    def with_ms(int8_ms: float) -> VerifyReport:
        speeds = [Speed({"network": Latency(ms, ms, ms, 1)}, {}) for ms in (5.0, int8_ms)]
        rows = (replace(fp32, speed=speeds[0]), replace(int8, speed=speeds[1]))
        return replace(report, rows=rows)

    assert with_ms(4.0).warnings == ()
    slow = with_ms(6.0)
    assert slow.warnings == ("int8-cpu on cpu takes 6.00 ms and fp32 5.00 ms: use fp32 there",)
    assert slow.passed
    assert with_ms(5.1).warnings == ()  # as one run differs from the next
    assert replace(report, rows=(fp32, replace(int8, speed=None))).warnings == ()


class Torchlike:
    """Stands in for PyTorch: gives the tiny graph's scores, or wrong ones."""

    name = "torch"
    input_shape = (8, 8)
    class_count = 3
    max_batch = None
    device_memory_mib = None

    def __init__(self, scores: Callable[..., npt.NDArray[np.float32]], off: float) -> None:
        self._scores, self._off = scores, off

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return (self._scores(images) - self._off).astype(np.float32)

    def close(self) -> None: ...


def test_pytorch_beside_it_is_one_more_row_held_to_the_parity_limit(
    bundle: Path, tiny_scores: Callable[..., npt.NDArray[np.float32]]
) -> None:
    for off, passed in ((0.0, True), (0.01, False)):
        beside = Torchlike(tiny_scores, off)
        report = verify_bundle(VerifyRequest(bundle, batches=(1,), repeats=1), beside=beside)
        assert names(report) == [("pytorch", "fp32"), ("cpu", "fp32")]
        assert [row.passed for row in report.rows] == [passed, True]


def test_pictures_are_measured_against_truth_and_faults_are_left_out(
    bundle: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, color in (("a.png", (255, 0, 0)), ("b.png", (0, 255, 0)), ("d.png", (0, 0, 0))):
        Image.new("RGB", (9, 9), color).save(folder / name)
    (folder / "c.png").write_bytes(b"broken")
    truth = tmp_path / "truth.csv"
    rows = ["a.png,1,0,0", "b.png,0,1,0", "c.png,1,1,1", "d.png,1,0,-1"]
    truth.write_text("\n".join(["image_path,red,green,blue", *rows]))

    def run() -> VerifyReport:
        request = VerifyRequest(bundle, images=folder, truth=truth, batches=(1,), repeats=1)
        return verify_bundle(request, SilentConsole())

    report = run()
    assert report.pictures is not None
    assert report.pictures.count == 3
    assert report.pictures.root == str(folder.resolve())
    assert [Path(one.path).name for one in report.pictures.unreadable] == ["c.png"]
    found = report.rows[0].pictures
    assert found is not None
    assert found.metrics is not None
    assert found.labels_per_picture == pytest.approx(2 / 3)
    # red: found at a, missed at d (rank 2 of 3 tied with b): AP = 1/2 + 1/2 * 2/3; green: 1.
    assert found.metrics.ap["red"] == pytest.approx(100 * (1 / 2 + 1 / 3))
    assert found.metrics.ap["green"] == pytest.approx(100)
    for name in ("a.png", "b.png", "d.png"):
        (folder / name).write_bytes(b"")
    with pytest.raises(CdulEdgeError, match="none of the 4 pictures"):
        run()


def test_the_report_lands_beside_the_bundle(tmp_path: Path) -> None:
    assert default_report_path(tmp_path / "b") == tmp_path.resolve() / "b-verify.json"
