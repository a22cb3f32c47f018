"""A bundle's folder for DeepStream: what is in it, and what it refuses to be."""

from __future__ import annotations

import json
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from cdul_edge_export import ExportConfigRequest, TritonOptions, export_config  # noqa: E402
from cdul_edge_export.pipelines.deepstream import _compare  # noqa: E402
from cdul_edge_export.pipelines.deepstream_graph import deepstream_graph  # noqa: E402
from cdul_edge_export.pipelines.deepstream_text import limits  # noqa: E402
from cdul_edge_runtime.bundle.bundle import MANIFEST, Bundle  # noqa: E402
from cdul_edge_runtime.bundle.classes import ClassList  # noqa: E402
from cdul_edge_runtime.bundle.manifest import Precision  # noqa: E402
from cdul_edge_runtime.classifier import Classifier  # noqa: E402
from cdul_edge_runtime.errors import BundleError, CdulEdgeError, CdulEdgeWarning  # noqa: E402
from cdul_edge_runtime.host.console import SilentConsole  # noqa: E402
from cdul_edge_runtime.host.files import sha256_file  # noqa: E402
from cdul_edge_runtime.pictures.preprocess import Preprocess  # noqa: E402
from tests.fakes.conv_bundle import write_conv_bundle  # noqa: E402
from tests.fakes.deepstream_rule import read_labels, stock_attributes  # noqa: E402

# CONFIG_GROUP_INFER_* of gstnvinfer_property_parser.h: nvinfer warns of every other key
KNOWN_KEYS = set(
    """gpu-id gie-unique-id process-mode network-type classifier-threshold labelfile-path onnx-file
    model-engine-file network-mode batch-size interval model-color-format net-scale-factor offsets
    maintain-aspect-ratio symmetric-padding scaling-filter""".split()
)


def write(bundle: Path, out: Path, **fields: object) -> dict[str, str]:
    """The [property] group of the configuration that was written."""
    request = ExportConfigRequest("deepstream", bundle, out, **fields)  # type: ignore[arg-type]
    export_config(request, SilentConsole())
    return read_config(out)


def read_config(out: Path) -> dict[str, str]:
    """As GKeyFile reads it: a comment begins its line, and a value goes to the line's end."""
    parser = ConfigParser(
        inline_comment_prefixes=None, comment_prefixes=("#",), interpolation=None, strict=True
    )
    parser.read(out / "config_infer.txt", encoding="utf-8")
    assert parser.sections() == ["property"]
    return dict(parser["property"])


def test_labels_of_the_folder_are_those_of_predict(bundle: Path, tmp_path: Path) -> None:
    """Pictures of the network's own size, so that nothing is resized; a third threshold is inf."""
    config = write(bundle, tmp_path / "ds")
    labels = read_labels(tmp_path / "ds" / config["labelfile-path"])
    session = ort.InferenceSession(str(tmp_path / "ds" / config["onnx-file"]))
    shown = np.random.default_rng(1).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    shown[:10, ..., 0], shown[5:15, ..., 1], shown[:20, ..., 2] = 250, 240, 255
    planes = shown.transpose(0, 3, 1, 2).astype(np.float32) * float(config["net-scale-factor"])
    layers = session.run(None, {"images": planes})
    found = 0
    with Classifier.load(bundle, device="cpu") as classifier:
        for row, picture in enumerate(shown):
            threshold = float(config["classifier-threshold"])
            said = stock_attributes([layer[row] for layer in layers], labels, threshold)
            prediction = classifier.predict(picture)
            assert {label for label, _ in said} == set(prediction.labels)
            found += len(said)
    assert 10 < found < 60


def test_the_configuration_names_known_keys_and_files_that_are_there(
    bundle: Path, tmp_path: Path
) -> None:
    config = write(bundle, tmp_path / "ds", batch_size=4)
    assert set(config) == KNOWN_KEYS
    assert config["network-type"] == "1"
    assert config["model-color-format"] == "0"
    assert config["batch-size"] == "4"
    assert config["model-engine-file"] == "model.onnx_b4_gpu0_fp32.engine"  # nvinfer's own name
    assert sorted(path.name for path in (tmp_path / "ds").iterdir()) == [
        "README.md",
        "cdul-edge.json",
        "config_infer.txt",
        "labels.txt",
        "model.onnx",
    ]


def test_the_folder_says_which_bundle_it_is_of(bundle: Path, tmp_path: Path) -> None:
    write(bundle, tmp_path / "ds")
    digest = sha256_file(bundle / MANIFEST)
    marker = json.loads((tmp_path / "ds" / "cdul-edge.json").read_text())
    assert marker["bundle_sha256"] == digest
    assert marker["model_sha256"] == sha256_file(bundle / "model.fp32.onnx")
    assert marker["thresholds"] == [0.5, 0.5, None]
    for name in ("config_infer.txt", "README.md"):
        assert digest in (tmp_path / "ds" / name).read_text()
    model = onnx.load(tmp_path / "ds" / "model.onnx")
    assert json.loads(model.metadata_props[0].value)["bundle_sha256"] == digest


@pytest.mark.parametrize(("precision", "mode"), [("fp16", "2"), ("int8", "1")])
def test_reduced_precisions_want_an_engine_of_trtexec(
    precision: str, mode: str, bundle: Path, tmp_path: Path
) -> None:
    """nvinfer would build FP16 its own way, and says "Trying FP16 mode" to INT8 without a table."""
    write_conv_bundle(bundle)
    config = write(bundle, tmp_path / "ds", precision=Precision(precision), batch_size=2)
    assert set(config) == KNOWN_KEYS - {"onnx-file"}
    assert config["network-mode"] == mode
    readme = (tmp_path / "ds" / "README.md").read_text()
    assert f"--saveEngine={config['model-engine-file']} " in readme
    assert "--optShapes=images:2x3x8x8 --maxShapes=images:2x3x8x8 --stronglyTyped" in readme


@pytest.mark.parametrize(
    ("preprocess", "kept", "said"),
    [
        (Preprocess(8, 8), "0", ["antialiasing"]),
        (Preprocess(8, 8, "letterbox"), "1", ["antialiasing", "RGB (124, 116, 104)"]),
        (Preprocess(8, 8, "center"), "0", ["antialiasing", "cannot crop"]),
    ],
)
def test_what_nvinfer_resizes_otherwise_is_said_in_every_place(
    preprocess: Preprocess,
    kept: str,
    said: list[str],
    make_bundle: Callable[..., Path],
    tmp_path: Path,
) -> None:
    request = ExportConfigRequest("deepstream", make_bundle(preprocess=preprocess), tmp_path / "ds")
    with pytest.warns(CdulEdgeWarning) as warned:
        result = export_config(request)
    assert len(result.limits) == len(warned) == len(said)
    config = read_config(tmp_path / "ds")
    assert config["maintain-aspect-ratio"] == config["symmetric-padding"] == kept
    texts = [(tmp_path / "ds" / name).read_text() for name in ("config_infer.txt", "README.md")]
    for sentence, words in zip(result.limits, said, strict=True):
        assert words in sentence
        assert all(sentence in text for text in texts)


def test_the_crop_of_a_centered_bundle_is_given_for_common_cameras(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    """1280x720 to a square: 7/8 of 720 is 630, its left edge at 640 - 315."""
    write(make_bundle(preprocess=Preprocess(8, 8, "center", crop=0.875)), tmp_path / "ds")
    assert "src-crop=325:45:630:630" in (tmp_path / "ds" / "README.md").read_text()


def test_names_that_a_line_cannot_hold_are_changed_and_named(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    names = ("cup; mug", "two\nlines", "é" * 100)
    request = ExportConfigRequest(
        "deepstream", make_bundle(classes=ClassList(names)), tmp_path / "ds"
    )
    with pytest.warns(CdulEdgeWarning) as warned:
        result = export_config(request)
    assert "the label 'cup, mug' stands for the class 'cup; mug'" in str(warned[0].message)
    assert read_labels(tmp_path / "ds" / "labels.txt") == [["cup, mug"], ["two lines"], ["é" * 63]]
    assert list(result.renamed) == list(names)


def test_names_that_become_one_are_refused(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = make_bundle(classes=ClassList(("a;b", "a,b", "c")))
    with pytest.raises(CdulEdgeError, match="'a;b' and 'a,b' are both 'a,b'"):
        write(bundle, tmp_path / "ds")
    assert not (tmp_path / "ds").exists()


def test_thresholds_of_ones_own_are_folded_in(bundle: Path, tmp_path: Path) -> None:
    write(bundle, tmp_path / "ds", threshold=0.25)
    model = onnx.load(tmp_path / "ds" / "model.onnx")
    stored = next(t for t in model.graph.initializer if t.name == "stock_thresholds")
    assert onnx.numpy_helper.to_array(stored).tolist() == [0.25] * 3
    assert json.loads((tmp_path / "ds" / "cdul-edge.json").read_text())["thresholds"] == [0.25] * 3


def test_only_what_was_written_by_it_is_replaced(bundle: Path, tmp_path: Path) -> None:
    write(bundle, tmp_path / "ds")
    with pytest.raises(CdulEdgeError, match="exists"):
        write(bundle, tmp_path / "ds")
    (tmp_path / "ds" / "model.onnx_b1_gpu0_fp32.engine").touch()  # nvinfer's, of the old model
    write(bundle, tmp_path / "ds", force=True, batch_size=2)
    assert not (tmp_path / "ds" / "model.onnx_b1_gpu0_fp32.engine").exists()
    (tmp_path / "ds" / "pipeline.py").write_text("mine")
    with pytest.raises(CdulEdgeError, match=r"also holds pipeline\.py"):
        write(bundle, tmp_path / "ds", force=True)
    with pytest.raises(CdulEdgeError, match="is, or holds, what this command reads"):
        write(bundle, bundle, force=True)
    other = tmp_path / "repository"
    export_config(ExportConfigRequest("triton", bundle, other), SilentConsole())
    with pytest.raises(CdulEdgeError, match="not a folder for DeepStream"):
        write(bundle, other / "bundle", force=True)
    assert Bundle.load(bundle)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"precision": Precision.INT8_CPU}, "int8-cpu cannot be served there"),
        ({"precision": Precision.BF16}, "bf16 cannot be served there"),
        ({"batch_size": 0}, "expected 1 to 1024"),
        ({"triton": TritonOptions(name="x")}, "are Triton's"),
        ({"threshold": 1.5}, r"expected a score in \[0, 1\]"),
    ],
)
def test_what_deepstream_cannot_do_is_refused_before_anything_is_written(
    fields: dict[str, object], message: str, bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        write(bundle, tmp_path / "ds", **fields)
    assert not (tmp_path / "ds").exists()


def test_a_precision_that_the_bundle_lacks_is_named(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="fp16"):
        write(bundle, tmp_path / "ds", precision=Precision.FP16)


def test_the_price_of_many_classes_is_said() -> None:
    assert len(limits(Preprocess(8, 8), 200)) == 1
    assert "201 classes are as many output layers" in limits(Preprocess(8, 8), 201)[1]


def test_a_variant_that_decides_otherwise_is_not_written(bundle: Path) -> None:
    """Red and green are once above 0.5, and never above 1."""
    loaded = Bundle.load(bundle)
    model = onnx.load(loaded.model_path())
    wrong = deepstream_graph(model, np.full(3, np.inf, np.float32), {})
    with pytest.raises(CdulEdgeError, match="decides 2 of 9 labels of the reference pictures"):
        _compare(loaded, model, wrong, 1e-4)
    _compare(loaded, model, wrong, 1.0)
