"""MLflow and Trackio, which need older versions of libraries than this suite has."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdul_edge.training.run_folder import RUN_FOLDER
from cdul_edge.training.summary import EpochLine, HeldOut
from cdul_edge.training.tracking import lane
from cdul_edge.training.tracking.tracker import Kept, RunFacts
from cdul_edge.training.tracking.tracking import Tracking, open_tracking
from cdul_edge_runtime.host.ownership import is_own_file
from tests.fakes.recorded_console import RecordedConsole

pytestmark = [pytest.mark.tools, pytest.mark.filterwarnings("ignore")]

LINES = [
    EpochLine(n, 1 / n, 0.5, 0.25, 0.1, 1.0, 10.0, val=HeldOut(80.0 + n, 70, 71, 5))
    for n in (1, 2, 3)
]
SUMMARY = {"final/val/mAP": 83.5}


@pytest.fixture(autouse=True)
def no_settings_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "TRACKIO_DIR"):
        monkeypatch.delenv(name, raising=False)
    for status in ("finished", "interrupted"):  # a busy machine imports slowly
        monkeypatch.setitem(lane._PATIENCE_S, status, 120.0)


@pytest.fixture
def facts(tmp_path: Path) -> RunFacts:
    folder = tmp_path / "a run"
    folder.mkdir()
    settings = {"epochs": 3, "rate_warmup_steps": None, "method_settings.anchor": 0.5}
    return RunFacts(folder, settings, {"labels_sha256": "ab" * 32})


def log_in_two_parts(name: Any, facts: RunFacts) -> None:
    """A run that is interrupted after the second epoch, and resumed."""
    listener = RecordedConsole()

    def begin(tracking: Tracking) -> None:
        for line in LINES[:2]:
            tracking.log(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_tracking((name,), facts, [], listener) as tracking:
        begin(tracking)
    with open_tracking((name,), facts, LINES[:2], listener) as tracking:
        tracking.log(LINES[2])
        tracking._summary = SUMMARY
    assert listener.warned == []
    held = [path.relative_to(facts.folder).as_posix() for path in facts.folder.rglob("*")]
    files = [path for path in held if (facts.folder / path).is_file()]
    assert [path for path in files if not is_own_file(path, RUN_FOLDER)] == []


def test_mlflow_shows_one_run_of_settings_tags_and_metrics(facts: RunFacts) -> None:
    mlflow = pytest.importorskip("mlflow")
    log_in_two_parts("mlflow", facts)
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{facts.folder / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("cdul-edge")
    (run,) = client.search_runs([experiment.experiment_id])
    assert Kept.read(facts.folder, "mlflow") == Kept(run.info.run_id, 3)
    assert (run.info.run_name, run.info.status) == ("a run", "FINISHED")
    assert run.data.params == {
        "epochs": "3", "rate_warmup_steps": "None", "method_settings.anchor": "0.5",
    }  # fmt: skip
    assert run.data.tags["labels_sha256"] == "ab" * 32
    history = client.get_metric_history(run.info.run_id, "val/mAP")
    assert {one.step: one.value for one in history} == {1: 81.0, 2: 82.0, 3: 83.0}
    assert len(history) == 3
    assert run.data.metrics.items() >= {"train/loss": 1 / 3, "final/val/mAP": 83.5}.items()


def test_a_server_of_mlflow_that_is_gone_costs_one_warning(
    facts: RunFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    listener = RecordedConsole()
    with open_tracking(("mlflow",), facts, [], listener) as tracking:
        for line in LINES:
            tracking.log(line)
    (warned,) = listener.warned
    assert warned.startswith("--log mlflow failed, and the training goes on without it: ")
    assert "secret" not in warned


@pytest.fixture
def trackio() -> Iterator[Any]:
    """Trackio as a process imports it that has not logged before."""
    pytest.importorskip("trackio")
    for name in [name for name in sys.modules if name.partition(".")[0] == "trackio"]:
        del sys.modules[name]
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "trackio"]:
        del sys.modules[name]


@pytest.mark.usefixtures("trackio")
def test_trackio_shows_one_run_and_stdout_stays_free(
    facts: RunFacts, capsys: pytest.CaptureFixture[str]
) -> None:
    log_in_two_parts("trackio", facts)
    assert capsys.readouterr().out == ""
    from trackio.sqlite_storage import SQLiteStorage

    kept = Kept.read(facts.folder, "trackio")
    assert kept is not None
    assert kept.epoch == 3
    assert SQLiteStorage.get_runs("cdul-edge") == [kept.id]
    config = SQLiteStorage.get_run_config("cdul-edge", kept.id)
    assert config["method_settings.anchor"] == 0.5
    rows = [row for row in SQLiteStorage.get_logs("cdul-edge", kept.id) if "val/mAP" in row]
    assert {row["step"]: row["val/mAP"] for row in rows} == {1: 81.0, 2: 82.0, 3: 83.0}
    assert len(rows) == 3
    assert (facts.folder / "trackio" / "cdul-edge.db").is_file()
