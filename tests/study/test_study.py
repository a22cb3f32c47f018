"""A real study of four runs: what it shares, how it goes on, and what it refuses."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge.labelling import Scoring
from cdul_edge.labelling.decode.views import WholePicture
from cdul_edge.study import DrawnWorld, Photographs, StudyRequest, cell_run
from cdul_edge.study.outcome import Failed, Finished, Measure, Outcome, read_finished
from cdul_edge.study.run import run_cells
from cdul_edge.study.variants import METHOD_VARIANTS, STRATEGIES, MethodVariant, Strategy
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, SilentConsole
from cdul_edge_runtime.host.folder_lock import lock_folder

Tiny = Callable[..., StudyRequest]

COMMAND = (
    "--drawn-world 24,16 --strategies default --methods fixed,cdul --seeds 0,1 --epochs 1 "
    "--image-size 32 --train weights=none --jobs 2 --threads 1 --device cpu"
).split()


class Lines(SilentConsole):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def measure(outcome: Outcome, name: Measure) -> float:
    assert isinstance(outcome, Finished)
    value = outcome.measures[name]
    assert value is not None
    return value


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by the command, in two processes."""
    out = tmp_path_factory.mktemp("study") / "out"
    result = CliRunner().invoke(app, ["study", "--out", str(out), "--json", "-", *COMMAND])
    assert result.exit_code == 0, result.output
    # stdout is the results and nothing else
    assert json.loads(result.stdout) == json.loads((out / "results.json").read_text())
    assert "[4/4]" in result.stderr
    assert "Methods, on default labels" in result.stderr
    return out


@pytest.fixture
def study(finished: Path, folder: Path) -> Path:
    """A copy to change."""
    shutil.copytree(finished, folder)
    return folder


def test_every_cell_is_measured_and_its_checkpoint_dropped(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    assert [(cell["cell"]["method"], cell["cell"]["seed"]) for cell in results["cells"]] == [
        ("fixed", 0), ("cdul", 0), ("fixed", 1), ("cdul", 1),
    ]  # fmt: skip
    for cell in results["cells"]:
        assert cell["status"] == "done"
        assert 0 < cell["heldout_map"] <= 100
        assert len(cell["ap"]) == 12
        assert len(cell["curve"]) == len(cell["labels_curve"]) == 1
        assert cell["settings"]["seed"] == cell["cell"]["seed"]
    assert sorted(p.name for p in finished.rglob("summary.json")) == ["summary.json"] * 4
    assert list(finished.rglob("*.pt")) == []


def test_clip_pictures_and_truth_are_shared_by_the_runs_of_a_world(finished: Path) -> None:
    for seed in (0, 1):
        world = finished / "data" / f"seed-{seed}"
        assert len(list(world.glob("similarities-*"))) == 1
        assert len(list((world / "decoded").iterdir())) == 2  # training and held-out pictures
        assert (world / "train_truth.npz").is_file()
    assert list((finished / "runs").rglob("*.uint8")) == []


def test_the_same_study_again_runs_nothing(
    study: Path, tiny: Tiny, quiet: Console, in_this_process: list[str]
) -> None:
    before = json.loads((study / "results.json").read_text())["cells"]
    assert [outcome.to_dict() for outcome in run_cells(tiny(study), quiet)] == before
    assert in_this_process == []


def test_only_the_cells_that_are_missing_are_run_and_give_the_same(
    study: Path, tiny: Tiny, quiet: Console, in_this_process: list[str]
) -> None:
    before = json.loads((study / "results.json").read_text())["cells"]
    place = Path("default/cdul/none/seed-1")
    (study / "cells" / place.with_suffix(".json")).unlink()
    shutil.rmtree(study / "runs" / place)
    after = [outcome.to_dict() for outcome in run_cells(tiny(study), quiet)]
    assert in_this_process == ["cdul on default labels, seed 1"]
    for outcome in (*before, *after):
        outcome.pop("seconds")
    assert after == before


def test_a_run_that_was_cut_off_goes_on(
    study: Path,
    tiny: Tiny,
    quiet: Console,
    in_this_process: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = tiny(study / "inner", methods=("fixed",), seeds=(0,), keep_runs=True)
    (cut,) = run_cells(settings, quiet)
    run = study / "inner/runs/default/fixed/none/seed-0"
    assert (run / "checkpoint.pt").is_file()  # as asked
    (run / "summary.json").unlink()
    next((study / "inner/cells").rglob("*.json")).unlink()
    monkeypatch.setattr(
        "cdul_edge.training.loop.Trainer.train_epoch",
        lambda *ignored: pytest.fail("its only epoch is behind it"),
    )
    (whole,) = run_cells(settings, quiet)
    assert whole == cut
    assert len(in_this_process) == 2


def test_a_study_may_grow_by_seeds_methods_and_strategies(
    study: Path, tiny: Tiny, quiet: Console, in_this_process: list[str]
) -> None:
    grown = tiny(study, strategies=("default", "global"), observed=("none", "50%"), seeds=(1,))
    found = run_cells(grown, quiet)
    assert in_this_process == [
        "fixed on global labels, seed 1",
        "fixed on default labels, 50% observed, seed 1",
        "cdul on default labels, 50% observed, seed 1",
    ]
    assert [type(one) for one in found] == [Finished] * 5
    observed = {
        one.cell.observed: measure(one, "labels_last_map")
        for one in found
        if one.cell.method == "fixed"
    }
    # half of the truth among the labels makes them better
    assert observed["50%"] > observed["none"]


def test_a_level_without_pseudo_labels_refuses_the_method_that_is_about_them(
    study: Path, tiny: Tiny, quiet: Console, in_this_process: list[str]
) -> None:
    alone = tiny(study, observed=("only-50%",), seeds=(1,))
    fixed, cdul = run_cells(alone, quiet)
    assert in_this_process == [
        "fixed on default labels, only-50% observed, seed 1",
        "cdul on default labels, only-50% observed, seed 1",
    ]
    assert isinstance(fixed, Finished)
    assert isinstance(cdul, Failed)
    assert "the method cdul needs pseudo-labels" in cdul.reason
    run = json.loads((study / "runs/default/fixed/only-50%/seed-1/config.json").read_text())
    assert run["labels_from"] == "observed"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"epochs": 2, "height_px": 32, "width_px": 32, "weights": "none"}},
         r"a study of other settings: epochs 1 \(now 2\): choose another --out"),
        ({"data": DrawnWorld(24, 20)}, r"drawn_world \[24, 16\] \(now \[24, 20\]\)"),
    ],
)  # fmt: skip
def test_other_settings_in_the_same_folder_are_refused_with_what_differs(
    study: Path, tiny: Tiny, quiet: Console, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        run_cells(tiny(study, **changes), quiet)


def test_a_cell_of_a_variant_that_has_changed_is_refused(
    study: Path, tiny: Tiny, quiet: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHOD_VARIANTS, "cdul", MethodVariant("cdul", "hard"))
    with pytest.raises(CdulEdgeError, match=r"seed-0.json .*: labels soft \(now hard\)"):
        run_cells(tiny(study), quiet)
    monkeypatch.undo()
    monkeypatch.setitem(STRATEGIES, "default", Strategy(Scoring(strategy="global")))
    with pytest.raises(CdulEdgeError, match=r"seed-0.json .*: labels \w{8} \(now \w{8}\)"):
        run_cells(tiny(study), quiet)


def test_two_processes_never_work_on_one_study(study: Path, tiny: Tiny, quiet: Console) -> None:
    with (
        lock_folder(study, "running a study in"),
        pytest.raises(CdulEdgeError, match="another process is running a study in"),
    ):
        run_cells(tiny(study), quiet)
    assert len(run_cells(tiny(study), quiet)) == 4  # and it may go on when the other has ended


def test_a_folder_that_holds_something_else_is_left_alone(
    folder: Path, tiny: Tiny, quiet: Console
) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(CdulEdgeError, match="exists and holds no study: choose another --out"):
        run_cells(tiny(folder), quiet)
    assert [p.name for p in folder.iterdir()] == ["thesis.txt"]


def test_a_cell_that_fails_leaves_the_others_and_is_tried_again(
    study: Path,
    tiny: Tiny,
    in_this_process: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(METHOD_VARIANTS, "odd", MethodVariant("cdul", settings={"nonsense": 1}))
    shutil.rmtree(study / "cells/default/fixed")
    shutil.rmtree(study / "runs/default/fixed")

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise CdulEdgeError("the method needs the moon: bring it")

    console = Lines()
    settings = tiny(study, methods=("fixed", "cdul", "odd"), seeds=(0,))
    with monkeypatch.context() as patched:
        patched.setattr(cell_run, "train", refuse)
        fixed, cdul, odd = run_cells(settings, console)
    assert fixed == Failed(fixed.cell, "the method needs the moon: bring it")
    assert isinstance(cdul, Finished)
    assert isinstance(odd, Failed)
    assert "no setting nonsense" in odd.reason
    assert any("failed: fixed on default labels, seed 0" in line for line in console.lines)
    assert isinstance(run_cells(settings, console)[0], Finished)
    assert in_this_process == ["fixed on default labels, seed 0"] * 2


@pytest.mark.parametrize(("number", "stops"), [(errno.ENOENT, False), (errno.ENOSPC, True)])
def test_a_lost_file_fails_its_cell_and_a_full_disk_stops_the_study(
    study: Path,
    tiny: Tiny,
    quiet: Console,
    in_this_process: list[str],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    stops: bool,
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number), "some file")

    monkeypatch.setattr(cell_run, "train", fail)
    shutil.rmtree(study / "cells/default/fixed")
    request = tiny(study, seeds=(0,))
    if stops:
        with pytest.raises(OSError, match="some file"):
            run_cells(request, quiet)
    else:
        fixed, cdul = run_cells(request, quiet)
        assert isinstance(fixed, Failed)
        assert "some file" in fixed.reason
        assert isinstance(cdul, Finished)


def test_a_strategy_that_clip_cannot_do_fails_its_cells_alone(
    study: Path,
    tiny: Tiny,
    quiet: Console,
    in_this_process: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patches = Strategy(Scoring(strategy="patches"), WholePicture())
    monkeypatch.setitem(STRATEGIES, "patches", patches)
    found = run_cells(tiny(study, strategies=("default", "patches"), seeds=(0,)), quiet)
    assert [type(one) for one in found] == [Finished, Finished, Failed]
    assert "ViT" in str(found[2])
    assert in_this_process == []


def test_a_dataset_of_photographs_is_one_for_all_seeds(
    finished: Path, folder: Path, tiny: Tiny, quiet: Console, in_this_process: list[str]
) -> None:
    world = finished / "data" / "seed-0" / "world"
    data = Photographs(
        images=world / "train",
        classes=world / "classes.txt",
        clip="demo",
        train_truth=world / "train_truth.csv",
        val=world / "heldout",
        truth=world / "heldout.csv",
    )
    first, second = run_cells(tiny(folder, data=data, methods=("fixed",)), quiet)
    assert measure(first, "labels_first_map") == measure(second, "labels_first_map")
    assert measure(first, "heldout_map") != measure(second, "heldout_map")
    assert [p.name for p in (folder / "data").iterdir() if p.name.startswith("sim")] == [
        "similarities-3x3"
    ]
    drawn = json.loads((finished / "results.json").read_text())["cells"][0]
    assert (
        measure(first, "heldout_map") == drawn["heldout_map"]
    )  # the same pictures, labels and seed


def test_a_study_of_the_former_spelling_is_continued(
    study: Path, tiny: Tiny, quiet: Console, in_this_process: list[str]
) -> None:
    """Version 0.1.0 wrote `optimiser`, `colour` and `shuffle_colours`."""
    former = {"optimizer": "optimiser", "color": "colour", "shuffle_colors": "shuffle_colours"}
    for file in (study / "study.json", *(study / "cells").rglob("*.json")):
        text = file.read_text()
        for now, then in former.items():
            text = text.replace(f'"{now}"', f'"{then}"')
        assert '"colour"' in text
        file.write_text(text)
    assert [type(outcome) for outcome in run_cells(tiny(study), quiet)] == [Finished] * 4
    assert in_this_process == []


def test_a_damaged_result_is_named_with_the_way_out(study: Path) -> None:
    file = next((study / "cells").rglob("*.json"))
    file.write_text('{"cell": {}}')
    with pytest.raises(CdulEdgeError, match=r"is no result .*: choose another --out, or remove"):
        read_finished(file)
