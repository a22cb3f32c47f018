from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge.front.export_run import ExportRunRequest, choose_run_thresholds
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.run_folder import load_run
from cdul_edge_calibration.graphs.tensorrt_rules import find_violations
from cdul_edge_export.deploy import score_pictures
from cdul_edge_runtime.backends.trt.engine_stamp import EngineStamp
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.pictures.images import find_images
from tests.fakes.engine_machine import hide_gpu
from tests.fakes.tiny_clip import write_tiny_clip

NAMES = ("red", "green", "blue")


def forbid(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Make them fail to import, as where they are not installed."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def invoke(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures, two of each color, and their truth beside them."""
    folder = tmp_path_factory.mktemp("world") / "pictures"
    folder.mkdir()
    rows = ["image_path," + ",".join(NAMES)]
    for n in range(6):
        color = [0, 0, 0]
        color[n % 3] = 120 + 20 * n
        Image.new("RGB", (40, 30), tuple(color)).save(folder / f"{n}.png")
        rows.append(f"{n}.png," + ",".join(str(int(c == n % 3)) for c in range(3)))
    (folder.parent / "truth.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def run(pictures: Path) -> Path:
    """A finished training run on those pictures."""
    labels, out = pictures.parent / "labels.parquet", pictures.parent / "run"
    scores = np.eye(3, dtype=np.float32)[np.arange(6) % 3]
    half = np.full(3, 0.5, np.float32)
    paths = tuple(f"{n}.png" for n in range(6))
    PseudoLabels(pictures, paths, ClassList(NAMES), scores, half).write(labels)
    options = "--weights none --image-size 32 --epochs 1 --batch-size 6"
    network = write_tiny_clip(pictures.parent / "clip", width=4)
    result = invoke("train", labels, "--out", out, "--network", f"clip:{network}", *options.split())
    assert result.exit_code == 0, result.output
    return out


def test_a_run_becomes_a_bundle_that_carries_where_it_came_from(run: Path, tmp_path: Path) -> None:
    result = invoke("export", run, "--out", tmp_path / "b", "--json", "-")
    assert result.exit_code == 0, result.output
    assert "differs from PyTorch by at most" in result.stderr
    bundle = Bundle.load(tmp_path / "b")
    summary = json.loads(result.stdout)
    assert summary["parity"]["max_error"] <= summary["parity"]["limit"] == 1e-4
    assert tuple(bundle.manifest.classes) == NAMES
    assert bundle.manifest.provenance["thresholds"] == {"rule": "run"}
    assert len(bundle.manifest.provenance["run"]["checkpoint_sha256"]) == 64
    assert bundle.reference().names == tuple(f"{n}.png" for n in range(6))
    reference = bundle.score_reference()
    assert reference is not None
    assert reference.pictures == 6
    np.testing.assert_array_equal(reference.thresholds, bundle.manifest.thresholds)
    told = json.loads(invoke("info", tmp_path / "b", "--json", "-").stdout)
    assert told["score_reference"] == "6 pictures, all"
    verified = invoke("verify", tmp_path / "b", "--run", run, "--repeats", 1)
    assert verified.exit_code == 0, verified.output
    assert "pytorch" in verified.stdout


@pytest.mark.slow
def test_a_run_with_local_global_convolutions_exports_for_every_device(
    pictures: Path, run: Path, tmp_path: Path
) -> None:
    """Its context starts at a ten-thousandth: a high rate makes it count before it is compared."""
    options = "--network clip:demo --weights none --image-size 64 --epochs 2 --batch-size 6"
    trained = invoke(
        "train", run.parent / "labels.parquet", "--out", tmp_path / "run", *options.split(),
        "--local-global", "--lr", 0.1, "--head-rate-multiplier", 0.01,
    )  # fmt: skip
    assert trained.exit_code == 0, trained.output
    network = load_run(tmp_path / "run").network
    scales = [p.abs().max() for n, p in network.named_parameters() if n.endswith("norm.weight")]
    assert len(scales) == 6
    assert min(map(float, scales)) > 0.01
    result = invoke("export", tmp_path / "run", "--out", tmp_path / "b")
    assert result.exit_code == 0, result.output
    bundle = Bundle.load(tmp_path / "b")
    assert bundle.manifest.parity.max_error <= 1e-5
    assert (bundle.manifest.graph.opset, bundle.manifest.graph.newer_operators) == (17, ())
    assert find_violations(onnx.load(bundle.model_path())) == []


def test_thresholds_chosen_on_labelled_pictures_and_another_reference(
    run: Path, pictures: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("x.png", "y.png", "z.png"):
        Image.new("RGB", (8, 8), (9, 9, 9)).save(other / name)
    (other / "a.png").write_bytes(b"")
    labelled = ["--images", pictures, "--truth", pictures.parent / "truth.csv"]
    reference = ["--reference", other, "--reference-count", 2]
    options = ["--thresholds", "f1", *labelled, *reference]
    result = invoke("export", run, "--out", tmp_path / "b", *options)
    assert result.exit_code == 0, result.output
    bundle = Bundle.load(tmp_path / "b")
    origin = bundle.manifest.provenance["thresholds"]
    assert origin["rule"] == "f1"
    assert origin["pictures"] == 6
    assert bundle.reference().names == ("z.png", "x.png")  # a.png was to be the first
    scores, trained = bundle.score_reference(), load_run(run).score_reference
    assert scores is not None
    assert trained is not None
    np.testing.assert_array_equal(scores.thresholds, bundle.manifest.thresholds)
    np.testing.assert_array_equal(
        scores.prevalence, trained.at(bundle.manifest.thresholds).prevalence
    )
    assert "1 picture(s) cannot be read, such as " in result.stderr
    assert "a.png: is empty (0 bytes): others are the bundle's reference" in result.stderr


def test_a_rate_needs_pictures_and_no_truth(run: Path, pictures: Path) -> None:
    trained = load_run(run)
    request = ExportRunRequest(run, run / "b", thresholds="rate=0.5", images=pictures)
    chosen = choose_run_thresholds(request, trained, SilentConsole())
    scores, _, _ = score_pictures(trained.network, trained.preprocess, find_images(pictures))
    assert (scores >= chosen.values).sum(axis=0).tolist() == [3, 3, 3]  # half of six pictures
    assert chosen.origin == {"rule": "rate=0.5", "pictures": 6}


def test_thresholds_from_a_file_follow_the_class_names(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    file.write_text('{"blue": null, "green": 0.25, "red": 0.75}')
    request = ExportRunRequest(run, run / "b", thresholds=str(file))
    chosen = choose_run_thresholds(request, load_run(run), SilentConsole())
    assert chosen.values.tolist() == [0.75, 0.25, np.inf]
    assert chosen.origin == {"rule": "file", "file": "t.json"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--thresholds", "f1"], "--images and --truth go together"),
        (["--images", "x", "--truth", "y"], "--images and --truth go together"),
        (["--thresholds", "rate=0.5"], "rate=R: --images alone"),
        (["--thresholds", "rate=0.5", "--images", "x", "--truth", "y"], "rate=R: --images alone"),
        (
            ["--thresholds", "precision=2", "--images", "x", "--truth", "y"],
            "precision=P, recall=R, or rate=R",
        ),
        (["--thresholds", "missing.json"], "missing.json does not exist"),
        (["--reference", "nowhere"], "nowhere does not exist"),
    ],
)
def test_options_that_do_not_fit_are_refused_and_nothing_is_written(
    run: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    result = invoke("export", run, "--out", tmp_path / "b", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_existing_bundle_and_a_folder_that_is_no_run_are_refused(
    run: Path, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").touch()
    assert "--force" in invoke("export", run, "--out", tmp_path / "b").stderr
    result = invoke("export", pictures, "--out", tmp_path / "c")
    assert result.exit_code == 2
    assert "is not a run" in result.stderr


def test_lost_pictures_are_an_error_that_names_the_way_out(
    run: Path, pictures: Path, tmp_path: Path
) -> None:
    moved = pictures.rename(tmp_path / "moved")
    try:
        lost = invoke("export", run, "--out", tmp_path / "b")
    finally:
        moved.rename(pictures)
    assert lost.exit_code == 2
    assert "--reference" in lost.stderr
    assert not (tmp_path / "b").exists()


def export_all(run: Path, out: Path) -> Result:
    """`export --trt`, with thresholds far from the scores of a network that saw six pictures."""
    far = out.with_suffix(".json")
    far.write_text(json.dumps(dict.fromkeys(NAMES, 0.99)))
    result = invoke("export", run, "--out", out, "--thresholds", far, "--trt", "--json", "-")
    assert json.loads(result.stdout)["bundle"] == str(out)  # the table of precisions is talk
    made = [one.value for one in Bundle.load(out).precisions() if one.has_file]
    assert made == ["fp32", "fp16", "int8", "int8-cpu"]
    return result


def test_trt_ends_with_engines_where_only_tensorrt_for_rtx_is_there(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="no TensorRT for RTX on this platform")
    forbid(monkeypatch, "tensorrt", "tensorrt_lean")
    hide_gpu(monkeypatch)
    result = export_all(run, tmp_path / "b")
    assert result.exit_code == 0, result.output
    stamps = [EngineStamp.read(path) for path in (tmp_path / "b" / "engines").glob("*.json")]
    assert {stamp.precision.value for stamp in stamps} == {"fp32", "fp16", "int8"}
    assert all(stamp.flavor == "rtx" and stamp.bytes > 10_000 for stamp in stamps)
    assert "no GPU here: building for every GPU from Ampere on" in result.stderr
    assert result.stderr.splitlines()[-1].endswith("verify b --backend tensorrt-rtx")


def test_trt_without_either_library_says_so_at_once_and_keeps_every_onnx_file(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, "tensorrt", "tensorrt_lean", "tensorrt_rtx")
    result = export_all(run, tmp_path / "b")
    assert result.exit_code == 2, result.output
    lines = result.stderr.splitlines()
    assert lines[0].startswith("no engine can be built here (TensorRT is not installed")
    assert 'pip install "cdul-edge[rtx]"' in lines[0]  # the way out on this machine
    assert lines[-1].startswith("cdul-edge: no engine was built: TensorRT is not installed")
    assert "`cdul-edge build b`" in lines[-1]
    assert not (tmp_path / "b" / "engines").exists()


def test_a_bundle_names_no_folder_of_the_machine_that_made_it(
    run: Path, pictures: Path, tmp_path: Path
) -> None:
    """Not in plain text, nor in the ONNX file's metadata, nor in the packed reference."""
    labelled = ["--images", pictures, "--truth", pictures.parent / "truth.csv"]
    out = tmp_path / "b"
    result = invoke("export", run, "--out", out, "--thresholds", "f1", *labelled)
    assert result.exit_code == 0, result.output
    words = [str(tmp_path), str(pictures.parent), str(run), getpass.getuser() + "/"]
    for file in filter(Path.is_file, out.rglob("*")):
        content = file.read_bytes()
        if file.suffix == ".npz":
            content = repr(Bundle.load(out).reference().names).encode()
        assert [word for word in words if word.encode() in content] == [], file
