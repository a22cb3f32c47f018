"""When `auto` takes OpenVINO: only what was measured faster here, and verified."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cdul_edge_runtime import measured_order
from cdul_edge_runtime.backends.trt.engine_stamp import damaged_stamps
from cdul_edge_runtime.bench.combinations import Combinations
from cdul_edge_runtime.bundle.bundle import MEASURED, Bundle, list_stamps
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.measured import BenchRun, Measured
from cdul_edge_runtime.bundle.precision_record import Accuracy, Limits, PrecisionRecord
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.passed_over import NO_DRIVER
from cdul_edge_runtime.run_order import Pair
from cdul_edge_runtime.selection import Selection
from tests.fakes.measurements import FRAMES, THREADS, a_judgement, a_run, write_measured
from tests.fakes.pretended_machine import Machine

AddPrecision = Callable[..., None]
FP32, BF16, FP16 = Precision.FP32, Precision.BF16, Precision.FP16
INT8, INT8_CPU = Precision.INT8, Precision.INT8_CPU
ON_CPU = ("cpu", FP32)


@pytest.fixture(autouse=True)
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Both libraries, whatever is installed; a test may change what is here."""
    found = {"onnxruntime": "1.32.0", "openvino": "2026.4.1"}
    monkeypatch.setattr(
        measured_order,
        "installed_versions",
        lambda *names: {name: found[name] for name in names if name in found},
    )
    return found


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A CPU that is fast at INT8, without a GPU."""
    found = Machine(monkeypatch)
    found.engines["tensorrt"], found.no_cuda = [], NO_DRIVER
    return found


def choose(folder: Path, threads: int = THREADS, **wish: str) -> Selection:
    with Classifier.load(folder, threads=threads, **wish) as classifier:  # type: ignore[arg-type]
        assert classifier.selection is not None
        return classifier.selection


def pick(folder: Path, **wish: str) -> Pair:
    found = choose(folder, THREADS, **wish)
    return found.device, found.precision


def why_not(folder: Path, precision: Precision = BF16, threads: int = THREADS) -> str:
    """Why the choice is FP32 on the CPU."""
    found = choose(folder, threads)
    assert (found.device, found.precision) == ON_CPU
    passed = {(device, one): why for device, one, why in found.passed_over}
    why = passed.get(("openvino", precision), "")
    assert why in found.reason
    return why


def test_what_bench_timed_faster_and_verify_passed_is_taken_and_says_so(
    bundle: Path, machine: Machine
) -> None:
    assert pick(bundle) == ON_CPU
    write_measured(bundle)
    assert str(choose(bundle)) == (
        "fp32 as bf16 on openvino (bench: 12.8 ms against 21.5 ms for fp32 on cpu; verify passed)"
    )
    assert machine.opened[-1] == ("openvino", "bf16")


@pytest.mark.parametrize(("frame_ms", "expected"), [(20.8, "openvino"), (20.9, "cpu")])
def test_three_percent_are_faster_and_less_is_noise(
    bundle: Path, machine: Machine, frame_ms: float, expected: str
) -> None:
    write_measured(bundle, {**FRAMES, ("openvino", BF16): frame_ms})  # 0.97 * 21.5 = 20.855
    assert choose(bundle).device == expected
    if expected == "cpu":
        assert why_not(bundle) == "no faster than fp32 on cpu when bench timed both"


def test_the_fastest_of_several_comes_first_and_the_next_where_it_does_not_start(
    bundle: Path, add_precision: AddPrecision, machine: Machine
) -> None:
    for precision in (FP16, INT8_CPU):
        add_precision(bundle, precision)
    write_measured(
        bundle,
        {
            ("cpu", INT8_CPU): 10.0,
            ("cpu", FP32): 21.5,
            ("openvino", FP32): 20.0,
            ("openvino", BF16): 9.5,
            ("openvino", INT8_CPU): 9.0,
        },
    )
    assert choose(bundle).reason == ("bench: 9 ms against 10 ms for int8-cpu on cpu; verify passed")
    machine.broken["openvino", "int8-cpu"] = "this OpenVINO does not start"
    found = choose(bundle)
    assert (found.device, found.precision) == ("openvino", BF16)
    assert ("openvino", INT8_CPU, "this OpenVINO does not start") in found.passed_over
    machine.broken["openvino", "bf16"] = "this OpenVINO does not start"
    found = choose(bundle)
    assert (found.device, found.precision) == ("cpu", INT8_CPU)
    assert "openvino fp32: no faster than int8-cpu on cpu" in found.reason
    assert "openvino int8-cpu/bf16: this OpenVINO does not start" in found.reason


def test_a_gpu_comes_first_whatever_was_measured_on_the_cpu(bundle: Path, machine: Machine) -> None:
    machine.no_cuda = None
    write_measured(bundle)
    assert pick(bundle) == ("cuda", FP32)
    machine.broken["cuda", "fp32"] = "no memory"
    assert pick(bundle) == ("openvino", BF16)


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (None, "faster than fp32 on cpu, and never verified as it is here: run `cdul-edge verify"),
        ("unsure", "verify had too few pictures to tell"),
        ("broken", "verify found that its accuracy is outside the budget"),
    ],
)
def test_what_verify_did_not_pass_is_passed_over(
    bundle: Path, machine: Machine, verdict: str | None, told: str
) -> None:
    write_measured(bundle, verdicts={BF16: verdict} if verdict else {})  # type: ignore[dict-item]
    assert told in why_not(bundle)
    assert pick(bundle, precision="bf16") == ("openvino", BF16)  # what is named is used


def test_only_a_run_that_timed_both_with_as_many_threads_counts(
    bundle: Path, machine: Machine
) -> None:
    found = write_measured(bundle)
    assert "never timed beside fp32 on cpu with 1 thread and" in why_not(bundle, threads=1)
    told = f"run `cdul-edge bench {bundle} --device all --precision all --threads 1`"
    assert told in why_not(bundle, threads=1)
    apart = tuple(
        a_run(bundle, {pair: ms}, started=f"run {number}")
        for number, (pair, ms) in enumerate(FRAMES.items())
    )
    replace(found, runs=apart).write(bundle)
    assert "never timed beside fp32 on cpu with 2 threads" in why_not(bundle)
    replace(found, runs=(*apart, *found.runs)).write(bundle)
    assert pick(bundle) == ("openvino", BF16)


@pytest.mark.parametrize("library", ["onnxruntime", "openvino"])
def test_another_version_of_either_library_has_to_be_timed_again(
    bundle: Path, machine: Machine, versions: dict[str, str], library: str
) -> None:
    write_measured(bundle)
    versions[library] = "2027.0.0"
    assert "with 2 threads and the libraries that are here: run `cdul-edge bench" in why_not(bundle)
    del versions[library]
    write_measured(bundle)  # by a copy that was not installed: which one, nobody knows
    assert why_not(bundle).startswith(f"{library} is not installed here, or says no version")


def test_every_precision_of_auto_runs_where_that_number_of_threads_would(
    bundle: Path, machine: Machine
) -> None:
    write_measured(bundle)
    every = Combinations.parse("auto", "all")
    for threads, expected in ((THREADS, "openvino"), (THREADS + 1, "cpu")):
        rows = every.measure(
            Bundle.load(bundle),
            lambda classifier: str(classifier.selection and classifier.selection.where),
            lambda device, precision, reason: reason,
            [],
            SilentConsole(),
            threads=threads,
        )
        assert set(rows) == {expected}


def test_another_model_has_to_be_timed_again(bundle: Path, machine: Machine) -> None:
    found = write_measured(bundle)
    rows = tuple(
        replace(row, subject=replace(row.subject, model_sha256="0" * 64))
        for row in found.runs[0].rows
    )
    replace(found, runs=(BenchRun("2026", THREADS, rows),)).write(bundle)
    assert "never timed beside" in why_not(bundle)


def test_other_thresholds_have_to_be_verified_again(bundle: Path, machine: Machine) -> None:
    write_measured(bundle)
    manifest = read_json(bundle / "manifest.json")
    manifest["thresholds"][0] = 0.25
    write_json(bundle / "manifest.json", manifest)
    assert "never verified as it is here" in why_not(bundle)


@pytest.mark.parametrize("change", [{"cpu": "Another CPU"}, {"cpu_flags": ("avx2",)}])
def test_what_another_machine_measured_counts_for_nothing(
    bundle: Path, machine: Machine, change: dict[str, object]
) -> None:
    replace(write_measured(bundle), **change).write(bundle)  # type: ignore[arg-type]
    assert why_not(bundle) == ""
    assert "openvino was measured on another machine, " in choose(bundle).reason


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        "[]",
        "null",
        '{"format": 1}',
        '{"format": 2, "program": "cdul-edge", "stage": "measured", "cpu": "", "cpu_flags": []}',
        '{"format": 1, "program": "cdul-edge", "stage": "measured", "cpu": 3, "cpu_flags": []}',
        "\udcff",
        '{"format": 1, "program": "cdul-edge", "stage": "measured", "cpu": "", "cpu_flags": [], '
        '"runs": [{"started": "", "threads": 2, "rows": [{"network_ms": 0, "end_to_end_ms": 0, '
        '"subject": {"device": "cpu", "precision": "fp32", "model_sha256": "", "library": ""}}]}]}',
    ],
)
def test_a_damaged_record_is_one_line_and_the_choice_is_that_without_it(
    bundle: Path, machine: Machine, damage: str
) -> None:
    write_measured(bundle)
    (bundle / MEASURED).write_bytes(damage.encode("utf-8", "surrogateescape"))
    assert why_not(bundle) == ""
    assert choose(bundle).reason.endswith("; engines/measured.json cannot be read: remove it")


def test_a_precision_that_calibrate_found_too_costly_or_could_not_judge_is_passed_over(
    bundle: Path, add_precision: AddPrecision, machine: Machine
) -> None:
    add_precision(bundle, FP16, within_budget=False)
    digest = Bundle.load(bundle).fp32_sha256
    few = Accuracy(9, "the FP32 scores", 90, 90, 0.0, 0.0, 0.0, "", (0, 0), (0.0, 0.3))
    record = PrecisionRecord(BF16, digest, 1, digest, Limits(0.5, 0.02, 0.05), few, True)
    record.write(bundle)
    write_measured(bundle, {**FRAMES, ("openvino", FP16): 8.0})
    assert "outside the budget" in why_not(bundle, FP16)
    assert "too few pictures" in why_not(bundle, BF16)
    many = replace(few, pictures=900, flip_rate_interval=(0.0, 0.004))
    replace(record, accuracy=many).write(bundle)
    assert pick(bundle) == ("openvino", BF16)
    replace(record, accuracy=many, within_budget=False).write(bundle)
    assert "outside the budget" in why_not(bundle, BF16)


def test_a_precision_by_name_takes_the_faster_library_for_it(
    bundle: Path, machine: Machine
) -> None:
    write_measured(bundle, {**FRAMES, ("openvino", FP32): 20.0})
    assert pick(bundle, precision="fp32") == ("openvino", FP32)
    assert pick(bundle, device="cpu") == ON_CPU
    assert pick(bundle, device="cpu", precision="fp32") == ON_CPU
    (bundle / MEASURED).unlink()
    assert pick(bundle, precision="fp32") == ON_CPU


def test_openvino_by_name_takes_its_fastest_verified_precision(
    bundle: Path, machine: Machine
) -> None:
    assert pick(bundle, device="openvino") == ("openvino", FP32)
    write_measured(bundle, {("openvino", FP32): 20.0, ("openvino", BF16): 12.8})
    assert choose(bundle, device="openvino").reason == (
        "bench: 12.8 ms against 20 ms for fp32 on openvino; verify passed"
    )
    assert pick(bundle, device="openvino:GPU") == ("openvino", FP32)  # measured on the CPU


def test_the_record_is_no_engine(bundle: Path) -> None:
    write_measured(bundle)
    assert list_stamps(bundle) == []
    assert damaged_stamps(bundle) == []
    with pytest.raises(CdulEdgeError, match="no engine was built"):
        Classifier.load(bundle, device="tensorrt")


def test_without_a_record_openvino_is_not_even_imported(bundle: Path) -> None:
    code = (
        "import sys; from cdul_edge_runtime.classifier import Classifier;"
        f"Classifier.load({str(bundle)!r}).close(); print('openvino' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_a_record_is_plain_json_and_reads_back(bundle: Path) -> None:
    written = write_measured(bundle)
    content = json.loads((bundle / MEASURED).read_text())
    assert (content["format"], content["stage"]) == (1, "measured")
    assert content["runs"][0]["rows"][1]["subject"] == {
        "device": "openvino",
        "precision": "bf16",
        "model_sha256": Bundle.load(bundle).fp32_sha256,
        "library": "openvino 2026.4.1",
    }
    assert Measured.read(bundle) == written
    assert written.judgements == (a_judgement(bundle, BF16),)
