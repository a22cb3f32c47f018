"""What a process is told of its copies, and which commands refuse to have any."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge.launcher import Launch, find_launch, refuse_copies, refuse_later_copies
from cdul_edge_runtime.errors import CdulEdgeError

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_RESTART_COUNT": "1",
}


def test_torchrun_says_which_process_this_is() -> None:
    assert find_launch(TORCHRUN) == Launch(3, 4, 1, 2, restarts=1)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WORLD_SIZE": "2"},  # left in the shell by another job
        {"RANK": "0"},
        {**TORCHRUN, "RANK": "0", "WORLD_SIZE": "1"},
    ],
)
def test_one_process_is_alone(environment: dict[str, str]) -> None:
    assert find_launch(environment) == Launch()


def test_a_launcher_that_numbers_no_machine_has_one_process_on_each() -> None:
    kubernetes = {name: TORCHRUN[name] for name in ("RANK", "WORLD_SIZE")}
    address = {"MASTER_ADDR": "worker-0", "MASTER_PORT": "23456"}
    assert find_launch({**kubernetes, **address}) == Launch(3, 4, 0, 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"RANK": "4"}, "RANK=4 and WORLD_SIZE=4 do not fit together"),
        ({"RANK": "-1"}, "RANK=-1 and WORLD_SIZE=4 do not fit together"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE='two' is no whole number"),
        ({"WORLD_SIZE": ""}, "WORLD_SIZE='' is no whole number"),
        ({"MASTER_ADDR": ""}, "MASTER_ADDR is not set"),
    ],
)
def test_what_does_not_fit_together_is_said(change: dict[str, str], said: str) -> None:
    with pytest.raises(CdulEdgeError, match=said):
        find_launch({**TORCHRUN, **change})


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (TORCHRUN, "torchrun started 4 copies of `cdul-edge export`"),
        ({"SLURM_STEP_NUM_TASKS": "8"}, "srun started 8 copies"),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, "mpirun started 2 copies"),
        ({"PMI_SIZE": "2"}, "mpiexec started 2 copies"),
        (
            {**TORCHRUN, "RANK": "0", "WORLD_SIZE": "1", "SLURM_STEP_NUM_TASKS": "8"},
            "srun started 8 copies",
        ),
    ],
)
def test_copies_that_would_write_over_one_another_are_refused(
    environment: dict[str, str], said: str
) -> None:
    with pytest.raises(CdulEdgeError, match=said):
        refuse_copies("export", environment=environment)
    refuse_copies("info", environment=environment)  # it writes nothing


@pytest.mark.parametrize(
    "environment",
    [
        {"SLURM_NTASKS": "8", "SLURM_PROCID": "0"},  # the script of a job of eight tasks, once
        {"SLURM_STEP_NUM_TASKS": "1"},
        {"OMPI_COMM_WORLD_SIZE": "1"},
        {"PMI_SIZE": ""},
        {"WORLD_SIZE": "2"},
    ],
)
def test_a_command_that_was_started_once_runs(environment: dict[str, str]) -> None:
    refuse_copies("export", environment=environment)


def test_ray_starts_a_command_once_on_the_tasks_of_a_step() -> None:
    refuse_copies("label", on_ray=True, environment={"SLURM_STEP_NUM_TASKS": "8"})


@pytest.mark.parametrize(
    ("copies", "number", "starter"),
    [
        ({**TORCHRUN, "WORLD_SIZE": "4"}, "RANK", "torchrun"),
        ({"SLURM_STEP_NUM_TASKS": "4"}, "SLURM_PROCID", "srun"),
        ({"OMPI_COMM_WORLD_SIZE": "4"}, "OMPI_COMM_WORLD_RANK", "mpirun"),
        ({"PMI_SIZE": "4"}, "PMI_RANK", "mpiexec"),
    ],
)
def test_a_script_may_call_a_verb_in_the_first_of_its_copies_alone(
    copies: dict[str, str], number: str, starter: str
) -> None:
    refuse_later_copies("export", environment={**copies, number: "0"})
    said = rf"{starter} started 4 copies of this script, and `export` .*os.environ\['{number}'\]"
    with pytest.raises(CdulEdgeError, match=said):
        refuse_later_copies("export", environment={**copies, number: "3"})


def test_train_is_called_in_every_copy_that_torchrun_started_and_in_one_of_others() -> None:
    refuse_later_copies("train", environment={**TORCHRUN, "RANK": "3", "WORLD_SIZE": "4"})
    with pytest.raises(CdulEdgeError, match="srun started 2 copies of this script"):
        refuse_later_copies("train", environment={"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"})
    on_cluster = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"}
    refuse_later_copies("label", on_ray=True, environment=on_cluster)


WRITERS = {
    "label": ["photos", "--classes", "c.txt"],
    "export": ["run"],
    "calibrate": ["bundle", "--images", "x"],
    "build": ["bundle"],
    "study": [],
    "demo": [],
}


@pytest.mark.parametrize("command", sorted(WRITERS))
def test_every_command_that_writes_refuses_in_one_line(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**TORCHRUN, "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    out = [] if command in ("calibrate", "build") else ["--out", "nowhere"]
    result = CliRunner().invoke(app, [command, *WRITERS[command], *out])
    assert result.exit_code == 2
    assert f"torchrun started 4 copies of `cdul-edge {command}`" in result.stderr.replace("\n", " ")
    monkeypatch.setattr("cdul_edge.launcher.PAUSE_S", 0)
    monkeypatch.setenv("LOCAL_RANK", "1")  # what the first copy of the machine says stands once
    silent = CliRunner().invoke(app, [command, *WRITERS[command], *out])
    assert (silent.exit_code, silent.stderr) == (2, "")
