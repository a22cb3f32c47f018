"""Which pictures ranges and accuracy are taken from, and their inputs on disk."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.host.console import Advance, Console
from cdul_edge_runtime.pictures.images import PictureList, open_image, read_picture
from cdul_edge_runtime.pictures.preprocess import Preprocess

Inputs = npt.NDArray[np.uint8]

PER_CLASS = 4  # calibration pictures in which a class shall be predicted, where there are so many
FEW = 64  # below this many a warning says what is at risk
BATCH = 4  # pictures at once: ResNet-50 at 448 px stays far below a gigabyte
_FEWEST_CHECKS = 32  # below, accuracy is measured on the calibration pictures themselves
_SCANS = 2  # times as many pictures as wanted are looked at for a rare class, at most


@dataclass
class PreparedPictures:
    """Inputs of pictures in one file: memory holds a batch of them, however many there are.

    Attributes:
        file: where the (H, W, 3) uint8 inputs lie one after another.
        preprocess: what made them.
        paths: of each picture in the pool.
        digests: SHA-256 of each picture's file.
    """

    file: Path
    preprocess: Preprocess
    paths: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.paths)

    def append(self, path: str, digest: str, inputs: Inputs) -> None:
        """Add one picture."""
        with self.file.open("ab") as file:
            file.write(inputs.tobytes())
        self.paths.append(path)
        self.digests.append(digest)

    def batches(self, advance: Advance | None = None) -> Iterator[Inputs]:
        """(N, H, W, 3) uint8, N <= `BATCH`, in order, from the start.

        Args:
            advance: told how many pictures a batch held, once it was used.
        """
        shape = (self.preprocess.height_px, self.preprocess.width_px, 3)
        if not self.paths:
            return
        with self.file.open("rb") as file:
            while (read := np.fromfile(file, np.uint8, BATCH * math.prod(shape))).size:
                batch = read.reshape(-1, *shape)
                yield batch
                if advance is not None:
                    advance(len(batch))


@dataclass(frozen=True)
class Choice:
    """The pictures of one calibration.

    Attributes:
        calibration: ranges come from these.
        check: accuracy is measured on these; the calibration pictures where there are no others.
        predicted: number of calibration pictures in which each class is predicted.
        unreadable: what was skipped.
        copies: pictures that were left out because their inputs equal another's.
    """

    calibration: PreparedPictures
    check: PreparedPictures
    predicted: dict[str, int]
    unreadable: tuple[ImageError, ...]
    copies: int

    @property
    def check_is_separate(self) -> bool:
        """Whether accuracy is measured on pictures that no range was taken from."""
        return self.check is not self.calibration


def choose_pictures(
    classifier: Classifier,
    pool: PictureList,
    *,
    count: int,
    check_count: int,
    seed: int,
    folder: Path,
    console: Console,
) -> Choice:
    """Take pictures in a seeded random order until every class was seen often enough.

    The first `count` readable pictures calibrate, the next `check_count` check. A picture in which
    a class is predicted that fewer than `PER_CLASS` calibration pictures show joins them whenever
    it comes; after twice as many pictures as wanted the search for rare classes ends. Of pictures
    that give the same inputs one is taken: copies show nothing new, and would count as more proof.

    Args:
        classifier: FP32; its decisions at its thresholds say which classes a picture shows.
        pool: where to choose from.
        check_count: 0 where other pictures check.
        folder: where the inputs are kept while they are needed.

    Raises:
        CdulEdgeError: not one picture can be read.
    """
    order = np.random.default_rng(seed).permutation(len(pool)).tolist()
    scanned = order[: _SCANS * (count + check_count)]
    unreadable: list[ImageError] = []
    sorting = _Sorting(classifier, folder, count, check_count)
    with console.progress("choosing pictures", min(len(pool), count + check_count)) as advance:
        for read in _read_batches(pool, scanned, classifier.preprocess, unreadable):
            predictions = classifier.predict_inputs(np.stack([inputs for *_, inputs in read]))
            for picture, prediction in zip(read, predictions, strict=True):
                sorting.add(*picture, prediction.scores)
            advance(len(read))
            if sorting.is_done:
                break
    if not len(sorting.calibration):
        raise CdulEdgeError(
            f"none of the {len(pool)} pictures under {pool.root} can be read (the first: "
            f"{unreadable[0]}): nothing was written; give `cdul-edge calibrate` a folder of "
            "pictures that are there as --images"
        )
    return sorting.choice(tuple(unreadable))


class _Sorting:
    """Puts one picture after another on the side where it is needed."""

    def __init__(self, classifier: Classifier, folder: Path, count: int, check_count: int) -> None:
        self._classes, self._thresholds = classifier.classes, classifier.thresholds
        self._count, self._check_count = count, check_count
        self.calibration = PreparedPictures(folder / "calibration.bin", classifier.preprocess)
        self._check = PreparedPictures(folder / "check.bin", classifier.preprocess)
        self._reachable = np.isfinite(classifier.thresholds)
        self._seen = np.zeros(len(classifier.classes), dtype=int)
        self._known: set[bytes] = set()
        self._copies = 0

    def add(self, path: str, digest: str, inputs: Inputs, scores: npt.NDArray[np.float32]) -> None:
        """Take a picture for one of the two sides, unless it is a copy or none is needed.

        Args:
            digest: SHA-256 of the file.
            scores: (C,) of FP32.
        """
        inputs_digest = hashlib.sha256(inputs.tobytes()).digest()
        if inputs_digest in self._known:
            self._copies += 1
            return
        self._known.add(inputs_digest)
        present = (scores >= self._thresholds) & self._reachable
        if len(self.calibration) < self._count or (present & (self._seen < PER_CLASS)).any():
            self.calibration.append(path, digest, inputs)
            self._seen += present
        elif len(self._check) < self._check_count:
            self._check.append(path, digest, inputs)

    @property
    def is_done(self) -> bool:
        """Whether both sides are full, and every class was seen often enough."""
        enough = bool((self._seen >= PER_CLASS)[self._reachable].all())
        full = len(self.calibration) >= self._count and len(self._check) >= self._check_count
        return enough and full

    def choice(self, unreadable: tuple[ImageError, ...]) -> Choice:
        """What was chosen; with too few pictures the calibration pictures check as well."""
        wanted = min(_FEWEST_CHECKS, self._check_count)
        separate = self._check_count == 0 or len(self._check) >= wanted
        return Choice(
            calibration=self.calibration,
            check=self._check if separate else self.calibration,
            predicted=dict(zip(self._classes, self._seen.tolist(), strict=True)),
            unreadable=unreadable,
            copies=self._copies,
        )


def prepare_pictures(
    pool: PictureList, paths: Sequence[str], preprocess: Preprocess, file: Path
) -> tuple[PreparedPictures, tuple[ImageError, ...]]:
    """Prepare exactly these pictures of the pool, in this order; what cannot be read is left out.

    Raises:
        CdulEdgeError: a path that the pool does not have.
    """
    where = {path: index for index, path in enumerate(pool.paths)}
    missing = [path for path in paths if path not in where]
    if missing:
        raise CdulEdgeError(f"{pool.root} has no {missing[0]}")
    prepared = PreparedPictures(file, preprocess)
    unreadable: list[ImageError] = []
    for read in _read_batches(pool, [where[path] for path in paths], preprocess, unreadable):
        for path, digest, inputs in read:
            prepared.append(path, digest, inputs)
    return prepared, tuple(unreadable)


def _read_batches(
    pool: PictureList, indices: Sequence[int], preprocess: Preprocess, unreadable: list[ImageError]
) -> Iterator[list[tuple[str, str, Inputs]]]:
    """Readable pictures as (path, digest, inputs), `BATCH` at a time."""
    batch = []
    for index in indices:
        path = pool.absolute(index)
        try:
            content = read_picture(path)
            inputs = preprocess.apply(open_image(content, str(path)))
        except ImageError as error:
            unreadable.append(error)
            continue
        batch.append((pool.paths[index], hashlib.sha256(content).hexdigest(), inputs))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
