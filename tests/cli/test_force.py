"""`--force` in every command that has it: a user's own files survive it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.bundle.classes import ClassList


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A user's folder: two pictures, and files whose names are ours as well."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (20, 10), (255, 0, 0)).save(folder / name)
    for name in ("manifest.json", "config.json", "index.json", "demo.json", "summary.json"):
        (folder / name).write_text('{"of": "the user"}')
    (folder / "metrics.jsonl").write_text("of the user")
    (folder / "predictions.jsonl").write_text("of the user")
    (folder / "truth.csv").write_text("image_path,red,green,blue\na.png,1,0,0\nb.png,1,0,0\n")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def run(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


def is_refused(result: Result) -> bool:
    last = result.stderr.splitlines()[-1]
    return result.exit_code == 2 and last.startswith("cdul-edge: ")


@pytest.mark.parametrize(
    "command",
    [
        "export run --out PHOTOS --force",
        "export PHOTOS --out PHOTOS --force",
        "explain run PHOTOS --out PHOTOS --force",
        "demo --out PHOTOS --force",
        "demo --out PARENT --force",
        "train LABELS --out PHOTOS --force --network clip:demo --weights none",
        "label PHOTOS --classes CLASSES --clip demo --out PHOTOS --force",
        "predict BUNDLE PHOTOS --out PHOTOS/a.png --force",
        "predict BUNDLE PHOTOS --out PHOTOS/predictions.jsonl --force",
        "predict BUNDLE PHOTOS --out PHOTOS --force",
        "watch BUNDLE PHOTOS/missing.mp4 --out PHOTOS/a.png --force",
        "watch BUNDLE PHOTOS/missing.mp4 --out PHOTOS/truth.csv --out-keep 0",
        "watch BUNDLE PHOTOS/missing.mp4 --out PHOTOS --force",
        "watch BUNDLE PHOTOS/missing.mp4 --clip-events PHOTOS/a.png --no-json",
        "evaluate LABELS --truth PHOTOS/truth.csv --json PHOTOS/truth.csv",
        "evaluate LABELS --truth PHOTOS/truth.csv --json PHOTOS/a.png",
        "evaluate LABELS --truth PHOTOS/truth.csv --fit-thresholds f1 "
        "--write-thresholds PHOTOS/summary.json --force",
        "doctor --json PHOTOS/config.json",
        "info BUNDLE --json PHOTOS/metrics.jsonl",
        "bench BUNDLE --repeats 1 --json PHOTOS/b.png",
        "verify BUNDLE --repeats 1 --json PHOTOS/b.png",
        "calibrate BUNDLE --images PHOTOS --json PHOTOS/b.png --force",
        "convert LABELS PHOTOS --to fiftyone --force",
        "convert LABELS PHOTOS/truth.csv --to csv --force",
        "convert LABELS PHOTOS/a.png --to coco --force",
        "convert PHOTOS/truth.csv PHOTOS/truth.csv --from csv --labels LABELS --force",
    ],
)
def test_what_cdul_edge_did_not_make_is_never_replaced(
    command: str, photos: Path, bundle: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels"
    PseudoLabels(
        root=photos,
        paths=("a.png", "b.png"),
        classes=ClassList(("red", "green", "blue")),
        scores=np.array([[0.9, 0.1, 0.1], [0.8, 0.2, 0.1]], np.float32),
        thresholds=np.full(3, 0.5, np.float32),
    ).write(labels / "pseudo_labels.parquet")
    (tmp_path / "classes.txt").write_text("red\ngreen\n")
    places = {
        "PHOTOS": photos,
        "PARENT": tmp_path,
        "LABELS": labels,
        "CLASSES": tmp_path / "classes.txt",
        "BUNDLE": bundle,
    }
    words = []
    for word in command.split():
        name, slash, rest = word.partition("/")
        words.append(f"{places[name]}{slash}{rest}" if name in places else word)
    before = contents(tmp_path)
    result = run(*words)
    assert is_refused(result), result.output
    assert contents(tmp_path) == before


def test_an_earlier_result_is_replaced(bundle: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.jsonl"
    command = ("predict", bundle, photos / "a.png", "--out", out)
    assert run(*command).exit_code == 0
    assert is_refused(run(*command))
    before = out.read_bytes()
    assert run("predict", bundle, photos / "b.png", "--out", out, "--force").exit_code == 0
    assert out.read_bytes() != before
