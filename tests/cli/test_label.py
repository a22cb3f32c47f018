"""The label command: what it prints, its JSON, and its one-line errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge.cli.output.tables.label import show_result
from cdul_edge.labelling.request import ClassSummary, LabelResult
from cdul_edge.labels.manifest import SkippedPicture
from cdul_edge.labels.pseudo_labels import PseudoLabels

NAMES = ["star", "house", "tree"]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Three pictures of noise, one of them in a folder with a strange name, and one broken."""
    rng = np.random.default_rng(0)
    for name in ("0.jpg", "odd [red]\nname/1.PNG", "2.jpg"):
        file = tmp_path / "pictures" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(file)
    (tmp_path / "pictures" / "broken.jpg").write_text("no picture")
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    return tmp_path


def label(world: Path, *more: str | Path, classes: str = "classes.txt") -> Result:
    arguments = [world / "pictures", "--classes", world / classes, "--out", world / "labels"]
    options = ["--clip", "demo", "--workers", "0", *more]
    return CliRunner().invoke(app, ["label", *map(str, [*arguments, *options])])


def complaint(result: Result) -> str:
    """The one line of an error that the user can mend."""
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert result.stdout == ""
    return lines[0]


def test_the_summary_is_json_on_stdout_and_a_table_on_stderr(world: Path) -> None:
    result = label(world, "--json", "-")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["pictures"], summary["labelled"], summary["scored"]) == (
        4,
        3,
        3,
    )  # the broken one never came to CLIP
    assert summary["pictures_per_s"] > 0
    (skipped,) = summary["skipped"]
    assert skipped["path"] == "broken.jpg"
    assert "not a picture" in skipped["reason"]
    assert [row["name"] for row in summary["classes"]] == NAMES
    labels = PseudoLabels.read(world / "labels")
    assert labels.paths == ("0.jpg", "2.jpg", "odd [red]\nname/1.PNG")
    for row, column in zip(summary["classes"], labels.scores.T, strict=True):
        assert row["mean_score"] == pytest.approx(column.mean(), abs=1e-6)
    shown = [row["name"] for row in summary["classes"] if row["threshold"] is not None]
    assert summary["unseen"] == [name for name in NAMES if name not in shown]
    assert "skipped 'broken.jpg': is not a picture" in result.stderr
    assert "3 pictures labeled, 1 skipped" in result.stderr
    assert all(name in result.stderr for name in NAMES)


def test_classes_that_nothing_shows_are_warned_of(world: Path) -> None:
    result = label(world, "--temperature", "0.5")
    assert "warning: no picture shows: star, house, tree" in result.stderr


def test_a_second_run_with_another_strategy_says_that_clip_is_not_run(world: Path) -> None:
    label(world)
    result = label(world, "--strategy", "max", "--zeta", "0.3", "--json", world / "summary.json")
    assert result.exit_code == 0
    assert "CLIP is not run" in result.stderr
    assert json.loads((world / "summary.json").read_text())["scoring"]["strategy"] == "max"


def test_aggregating_again_imports_neither_torch_nor_open_clip(world: Path) -> None:
    label(world)
    program = (
        "import sys; from cdul_edge.cli import app; app(sys.argv[1:], standalone_mode=False); "
        "sys.exit(bool({'torch', 'open_clip', 'torchvision'} & set(sys.modules)))"
    )
    arguments: list[str | Path] = [world / "pictures", "--classes", world / "classes.txt"]
    arguments += ["--clip", "demo"]
    run = subprocess.run(
        [sys.executable, "-c", program, "label", *arguments, "--out", world / "labels"]
        + ["--strategy", "global", "--temperature", "0.02"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "does not exist: check --classes"),
        (b"", "is empty"),
        (b"cat\n", "expected at least 2"),
        (b"cat\ndog\ncat\n", "twice: 'cat', 'cat'"),
        (b"cat\ndog\nDog\n", "differ only in case"),
        (b"chat\n\xe2ne\n", "is not UTF-8"),
    ],
)
def test_a_wrong_class_file_is_one_line(world: Path, content: bytes | None, fault: str) -> None:
    if content is not None:
        (world / "wrong.txt").write_bytes(content)
    assert fault in complaint(label(world, classes="wrong.txt"))
    assert not (world / "labels").exists()


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--clip", "RN5O"], "near: RN50"),
        (["--clip", "RN50", "--pretrained", "opnai"], "near: openai"),
        (["--clip", "RN50"], "RN50 needs --pretrained"),
        (["--grid", "many"], "ROWSxCOLUMNS"),
        (["--temperature", "4.605"], "1/exp(logit_scale)"),
        (["--temperature", "warm"], "expected model, cached, spread, or a number"),
        (["--debias", "center"], "--strategy evidence has its own statistics"),
        (["--thresholds", "best"], "is no file, and no rule: there are hard-prevalence"),
        (["--temperature", "cached"], "for imported softmax values"),
        (["--template", "a photo"], "exactly one {}"),
        (["--fusion", "pooled"], "max and average"),
        (["--made-with-temperature", "1"], "drop --made-with-temperature"),
        (["--address", "auto"], "add --engine ray"),
        (["--actors", "2"], "add --engine ray"),
        (["--part-shards", "2"], "drop --part-shards: "),
    ],
)
def test_a_wrong_option_is_one_line_and_writes_nothing(
    world: Path, options: list[str], fault: str
) -> None:
    assert fault in complaint(label(world, *options))
    assert not (world / "labels").exists()


def test_no_pictures_and_only_corrupt_pictures_are_one_line(world: Path) -> None:
    for file in (world / "pictures").rglob("*.*"):
        if file.is_file():
            file.write_bytes(b"")
    result = label(world)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("cdul-edge: ")]
    assert result.exit_code == 2
    assert "none of the 4 pictures can be read" in line
    assert not (world / "labels").exists()
    for file in (world / "pictures").rglob("*.*"):
        if file.is_file():
            file.unlink()
    assert "no pictures in" in complaint(label(world))


def test_an_output_that_is_something_else_is_left_alone(world: Path) -> None:
    (world / "labels").write_text("precious")
    assert "a file is in its place" in complaint(label(world, "--force"))
    assert (world / "labels").read_text() == "precious"


def test_what_is_missing_is_asked_for(world: Path) -> None:
    out = ["--out", str(world / "labels")]
    invoke = CliRunner().invoke
    assert "images is missing" in complaint(invoke(app, ["label", *out]))
    assert "classes is missing" in complaint(invoke(app, ["label", str(world), *out]))
    classes = ["--classes", str(world / "classes.txt")]
    assert "clip is missing" in complaint(invoke(app, ["label", str(world), *classes, *out]))
    file = ["--from-similarities", str(world / "none.npz")]
    assert "none.npz does not exist" in complaint(invoke(app, ["label", *file, *out]))
    exclude = invoke(app, ["label", *file, "--clip", "demo", *out])
    assert "drop --clip" in complaint(exclude)


def test_without_open_clip_one_line_says_what_to_install(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("cdul_edge.labelling")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "cdul_edge.clip.models", raising=False)
    monkeypatch.delitem(sys.modules, "cdul_edge.clip.sources", raising=False)
    monkeypatch.setitem(sys.modules, "open_clip", None)
    assert 'pip install "cdul-edge[train]"' in complaint(label(world))
    assert not (world / "labels").exists()


def test_pictures_that_changed_are_named_and_updated_on_request(world: Path) -> None:
    label(world)
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(world / "pictures" / "2.jpg")
    Image.fromarray(pixels).save(world / "pictures" / "broken.jpg")
    fault = complaint(label(world))
    assert "2 replaced ('2.jpg', 'broken.jpg'): give --update" in fault
    result = label(world, "--update", "--json", "-")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["labelled"], summary["scored"], summary["skipped"]) == (4, 2, [])
    assert "2 pictures are the same as before: CLIP is not run for them" in result.stderr


def show(result: LabelResult, capsys: pytest.CaptureFixture[str]) -> list[str]:
    show_result(result, Console(width=200, soft_wrap=True))
    return capsys.readouterr().out.splitlines()


def made_result(skipped: int, classes: int) -> LabelResult:
    """Of `skipped` pictures that could not be read, and three that could."""
    return LabelResult(
        out=Path("labels"),
        pictures=skipped + 3,
        labelled=3,
        skipped=tuple(SkippedPicture(f"{i}.jpg", "is empty") for i in range(min(skipped, 100))),
        scored=0,
        pictures_per_s=None,
        seconds=1.0,
        scoring={},
        classes=tuple(ClassSummary(f"class {i}", 0.5, None, 0, ()) for i in range(classes)),
    )


def test_a_thousand_classes_fill_no_more_than_some_screens(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = show(made_result(0, 1203), capsys)
    assert len(shown) < 70
    assert "1153 more classes" in "\n".join(shown)


def test_of_a_million_skipped_pictures_ten_are_shown_and_all_are_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = made_result(1_000_000, 1)
    shown = show(result, capsys)
    assert "skipped '9.jpg': is empty" in shown
    assert "… and 999990 more; the store has all of them" in shown
    assert shown[-1] == "3 pictures labeled, 1000000 skipped, in 1.0 s: labels"
    assert result.to_dict()["unreadable"] == 1_000_000


def test_an_import_is_no_work_for_a_cluster(tmp_path: Path) -> None:
    command = ["label", "--from-similarities", "x.npz", "--out", str(tmp_path / "labels")]
    for option in (["--engine", "ray"], ["--address", "auto"], ["--actors", "2"]):
        fault = complaint(CliRunner().invoke(app, [*command, *option]))
        assert fault.startswith("cdul-edge: drop --engine ray, --address and --actors: an import")


def test_answers_correct_labels_that_are_brought_up_to_date(world: Path) -> None:
    yes, no = world / "yes.csv", world / "no.csv"
    yes.write_text("image_path,label\n0.jpg,star\n2.jpg,star\n")
    no.write_text("image_path,star,house\n0.jpg,,0\n2.jpg,,0\n")
    ways = ("--strategy", "cdul", "--temperature", "0.05")
    assert label(world, *ways).exit_code == 0
    before = PseudoLabels.read(world / "labels")
    (world / "pictures" / "3.jpg").write_bytes((world / "pictures" / "0.jpg").read_bytes())
    both = (*ways, "--observed", yes, "--observed", no)
    result = label(world, "--update", "--json", "-", *both)
    assert result.exit_code == 0, result.output
    assert "observed labels: 2 present, 2 absent; " in result.stderr
    summary = json.loads(result.stdout)
    assert summary["scored"] == 1
    observed = summary["scoring"]["observed"]
    assert (observed["present"], observed["absent"]) == (2, 2)
    assert list(observed["files"]) == [str(yes), str(no)]
    after = PseudoLabels.read(world / "labels")
    assert after.paths == ("0.jpg", "2.jpg", "3.jpg", "odd [red]\nname/1.PNG")
    assert observed["learned_from"] == 4
    assert (after.scores[[0, 1, 3], 0] > before.scores[:, 0]).all()
    no.write_text("image_path,label\n2.jpg,-star\n")
    line = label(world, "--update", *both).stderr.splitlines()[-1]
    assert f"{yes} and {no} contradict each other on 1 label(s): 'star' is there in '2.jpg'" in line


def test_answers_that_do_not_fit_are_refused_before_clip_runs(world: Path) -> None:
    answers = world / "seen.csv"
    answers.write_text("image_path,label\n0.jpg,sun\n")
    line = complaint(label(world, "--observed", answers))
    assert "seen.csv names 'sun', which is no class of the labels" in line
    assert not (world / "labels").exists()
    assert "nothing.csv are not a file" in complaint(label(world, "--observed", "nothing.csv"))
