"""Run folders that are no runs, unfinished, damaged or of other classes are refused in one line."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cdul_edge.training import TrainConfig, TrainRequest, train
from cdul_edge.training.run_folder import load_first_epoch, load_run
from cdul_edge.training.summary import EpochLine, HeldOut, keep_metrics, read_metrics
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.host.folder_lock import lock_folder
from tests.training.conftest import Train

OLD_RUN = Path(__file__).parent / "old_run" / "finished"
CONFIG = TrainConfig(
    network="clip:demo", weights="none", height_px=32, width_px=32, epochs=1, batch_size=6
)


@pytest.fixture(scope="module")
def finished(squares: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    train(TrainRequest(squares.labels, out, CONFIG), SilentConsole())
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def rewrite_checkpoint(run: Path, **changes: Any) -> None:
    content = torch.load(run / "checkpoint.pt", weights_only=True)
    torch.save({**content, **changes}, run / "checkpoint.pt")


def test_a_run_is_read_without_the_weights_it_started_from(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["settings"]["network"] = "clip:/nowhere/at/all"
    (run / "config.json").write_text(json.dumps(config))
    assert load_run(run).classes.names == ("red", "green", "blue")


def test_a_damaged_distribution_of_scores_is_refused_with_the_way_out(run: Path) -> None:
    (run / "score_reference.npz").write_bytes(b"PK")
    with pytest.raises(CdulEdgeError, match="remove it to export without it, or train again"):
        load_run(run)
    (run / "score_reference.npz").unlink()
    assert load_run(run).score_reference is None


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CdulEdgeError, match="is not a run"):
        load_run(tmp_path)


def test_a_run_that_is_not_finished_is_refused(run: Path) -> None:
    (run / "summary.json").unlink()
    with pytest.raises(CdulEdgeError, match="is not finished: the same `cdul-edge train`"):
        load_run(run)


def test_a_checkpoint_of_other_classes_is_refused(run: Path) -> None:
    rewrite_checkpoint(run, classes=["cat", "dog", "cow"])
    with pytest.raises(CdulEdgeError, match="trained for the 3 classes cat, dog, cow, but these"):
        load_run(run)


def test_a_checkpoint_that_is_cut_is_refused(run: Path) -> None:
    content = (run / "checkpoint.pt").read_bytes()
    (run / "checkpoint.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(CdulEdgeError, match=r"checkpoint\.pt is damaged"):
        load_run(run)


def test_a_checkpoint_with_code_in_it_is_not_run(run: Path) -> None:
    torch.save({"format": 1, "epoch": Path("/tmp")}, run / "checkpoint.pt")
    with pytest.raises(CdulEdgeError, match=r"checkpoint\.pt is damaged"):
        load_run(run)


def test_a_checkpoint_of_another_version_is_refused(run: Path) -> None:
    rewrite_checkpoint(run, format=99)
    with pytest.raises(CdulEdgeError, match="has format 99, this program reads 1"):
        load_run(run)


def test_a_run_of_another_version_is_refused(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "format": 99}))
    with pytest.raises(CdulEdgeError, match="is not of format 2"):
        load_run(run)


def test_lines_of_lost_epochs_and_cut_lines_are_dropped(tmp_path: Path) -> None:
    lines = [
        json.dumps(EpochLine(epoch, 0.5, 0.5, 0.25, 1e-3, 1.0, 12.0).to_dict())
        for epoch in (1, 2, 3)
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + '\n{"epoch": 4, "lo')
    assert [line.epoch for line in keep_metrics(tmp_path, 2)] == [1, 2]
    assert (tmp_path / "metrics.jsonl").read_text().splitlines() == lines[:2]


@pytest.mark.parametrize("line", ['{"epoch": 1}', "[1]", "7"])
def test_metrics_that_are_not_those_of_a_run_are_refused_with_the_line(
    tmp_path: Path, line: str
) -> None:
    (tmp_path / "metrics.jsonl").write_text(line + "\n")
    with pytest.raises(CdulEdgeError, match=r"metrics\.jsonl is damaged at line 1"):
        keep_metrics(tmp_path, 2)


def test_a_line_is_read_as_it_was_written() -> None:
    line = EpochLine(
        3, 0.5, 0.5, 0.25, 1e-3, 1.0, 12.0,
        revision={"label_change": 0.25, "label_guard": "why"}, labels_map=math.nan,
        val=HeldOut(50.0, math.nan, 40.0, 0.1),
    )  # fmt: skip
    plain = line.to_dict()
    assert plain["pseudo_labels"] == {"map": None}
    assert plain["val"] == {"map": 50.0, "cf1": None, "of1": 40.0, "hamming": 0.1}
    assert EpochLine.from_dict(plain).to_dict() == plain
    assert line.label_guard == "why"


@pytest.mark.parametrize("content", ["[]", "{}", '{"run": 1}'])
def test_a_summary_that_is_not_that_of_a_run_is_refused(run: Path, content: str) -> None:
    (run / "summary.json").write_text(content)
    with pytest.raises(CdulEdgeError, match=r"summary\.json is not that of a run"):
        load_run(run)


@pytest.mark.parametrize("name", ["thesis.txt", "config.json"])
@pytest.mark.parametrize("force", [False, True])
def test_a_folder_with_something_else_is_left_alone(
    train: Train, tmp_path: Path, name: str, force: bool
) -> None:
    """config.json: many programs write one, and it is no mark of ours."""
    out = tmp_path / "mine"
    (out / "cache").mkdir(parents=True)
    (out / name).write_text('{"years": "of work"}')
    (out / "cache" / "notes.txt").write_text("more of it")
    with pytest.raises(CdulEdgeError, match=r"choose another|is not of format"):
        train(out, epochs=1, force=force)
    assert sorted(path.name for path in out.iterdir()) == sorted(["cache", name])
    assert (out / name).read_text() == '{"years": "of work"}'


@pytest.mark.parametrize("name", ["notes.txt", "cache/mine.txt"])
def test_force_replaces_a_run_but_not_what_others_put_into_it(
    run: Path, train: Train, name: str
) -> None:
    (run / "cache").mkdir()
    (run / name).write_text("years of work")
    before = (run / "checkpoint.pt").read_bytes()
    with pytest.raises(CdulEdgeError, match=f"also holds {name}, which cdul-edge did not make"):
        train(run, epochs=2, force=True)
    assert (run / name).read_text() == "years of work"
    assert (run / "checkpoint.pt").read_bytes() == before
    (run / name).unlink()
    (run / "cache" / "pictures-0123456789abcdef.uint8").write_bytes(b"of a run that was killed")
    assert train(run, epochs=2, force=True).epochs == 2
    assert not (run / "cache").exists()


def test_force_never_removes_an_input_of_the_run(run: Path, train: Train) -> None:
    refined = run / "pseudo_labels_refined.parquet"
    before = {file.name: file.read_bytes() for file in run.iterdir()}
    for given in ({"labels_path": refined}, {"weights": str(run / "checkpoint.pt")}):
        with pytest.raises(CdulEdgeError, match="is, or holds, what this command reads"):
            train(run, force=True, **given)
    assert {file.name: file.read_bytes() for file in run.iterdir()} == before


def test_two_runs_in_one_folder_at_once_are_refused(train: Train, tmp_path: Path) -> None:
    with (
        lock_folder(tmp_path / "run", "training in"),
        pytest.raises(CdulEdgeError, match="another process is training in"),
    ):
        train(tmp_path / "run")
    train(tmp_path / "run", epochs=1)
    assert not (tmp_path / "run" / ".lock").exists()


def test_a_file_where_the_folder_or_its_parent_should_be_is_one_line(
    train: Train, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(CdulEdgeError, match="choose another --out"):
            train(out)
    assert (tmp_path / "file").read_text() == "mine"


def damage(content: bytes, draws: random.Random) -> bytes:
    """Some bytes changed, removed or put in, the ends of the file more often than its middle."""
    damaged = bytearray(content)
    for _ in range(draws.choice((1, 2, 5))):
        end = min(len(damaged), 3000)
        place = draws.choice((draws.randrange(end), len(damaged) - 1 - draws.randrange(end)))
        damaged[place : place + draws.randrange(3)] = draws.randbytes(draws.randrange(3))
    return bytes(damaged)


def exchange(value: Any, draws: random.Random) -> Any:
    """A JSON value in which one part is of another kind, or gone."""
    if not isinstance(value, dict | list) or not value or draws.random() < 0.1:
        return draws.choice((None, [], {}, "x", -1, 3.5, True, [1], {"a": 1}))
    changed = dict(value) if isinstance(value, dict) else dict(enumerate(value))
    name = draws.choice(list(changed))
    if draws.random() < 0.2:
        del changed[name]
    else:
        changed[name] = exchange(changed[name], draws)
    return changed if isinstance(value, dict) else list(changed.values())


@pytest.mark.parametrize(
    "name", ["checkpoint.pt", "first_epoch.pt", "config.json", "summary.json", "metrics.jsonl"]
)
def test_whatever_is_damaged_in_a_run_is_read_or_is_one_line(tmp_path: Path, name: str) -> None:
    run, draws = Path(shutil.copytree(OLD_RUN, tmp_path / "run")), random.Random(0)
    network, whole = load_run(run).network, (run / name).read_bytes()
    readers: dict[str, Callable[[], object]] = {
        "first_epoch.pt": lambda: load_first_epoch(run, network),
        "metrics.jsonl": lambda: read_metrics(run),
    }
    read, refusals = readers.get(name, lambda: load_run(run)), []
    for turn in range(60):
        damaged = damage(whole, draws)
        if name.endswith((".json", ".jsonl")) and turn % 2:
            parts = whole.splitlines() if name.endswith(".jsonl") else [whole]
            damaged = b"\n".join(
                json.dumps(exchange(json.loads(part), draws)).encode() for part in parts
            )
        (run / name).write_bytes(damaged)
        try:
            read()
        except CdulEdgeError as error:
            refusals.append(str(error))
    assert len(refusals) > 15
    assert not any("\n" in refusal for refusal in refusals)


def test_a_run_whose_metrics_are_gone_is_refused_and_not_ended_without_them(
    run: Path, squares: Any
) -> None:
    (run / "summary.json").unlink()
    (run / "metrics.jsonl").unlink()
    with pytest.raises(CdulEdgeError, match=r"metrics\.jsonl is gone"):
        train(TrainRequest(squares.labels, run, CONFIG), SilentConsole())
