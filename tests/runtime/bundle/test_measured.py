from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cdul_edge_runtime.bundle.bundle import MEASURED, Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.measured import Measured, remember
from cdul_edge_runtime.errors import CdulEdgeWarning
from cdul_edge_runtime.host.console import LibraryConsole
from tests.fakes.measurements import FRAMES, a_judgement, a_run, write_measured

FP32, BF16 = Precision.FP32, Precision.BF16
CONSOLE = LibraryConsole()


def read(folder: Path) -> Measured:
    found = Measured.read(folder)
    assert found is not None
    return found


def test_nothing_measured_is_no_file(bundle: Path) -> None:
    assert Measured.read(bundle) is None
    remember(Bundle.load(bundle), (), (), CONSOLE)
    assert not (bundle / MEASURED).parent.exists()


def test_a_run_replaces_those_whose_rows_it_has_all_timed_again(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    both = a_run(bundle, FRAMES, started="1")
    plain = a_run(bundle, {("cpu", FP32): 20.0, ("openvino", FP32): 19.0}, started="2")
    remember(loaded, [both], (), CONSOLE)
    remember(loaded, [plain], (), CONSOLE)
    assert [run.started for run in read(bundle).runs] == ["2", "1"]  # only the first timed BF16
    one_thread = a_run(bundle, FRAMES, threads=1, started="3")
    everything = a_run(bundle, {**FRAMES, ("openvino", FP32): 19.0}, started="4")
    remember(loaded, [one_thread, everything], (), CONSOLE)
    assert [run.started for run in read(bundle).runs] == ["4", "3"]


def test_the_oldest_runs_go(bundle: Path) -> None:
    found = Measured.here()
    for number in range(20):  # each times something that no other does
        device = f"openvino:GPU.{number}"
        run = a_run(bundle, FRAMES, started=str(number))
        row = replace(run.rows[1], subject=replace(run.rows[1].subject, device=device))
        found = found.with_run(replace(run, rows=(run.rows[0], row)))
    assert [run.started for run in found.runs] == [str(n) for n in range(19, 11, -1)]


def test_few_reference_pictures_do_not_replace_a_verdict_on_more(bundle: Path) -> None:
    many = a_judgement(bundle, BF16, "ok")
    few = a_judgement(bundle, BF16, "unsure", truth="reference")
    broken = a_judgement(bundle, BF16, "broken", truth="reference")
    found = Measured.here().with_judgement(few).with_judgement(many)
    assert found.judgements == (many,)
    assert found.with_judgement(few).judgements == (many,)
    assert found.with_judgement(broken).judgements == (broken,)
    other = a_judgement(bundle, FP32, "ok", truth="reference")
    assert found.with_judgement(other).judgements == (many, other)


def test_what_another_machine_measured_goes_with_the_first_measurement_here(bundle: Path) -> None:
    replace(write_measured(bundle), cpu="Another CPU").write(bundle)
    remember(Bundle.load(bundle), (), [a_judgement(bundle, FP32)], CONSOLE)
    found = read(bundle)
    assert found.of_this_machine
    assert (found.runs, len(found.judgements)) == ((), 1)


def test_a_damaged_record_is_replaced_and_said_once(bundle: Path) -> None:
    write_measured(bundle)
    (bundle / MEASURED).write_text('{"format": 99}')
    with pytest.warns(
        CdulEdgeWarning, match=r"measured\.json cannot be read, and is replaced"
    ) as told:
        remember(Bundle.load(bundle), (), [a_judgement(bundle, FP32)], CONSOLE)
    assert len(told) == 1
    assert len(read(bundle).judgements) == 1


def test_a_folder_that_cannot_be_written_to_is_one_warning(bundle: Path) -> None:
    (bundle / MEASURED).parent.write_text("a file in the folder's place")
    with pytest.warns(CdulEdgeWarning, match="device auto will not know what was measured") as told:
        remember(Bundle.load(bundle), [a_run(bundle, FRAMES)], (), CONSOLE)
    assert len(told) == 1
