"""The front door of the runtime: a picture in, a prediction out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.backends import Backend, closed_on_error
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.manifest import Manifest
from cdul_edge_runtime.choices import Color as Color
from cdul_edge_runtime.device_choice import CpuThreads, parse_device
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.meanwhile import Meanwhile
from cdul_edge_runtime.pictures.first_picture import import_for_pictures
from cdul_edge_runtime.pictures.preprocess import Preprocess
from cdul_edge_runtime.prediction import Prediction
from cdul_edge_runtime.selection import Selection, open_best, parse_precision
from cdul_edge_runtime.single_file import check_fit, open_file

if TYPE_CHECKING:
    from PIL import Image

    from cdul_edge_runtime.bundle.score_reference import ScoreReference

    Picture = str | Path | bytes | Image.Image | npt.NDArray[np.uint8]


class Classifier:
    """A loaded model; safe to call from several threads, and a context manager.

    >>> with Classifier.load("bundle") as classifier:
    ...     classifier.predict("photo.jpg").labels
    """

    def __init__(
        self,
        manifest: Manifest,
        backend: Backend,
        selection: Selection | None = None,
        bundle: Bundle | None = None,
    ) -> None:
        """Wrap a backend that is open already; most callers want `load`.

        Args:
            manifest: what the scores mean.
            backend: what gives them.
            selection: how `backend` was chosen; None if the caller chose it.
            bundle: where it came from; None if that was a single file.
        """
        self.manifest = manifest
        self.selection = selection
        self._bundle = bundle
        self._backend: Backend | None = backend
        self._process = os.getpid()

    @classmethod
    def load(
        cls,
        path: Path | str | Bundle,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        inter_threads: int = 1,
        spin: bool = True,
        warm_up: bool | None = None,
    ) -> Classifier:
        """Load a bundle folder, one of its engines, or a bare ONNX file of `cdul-edge export`.

        `auto` takes the first that is available: a TensorRT engine of this machine, one of TensorRT
        for RTX, CUDA, INT8 on a CPU that is fast at it, FP32 on the CPU; `selection` says which and
        why. A precision outside its accuracy budget is passed over. A device or precision given by
        name is used, or an error says why not.

        Args:
            path: a bundle or its folder, a .engine file in it, or a .onnx file, which carries its
                manifest inside.
            device: "auto", "cpu", "cuda", "ort-tensorrt", "tensorrt", "tensorrt-rtx" or "openvino";
                "cuda:1" is the second of several GPUs, "openvino:GPU" Intel's. A bare file's auto
                is cpu.
            precision: "auto", "fp32", "bf16" (the FP32 file, computed in it), "fp16", "int8" or
                "int8-cpu".
            threads: CPU threads within one operator; None uses every core. All sleep between calls.
            inter_threads: operators that run side by side; with "openvino", callers, with `threads`
                each.
            spin: whether ONNX Runtime's threads wait for one another by spinning within a call; off
                takes less of the processor's time where there are several, and answers later.
            warm_up: run once on an empty picture, so that the first answer is not the slowest. None
                does so where that makes a difference: not on the CPU with ONNX Runtime, unless
                `auto` has something else to take where the run fails.

        Raises:
            BundleError: it is damaged, incomplete, or not a classifier of this program.
            CdulEdgeError: a device or precision that is not available.
            MissingExtraError: ONNX Runtime is not installed.
        """
        asked = parse_device(device), parse_precision(precision)
        cpu = CpuThreads(threads, inter_threads, spin)
        if not isinstance(path, Bundle):
            if not str(path):
                raise CdulEdgeError("the path of the bundle is empty: give its folder")
            path = Path(path)
            if path.is_file():
                imports = Meanwhile(import_for_pictures)
                try:
                    return cls(*open_file(path, *asked, cpu, warm_up, imports))
                finally:
                    imports.result()
        with _checked(path) as (bundle, check):
            backend, selection = open_best(
                bundle, *asked, threads=cpu, warm_up=warm_up, check=check
            )
            with closed_on_error(backend):
                check_fit(bundle.manifest, backend, bundle.folder / selection.precision.file_name)
        return cls(bundle.manifest, backend, selection, bundle)

    @property
    def classes(self) -> ClassList:
        """Names of the C columns."""
        return self.manifest.classes

    @property
    def thresholds(self) -> npt.NDArray[np.float32]:
        """(C,); a score at or above it is a label."""
        return self.manifest.thresholds

    @property
    def preprocess(self) -> Preprocess:
        """How a picture becomes the network's input."""
        return self.manifest.preprocess

    def score_reference(self) -> ScoreReference | None:
        """How the training pictures' scores were distributed, for `measure_drift`.

        None where a single file was loaded, or a bundle of an earlier version.
        """
        return None if self._bundle is None else self._bundle.score_reference()

    @property
    def backend(self) -> Backend:
        """What runs the model.

        Raises:
            CdulEdgeError: the classifier is closed, or was loaded before this process was forked.
        """
        backend = self._backend  # read once: another thread may close it meanwhile
        if backend is None:
            raise CdulEdgeError("the classifier is closed: load it again")
        if os.getpid() != self._process:  # its threads stayed in the other process
            raise CdulEdgeError(
                "the classifier was loaded before this process was forked: load it in each process"
            )
        return backend

    def predict(self, image: Picture, *, color: Color = "rgb") -> Prediction:
        """Classify one picture.

        Args:
            image: a path, the bytes of an image file, a PIL image, or a (H, W, 3) uint8 array.
            color: channel order of an array; OpenCV gives "bgr".

        Raises:
            ImageError: the file cannot be read.
            CdulEdgeError: an array of another shape or type, or the classifier is closed.
        """
        return self.predict_inputs(self.prepare(image, color=color)[np.newaxis])[0]

    def predict_batch(
        self,
        images: Iterable[Picture],
        *,
        color: Color = "rgb",
        batch_size: int | None = None,
    ) -> list[Prediction]:
        """Classify pictures, `batch_size` at a time, in order; see `predict` and `fit_batch`."""
        batch_size = self.fit_batch(batch_size)
        predictions: list[Prediction] = []
        waiting: list[npt.NDArray[np.uint8]] = []
        for image in images:
            waiting.append(self.prepare(image, color=color))
            if len(waiting) == batch_size:
                predictions += self.predict_inputs(np.stack(waiting))
                waiting.clear()
        return predictions + (self.predict_inputs(np.stack(waiting)) if waiting else [])

    def fit_batch(self, batch_size: int | None = None) -> int:
        """Pictures per batch: as many as asked for (None is 16) and the backend takes."""
        asked = 16 if batch_size is None else batch_size
        if asked < 1:
            raise CdulEdgeError(f"batch_size {asked}: expected at least 1")
        return min(asked, self.backend.max_batch or asked)

    def prepare(self, image: Picture, *, color: Color = "rgb") -> npt.NDArray[np.uint8]:
        """Decode and resize one picture to the network's (H, W, 3) uint8 RGB input."""
        if isinstance(image, np.ndarray):
            _check_array(image, color)
            return self.preprocess.apply(image, color=color)
        return self.preprocess.apply(_to_rgb(image))

    def predict_inputs(self, inputs: npt.NDArray[np.uint8]) -> list[Prediction]:
        """Classify (N, H, W, 3) inputs that `prepare` made; at most the backend's `max_batch`."""
        scores = self.backend.infer(inputs)
        return [Prediction(row, self.classes, self.thresholds) for row in scores]

    def close(self) -> None:
        """Give memory and threads back, the accelerator's too; calling it twice is fine.

        Calls that are running in other threads end first; later ones get an error. In a fork of the
        process that loaded it there is nothing to give back, and nothing is.
        """
        backend, self._backend = self._backend, None
        if backend is not None and os.getpid() == self._process:
            backend.close()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def _checked(path: Path | Bundle) -> Iterator[tuple[Bundle, Meanwhile[None]]]:
    """The bundle, and what a thread does while a network loads.

    It checks the files, unless a `Bundle` was loaded before, and then imports what pictures need.
    The thread ends with the block: a process that is forked must not find a module half imported.
    """
    if not isinstance(path, Bundle):
        with Bundle.checked_meanwhile(path, then=import_for_pictures) as checked:
            yield checked
        return
    imports = Meanwhile(import_for_pictures)
    try:
        yield path, imports
    finally:
        imports.result()


def _to_rgb(image: Picture) -> Image.Image:
    # here and not above: `load` imports it beside the network
    from PIL import Image

    from cdul_edge_runtime.pictures.images import open_image, upright_rgb

    if isinstance(image, (str, Path)):
        return open_image(Path(image))
    if isinstance(image, bytes):
        return open_image(image)
    if isinstance(image, Image.Image):
        return upright_rgb(image)
    raise CdulEdgeError(
        f"a picture of type {type(image).__name__}: expected a path, bytes, a PIL image or an array"
    )


def _check_array(array: npt.NDArray[np.uint8], color: Color) -> None:
    if color not in ("rgb", "bgr"):
        raise CdulEdgeError(f"color {color!r}: expected 'rgb' or 'bgr'")
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise CdulEdgeError(
            f"an array {array.dtype}{array.shape}: expected uint8 (height, width, 3) with values "
            "0 to 255"
        )
