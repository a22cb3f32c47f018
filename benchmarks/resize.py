"""What the fast resizer gains over Pillow, and what it changes: pixels and decisions.

    python -m benchmarks.resize BUNDLE PICTURES

BUNDLE is a trained one, such as `cdul-edge demo` leaves behind, PICTURES are those that it was not
trained on. Each is enlarged first, to one of the sizes that cameras give, so that there is
something to resize. Times are of a 1280x720 BGR frame to 224x224 px, both resizers taking turns.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.datasets import load_sample_images

from benchmarks.networks import export_random
from benchmarks.record import interleave, record
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.pictures.images import find_images, open_image
from cdul_edge_runtime.pictures.preprocess import Preprocess
from cdul_edge_runtime.pictures.resizer import pillow_alone, pillow_name, resizer_name

Pixels = npt.NDArray[np.uint8]
SIZES = ((1280, 720), (640, 480), (500, 375), (427, 640), (231, 333))
REPEATS = 200


@dataclass(frozen=True)
class Apart:
    """How far two resizers are from one another.

    Attributes:
        values: how many were compared.
        largest: in levels of 255.
        differing: share of the values that differ at all.
    """

    values: int
    largest: int
    differing: float

    @classmethod
    def of(cls, here: Pixels, wanted: Pixels) -> Apart:
        """Compare pictures of any shape."""
        apart = np.abs(here.astype(np.int16) - wanted)
        return cls(apart.size, int(apart.max()), float((apart > 0).mean()))


@dataclass(frozen=True)
class Decisions:
    """A trained classifier's answers on pictures that either resizer prepared."""

    pictures: int
    decisions: int
    flips: int
    largest_score_difference: float
    pixels: Apart


def compare_decisions(bundle: Path, pictures: Path) -> Decisions:
    """FP32 on the CPU; the pictures in turn of each of `SIZES`."""
    found = find_images(pictures)
    with Classifier.load(bundle, device="cpu", precision="fp32") as classifier:

        def prepare(index: int) -> Pixels:
            image = open_image(found.absolute(index))
            size = SIZES[index % len(SIZES)]
            return classifier.prepare(image.resize(size, Image.Resampling.LANCZOS))

        here = np.stack([prepare(index) for index in range(len(found))])
        with pillow_alone():
            wanted = np.stack([prepare(index) for index in range(len(found))])
        scores, expected = (
            np.concatenate([classifier.backend.infer(part) for part in np.array_split(side, 50)])
            for side in (here, wanted)
        )
        flips = (scores >= classifier.thresholds) != (expected >= classifier.thresholds)
    return Decisions(
        pictures=len(found),
        decisions=flips.size,
        flips=int(flips.sum()),
        largest_score_difference=float(np.abs(scores - expected).max()),
        pixels=Apart.of(here, wanted),
    )


def compare_photographs() -> dict[str, Apart]:
    """The two photographs of scikit-learn, by policy and filter, at the sides of usual networks."""
    results = {}
    for policy in ("squash", "center", "letterbox"):
        for interpolation in ("bilinear", "bicubic"):
            here, wanted = [], []
            for side in (96, 224, 320):
                how = Preprocess(side, side, policy, interpolation, crop=0.875)
                here += [how.apply(photo).ravel() for photo in load_sample_images().images]
                with pillow_alone():
                    wanted += [how.apply(photo).ravel() for photo in load_sample_images().images]
            results[f"{policy} {interpolation}"] = Apart.of(
                np.concatenate(here), np.concatenate(wanted)
            )
    return results


def time_frames(threads: int, repeats: int) -> dict[str, float]:
    """Medians in ms: preparing a frame, and what `predict` costs beyond the session's own run."""
    frame = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        bundle, _ = export_random("resnet18", 224, Path(folder, "bundle"))
        with Classifier.load(bundle, device="cpu", precision="fp32", threads=threads) as one:
            ready = one.prepare(frame, color="bgr")[np.newaxis]

            def with_pillow(call: Callable[[], object]) -> Callable[[], None]:
                def run() -> None:
                    with pillow_alone():
                        call()

                return run

            sides: dict[str, Callable[[], object]] = {
                "network": lambda: one.backend.infer(ready),
                "predict": lambda: one.predict(frame, color="bgr"),
                "predict_pillow": with_pillow(lambda: one.predict(frame, color="bgr")),
                "prepare": lambda: one.prepare(frame, color="bgr"),
                "prepare_pillow": with_pillow(lambda: one.prepare(frame, color="bgr")),
            }
            interleave(sides, 10)
            seconds = interleave(sides, repeats)
    found = {f"{name}_ms": 1000 * median(times) for name, times in seconds.items()}
    for name in ("predict", "predict_pillow"):
        found[f"beyond_the_network_{name}_ms"] = found[f"{name}_ms"] - found["network_ms"]
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args()
    figures = {
        "resizer": resizer_name(),
        "reference": pillow_name(),
        "frame_1280x720_to_224": time_frames(options.threads, options.repeats),
        "decisions": asdict(compare_decisions(options.bundle, options.pictures)),
        "photographs": {name: asdict(one) for name, one in compare_photographs().items()},
    }
    record("resize", figures, threads=options.threads)


if __name__ == "__main__":
    main()
