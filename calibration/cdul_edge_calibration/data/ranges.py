"""The range of every activation, over calibration pictures, through onnxruntime.quantization.

Four of its traps are stepped around (onnxruntime 1.20 to 1.31), each with a test:

* CalibMaxIntermediateOutputs forgets all but the last pictures: ours collects picture by picture,
  and the collector merges after each.
* Entropy with its default bins is MinMax under another name: it is not offered.
* The histogram collector keeps every activation of every picture, and widens its histogram without
  bound when a later picture is much brighter: ours gets one picture at a time, and histograms whose
  edges MinMax has fixed before.
* The calibration cache is keyed by the method alone: it is not used.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.errors import CdulEdgeError

Ranges = dict[str, tuple[float, float]]  # by tensor: lowest and highest value
Means = dict[str, list[float]]  # by tensor: one number a channel
Inputs = npt.NDArray[np.uint8]
Batches = Callable[[], Iterator[Inputs]]

PERCENTILE = 99.999  # of all values of a tensor; the rest is clipped
_BINS = 2048


def measure_ranges(model: Path, batches: Batches) -> Ranges:
    """Lowest and highest value of every float tensor of the graph, over all batches.

    Memory does not grow with the number of pictures: two numbers a tensor are kept.

    Args:
        model: an FP32 ONNX file.
        batches: gives (N, H, W, 3) uint8 inputs, from the start at each call.

    Raises:
        CdulEdgeError: no picture, or a value that is not finite.
    """
    from onnxruntime.quantization import CalibrationMethod

    ranges = _collect(model, batches, CalibrationMethod.MinMax)
    broken = [name for name, (low, high) in ranges.items() if not np.isfinite([low, high]).all()]
    if broken:
        raise _not_finite(model, f" at {broken[0]}")
    return ranges


def clip_ranges(model: Path, batches: Batches, extremes: Ranges) -> Ranges:
    """Ranges that hold `PERCENTILE` of each tensor's values, so that rare outliers cost no steps.

    Args:
        model: as for `measure_ranges`.
        batches: as for `measure_ranges`.
        extremes: what `measure_ranges` found on the same batches.
    """
    from onnxruntime.quantization import CalibrationMethod

    return _collect(model, batches, CalibrationMethod.Percentile, extremes)


def _collect(model: Path, batches: Batches, method: Any, extremes: Ranges | None = None) -> Ranges:
    from onnxruntime.quantization import create_calibrator

    with (
        TemporaryDirectory(prefix="cdul-edge-") as folder,
        contextlib.redirect_stdout(io.StringIO()),
        _nan_is_an_error(model),
    ):
        # ONNX Runtime writes a file beside the model it is given: a bundle may be read-only.
        copy = Path(folder, "model.onnx")
        shutil.copyfile(model, copy)
        calibrator = create_calibrator(
            copy,
            augmented_model_path=str(Path(folder, "augmented.onnx")),
            calibrate_method=method,
            extra_options={"symmetric": False, "percentile": PERCENTILE, "num_bins": _BINS},
        )
        if extremes is not None:
            calibrator.collector = _empty_histograms(extremes)
        for batch in batches():
            for picture in batch:  # one by one: all activations of a call are in memory at once
                calibrator.collect_data(_OnePicture(picture[np.newaxis]))
        found = calibrator.compute_data()
    if not found:
        raise CdulEdgeError("no calibration picture: nothing to take ranges from")
    return {
        name: (float(np.min(data.lowest)), float(np.max(data.highest)))
        for name, data in found.items()
    }


@contextlib.contextmanager
def _nan_is_an_error(model: Path) -> Iterator[None]:
    """numpy warns of a range that is NaN; merged with the next one it would be forgotten."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            yield
        except RuntimeWarning as error:
            raise _not_finite(model, "") from error


def _not_finite(model: Path, where: str) -> CdulEdgeError:
    return CdulEdgeError(
        f"{model} gives values that are not finite{where}: train it again, or export an "
        "earlier checkpoint"
    )


def _empty_histograms(extremes: Ranges) -> Any:
    """A collector whose histograms have their final edges before the first picture."""
    from onnxruntime.quantization.calibrate import HistogramCollector

    collector = HistogramCollector(
        method="percentile",
        symmetric=False,
        num_bins=_BINS,
        num_quantized_bins=_BINS,
        percentile=PERCENTILE,
        scenario="same",
    )
    for name, (low, high) in extremes.items():
        edge = np.float32(max(abs(low), abs(high)))
        edges = np.linspace(-edge, edge, _BINS + 1, dtype=np.float32)
        counts = np.zeros(_BINS, dtype=np.int64)
        collector.histogram_dict[name] = (counts, edges, np.float32(low), np.float32(high), edge)
    return collector


class _OnePicture:
    """What ONNX Runtime calls a CalibrationDataReader, with one (1, H, W, 3) picture in it."""

    def __init__(self, picture: Inputs) -> None:
        self._picture: Inputs | None = picture

    def get_next(self) -> dict[str, Inputs] | None:
        picture, self._picture = self._picture, None
        return None if picture is None else {"images": picture}
