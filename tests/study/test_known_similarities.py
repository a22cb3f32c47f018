"""A study of pictures whose similarities someone computed, with truth of a part of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.study import KnownSimilarities, StudyRequest, run
from cdul_edge.study.cell_run import CellRun
from cdul_edge.study.outcome import Failed, Finished, Outcome, read_finished
from cdul_edge.study.run import run_cells
from cdul_edge.study.run_options import parse_subsets, parse_variants
from cdul_edge.study.variants import MethodVariant
from cdul_edge.training.summary import read_metrics
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console
from tests.fakes.similar_pictures import SimilarPictures, paint_similar_pictures
from tests.fakes.study_cells import run_cells_here

OPTIONS = {
    "network": "timm:test_efficientnet",
    "weights": "none",
    "height_px": 32,
    "width_px": 32,
    "epochs": 1,
}
STRATEGIES = ("default", "global", "average", "overlap", "truth", "default@without-truth")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> SimilarPictures:
    return paint_similar_pictures(tmp_path_factory.mktemp("similar"))


@pytest.fixture(scope="module")
def finished(pictures: SimilarPictures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by the command: six strategies, one of which needs every snippet."""
    out = tmp_path_factory.mktemp("study") / "out"
    settings = [f"--train={name}={value}" for name, value in OPTIONS.items()]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run, "run_in_workers", run_cells_here([]))
        result = CliRunner().invoke(
            app,
            [
                "study", "--out", str(out), "--json", "-",
                "--from-similarities", str(pictures.similarities), "--images", str(pictures.train),
                "--train-truth", str(pictures.known), "--val", str(pictures.truth),
                "--truth", str(pictures.truth), "--strategies", ",".join(STRATEGIES),
                "--methods", "fixed", "--seeds", "0", "--report-classes", "red,blue", "--no-curves",
                "--device", "cpu", "--threads", "1", *settings,
            ],
        )  # fmt: skip
    assert result.exit_code == 1, result.output  # `average` and `overlap` cannot be had
    assert [cell["status"] for cell in json.loads(result.stdout)["cells"]].count("failed") == 2
    return out


def labels_of(study: Path, strategy: str) -> PseudoLabels:
    return PseudoLabels.read(study / "data" / "labels" / f"{strategy}.parquet")


def test_all_rows_make_the_labels_and_the_pictures_here_are_learned_from(finished: Path) -> None:
    store = PseudoLabels.read(finished / "data" / "similarities")
    labels = labels_of(finished, "default")
    assert len(store.paths) == 48
    assert labels.paths == tuple(f"train{number:02}.png" for number in range(24))
    # the statistics are those of the whole file: the same scores, and not those of half of it
    whole = labels_of(finished, "global")
    assert (whole.scores == store.scores[[store.paths.index(p[:-4]) for p in whole.paths]]).all()


def test_parts_of_the_pictures_are_those_with_truth_and_without(finished: Path) -> None:
    assert labels_of(finished, "truth").paths == tuple(f"train{n:02}.png" for n in range(12))
    rest = labels_of(finished, "default@without-truth")
    assert rest.paths == tuple(f"train{n:02}.png" for n in range(12, 24))
    whole = labels_of(finished, "default")
    assert (rest.scores == whole.scores[12:]).all()
    assert (rest.thresholds == whole.thresholds).all()


def test_a_network_may_learn_from_the_truth_alone(finished: Path) -> None:
    labels = labels_of(finished, "truth")
    present = [[bool(n & 1), bool(n & 2), bool(n & 4)] for n in range(12)]
    assert (labels.scores == np.array(present, np.float32)).all()
    cell = read_finished(finished / "cells/truth/fixed/none/seed-0.json")
    assert cell.measures["labels_first_map"] == 100.0


def test_figures_are_of_the_classes_asked_for_and_all_are_trained(finished: Path) -> None:
    cell = read_finished(finished / "cells/default/fixed/none/seed-0.json")
    assert set(cell.ap) == {"red", "blue"}
    values = [value for value in cell.ap.values() if value is not None]
    assert cell.measures["heldout_map"] == pytest.approx(sum(values) / 2)
    kept = finished / "runs/default/fixed/none/seed-0"
    scored = PseudoLabels.read(kept / "heldout_scores.parquet")
    assert tuple(scored.classes) == ("red", "green", "blue")
    assert scored.paths == tuple(f"heldout/heldout{n:02}.png" for n in range(12))


def test_without_curves_nothing_is_measured_before_the_end(finished: Path) -> None:
    (line,) = read_metrics(finished / "runs/default/fixed/none/seed-0")
    assert (line.val, line.labels_map) == (None, None)
    cell = read_finished(finished / "cells/default/fixed/none/seed-0.json")
    assert (cell.curve, cell.labels_curve) == ((), ())


def test_strategies_that_the_file_cannot_serve_fail_with_the_reason(finished: Path) -> None:
    table = (finished / "table.md").read_text()
    assert "- overlap, fixed, none: " in table
    assert "holds similarities of other views than this strategy asks for" in table


@pytest.fixture
def request_for(pictures: SimilarPictures, folder: Path) -> Callable[..., StudyRequest]:
    data = KnownSimilarities(
        pictures.similarities, pictures.train, pictures.known, pictures.truth, pictures.truth
    )
    fields = {"out": folder, "data": data, "options": OPTIONS, "seeds": (0,), "device": "cpu",
              "threads": 1, "methods": ("fixed",)}  # fmt: skip
    return lambda **changes: StudyRequest(**{**fields, **changes})


def test_rows_lists_and_ways_to_learn_of_ones_own(
    request_for: Callable[..., StudyRequest],
    pictures: SimilarPictures,
    folder: Path,
    quiet: Console,
    in_this_process: list[str],
    tmp_path: Path,
) -> None:
    listed = tmp_path / "few.txt"
    listed.write_text("train/train03.png\ntrain/train20.png\n")
    request = request_for(
        rows=(("default@few", "twice", "none"), ("default@missing", "fixed", "none"),
              ("default", "fixed", "50%"), ("default@few", "twice", "none")),
        subsets={"few": listed, "missing": pictures.truth},
        variants={"twice": MethodVariant("fixed", "hard", options={"epochs": 2})},
    )  # fmt: skip
    few, missing, observed = run_cells(request, quiet)
    assert isinstance(few, Finished)
    assert (few.settings.epochs, few.settings.labels) == (2, "hard")
    assert labels_of(folder, "default@few").paths == ("train03.png", "train20.png")
    assert isinstance(missing, Failed)
    assert "names 12 picture(s) that have no label, such as 'heldout/heldout00.png'" in str(missing)
    assert isinstance(observed, Finished)
    config = json.loads((folder / "runs/default/fixed/50%/seed-0/config.json").read_text())
    shown = config["observed_from"].split(": ")[1].split()
    assert 0 < int(shown[0]) + int(shown[2]) < 12 * 3  # drawn from the half that has truth
    assert len(in_this_process) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategies": ("default@here",)},
         "no subset here: there are with-truth, without-truth"),
        ({"strategies": ("best@with-truth",)}, "no strategy best"),
        ({"rows": (("default", "magic", "none"),)}, "no method magic"),
        ({"rows": (("default", "fixed", "some"),)}, "'some'"),
        ({"variants": {"fixed": MethodVariant("cdul")}}, "there is a method fixed already"),
        ({"variants": {"odd": MethodVariant("cdul", options={"seed": 1})}}, "decides seed itself"),
        ({"variants": {"odd": MethodVariant("cdul", options={"epochs": 0})}}, "epochs 0"),
    ],
)  # fmt: skip
def test_what_is_named_wrongly_is_refused_at_once(
    request_for: Callable[..., StudyRequest], folder: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        request_for(**changes)
    assert not folder.exists()


def test_a_class_that_is_not_there_cannot_be_reported(
    request_for: Callable[..., StudyRequest], quiet: Console
) -> None:
    with pytest.raises(CdulEdgeError, match="--report-classes: pink is no class of the study"):
        run_cells(request_for(report_classes=("red", "pink")), quiet)


def test_ways_to_learn_are_read_from_text_and_settings_go_where_they_belong(tmp_path: Path) -> None:
    found = parse_variants(["slow=cdul-hard,learning_rate=1e-4,anchor=0.3,ema_decay=0.9"])
    assert found["slow"].method == "cdul"
    assert found["slow"].labels == "hard"
    assert found["slow"].settings == {"anchor": "0.3"}
    assert found["slow"].options == {"learning_rate": 1e-4, "ema_decay": 0.9}
    for text in ("slow", "=fixed", "slow=magic", "slow=fixed,epochs", "slow=fixed,epochs=many"):
        with pytest.raises(CdulEdgeError, match=r"--variant|--train"):
            parse_variants([text])
    with pytest.raises(CdulEdgeError, match="of its own"):
        parse_variants(["a=fixed", "a=cdul"])
    with pytest.raises(CdulEdgeError, match="there is no such file"):
        parse_subsets([f"few={tmp_path / 'gone.txt'}"])


def test_pictures_are_decoded_once_for_runs_that_start_together(
    request_for: Callable[..., StudyRequest],
    pictures: SimilarPictures,
    folder: Path,
    quiet: Console,
    in_this_process: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both rows' runs, of two sizes, find every picture decoded; they would fail otherwise."""
    request = request_for(
        jobs=2,
        rows=(("default", "fixed", "none"), ("truth", "larger", "none")),
        variants={"larger": MethodVariant("fixed", options={"height_px": 40, "width_px": 40})},
    )
    decoded: list[str] = []

    def run_without_decoding(
        function: Callable[[CellRun], Outcome], jobs: Iterable[CellRun], *, workers: int
    ) -> Generator[tuple[CellRun, Outcome]]:
        decoded.extend(path.name for path in (folder / "data" / "decoded").iterdir())
        monkeypatch.setattr("cdul_edge.training.data.dataset.open_image", pytest.fail)
        for job in jobs:
            yield job, function(job)

    monkeypatch.setattr(run, "run_in_workers", run_without_decoding)
    found = run_cells(request, quiet)
    assert [type(one) for one in found] == [Finished] * 2
    assert len(decoded) == 4  # training and held-out pictures, in two sizes
    assert len(list((folder / "data" / "decoded").iterdir())) == 4


def test_a_run_whose_pictures_cannot_be_decoded_fails_alone(
    request_for: Callable[..., StudyRequest], quiet: Console, in_this_process: list[str]
) -> None:
    request = request_for(
        jobs=2,
        rows=(("default", "odd", "none"), ("default", "fixed", "none")),
        variants={"odd": MethodVariant("fixed", options={"network": "timm:test_efficientnets"})},
    )
    odd, fixed = run_cells(request, quiet)
    assert isinstance(odd, Failed)
    assert "did you mean timm:test_efficientnet" in odd.reason
    assert isinstance(fixed, Finished)


def test_checkpoints_of_chosen_rows_stay(
    request_for: Callable[..., StudyRequest], folder: Path, quiet: Console,
    in_this_process: list[str],
) -> None:  # fmt: skip
    rows = (("default", "fixed", "none"), ("truth", "fixed", "none"))
    run_cells(request_for(rows=rows, keep_rows=rows[1:]), quiet)
    kept = [path.relative_to(folder / "runs").parts[0] for path in folder.rglob("checkpoint.pt")]
    assert kept == ["truth"]


def test_truth_or_classes_that_changed_under_a_study_are_refused(
    request_for: Callable[..., StudyRequest],
    folder: Path,
    quiet: Console,
    in_this_process: list[str],
    tmp_path: Path,
) -> None:
    """The strategy `truth` asks no CLIP, whose folder would notice other classes."""
    own = paint_similar_pictures(tmp_path / "own")
    data = KnownSimilarities(own.similarities, own.train, own.known, own.truth, own.truth)
    request = request_for(data=data, rows=(("truth", "fixed", "none"),))
    run_cells(request, quiet)
    run_cells(request, quiet)
    assert len(in_this_process) == 1
    held, stored = own.truth.read_text(), dict(np.load(own.similarities))
    own.truth.write_text(held.replace('"red"', '"green"'))
    with pytest.raises(CdulEdgeError, match=r"heldout\.csv, .* changed since .*val_truth"):
        run_cells(request, quiet)
    own.truth.write_text(held)
    np.savez(own.similarities, **{**stored, "classes": stored["classes"][::-1]})
    with pytest.raises(CdulEdgeError, match=r"classes have changed since .*: choose another --out"):
        run_cells(request, quiet)
    np.savez(own.similarities, **stored)
    for file in own.train.iterdir():
        file.unlink()  # finished cells need no pictures
    run_cells(request, quiet)
    assert len(in_this_process) == 1
