"""What "all" does with a combination whose device fails, and a name does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge_runtime import selection
from cdul_edge_runtime.backends import Backend
from cdul_edge_runtime.bench.benchmark import BenchRequest, bench
from cdul_edge_runtime.bench.combinations import Unavailable, list_reasons
from cdul_edge_runtime.bench.latency import Effort
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import Device, PrecisionRequest
from cdul_edge_runtime.errors import DeviceError
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.verify.request import VerifyRequest
from cdul_edge_runtime.verify.verification import VerifyReport
from cdul_edge_runtime.verify.verification import verify as verify_bundle

REASON = "x has not enough memory for a batch of 16 pictures of 8x8 px (out of memory)"
QUICK = Effort(3, 0, 0.1)
Scores = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]


class Failing:
    """Scores as the tiny graph does until its memory is out; it counts what is open."""

    name = "failing"
    input_shape = (8, 8)
    class_count = 3
    max_batch: int | None = None
    device_memory_mib = None
    left_open = 0

    def __init__(self, scores: Scores, works: int) -> None:
        self._scores, self._works = scores, works
        Failing.left_open += 1

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self._works -= 1
        if self._works < 0:
            raise DeviceError(REASON)
        return self._scores(images)

    def close(self) -> None:
        Failing.left_open -= 1


@pytest.fixture(params=[0, 1, 6, 10], ids=lambda works: f"after {works} runs")
def failing(
    request: pytest.FixtureRequest,
    bundle: Path,
    add_precision: Callable[..., None],
    tiny_scores: Scores,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A bundle whose INT8_CPU runs out of memory while loading, verifying or being timed."""
    add_precision(bundle, Precision.INT8_CPU)
    real = selection.open_backend

    def open_one(loaded: Bundle, device: Device, precision: Precision, **how: Any) -> Backend:
        if precision is Precision.INT8_CPU:
            return Failing(tiny_scores, request.param)
        return real(loaded, device, precision, **how)

    monkeypatch.setattr(selection, "open_backend", open_one)
    monkeypatch.setattr(Failing, "left_open", 0)
    return bundle


def verify(folder: Path, device: str, precision: PrecisionRequest) -> VerifyReport:
    return verify_bundle(VerifyRequest(folder, device, precision, batches=(1,), repeats=1))


def test_verify_breaks_that_row_keeps_its_reason_and_measures_the_others(failing: Path) -> None:
    report = verify(failing, "cpu", "all")
    assert [(row.precision, row.passed) for row in report.rows] == [
        ("fp32", True),
        ("int8-cpu", False),
    ]
    assert not report.passed
    assert report.warnings == ()
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))["rows"][1]
    assert (plain["failure"], plain["passed"], plain["max_error"]) == (REASON, False, None)
    assert plain["latency"] == plain["throughput"] == {}
    assert Failing.left_open == 0


def test_bench_fails_that_row_and_times_the_others(failing: Path) -> None:
    effort = Effort(20, 0, 10)
    report = bench(BenchRequest(failing, "cpu", "all", (1,), threads=(1, 2), effort=effort))
    assert [(row.precision, row.threads, row.failure) for row in report.rows] == [
        ("fp32", 1, None),
        ("int8-cpu", 1, REASON),
        ("fp32", 2, None),
        ("int8-cpu", 2, REASON),
    ]
    assert json.loads(json.dumps(report.to_dict()))["rows"][1]["latency"] == {}
    assert Failing.left_open == 0


def test_a_combination_asked_for_by_name_stays_an_error(failing: Path) -> None:
    with pytest.raises(DeviceError, match="not enough memory"):
        verify(failing, "cpu", "int8-cpu")
    with pytest.raises(DeviceError, match="not enough memory"):
        bench(BenchRequest(failing, "cpu", "int8-cpu", effort=QUICK))
    assert Failing.left_open == 0


def test_the_commands_show_the_reason(failing: Path, tmp_path: Path) -> None:
    options = [str(failing), "--precision", "all", "--json", str(tmp_path / "r.json")]
    verified = CliRunner().invoke(app, ["verify", *options, "--backend", "cpu", "--repeats", "1"])
    assert verified.exit_code == 1, verified.output
    assert f"broken: cpu int8-cpu: {REASON}" in verified.stdout
    assert "self-tests passed by cpu fp32: row order, repeat, twins, one by" in verified.stdout
    assert "self-tests passed by cpu int8-cpu: none" in verified.stdout
    assert read_json(tmp_path / "r.json")["rows"][1]["failure"] == REASON
    timed = CliRunner().invoke(app, ["bench", *options, "--device", "cpu", "--repeats", "20"])
    assert timed.exit_code == 0, timed.output
    assert f"failed: cpu int8-cpu: {REASON}" in timed.stdout
    assert read_json(tmp_path / "r.json")["rows"][1]["failure"] == REASON


def test_a_bench_in_which_everything_failed_is_no_success(failing: Path) -> None:
    named = ["--precision", "int8-cpu", "--device", "all", "--repeats", "20"]
    timed = CliRunner().invoke(app, ["bench", str(failing), *named])
    assert timed.exit_code == 2, timed.output
    assert "nothing could be timed" in timed.stderr


def test_a_reason_that_several_share_stands_once() -> None:
    lacking = [Unavailable(d, p, "no driver") for d in ("cuda", "rtx") for p in ("fp32", "fp16")]
    alone = Unavailable("rtx", "int8", "rtx was asked for, and no engine was built")
    assert list_reasons([*lacking, alone]) == [
        "cuda, rtx fp32/fp16: no driver",
        "rtx int8: no engine was built",
    ]
