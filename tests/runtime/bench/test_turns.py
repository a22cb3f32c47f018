"""OpenVINO beside ONNX Runtime, both of them real."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdul_edge_runtime import selection
from cdul_edge_runtime.backends import Backend
from cdul_edge_runtime.bench import turns
from cdul_edge_runtime.bench.benchmark import BenchRequest, bench
from cdul_edge_runtime.bench.latency import Effort
from cdul_edge_runtime.bench.turns import comparable
from cdul_edge_runtime.bundle.bundle import MEASURED, Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.measured import Measured
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.device_choice import CpuThreads
from cdul_edge_runtime.errors import CdulEdgeWarning
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.host.machine import usable_cores
from cdul_edge_runtime.run_order import RUNS, Pair
from cdul_edge_runtime.verify import VerifyRequest, verify

BRIEF = Effort(2, 1, 0.05)
FP32 = Precision.FP32


@pytest.fixture(autouse=True)
def openvino() -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")


def brief(folder: Path, device: str = "all") -> BenchRequest:
    return BenchRequest(folder, device, "fp32", batches=(1,), threads=(1,), effort=BRIEF)


def test_bench_of_all_compares_both_in_one_run_and_keeps_it(bundle: Path) -> None:
    report = bench(brief(bundle))
    (run,) = report.compared
    assert run.threads == 1
    assert [(row.subject.device, row.subject.precision) for row in run.rows] == [
        ("cpu", FP32),
        ("openvino", FP32),
    ]
    assert all(0 < row.network_ms < row.end_to_end_ms for row in run.rows)
    assert {row.subject.model_sha256 for row in run.rows} == {Bundle.load(bundle).fp32_sha256}
    assert run.rows[1].subject.library.startswith("openvino 20")
    found = Measured.read(bundle)
    assert found is not None
    assert found.runs == report.compared
    assert found.of_this_machine


def test_without_a_number_of_threads_each_library_chooses_as_when_it_is_loaded(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    real = selection.open_backend

    def open_one(*which: Any, threads: CpuThreads, **how: Any) -> Backend:
        asked.append(threads)
        return real(*which, threads=threads, **how)

    monkeypatch.setattr(selection, "open_backend", open_one)
    report = bench(replace(brief(bundle), threads=()))
    assert set(asked) == {CpuThreads()}
    assert [row.threads for row in report.rows] == [usable_cores()] * 2
    assert [run.threads for run in report.compared] == [usable_cores()]


def test_bench_of_one_library_alone_compares_nothing(bundle: Path) -> None:
    assert bench(brief(bundle, "openvino")).compared == ()
    assert bench(brief(bundle, "cpu")).compared == ()
    assert not (bundle / MEASURED).exists()


def test_what_cannot_be_kept_is_said_once_and_timed_all_the_same(bundle: Path) -> None:
    (bundle / "engines").write_text("a file in the folder's place")
    with pytest.warns(CdulEdgeWarning, match=r"measured\.json cannot be written") as told:
        report = bench(brief(bundle))
    assert len(told) == 1
    assert len(report.compared) == 1


def test_what_verify_says_of_openvino_is_kept_and_onnx_runtime_needs_no_leave(
    bundle: Path,
) -> None:
    verify(VerifyRequest(bundle, "cpu", "fp32", repeats=1, batches=(1,)))
    assert not (bundle / MEASURED).exists()
    verify(VerifyRequest(bundle, "openvino", "fp32", repeats=1, batches=(1,)))
    found = Measured.read(bundle)
    assert found is not None
    (judged,) = found.judgements
    assert (judged.subject.device, judged.subject.precision) == ("openvino", FP32)
    assert (judged.verdict, judged.pictures, judged.truth) == ("ok", 3, "reference")


def test_after_bench_and_verify_auto_goes_by_both(bundle: Path) -> None:
    bench(brief(bundle))
    verify(VerifyRequest(bundle, "openvino", "fp32", repeats=1, batches=(1,)))
    found = Measured.read(bundle)
    assert found is not None
    for factor, device in ((0.9, "openvino"), (1.0, "cpu")):
        onnxruntime, other = found.runs[0].rows
        timed = replace(other, end_to_end_ms=factor * onnxruntime.end_to_end_ms)
        replace(found, runs=(replace(found.runs[0], rows=(onnxruntime, timed)),)).write(bundle)
        with Classifier.load(bundle, threads=1) as classifier:
            assert classifier.selection is not None
            assert classifier.selection.device == device
            assert classifier.backend.name.startswith("openvino") is (device == "openvino")


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("cpu", FP32)], []),
        ([("openvino", FP32), ("openvino", Precision.BF16)], []),
        ([("cpu", Precision.FP16), ("openvino", FP32)], []),  # emulated there, and never picked
        (
            [("cuda", FP32), ("cpu", FP32), ("cpu", Precision.INT8), ("openvino", Precision.INT8)],
            [("cpu", FP32), ("openvino", Precision.INT8)],
        ),
    ],
)
def test_what_auto_never_picks_is_not_compared(pairs: list[Pair], expected: list[Pair]) -> None:
    assert comparable(pairs) == expected


def test_where_openvino_alone_is_installed_its_precisions_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "only_openvino", lambda: True)
    pairs: list[Pair] = [("openvino", FP32), ("openvino", Precision.BF16)]
    assert comparable(pairs) == pairs
    assert comparable(pairs[:1]) == []
    assert comparable([("openvino", Precision.BF16), ("openvino", Precision.FP16)]) == []


def test_a_watcher_sees_each_combination_that_is_done(bundle: Path) -> None:
    shown: list[tuple[str, int]] = []

    class Watching(SilentConsole):
        def progress(
            self, doing: str, total: int, *, done: int = 0, unit: str = "pictures"
        ) -> AbstractContextManager[Callable[[int], None]]:
            shown.append((doing, total))
            return nullcontext(lambda units: shown.append((doing, units)))

    verify(VerifyRequest(bundle, "cpu", "all", repeats=1, batches=(1,)), Watching())
    fitting = len(RUNS["cpu"])  # those that are not in the bundle are done at once
    assert shown == [("measuring", fitting), *[("measuring", 1)] * fitting]
