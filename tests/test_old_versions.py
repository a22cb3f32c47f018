"""What version 0.1.0 made at commit b501723, read and used by today's code.

`fixtures/b501723/make.sh` says how it was made: 12 drawn pictures, their labels, a finished and an
interrupted run of a tiny network, and its bundle in all precisions.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner, Result

pytest.importorskip("torch")
pytest.importorskip("open_clip")
pytest.importorskip("pyarrow")

from cdul_edge.cli import app
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.classifier import Classifier

MADE = Path(__file__).parent / "fixtures" / "b501723" / "made.tar.xz"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the old version worked, made the current one: its paths are relative."""
    with tarfile.open(MADE) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result


def read_lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_labels_and_predictions_are_evaluated_to_the_same_figures(old: Path) -> None:
    run("evaluate", "labels", "--truth", "world/train_truth.csv", "--json", "today.json")
    then, now = (json.loads((old / name).read_text()) for name in ("evaluation.json", "today.json"))
    for name in ("map", "ap", "cf1", "of1", "hamming"):
        assert now[name] == then[name], name
    result = run("evaluate", "predictions.jsonl", "--truth", "world/heldout.csv", "--json", "-")
    assert json.loads(result.stdout)["pictures"] == 6


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("labels", "labels folder"),
        ("labels-patches", "labels folder"),
        ("labels/pseudo_labels.parquet", "pseudo-labels"),
        ("labels/similarities/part-00000.parquet", "similarity part"),
        ("run", "run"),
        ("run/checkpoint.pt", "checkpoint of a training run"),
        ("run/pseudo_labels_refined.parquet", "pseudo-labels"),
        ("bundle", "bundle"),
        ("bundle/model.int8.json", "calibrate report"),
        ("bundle/calibration.json", "calibration"),
        ("bundle/reference.npz", "reference pictures"),
        ("bundle-verify.json", "verif"),
        ("predictions.jsonl", "predictions"),
    ],
)
def test_info_knows_every_file(old: Path, path: str, kind: str) -> None:
    assert kind in json.loads(run("info", path, "--json", "-").stdout)["kind"]


@pytest.mark.parametrize("strategy", ["global", "cdul"])
def test_labels_are_made_again_by_another_strategy_without_clip(old: Path, strategy: str) -> None:
    parts = {path: path.read_bytes() for path in (old / "labels").rglob("part-*.parquet")}
    assert parts
    words = ("world/train", "--classes", "world/classes.txt", "--clip", "demo", "--workers", "0")
    run("label", *words, "--strategy", strategy, "--out", "labels")
    labels = PseudoLabels.read(old / "labels")
    assert labels.provenance["aggregation"]["strategy"] == strategy
    assert len(labels.paths) == 12
    assert {path: path.read_bytes() for path in parts} == parts
    for path, content in parts.items():  # the manifest named each part; now an index does
        path.write_bytes(content[:-1])
        result = CliRunner().invoke(app, ["label", *words, "--out", "labels"])
        assert result.exit_code == 2
        assert f"{path.name} has {len(content) - 1} bytes" in result.output


def test_an_interrupted_labels_folder_is_finished_without_a_second_look(old: Path) -> None:
    """Its parts count as done only if today's settings have the digest that they had then."""
    manifest = old / "labels" / "manifest.json"
    unfinished = {**json.loads(manifest.read_text()), "complete": False}
    manifest.write_text(json.dumps(unfinished))
    words = ("world/train", "--classes", "world/classes.txt", "--clip", "demo", "--workers", "0")
    result = run("label", *words, "--out", "labels", "--json", "-")
    assert json.loads(result.stdout)["scored"] == 0
    assert "12 of 12 pictures are labeled already" in result.stderr


@pytest.mark.parametrize("labels", ["labels", "labels-patches", "labels/pseudo_labels.parquet"])
def test_a_run_is_trained_from_old_labels(old: Path, labels: str) -> None:
    words = ("--network", "clip:tiny-clip", "--weights", "none", "--image-size", "32")
    run("train", labels, *words, "--epochs", "1", "--out", "new")
    assert read_lines(old / "new" / "metrics.jsonl")[-1]["epoch"] == 1


def test_an_interrupted_run_goes_on_with_the_command_that_began_it(old: Path) -> None:
    before = read_lines(old / "run-unfinished" / "metrics.jsonl")
    assert [line["epoch"] for line in before] == [1, 2]
    words = ("--network", "clip:tiny-clip", "--weights", "none", "--image-size", "32")
    options = ("--batch-size", "4", "--seed", "0", "--epochs", "3", "--out", "run-unfinished")
    run("train", "labels", *words, *options)
    after = read_lines(old / "run-unfinished" / "metrics.jsonl")
    assert [line["epoch"] for line in after] == [1, 2, 3]
    assert after[:2] == before
    assert (old / "run-unfinished" / "summary.json").is_file()


def test_a_run_becomes_the_bundle_that_it_became_then(old: Path) -> None:
    run("export", "run", "--out", "again")
    pictures = np.load(old / "bundle" / "reference.npz")["inputs"]
    np.testing.assert_allclose(scores("again", pictures), scores("bundle", pictures), atol=1e-4)


def scores(bundle: str, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    with Classifier.load(bundle, device="cpu", precision="fp32") as classifier:
        return np.stack([classifier.predict(picture).scores for picture in pictures])


def test_a_bundle_predicts_verifies_and_is_calibrated(old: Path) -> None:
    assert Bundle.load(old / "bundle").precisions() == tuple(Precision)
    run("predict", "bundle", "world/heldout", "--device", "cpu", "--out", "today.jsonl")
    then, now = read_lines(old / "predictions.jsonl"), read_lines(old / "today.jsonl")
    assert [line["path"] for line in now] == [line["path"] for line in then]
    run("verify", "bundle", "--repeats", "1", "--backend", "cpu")
    words = ("--max-map-drop", "100", "--max-flip-rate", "1", "--force")
    run("calibrate", "bundle", "--images", "world/train", *words)
    assert Bundle.load(old / "bundle").precisions() == tuple(Precision)


def test_a_bundle_is_written_for_deepstream_and_triton(old: Path) -> None:
    """Each file of it; the variant's labels are compared with the file's own as it is written."""
    for precision in ("fp32", "fp16", "int8"):
        words = ("--out", f"deepstream-{precision}", "--precision", precision)
        run("export-config", "deepstream", "bundle", *words)
    run("export-config", "triton", "bundle", "--out", "models", "--precision", "int8-cpu")
    assert (old / "models" / "bundle" / "1" / "model.onnx").is_file()


def test_a_report_shows_what_it_reads_of_them_and_says_what_not(old: Path) -> None:
    pytest.importorskip("jinja2", reason="a page is made with it")
    told = run("report", "labels", "run", "bundle", "--out", "page.html", "--json", "-")
    figures = json.loads(told.stdout)
    assert list(figures["sections"]) == ["labels", "run", "bundle"]
    assert figures["sections"]["labels"]["pictures"] == 12
    assert figures["sections"]["labels"]["found"] == figures["sections"]["labels"]["asked_for"]
    assert figures["header"]["breaks"] == []
    result = CliRunner().invoke(app, ["report", "run-unfinished", "--out", "other.html"])
    assert (result.exit_code, Path("other.html").exists()) == (2, False)
    assert "is not finished" in result.stderr
