"""Steps that crash, hang, miss, and are interrupted, each in a real process of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from benchmarks.gpu.__main__ import read_options
from benchmarks.gpu.check import check
from benchmarks.gpu.local_paths import hide_paths
from benchmarks.gpu.machine import CheckedMachine
from benchmarks.gpu.request import RESULTS, TRIALS, CheckRequest
from benchmarks.gpu.roots import ROOT
from benchmarks.gpu.step import Outcome, Setting, Step, anywhere
from cdul_edge_runtime.errors import CdulEdgeError

CPU = CheckedMachine(
    gpu=None, capability=None, gpu_memory_mib=None, driver=None, cuda=None, providers=(),
    versions={"torch": "2.11"}, machine={"cpu": "a CPU", "cores": 2, "python": "3.12"},
)  # fmt: skip
GPU = CheckedMachine(
    gpu="NVIDIA H100", capability="9.0", gpu_memory_mib=81559, driver="580.1", cuda="13.0",
    providers=(), versions={"torch": "2.11"}, machine={"cpu": "a CPU", "cores": 16},
)  # fmt: skip
Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Check with the steps that misbehave; results go to tmp_path."""

    def start(*steps: str, machine: CheckedMachine = CPU, **options: Any) -> int:
        given = {"device": "cpu", "quick": True, **options}
        request = CheckRequest(
            steps=steps, out=tmp_path, steps_module="tests.fakes.gpu_steps", **given
        )
        return check(request, machine)

    return start


def result(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


def left_behind() -> list[int]:
    """What steps of this very process started and nobody ended; other tests run beside this."""
    patience = monotonic() + 10  # a process that was ended takes its time to go
    while (found := _started_by_hang()) and monotonic() < patience:
        sleep(0.05)
    return found


def _started_by_hang() -> list[int]:
    words, found = f"left by hang of {os.getpid()}", []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if words in file.read_bytes().decode(errors="replace"):
                found.append(int(file.parent.name))
        except OSError:  # it ended meanwhile
            continue
    return found


def test_a_passed_step_leaves_its_figures_machine_versions_and_command(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("absent") == 1  # where nothing ran, nothing is proven
    assert not capsys.readouterr().err.endswith("commit both\n")
    assert run("steady", "absent") == 0
    told = capsys.readouterr()
    assert "  skipped  absent: libnothing is not installed" in told.err.splitlines()
    assert "|  | ratio | 0.9 | at least 0.85 | met |" in told.out.splitlines()
    assert "| absent | libnothing is not installed |  |  | skipped |" in told.out.splitlines()
    found = result(tmp_path, "steady")
    assert found["status"] == "passed"
    assert found["figures"][0]["value"] == 0.9
    assert found["details"] == {"quick": True}
    assert found["on"]["versions"] == {"torch": "2.11"}
    words = "python -m benchmarks.gpu --steps steady --device cpu --quick --force"
    assert found["command"] == words
    assert not (tmp_path / "absent.json").exists()
    assert (tmp_path / "logs" / "steady.log").read_text() == "a line in the log\n"


def test_a_finished_step_is_not_repeated_until_something_changed(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("slow") == 1
    first = (tmp_path / "slow.json").read_bytes()
    assert run("slow") == 1  # what was missed stays missed
    assert (tmp_path / "slow.json").read_bytes() == first
    assert "  done     slow: missed on " in capsys.readouterr().err
    changed = json.loads(first)
    changed["identity"]["versions"]["torch"] = "2.10"
    (tmp_path / "slow.json").write_text(json.dumps(changed))
    assert run("slow") == 1
    assert result(tmp_path, "slow")["identity"]["versions"]["torch"] == "2.11"
    (tmp_path / "slow.json").write_text("{")  # half a file is no result
    assert run("slow", force=True) == 1
    assert result(tmp_path, "slow")["status"] == "missed"


def test_crashes_cost_one_step_and_what_was_kept_stays(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("crash", "fail", "steady") == 1
    crash, fail = result(tmp_path, "crash"), result(tmp_path, "fail")
    assert crash["status"] == fail["status"] == "crashed"
    assert crash["failures"] == ["its process ended by signal SIGSEGV"]
    assert [figure["name"] for figure in crash["figures"]] == ["half of it"]
    assert crash["notes"] == ["the other half was not reached"]
    assert "about to die in STEP/work" in crash["log_tail"]
    assert fail["log_tail"][-1] == "ValueError: no such kernel"
    assert str(Path.cwd()) not in json.dumps(fail)
    assert result(tmp_path, "steady")["status"] == "passed"
    assert "      | ValueError: no such kernel" in capsys.readouterr().err.splitlines()
    assert run("crash") == 1
    assert "  run      crash: a step that dies" in capsys.readouterr().err.splitlines()


def test_numbers_of_other_kinds_cost_no_result(run: Run, tmp_path: Path) -> None:
    assert run("strange") == 1
    found = result(tmp_path, "strange")
    assert [figure["value"] for figure in found["figures"]] == [0.5, None]
    assert found["details"] == {"curve": [1.5, None], "shape": [2, 3]}


def test_a_step_past_its_share_is_stopped_with_all_that_it_started(
    run: Run, tmp_path: Path
) -> None:
    assert run("hang", minutes=0.05) == 1
    found = result(tmp_path, "hang")
    assert found["status"] == "stopped"
    assert found["failures"][0].startswith("did not end within its share of")
    assert left_behind() == []


def test_an_interrupted_check_keeps_finished_steps_and_goes_on(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run("steady", "interrupt")
    assert left_behind() == []
    told = capsys.readouterr()
    assert "| interrupt |  |  |  | interrupted |" in told.out.splitlines()
    assert told.err.splitlines()[-1].startswith("next: run the same command again")
    assert not (tmp_path / "interrupt.json").exists()
    first = (tmp_path / "steady.json").read_bytes()
    assert run("steady") == 0
    assert (tmp_path / "steady.json").read_bytes() == first


def test_bars_of_speed_are_judged_on_a_gpu_at_full_size_only(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    speed = "|  | pictures a second | 10 1/s | at least 100 |"
    assert run("slow") == 1
    told = capsys.readouterr().out.splitlines()
    assert f"{speed} not judged |" in told
    assert "|  | agreement | 0.5 | at least 0.99 | missed |" in told
    assert run("slow", machine=GPU, device="cuda", quick=False) == 1
    on_gpu = capsys.readouterr()
    assert f"{speed} missed |" in on_gpu.out.splitlines()
    results, following = on_gpu.err.splitlines()[-2:]
    assert results.startswith("results: ")
    assert "logs" in results
    assert following == "next: python -m benchmarks.tables, and commit both"


def test_no_trial_is_ever_taken_for_the_result_of_a_gpu() -> None:
    settings = [Setting("cpu", True, CPU), Setting("cpu", False, CPU), Setting("cuda", True, GPU)]
    for setting in settings:
        assert CheckRequest(setting.device, setting.quick).folder(setting) == TRIALS
    assert CheckRequest().folder(Setting("cuda", False, GPU)) == RESULTS


def test_no_folder_of_this_machine_stands_in_a_result(tmp_path: Path) -> None:
    lines = {
        f'File "{ROOT}/cdul_edge/cli/app.py", line 3': 'File "./cdul_edge/cli/app.py", line 3',
        f"{sys.prefix}/bin/python": "PYTHON/bin/python",
        "'/opt/x/lib/python3.12/site-packages/torch/a.py'": "'site-packages/torch/a.py'",
        f"{tmp_path}/work/run": "STEP/work/run",
        f"{Path.home()}/pictures": "~/pictures",
    }
    assert [hide_paths(line, tmp_path) for line in lines] == list(lines.values())


def test_the_command_line_is_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    asked = read_options("--device cpu --quick --minutes 2.5 --steps tests,memory --force".split())
    assert asked == CheckRequest("cpu", True, 2.5, ("tests", "memory"), True)
    assert read_options([]) == CheckRequest()
    for wrong in ("0", "-1", "nan", "inf", "soon"):
        with pytest.raises(SystemExit, match="2"):
            read_options(["--minutes", wrong])
    assert "argument --minutes: invalid" in capsys.readouterr().err


def test_what_cannot_start_says_why(run: Run) -> None:
    for machine, why in (
        (replace(CPU, versions={}), "torch is not installed"),
        (CPU, "torch 2.11 is built without CUDA"),
        (replace(CPU, cuda="13.0"), "torch finds no CUDA device here"),
    ):
        with pytest.raises(CdulEdgeError, match=why):
            run("steady", device="cuda", machine=machine)
    with pytest.raises(CdulEdgeError, match="no step 'steddy': expected steady, slow"):
        run("steddy")


def test_a_step_whose_packages_are_missing_is_skipped_at_the_start() -> None:
    for lacking, why in [
        (("no_such_module",), "no_such_module is not installed"),
        (("json", "no_such_module", "nor_this"), "no_such_module, nor_this are not installed"),
        (("json",), None),
    ]:
        step = Step("one", "a title", anywhere, 1, 1, lambda context: Outcome(), modules=lacking)
        assert step.obstacle(Setting("cpu", True, CPU)) == why
