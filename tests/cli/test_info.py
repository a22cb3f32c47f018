from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt.engine_stamp import EngineStamp
from cdul_edge_runtime.backends.trt.platform import GpuPlatform
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.host.child_python import child_environment, module_command
from cdul_edge_runtime.host.files import read_json, sha256_file, write_json


def facts(path: Path) -> dict[str, object]:
    result = CliRunner().invoke(app, ["info", str(path), "--json", "-"])
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_a_bundle_and_each_of_its_files_are_known(bundle: Path) -> None:
    for path in (bundle, bundle / "manifest.json"):
        assert facts(path)["kind"] == "bundle, every file as its manifest says"
        assert facts(path)["classes"] == ["red", "green", "blue"]
    assert facts(bundle / "model.fp32.onnx")["kind"] == "classifier in one ONNX file"
    assert facts(bundle)["score_reference"] == "no reference"
    reference = facts(bundle / "reference.npz")
    assert reference["kind"] == "reference pictures with PyTorch's scores"
    assert reference["inputs"] == "uint8 (3, 8, 8, 3)"


def stamp_engine(bundle: Path, name: str, platform: GpuPlatform, **fields: Any) -> Path:
    """A file in place of an engine of the bundle's FP32 graph, with its stamp."""
    engine = bundle / "engines" / f"{name}.engine"
    engine.parent.mkdir(exist_ok=True)
    engine.write_bytes(b"a plan")
    EngineStamp(
        precision=Precision.FP32,
        source_sha256=Bundle.load(bundle).fp32_sha256,
        sha256=sha256_file(engine),
        bytes=6,
        platform=platform,
        profile=Profile(1, 1, 8),
        strongly_typed=True,
        **fields,
    ).write(engine.with_suffix(".json"))
    return engine


def test_engines_are_shown_with_their_library_their_gpus_and_what_is_wrong(bundle: Path) -> None:
    assert "engines" not in facts(bundle)
    ahead = GpuPlatform("1.7.1.116", "", "", 0, "x86_64", "rtx")
    rtx = stamp_engine(bundle, "a", ahead, compute_capabilities=("8.6", "8.9"))
    stamp_engine(bundle, "b", GpuPlatform("10.3.0", "Orin", "8.7", 16, "aarch64"))
    (bundle / "engines" / "c.json").write_text("{}")
    engines = facts(bundle)["engines"]
    assert isinstance(engines, dict)
    assert engines["a.engine"] == (
        "fp32 engine of TensorRT for RTX 1.7.1.116, for compute capability 8.6, 8.9, "
        "batches of 1 to 8, 6 bytes"
    )
    assert engines["b.engine"] == (
        "fp32 engine of TensorRT 10.3.0, for Orin (compute capability 8.7, 16 multiprocessors), "
        "batches of 1 to 8, 6 bytes"
    )
    assert "is damaged" in engines["damaged 1"]
    for file in (rtx, rtx.with_suffix(".json")):
        assert facts(file)["kind"] == "fp32 engine of TensorRT for RTX 1.7.1.116"
        assert facts(file)["compute_capabilities"] == ["8.6", "8.9"]
    rtx.write_bytes(b"a pla")
    assert str(facts(rtx)["kind"]).endswith("; unusable: the engine file was changed")
    rtx.unlink()
    engines = facts(bundle)["engines"]
    assert isinstance(engines, dict)
    assert engines["a.engine"].endswith("; unusable: the engine file is missing")
    (alone := bundle / "engines" / "alone.engine").write_bytes(b"a plan")
    told = CliRunner().invoke(app, ["info", str(alone)])
    assert told.exit_code == 2
    assert "alone.engine has no stamp alone.json beside it" in told.stderr


def test_a_table_for_people_is_the_default(bundle: Path) -> None:
    result = CliRunner().invoke(app, ["info", str(bundle)])
    assert result.stdout.startswith("kind")
    assert '["red", "green", "blue"]' in result.stdout
    assert [line for line in result.stdout.splitlines() if line != line.rstrip()] == []


def test_labels_are_known_with_their_rows(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from cdul_edge.labels.pseudo_labels import PseudoLabels
    from cdul_edge_runtime.bundle.classes import ClassList

    file = tmp_path / "pseudo_labels.parquet"
    scores = np.full((2, 2), 0.5, np.float32)
    classes = ClassList(("cat", "dog"))
    for cosines in (None, scores):  # labels of `cdul-edge label` have them
        labels = PseudoLabels(tmp_path, ("a", "b"), classes, scores, scores[0], cosines=cosines)
        labels.write(file)
        assert facts(file)["kind"] == "pseudo-labels"
    assert facts(file)["rows"] == 2
    assert facts(file)["classes"] == ["cat", "dog"]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A labels folder of two pictures, from similarities: no CLIP runs."""
    pytest.importorskip("pyarrow")
    similar = tmp_path / "similar.npz"
    whole = np.array([[0.25, 0.2], [0.2, 0.25]])
    about = {"names": np.array(["a.png", "b.png"]), "classes": np.array(["red", "key"])}
    content = {**about, "global_cosines": whole, "local_cosines": whole[:, None]}
    np.savez(similar, **content)  # type: ignore[arg-type]
    words = ["label", "--from-similarities", str(similar), "--out", str(tmp_path / "labels")]
    result = CliRunner().invoke(app, [*words, "--strategy", "global"])
    assert result.exit_code == 0, result.output
    return tmp_path / "labels"


def test_a_labels_folder_is_shown_on_one_screen_and_whole_as_json(labels: Path) -> None:
    result = CliRunner().invoke(app, ["info", str(labels)])
    assert result.exit_code == 0, result.output
    rows = {line[:10].strip(): line[10:].strip() for line in result.stdout.splitlines()}
    assert rows["kind"] == "labels folder, finished"
    assert rows["pictures"] == "2 labeled, 0 skipped"
    assert rows["classes"] == "2"
    assert rows["model"] == "unknown: similar.npz was imported"
    assert rows["scores"].startswith("strategy global, temperature 0.01,")
    manifest = read_json(labels / "manifest.json")
    red, key = manifest["thresholds"]
    assert result.stdout.splitlines()[-1].split() == ["red", f"{red:.4f}", "key", f"{key:.4f}"]
    assert facts(labels) == {**manifest, "kind": "labels folder"}
    assert "sha256" not in result.stdout
    assert manifest["inputs"]["paths_sha256"] not in result.stdout


def test_what_was_fitted_for_every_class_is_in_the_json_only(labels: Path) -> None:
    file = labels / "manifest.json"
    manifest = read_json(file)
    manifest["pseudo_labels"] |= {"strategy": "evidence", "splits": {"red": {"slope": 11.3217}}}
    write_json(file, manifest)
    shown = CliRunner().invoke(app, ["info", str(labels)]).stdout
    assert "strategy evidence, temperature 0.01" in shown
    assert "11.3217" not in shown
    assert facts(labels)["pseudo_labels"] == manifest["pseudo_labels"]


def test_of_skipped_pictures_the_first_is_named_and_never_predicted_classes_are_told(
    labels: Path,
) -> None:
    file = labels / "manifest.json"
    manifest = read_json(file)
    manifest["counts"] |= {"labelled": 2, "skipped": 30}
    manifest["skipped"] = [{"path": f"{n}.png", "reason": "is empty"} for n in range(30)]
    manifest["thresholds"] = [None, 0.25]
    write_json(file, manifest)
    shown = CliRunner().invoke(app, ["info", str(labels)]).stdout
    assert "2 labeled, 30 skipped (the first: 0.png is empty)" in shown
    assert shown.splitlines()[-1].split() == ["red", "never", "key", "0.2500"]


def test_a_thousand_classes_fit_one_screen_in_every_encoding(
    labels: Path,
) -> None:
    file = labels / "manifest.json"
    manifest = read_json(file)
    manifest["classes"] = [f"星{number}" for number in range(1203)]
    manifest["thresholds"] = [0.5] * 1203
    write_json(file, manifest)
    shown = CliRunner(charset="utf-8").invoke(app, ["info", str(labels)]).stdout.splitlines()
    assert shown[-1] == "... and 1143 more; all are in --json"
    assert len(shown) < 80
    command = module_command("cdul_edge.cli", "info", str(labels))
    ascii_only = {**child_environment(), "PYTHONIOENCODING": "ascii", "LANG": "C"}
    plain = subprocess.run(command, capture_output=True, env=ascii_only, check=True)
    assert b"?0" in plain.stdout  # and no traceback
    whole = subprocess.run([*command, "--json", "-"], capture_output=True, env=ascii_only)
    assert json.loads(whole.stdout.decode("utf-8"))["classes"][0] == "星0"


def test_an_unfinished_labels_folder_says_how_to_go_on(labels: Path) -> None:
    file = labels / "manifest.json"
    manifest = read_json(file)
    for later in ("counts", "skipped", "pseudo_labels", "thresholds"):
        del manifest[later]
    write_json(file, {**manifest, "complete": False})
    shown = CliRunner().invoke(app, ["info", str(labels)]).stdout
    assert "not finished: the same `cdul-edge label` command" in shown
    assert "pictures  2 " in shown
    del manifest["inputs"]
    write_json(file, manifest)
    broken = CliRunner().invoke(app, ["info", str(labels)])
    assert (broken.exit_code, "inputs is missing" in broken.stderr) == (2, True)


def test_reports_metrics_predictions_and_folders_are_told_apart(tmp_path: Path) -> None:
    about = {"format": 1, "program": "cdul-edge", "version": "0"}
    write_json(tmp_path / "v.json", {**about, "stage": "verify", "passed": True})
    assert facts(tmp_path / "v.json")["kind"] == "verify report"
    write_json(tmp_path / "labels" / "manifest.json", {**about, "skipped": list(range(30))})
    assert facts(tmp_path / "labels")["kind"] == "labels folder"
    assert facts(tmp_path / "labels")["skipped"] == list(range(30))  # whole for machines
    write_json(tmp_path / "run" / "config.json", {**about, "stage": "train"})
    (tmp_path / "run" / "metrics.jsonl").write_text('{"epoch": 1}\n{"epoch": 2}\n')
    assert facts(tmp_path / "run")["kind"] == "training run"
    assert facts(tmp_path / "run")["epochs_done"] == 2
    assert facts(tmp_path / "run")["finished"] is False
    assert facts(tmp_path / "run" / "metrics.jsonl")["lines"] == 2
    (tmp_path / "p.jsonl").write_text('{"path": "a.jpg", "labels": []}\n')
    assert facts(tmp_path / "p.jsonl")["kind"] == "predictions"
    (tmp_path / "w.jsonl").write_text('{"type": "status", "stream": "door"}\n')
    assert facts(tmp_path / "w.jsonl")["kind"] == "rows of `cdul-edge watch`"
    np.savez(tmp_path / "t.npz", names=["a"], classes=["b"], labels=[[1]])
    assert facts(tmp_path / "t.npz")["kind"] == "truth"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nothing", None, "does not exist"),
        ("a.txt", "x", "nothing that cdul-edge made"),
        ("a.json", "{}", "nothing that cdul-edge made"),
        ("a.jsonl", "{}", "nothing that cdul-edge made"),
        ("a.json", "{", "not valid JSON"),
        ("a.npz", "x", "not a readable NPZ"),
        ("a.onnx", "x", "not a model that ONNX Runtime can load"),
        ("a.parquet", "x", "truncated or damaged"),
        ("checkpoint.pt", "x", "is damaged"),
    ],
)
def test_what_is_not_ours_or_damaged_is_one_line_and_exit_code_2(
    tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    needed = {".pt": "torch", ".parquet": "pyarrow"}.get(Path(name).suffix, "numpy")
    pytest.importorskip(needed)
    if content is not None:
        (tmp_path / name).write_text(content)
    result = CliRunner().invoke(app, ["info", str(tmp_path / name)])
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
