"""`train --log`: real libraries, offline, in the run folder; one that fails only warns."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from cdul_edge.training import TrainConfig, TrainRequest, train
from cdul_edge.training import run as train_run
from cdul_edge.training.request import EvaluationOptions, TrackerName
from cdul_edge.training.run_config import RunConfig
from cdul_edge.training.run_folder import RUN_FOLDER
from cdul_edge.training.summary import EpochLine, HeldOut, read_metrics
from cdul_edge.training.tracking import lane
from cdul_edge.training.tracking.metric_names import name_epoch, name_summary
from cdul_edge.training.tracking.option import TrackerChoice
from cdul_edge.training.tracking.tracker import Kept, RunFacts
from cdul_edge.training.tracking.tracking import open_tracking
from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError
from cdul_edge_runtime.host.ownership import is_own_file
from tests.fakes.recorded_console import RecordedConsole
from tests.fakes.wandb_file import read_wandb_file

_VARIABLES = ("WANDB_", "MLFLOW_", "TRACKIO_")


@pytest.fixture(autouse=True)
def offline_and_patient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(_VARIABLES)]:
        monkeypatch.delenv(name)
    for status in ("finished", "interrupted"):  # a busy machine imports slowly
        monkeypatch.setitem(lane._PATIENCE_S, status, 120.0)
    for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


@pytest.fixture(scope="module", autouse=True)
def no_service_stays() -> Iterator[None]:
    yield
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()


Log = Callable[..., RecordedConsole]


@pytest.fixture
def log(squares: Any, small: Callable[..., TrainConfig]) -> Log:
    """Train the small run with trackers; `evaluated` measures held-out pictures."""

    def run(
        out: Path, *names: TrackerName, evaluated: bool = True, **changes: Any
    ) -> RecordedConsole:
        listener = RecordedConsole()
        truth = EvaluationOptions(squares.val, squares.val_truth, squares.truth)
        request = TrainRequest(
            squares.labels,
            out,
            small(epochs=2, set_aside=0),
            evaluation=truth if evaluated else EvaluationOptions(),
            device="cpu",
            log=names,
        )
        train(replace(request, **changes), listener)
        return listener

    return run


def read_scalars(run: Path) -> dict[str, dict[int, float]]:
    """Every scalar of the run's event files, by step, as TensorBoard itself shows them."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(run / "tensorboard")).Reload()
    return {
        name: {event.step: event.value for event in events.Scalars(name)}
        for name in events.Tags()["scalars"]
    }


def read_offline_runs(run: Path) -> list[Any]:
    """The records of the run's offline files, as `wandb sync` reads them, oldest first."""
    files = sorted((run / "wandb").glob("offline-run-*/*.wandb"))
    return [record for file in files for record in read_wandb_file(file)]


def expect_lines(shown: Mapping[str, Mapping[int, float]], run: Path) -> None:
    """Each epoch's numbers are those of metrics.jsonl, and nothing else has been told."""
    expected: dict[str, dict[int, float]] = {}
    for line in read_metrics(run):
        for name, value in name_epoch(line).items():
            expected.setdefault(name, {})[line.epoch] = value
    told = {name: steps for name, steps in shown.items() if not name.startswith("final/")}
    assert set(told) == set(expected)
    for name, steps in told.items():
        assert steps == pytest.approx(expected[name])


def test_the_names_are_the_usual_ones_and_what_is_undefined_is_left_out() -> None:
    held_out = HeldOut(81.5, 70.25, float("nan"), 6.0)
    line = EpochLine(
        3, 0.5, 0.25, 0.125, 0.001, 2.0, 400.0, {"label_change": 0.5, "label_guard": "x"}, 90.0,
        held_out,
    )  # fmt: skip
    assert name_epoch(line) == {
        "epoch": 3, "lr": 0.001, "train/loss": 0.5, "train/bce": 0.25, "train/kl": 0.125,
        "train/seconds": 2.0, "train/images_per_second": 400.0, "labels/mAP": 90.0,
        "labels/label_change": 0.5, "val/mAP": 81.5, "val/CF1": 70.25, "val/hamming": 6.0,
    }  # fmt: skip


def stop_and_resume(
    log: Log, run: Path, monkeypatch: pytest.MonkeyPatch, name: TrackerName
) -> Kept | None:
    """A run that is stopped after its last epoch, and ended by another; what was kept between."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train_run, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            log(run, name)
    kept = Kept.read(run, name)
    listener = log(run, name, name)
    assert listener.warned == []
    assert len([line for line in listener.said if line.startswith(f"--log {name}: ")]) == 1
    return kept


def expect_own_files(log: Log, run: Path, name: str) -> None:
    """All that the tracker left is known, and goes with the run that --force replaces."""
    held = [file.relative_to(run).as_posix() for file in run.rglob("*") if not is_folder(file)]
    assert [name for name in held if not is_own_file(name, RUN_FOLDER)] == []
    assert (run / name).is_dir()
    log(run, force=True, evaluated=False)
    assert not {name, f"tracking.{name}.json"} & {path.name for path in run.iterdir()}


def test_tensorboard_shows_the_lines_of_a_run_that_was_stopped_and_resumed(
    log: Log, squares: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    run = tmp_path / "run"
    stop_and_resume(log, run, monkeypatch, "tensorboard")
    scalars = read_scalars(run)
    expect_lines(scalars, run)
    summary = name_summary(train(TrainRequest(squares.labels, run, config_of(run))).summary)
    assert {name: steps[2] for name, steps in scalars.items() if name in summary} == (
        pytest.approx(summary)
    )
    expect_own_files(log, run, "tensorboard")


@pytest.mark.tools
def test_wandb_shows_the_lines_of_a_run_that_was_stopped_and_resumed(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    run = tmp_path / "run"
    kept = stop_and_resume(log, run, monkeypatch, "wandb")
    records = read_offline_runs(run)
    assert {record.run.run_id for record in records if record.HasField("run")} == {
        kept.id if kept else None
    }
    told = [step_of(record) for record in records if record.HasField("history")]
    assert [line["_step"] for line in told] == [1, 2]  # the second process had none left to tell
    line = read_metrics(run)[1]
    assert line.val is not None
    assert told[1]["val/mAP"] == pytest.approx(line.val.map)
    assert [record.exit.exit_code for record in records if record.HasField("exit")] == [130, 0]
    configured = {
        item.key: json.loads(item.value_json)
        for record in records
        if record.HasField("run")
        for item in record.run.config.update
    }
    facts = RunFacts.of(run, RunConfig.read(run))
    assert configured.items() >= {"epochs": 2, **facts.tags}.items()
    assert facts.settings["method_settings.label_warmup"] == 1
    expect_own_files(log, run, "wandb")


def config_of(run: Path) -> TrainConfig:
    return RunConfig.read(run).settings


def is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def step_of(record: Any) -> dict[str, Any]:
    return {
        "/".join(item.nested_key) or item.key: json.loads(item.value_json)
        for item in record.history.item
    }


def test_a_tracker_that_joins_later_is_told_of_the_epochs_before(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    lines = [EpochLine(n, 1 / n, 0.5, 0.25, 0.1, 1.0, 10.0) for n in (1, 2, 3)]
    facts = RunFacts(tmp_path, {"epochs": 3}, {"labels_sha256": "0" * 64})
    listener = RecordedConsole()
    with open_tracking(("tensorboard",), facts, lines[:2], listener) as tracking:
        tracking.log(lines[2])
    # Told again of all three, it takes none twice.
    with open_tracking(("tensorboard",), facts, lines, listener):
        pass
    assert listener.warned == []
    assert read_scalars(tmp_path)["train/loss"] == pytest.approx({1: 1.0, 2: 0.5, 3: 1 / 3})


@pytest.mark.tools
def test_a_tracker_that_fails_warns_once_and_the_run_ends_well(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    listener = log(tmp_path / "run", "wandb", evaluated=False)
    (warned,) = listener.warned
    assert warned == (
        "--log wandb failed, and the training goes on without it: WANDB_MODE is online and nobody "
        "is logged in: run `wandb login`, or set WANDB_API_KEY"
    )
    assert (tmp_path / "run" / "summary.json").is_file()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (RuntimeError("https://me:key@host/a?token=1 is gone\nmore"), "https://host/a is gone"),
        (SystemExit(), "SystemExit"),
    ],
)
def test_whatever_a_library_raises_is_one_line_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException, words: str
) -> None:
    class Failing:
        place = "nowhere"

        def start(self, facts: RunFacts, kept: Kept | None) -> Kept:
            return Kept("1")

        def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
            raise fault

    monkeypatch.setattr(lane, "make_tracker", lambda name: Failing())
    listener, facts = RecordedConsole(), RunFacts(tmp_path, {}, {})
    lines = [EpochLine(n, 1.0, 0.5, 0.25, 0.1, 1.0, 10.0) for n in (1, 2)]
    with open_tracking(("mlflow",), facts, [], listener) as tracking:
        for line in lines:
            tracking.log(line)
    assert listener.warned == [f"--log mlflow failed, and the training goes on without it: {words}"]


def test_a_tracker_that_hangs_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    class Hanging:
        def start(self, facts: RunFacts, kept: Kept | None) -> Kept:
            released.wait()
            raise OSError("at last")

    monkeypatch.setattr(lane, "make_tracker", lambda name: Hanging())
    monkeypatch.setitem(lane._PATIENCE_S, "finished", 0.05)
    listener, facts = RecordedConsole(), RunFacts(tmp_path, {}, {})
    with open_tracking(("trackio",), facts, [], listener) as tracking:
        tracking.log(EpochLine(1, 1.0, 0.5, 0.25, 0.1, 1.0, 10.0))
    released.set()
    assert listener.warned == [
        "--log trackio was not done 0.05 s after the run ended, and was left behind: its last "
        "lines may be missing"
    ]


def test_all_trackers_are_told_of_the_end_before_one_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_ended = threading.Event()

    class Ending:
        place = ""

        def __init__(self, act: Callable[[], object]) -> None:
            self._act = act

        def start(self, facts: RunFacts, kept: Kept | None) -> Kept:
            return Kept("one")

        def end(self, status: str, epoch: int, summary: Mapping[str, float]) -> None:
            self._act()

    acts: dict[str, Callable[[], object]] = {
        "trackio": second_ended.wait,
        "mlflow": second_ended.set,
    }
    monkeypatch.setattr(lane, "make_tracker", lambda name: Ending(acts[name]))
    listener, facts = RecordedConsole(), RunFacts(tmp_path, {}, {})
    with open_tracking(("trackio", "mlflow"), facts, [], listener):
        pass
    second_ended.set()
    assert listener.warned == []


def test_a_missing_package_is_named_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a folder that a library left behind is no package
    (tmp_path / "path" / "trackio").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "path")])
    monkeypatch.delitem(sys.modules, "trackio", raising=False)
    for name in ("trackio", "mlflow"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        request = TrainRequest(tmp_path / "no labels", tmp_path / "run", log=(name,))
        with pytest.raises(MissingExtraError) as caught:
            train(request)
        assert str(caught.value) == (
            f'--log {name} needs {name}, which is not installed: pip install "cdul-edge[{name}]"'
        )
    with pytest.raises(CdulEdgeError, match="log comet: expected tensorboard, mlflow, wandb"):
        TrainRequest(tmp_path, tmp_path, log=("comet",))  # type: ignore[arg-type]


def test_the_command_line_offers_what_a_request_takes() -> None:
    assert [one.value for one in TrackerChoice] == list(get_args(TrackerName))


def test_a_damaged_record_of_a_tracker_is_named(tmp_path: Path) -> None:
    (tmp_path / "tracking.wandb.json").write_text('{"program": "cdul-edge", "format": 1}')
    with pytest.raises(CdulEdgeError, match=r"tracking\.wandb\.json is damaged \(id is missing\)"):
        Kept.read(tmp_path, "wandb")
