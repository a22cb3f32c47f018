from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.manifest import METADATA_KEY
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import BundleError, CdulEdgeError, ImageError, MissingExtraError
from cdul_edge_runtime.pictures.preprocess import Preprocess

RED = np.zeros((20, 30, 3), np.uint8)
RED[..., 0] = 255
SURE = 1 / (1 + np.exp(-4))  # the score of a channel that is 255 everywhere


def test_a_red_picture_is_red_whatever_form_it_comes_in(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "red.png"
    Image.fromarray(RED).save(file)
    sources = [file, str(file), file.read_bytes(), Image.open(file), RED]
    with Classifier.load(bundle) as classifier:
        for source in sources:
            prediction = classifier.predict(source)  # type: ignore[arg-type]
            assert prediction.labels == ["red"]
            assert prediction.scores == pytest.approx([SURE, 1 - SURE, 1 - SURE], abs=1e-6)


def test_bgr_arrays_say_so_and_nothing_is_guessed(bundle: Path) -> None:
    with Classifier.load(bundle) as classifier:
        swapped = classifier.predict(RED[..., ::-1], color="bgr")
        assert swapped.labels == ["red"]
        mistaken = classifier.predict(RED, color="bgr")
        assert mistaken.scores[2] == pytest.approx(SURE, abs=1e-6)


def test_views_and_read_only_arrays_are_taken(bundle: Path) -> None:
    striped = np.zeros((20, 60, 3), np.uint8)
    striped[:, ::2] = [255, 0, 0]
    view = striped[:, ::2]
    view.flags.writeable = False
    with Classifier.load(bundle) as classifier:
        assert classifier.predict(view).labels == ["red"]


@pytest.mark.parametrize(
    ("array", "shown"),
    [
        (np.zeros((4, 4, 3), np.float32), r"float32\(4, 4, 3\)"),
        (np.zeros((4, 4), np.uint8), r"uint8\(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"uint8\(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), r"uint8\(0, 4, 3\)"),
    ],
)
def test_an_array_of_another_kind_is_refused(bundle: Path, array: Any, shown: str) -> None:
    with (
        Classifier.load(bundle) as classifier,
        pytest.raises(CdulEdgeError, match=rf"{shown}: expected uint8 \(height, width, 3\)"),
    ):
        classifier.predict(array)


def test_other_mistakes_are_named(bundle: Path, tmp_path: Path) -> None:
    with Classifier.load(bundle) as classifier:
        with pytest.raises(CdulEdgeError, match="color 'gbr'"):
            classifier.predict(RED, color="gbr")  # type: ignore[arg-type]
        with pytest.raises(CdulEdgeError, match="a picture of type int"):
            classifier.predict(1)  # type: ignore[arg-type]
        with pytest.raises(ImageError, match="No such file"):
            classifier.predict(tmp_path / "none.jpg")
        with pytest.raises(CdulEdgeError, match="batch_size 0"):
            classifier.predict_batch([RED], batch_size=0)


def test_a_batch_equals_its_pictures_one_by_one(bundle: Path) -> None:
    pictures = [np.full((9, 9, 3), 25 * n, np.uint8) for n in range(5)]
    with Classifier.load(bundle) as classifier:
        together = classifier.predict_batch(pictures, batch_size=2)
        alone = [classifier.predict(picture) for picture in pictures]
        assert classifier.predict_batch([]) == []
    assert len(together) == 5
    for a, b in zip(together, alone, strict=True):
        assert a.scores == pytest.approx(b.scores, abs=1e-6)


def test_threads_share_one_classifier(bundle: Path) -> None:
    pictures = [np.full((9, 9, 3), 3 * n, np.uint8) for n in range(64)]
    with Classifier.load(bundle, threads=1) as classifier, ThreadPoolExecutor(4) as pool:
        found = [p.scores for p in pool.map(classifier.predict, pictures)]
        assert np.array_equal(found, [classifier.predict(p).scores for p in pictures])


def test_a_closed_classifier_says_so(bundle: Path) -> None:
    classifier = Classifier.load(bundle)
    classifier.close()
    classifier.close()
    with pytest.raises(CdulEdgeError, match="classifier is closed"):
        classifier.predict(RED)


def test_closing_while_threads_run_is_an_answer_or_one_line(bundle: Path) -> None:
    """Onnxruntime's session, too, goes only when the last run has ended."""
    red = np.tile(np.array([255, 0, 0], np.uint8), (8, 8, 1))[np.newaxis]
    for _ in range(20):
        classifier = Classifier.load(bundle)
        backend = classifier.backend

        def work(infer: Any = backend.infer) -> str:
            for _ in range(200):
                try:
                    assert infer(red).argmax() == 0
                except CdulEdgeError as error:
                    return str(error)
            return ""

        with ThreadPoolExecutor(3) as pool:
            running = [pool.submit(work) for _ in range(3)]
            classifier.close()
        said = {run.result() for run in running}
        assert said <= {"", "this ONNX Runtime session was closed: load it again"}
        with pytest.raises(CdulEdgeError, match="session was closed: load it again"):
            backend.infer(red)
        backend.close()


def test_the_bare_onnx_file_is_the_same_classifier(bundle: Path) -> None:
    with (
        Classifier.load(bundle) as whole,
        Classifier.load(str(bundle / "model.fp32.onnx"), warm_up=False) as bare,
    ):
        assert bare.classes == whole.classes
        assert bare.preprocess == whole.preprocess
        assert np.array_equal(bare.thresholds, whole.thresholds)
        assert np.array_equal(bare.predict(RED).scores, whole.predict(RED).scores)


def test_an_onnx_file_that_is_not_ours_is_refused(
    tmp_path: Path, make_graph: Callable[..., Any]
) -> None:
    onnx = pytest.importorskip("onnx")
    file = tmp_path / "model.onnx"

    def fault() -> str:
        with pytest.raises(BundleError) as caught:
            Classifier.load(file)
        return str(caught.value)

    onnx.save(make_graph(), file)
    assert "carries no cdul-edge manifest" in fault()
    onnx.save(make_graph({METADATA_KEY: "{"}), file)
    assert "carries a damaged manifest" in fault()
    onnx.save(make_graph({METADATA_KEY: "{}"}), file)
    assert "the manifest inside" in fault()
    model = make_graph()
    model.graph.output.append(model.graph.output[0])
    model.graph.output[1].name = "flat"
    onnx.save(model, file)
    assert "expected images: tensor(uint8)[N, H, W, 3]" in fault()
    file.write_bytes(b"not ONNX")
    assert "is not a model that ONNX Runtime can load" in fault()
    assert "\n" not in fault()


def test_a_graph_that_does_not_fit_its_manifest_is_refused(
    make_bundle: Callable[..., Path],
) -> None:
    four = ClassList(("a", "b", "c", "d"))
    folder = make_bundle(
        classes=four, thresholds=np.zeros(4, np.float32), preprocess=Preprocess(8, 16)
    )
    with pytest.raises(BundleError, match="gives 3 scores for 4 classes and takes 8x8 px, the man"):
        Classifier.load(folder)


def test_a_changed_file_is_named_whether_it_can_be_loaded_or_not(bundle: Path) -> None:
    model = bundle / "model.fp32.onnx"
    content = model.read_bytes()
    minus_4, minus_5 = np.float32(-4).tobytes(), np.float32(-5).tobytes()
    assert minus_4 in content  # a bias: the file loads as well as before
    for changed in (content.replace(minus_4, minus_5, 1), b"?" * len(content)):
        model.write_bytes(changed)
        for precision in ("auto", "fp32"):
            with pytest.raises(
                BundleError, match=r"model\.fp32\.onnx is not the file its manifest"
            ):
                Classifier.load(bundle, precision=precision)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"threads": 0}, "0 threads: expected 1 to 1024"),
        ({"threads": 99_999_999}, "expected 1 to 1024"),
        ({"inter_threads": 0}, "0 threads: expected 1 to 1024"),
    ],
)
def test_a_wish_that_cannot_be_met_is_an_error(
    bundle: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        Classifier.load(bundle, **options)


def test_without_onnxruntime_the_extra_is_named(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=r"cdul-edge\[cpu\]"):
        Classifier.load(bundle)


def test_the_front_door_loads_without_what_a_device_lacks() -> None:
    script = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'pyarrow', 'onnxruntime'): sys.modules[name] = None\n"
        "from cdul_edge import Bundle, Classifier, Prediction\n"
        "import cdul_edge_runtime.verify.verification, cdul_edge_runtime.metrics.truth\n"
        "assert Classifier.load and Bundle.load and Prediction\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
