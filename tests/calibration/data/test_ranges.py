from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import calibrate as ort_calibrate

from cdul_edge_calibration.data.ranges import Ranges, clip_ranges, measure_ranges
from cdul_edge_runtime.choices import RangeMethod
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.residual_network import build_residual, constant, set_constant

Inputs = npt.NDArray[np.uint8]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Two numbers a pixel on the way: `floats` = the pixel, `scaled` = 2 x pixel - 100."""
    constants = {"two": 2.0, "hundred": -100.0}
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "two"], ["doubled"]),
        helper.make_node("Add", ["doubled", "hundred"], ["scores"]),
    ]
    shape: list[str | int | None] = ["batch", 2, 2, 3]
    graph = helper.make_graph(
        nodes,
        "line",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.float32(v), name) for name, v in constants.items()],
    )
    path = tmp_path / "line.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, path)
    return path


def flat(*values: int) -> Inputs:
    """One (2, 2, 3) picture a value."""
    return np.array(values, np.uint8)[:, None, None, None].repeat(2, 1).repeat(2, 2).repeat(3, 3)


def measure(model: Path, *batches: Inputs) -> Ranges:
    return measure_ranges(model, lambda: iter(batches))


@pytest.mark.parametrize(
    "batches",
    [
        [flat(10, 250), flat(100, 110), flat(120, 121)],  # what is extreme comes first
        [flat(120, 121), flat(10, 250)],  # ... or last
        [flat(10), flat(250), flat(100), flat(110)],  # a picture a batch
        [flat(10, 250, 100, 110), flat(120)],  # a last batch of one
    ],
)
def test_a_range_holds_every_picture_whenever_it_comes(model: Path, batches: list[Inputs]) -> None:
    found = measure(model, *batches)
    assert found["floats"] == (10, 250)
    assert found["scores"] == (2 * 10 - 100, 2 * 250 - 100)


def test_ranges_are_the_same_however_the_pictures_are_batched(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(build_residual(), path)
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    whole = measure(path, images)
    assert set(whole) >= {"shifted", "conv1", "conv1.relu", "layer2.0.sum", "linear"}
    for size in (1, 3, 5):  # 12 / 5 leaves a last batch of two
        parts = [images[i : i + size] for i in range(0, 12, size)]
        found = measure(path, *parts)
        assert set(found) == set(whole)
        assert all(found[name] == pytest.approx(whole[name], abs=1e-5) for name in whole)


def test_percentiles_leave_rare_outliers_out_and_are_no_minmax(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdul_edge_calibration.data.ranges.PERCENTILE", 99.0)
    # 200 x 12 values; one of them is 250: fewer than the 0.5 % that go on either side.
    common, outlier = np.repeat(flat(100, 101), 100, axis=0), flat(100)
    outlier[0, 0, 0, 0] = 250
    batches = [common, outlier]
    extremes = measure(model, *batches)
    clipped = clip_ranges(model, lambda: iter(batches), extremes)
    assert extremes["floats"] == (100, 250)
    bin_width = 2 * 250 / 2048
    assert clipped["floats"][1] == pytest.approx(101, abs=bin_width)
    assert clipped["floats"][0] == pytest.approx(100, abs=bin_width)


def test_percentiles_without_an_outlier_are_the_extremes(model: Path) -> None:
    batches = [flat(10, 20, 30), flat(200)]
    clipped = clip_ranges(model, lambda: iter(batches), measure(model, *batches))
    assert clipped["scores"] == pytest.approx((-80, 300), abs=2 * 300 / 2048)


def test_nothing_is_written_beside_the_model(model: Path) -> None:
    """ONNX Runtime would put the graph with inferred shapes there: a bundle may be read-only."""
    before = model.parent.stat().st_mtime_ns
    measure(model, flat(1))
    assert model.parent.stat().st_mtime_ns == before


def test_entropy_is_not_offered_for_it_is_minmax_under_another_name() -> None:
    assert get_args(RangeMethod) == ("minmax", "percentile")


def test_a_brighter_picture_does_not_widen_a_histogram(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cube_the_pixels(model)  # 255 cubed is 1.7e7 times brighter than 1
    sizes: list[set[int]] = []
    collect = ort_calibrate.HistogramCollector.collect

    def watch(self: object, values: object) -> object:
        result = collect(self, values)
        sizes.append({len(entry[0]) for entry in self.histogram_dict.values()})  # type: ignore[attr-defined]
        return result

    batches = [flat(1), flat(255), flat(1)]
    extremes = measure(model, *batches)
    assert extremes["doubled"][1] == pytest.approx(255**3, rel=1e-6)
    monkeypatch.setattr(ort_calibrate.HistogramCollector, "collect", watch)
    clip_ranges(model, lambda: iter(batches), extremes)
    assert sizes == [{2048}] * 3


def cube_the_pixels(model: Path) -> None:
    changed = onnx.load(model)
    changed.graph.node[1].CopyFrom(helper.make_node("Pow", ["floats", "three"], ["doubled"]))
    changed.graph.initializer.append(numpy_helper.from_array(np.float32(3), "three"))
    onnx.save(changed, model)


KEPT = """
import sys, tracemalloc
from pathlib import Path
import numpy as np
from cdul_edge_runtime.choices import RangeMethod
from cdul_edge_calibration.data.ranges import clip_ranges, measure_ranges

def batches(count):
    for number in range(count):
        yield np.full((1, 64, 64, 3), number % 256, np.uint8)

def peak(count):
    model = Path(sys.argv[1])
    tracemalloc.reset_peak()
    start = tracemalloc.get_traced_memory()[0]
    extremes = measure_ranges(model, lambda: batches(count))
    clip_ranges(model, lambda: batches(count), extremes)
    return tracemalloc.get_traced_memory()[1] - start

tracemalloc.start()
peak(2)
print(peak(5), peak(65))
"""


def test_memory_does_not_grow_with_the_number_of_pictures(model: Path) -> None:
    wider = onnx.load(model)
    for value in (*wider.graph.input, *wider.graph.output):
        for axis in (1, 2):
            value.type.tensor_type.shape.dim[axis].dim_value = 64
    onnx.save(wider, model)
    result = subprocess.run(
        [sys.executable, "-c", KEPT, str(model)], capture_output=True, text=True, check=True
    )
    few, many = map(int, result.stdout.split())
    # One picture's floats are 64 x 64 x 3 x 4 bytes in each of three tensors: 150 kB.
    assert many - few < 3 * 150_000


def test_the_pictures_are_read_from_the_start_for_percentiles(model: Path) -> None:
    calls = []

    def batches() -> Iterator[Inputs]:
        calls.append(1)
        yield flat(3)

    clip_ranges(model, batches, measure_ranges(model, batches))
    assert len(calls) == 2


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_one_clear_error(tmp_path: Path, broken: float) -> None:
    changed = build_residual()
    weights = constant(changed, "network.layer1.0.conv2.weight").copy()
    weights[2, 1, 0, 0] = broken
    set_constant(changed, "network.layer1.0.conv2.weight", weights)
    path = tmp_path / "broken.onnx"
    onnx.save(changed, path)
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    with pytest.raises(
        CdulEdgeError, match=r"gives values that are not finite.*: train it again"
    ) as error:
        measure(path, images)
    assert "\n" not in str(error.value)


def test_one_picture_of_many_that_gives_nan_is_an_error(model: Path) -> None:
    changed = onnx.load(model)
    changed.graph.node[1].CopyFrom(helper.make_node("Sqrt", ["pixels"], ["doubled"]))
    below = helper.make_node("Add", ["floats", "hundred"], ["pixels"])  # below 0 where dark
    changed.graph.node.insert(1, below)
    onnx.save(changed, model)
    assert measure(model, flat(200), flat(125))["doubled"] == (5, 10)
    with pytest.raises(CdulEdgeError, match="not finite"):
        measure(model, flat(200), flat(99), flat(125))


def test_no_picture_is_an_error(model: Path) -> None:
    with pytest.raises(CdulEdgeError, match="no calibration picture"):
        measure(model)


def test_nothing_is_printed_on_stdout(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    batches = [flat(1, 2)]
    clip_ranges(model, lambda: iter(batches), measure(model, *batches))
    assert capfd.readouterr().out == ""


def test_nothing_is_left_beside_the_model(model: Path) -> None:
    measure(model, flat(1, 2))
    assert list(model.parent.iterdir()) == [model]
