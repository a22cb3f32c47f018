"""The benchmark on photographs, run on drawn pictures: what it trains, and what it says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("timm", reason="the benchmark trains timm's networks")

from benchmarks import record as record_module
from benchmarks.photographs import DATA, REPORTED
from benchmarks.real_world import main
from benchmarks.recipes import RECIPES
from benchmarks.world_figures import Judges, best_macro_f1, read_row
from benchmarks.world_rows import (
    DEFAULT_METHOD,
    METHODS,
    PARTS_OF,
    comparisons,
    rows_of,
    variants_of,
)
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.study import run as study_run
from cdul_edge.study.request import DECIDED
from cdul_edge.study.variants import METHOD_VARIANTS, STRATEGIES, MethodVariant, split_strategy
from cdul_edge.training.presets import make_config
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.similar_pictures import SimilarPictures, paint_similar_pictures
from tests.fakes.study_cells import run_cells_here

TINY = (
    "--set network=timm:test_efficientnet --set weights=none --set height_px=32 "
    "--set width_px=32 --set epochs=1 --jobs 1 --device cpu"
).split()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> SimilarPictures:
    return paint_similar_pictures(
        tmp_path_factory.mktemp("photographs"), classes=(*REPORTED, "boat")
    )


@pytest.fixture(scope="module")
def in_this_process() -> Generator[list[str]]:
    """Cells run here; gives the titles of those that were."""
    titles: list[str] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(study_run, "run_in_workers", run_cells_here(titles))
        yield titles


Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def benchmark_run(
    pictures: SimilarPictures,
    in_this_process: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """`run(work, *arguments)` gives the figures of the result file."""
    results = tmp_path_factory.mktemp("results")

    def run(work: Path, *arguments: str, data: Path = pictures.root) -> dict[str, Any]:
        similarities = ["--similarities", str(pictures.similarities)]
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(record_module, "RESULTS", results)
            main(["--work", str(work), "--data", str(data), *similarities, *TINY, *arguments])
        (file,) = results.iterdir()
        figures: dict[str, Any] = json.loads(file.read_text())["figures"]
        file.unlink()
        return figures

    return run


@pytest.fixture(scope="module")
def work(benchmark_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work") / "final"


@pytest.fixture(scope="module")
def final(benchmark_run: Run, work: Path) -> dict[str, Any]:
    return benchmark_run(work, "--part", "strategies", "bounds", "--seeds", "0", "1")


def test_every_row_has_its_figures_and_they_are_of_the_reported_classes(
    final: dict[str, Any], work: Path
) -> None:
    assert [row["strategy"] for row in final["strategies"]] == ["global", "cdul", "max", "default"]
    assert (final["photographs"], final["with_truth"], final["judged_on"]) == (24, 12, 12)
    assert [(one["device"], one["jobs"]) for one in final["trained_on"]] == [("CPU", 1)]
    for row in (*final["strategies"], *final["bounds"]):
        assert list(row["ap"]) == list(REPORTED)
        assert row["map"] == pytest.approx(sum(row["seeds"].values()) / 2, abs=0.01)
        assert row["map"] == pytest.approx(sum(row["ap"].values()) / 8, abs=0.02)
        low, high = row["map_interval"]
        assert low <= row["map"] <= high
        assert row["f1_share"] <= 100
        assert row["ece"] >= 0
    labels = {row["labels"]: row for row in final["labels"]}
    assert set(labels) == {"global", "cdul", "max", "default"}
    assert all(row["pictures"] == 12 and row["map"] > 50 for row in labels.values())


def test_the_bounds_learn_from_the_same_pictures_in_as_many_steps(
    final: dict[str, Any], work: Path
) -> None:
    rows = [(row["strategy"], row["method"]) for row in final["bounds"]]
    assert rows == [
        ("truth", "fixed"), ("default@with-truth", "fixed"), ("default", "fixed"),
        ("truth", "fixed-as-many-steps"), ("default@with-truth", "fixed-as-many-steps"),
        *((name, DEFAULT_METHOD) for name in ("truth", "default@with-truth", "default")),
    ]  # fmt: skip
    runs = work / "study" / "runs"
    paths = {
        name: PseudoLabels.read(
            runs / name / "fixed/none/seed-0/pseudo_labels_refined.parquet"
        ).paths
        for name in ("truth", "default@with-truth", "default")
    }
    assert paths["truth"] == paths["default@with-truth"] == paths["default"][:12]
    config = json.loads((runs / "truth/fixed-as-many-steps/none/seed-0/config.json").read_text())
    assert config["settings"]["epochs"] == 2  # on 12 of 24 pictures
    fair = next(one for one in final["comparisons"] if "the same photographs" in one["comparison"])
    maps = {row["strategy"]: row["seeds"] for row in final["bounds"][:2]}
    assert fair["gains"]["1"] == pytest.approx(
        maps["default@with-truth"]["1"] - maps["truth"]["1"], abs=0.02
    )


def test_a_folder_goes_on_and_a_report_needs_no_run(
    final: dict[str, Any], work: Path, benchmark_run: Run, in_this_process: list[str]
) -> None:
    in_this_process.clear()
    again = benchmark_run(work, "--report-only", "--seeds", "0", "1")
    assert again == final
    assert in_this_process == []
    more = benchmark_run(work, "--part", "strategies", "--seeds", "0", "1", "2")
    assert in_this_process == [
        f"fixed on {name} labels, seed 2" for name in ("global", "cdul", "max", "default")
    ]
    assert set(more["strategies"][0]["seeds"]) == {"0", "1", "2"}
    assert more["bounds"] != []  # what an earlier call finished stays in the figures


def test_a_machine_that_trained_nothing_is_not_named(
    final: dict[str, Any], work: Path, benchmark_run: Run, tmp_path: Path
) -> None:
    shutil.copytree(work / "study" / "cells", tmp_path / "work/study/cells")
    (here,) = json.loads((work / "machine.json").read_text())
    other = {**here, "device": "NVIDIA H100"}
    shutil.copy(work / "study" / "study.json", tmp_path / "work/study")
    (tmp_path / "work/machine.json").write_text(json.dumps(other))  # one of them, as once written
    bounds = ("--part", "bounds", "--seeds", "0")
    found = benchmark_run(tmp_path / "work", *bounds)
    assert found["trained_on"] == [other]
    (tmp_path / "work/study/cells/truth/fixed/none/seed-0.json").unlink()
    found = benchmark_run(tmp_path / "work", *bounds)
    assert found["trained_on"] == [other, here]


def test_runs_of_several_folders_are_reported_together_with_their_scores_or_without(
    final: dict[str, Any], work: Path, benchmark_run: Run, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        shutil.copytree(work, folder)
    moved = Path("study/cells/truth/fixed/none/seed-1.json")
    (first / moved).unlink()
    lost = [folder / "study/runs/default/fixed/none" for folder in (first, second)]
    for folder in lost:
        (folder / "seed-0/heldout_scores.parquet").unlink()
    report = ("--report-only", "--seeds", "0", "1", "--join", str(second))
    found = benchmark_run(first, *report)
    assert len(found["trained_on"]) == 2
    assert found["bounds"][0] == final["bounds"][0]  # seed 1 is the second folder's
    free, before = (figures["bounds"][2] for figures in (found, final))
    assert (free["strategy"], free["map"], free["ap"]) == ("default", before["map"], before["ap"])
    assert free["map_interval_seeds"] == [1]
    assert free["macro_f1"] == before["macro_f1"]
    gains = {one["comparison"]: one for one in found["comparisons"]}
    gain = next(one for one in gains.values() if one["better"] == ["default", "fixed", "none"])
    assert gain["over_pictures_seeds"] == [1]


def test_runs_of_other_settings_or_pictures_are_not_averaged(
    final: dict[str, Any], work: Path, pictures: SimilarPictures, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    shutil.copytree(work / "study" / "cells", study / "cells")
    row = ("default", "fixed", "none")
    judges = Judges.read(pictures.root / "heldout", pictures.root / "heldout.csv")
    found = read_row([study], row, (0, 1), judges)
    assert found is not None
    assert {str(seed): round(one.map, 2) for seed, one in found.runs.items()} == next(
        one["seeds"] for one in final["bounds"] if one["strategy"] == "default"
    )
    cell = study / "cells/default/fixed/none/seed-1.json"
    changed = json.loads(cell.read_text())
    changed["settings"]["weights"] = "/elsewhere/lite0.safetensors"  # each folder has its own
    cell.write_text(json.dumps(changed))
    read_row([study], row, (0, 1), judges)
    changed["settings"]["epochs"] = 7
    cell.write_text(json.dumps(changed))
    with pytest.raises(CdulEdgeError, match=r"seed-1\.json .* than seed 0: epochs 1 \(now 7\)"):
        read_row([study], row, (0, 1), judges)
    fewer = Judges(judges.paths[1:], judges.truth[1:])
    with pytest.raises(CdulEdgeError, match="other pictures than those that judge"):
        read_row([work / "study"], row, (0, 1), fewer)


def test_checkpoints_stay_of_the_rows_that_are_kept(final: dict[str, Any], work: Path) -> None:
    kept = sorted(p.parent.relative_to(work / "study/runs") for p in work.rglob("checkpoint.pt"))
    assert {str(path.parent) for path in kept} == {f"default/{DEFAULT_METHOD}/none"}


def test_defaults_are_chosen_without_the_held_out_photographs(
    pictures: SimilarPictures, benchmark_run: Run, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(pictures.root, data)
    for held in ("heldout", "heldout.csv"):  # the folder has to be there, and is never looked into
        (shutil.rmtree if held == "heldout" else Path.unlink)(data / held)
    (data / "heldout").mkdir()
    found = benchmark_run(
        tmp_path / "tune", "--protocol", "tune", "--part", "recipes", "--recipes", "base",
        "mix2", "--variant", "steady=cdul,anchor=1,learning_rate=1e-3", "--seeds", "0",
        data=data,
    )  # fmt: skip
    assert [row["method"] for row in found["recipes"]] == ["base", "mix2", "steady"]
    assert found["judged_on"] == found["with_truth"] == 12
    runs = tmp_path / "tune/study/runs/default@without-truth"
    config = json.loads((runs / "steady/none/seed-0/config.json").read_text())["settings"]
    assert (config["method"], config["learning_rate"]) == ("cdul", 1e-3)
    assert config["method_settings"]["anchor"] == 1
    run = runs / "base/none/seed-0"
    learned = set(PseudoLabels.read(run / "pseudo_labels_refined.parquet").paths)
    judged = {Path(p).name for p in PseudoLabels.read(run / "heldout_scores.parquet").paths}
    assert (len(learned), len(judged), learned & judged) == (12, 12, set())


def test_when_time_is_up_what_is_finished_is_reported(benchmark_run: Run, tmp_path: Path) -> None:
    found = benchmark_run(tmp_path / "work", "--part", "bounds", "--minutes", "1e-5")
    assert "bounds" not in found
    assert len(found["labels"]) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--protocol", "tune", "--part", "bounds"], "--protocol tune has no part bounds"),
        (["--part", "recipes"], "--protocol final has no part recipes"),
        (["--protocol", "tune", "--recipes", "magic"], "no recipe magic: there are base, "),
        (["--similarities", "gone.npz"], "gone.npz is not there: name the file"),
        (["--data", "gone"], "gone holds no train/ and heldout/ folders"),
    ],
)
def test_what_is_not_there_is_one_clear_line(
    pictures: SimilarPictures, tmp_path: Path, capsys: Any, arguments: list[str], message: str
) -> None:
    given = ["--data", str(pictures.root), "--similarities", str(pictures.similarities)]
    with pytest.raises(SystemExit) as stopped:
        main([*given, "--work", str(tmp_path / "work"), *arguments])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith(f"real_world: {message}")
    assert not (tmp_path / "work").exists()


def test_the_best_thresholds_by_hand() -> None:
    scores = np.array([[0.9, 0.5], [0.8, 0.5], [0.7, 0.5], [0.1, 0.5]], np.float32)
    truth = np.array([[1, 1], [0, 0], [1, 0], [-1, 0]], np.int8)
    # the first class: two of the best three; the second: its ties decide together
    assert best_macro_f1(scores, truth) == pytest.approx(100 * (4 / 5 + 2 / 5) / 2)


def test_every_row_and_recipe_is_one_that_a_study_knows() -> None:
    own = variants_of(20, 855, 1697)
    assert own["fixed-as-many-steps"].options == {"epochs": 40}
    assert own["base"] == MethodVariant(DEFAULT_METHOD)  # what training does unasked
    assert not set(own) & set(METHOD_VARIANTS)
    assert {"fixed", "cdul", "an", "ls", "role", "plmcl", "g2netpl", "em", "em-apl", "vlpl", "ll-r",
            "ll-ct", "asl", "pu-mlc", "wan", "partial-bce"} <= set(METHODS)  # fmt: skip
    for variant in own.values():
        assert not set(variant.options) & set(DECIDED)  # a study would refuse them
        make_config(None, **variant.options)
    for protocol, parts in PARTS_OF.items():
        for part in parts:
            for strategy, method, _ in rows_of(part, protocol, tuple(RECIPES)):
                assert split_strategy(strategy)[0] in STRATEGIES
                assert method in own or method in METHOD_VARIANTS
    final = {row for part in PARTS_OF["final"] for row in rows_of(part, "final")}
    for one in comparisons():
        assert {one.better, one.worse} <= final


@pytest.mark.skipif(not DATA.is_dir(), reason="the photographs lie in ../shared, which is not here")
@pytest.mark.filterwarnings("ignore:the truth .*names")
def test_a_dozen_real_photographs_go_through(
    benchmark_run: Run, tmp_path: Path, in_this_process: list[str]
) -> None:
    data = tmp_path / "voc"
    for folder, table, count in (("train", "train_known.csv", 8), ("heldout", "heldout.csv", 12)):
        (data / folder).mkdir(parents=True)
        lines = (DATA / table).read_text().splitlines()[: count + 1]
        (data / table).write_text("\n".join(lines) + "\n")
        for line in lines[1:]:
            shutil.copy(DATA / line.partition(",")[0], data / folder)
    known = {path.name for path in (data / "train").iterdir()}
    truth = (DATA / "train_known.csv").read_text()
    others = (p for p in sorted((DATA / "train").iterdir()) if p.name not in truth)
    for path in list(others)[:4]:
        shutil.copy(path, data / "train")
    assert len(known) == 8
    real = DATA.parent / "voc2012-clip-rn50x64" / "similarities.npz"
    found = benchmark_run(
        tmp_path / "work", "--similarities", str(real), "--part", "bounds", "--seeds", "0",
        data=data,
    )  # fmt: skip
    assert (found["photographs"], found["with_truth"]) == (12, 8)
    assert [row["strategy"] for row in found["bounds"]][:3] == [
        "truth", "default@with-truth", "default",
    ]  # fmt: skip
