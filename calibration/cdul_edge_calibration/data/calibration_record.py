"""calibration.json: which pictures a bundle was calibrated on, and the ranges they gave."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

from cdul_edge_calibration.data.ranges import Means, Ranges
from cdul_edge_runtime.bundle.manifest import PROGRAM, program_version
from cdul_edge_runtime.choices import RangeMethod
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json, sha256_file, write_json
from cdul_edge_runtime.host.json_record import check_header, parse_record
from cdul_edge_runtime.pictures.images import PictureList

CALIBRATION = "calibration.json"
FORMAT = 1

Digests = dict[str, str]  # SHA-256 of the file by `portable_name` of the picture


@dataclass(frozen=True)
class CalibrationKey:
    """What ranges depend on: a calibration with the same key, on unchanged files, is the same.

    Attributes:
        source_sha256: of the model.fp32.onnx.
        pool_sha256: of the pool's list of paths.
        method: how ranges are taken.
        seed: of the choice of pictures.
        count: calibration pictures.
        check_count: pictures to measure accuracy on.
    """

    source_sha256: str
    pool_sha256: str
    method: RangeMethod
    seed: int
    count: int
    check_count: int


@dataclass(frozen=True)
class CalibrationRecord:
    """One calibration, of which every INT8 and FP16 file of the bundle was made.

    Attributes:
        key: what it depends on.
        calibration: SHA-256 of each calibration picture's file, by path in the pool.
        check: the same of the pictures that accuracy is measured on.
        check_is_separate: whether accuracy was measured on other pictures than ranges.
        predicted: calibration pictures in which each class is predicted.
        extremes: lowest and highest value of each tensor.
        ranges: what is quantized: the extremes, or percentiles.
        means: of each layer's input by channel; empty in records of versions that did not use it.
        version: of the program that made it.
    """

    key: CalibrationKey
    calibration: Digests
    check: Digests
    check_is_separate: bool
    predicted: dict[str, int]
    extremes: Ranges
    ranges: Ranges
    means: Means = field(default_factory=dict)
    version: str = field(default_factory=program_version)

    @property
    def pictures_sha256(self) -> str:
        """One digest for all calibration pictures, in their order."""
        return hashlib.sha256("".join(self.calibration.values()).encode()).hexdigest()

    def write(self, bundle: Path) -> None:
        """Write it into the bundle, atomically."""
        about = {"format": FORMAT, "program": PROGRAM, "stage": "calibration"}
        content = asdict(self)
        write_json(bundle / CALIBRATION, {**about, **content})

    @classmethod
    def read(cls, bundle: Path) -> CalibrationRecord | None:
        """What `write` wrote; None where there is none that this version can read."""
        try:
            content = read_json(bundle / CALIBRATION)
            check_header(content, program=PROGRAM, format=FORMAT, stage="calibration")
            return parse_record(cls, content)
        except CdulEdgeError:
            return None

    def fits(self, key: CalibrationKey, pool: PictureList) -> bool:
        """Whether the key is the same and every picture's file is still what it was."""
        if self.key != key or not self.means:
            return False
        paths = paths_by_name(pool)
        return all(
            name in paths
            and (pool.root / paths[name]).is_file()
            and sha256_file(pool.root / paths[name]) == digest
            for name, digest in {**self.calibration, **self.check}.items()
        )

    def checked_paths(self, pool: PictureList) -> list[str]:
        """Paths in the pool of the pictures that accuracy is measured on."""
        paths = paths_by_name(pool)
        return [paths[name] for name in self.check or self.calibration]


def portable_name(path: str) -> str:
    """What a bundle calls a picture: its path in the pool, and of folders outside none.

    A list may name pictures anywhere: of `/data/photos/a.jpg`, `a.jpg` stays behind 12
    hexadecimal digits that tell it from others of that name.
    """
    parts = PurePosixPath(path)
    if not parts.is_absolute() and ".." not in parts.parts:
        return path
    digest = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{digest[:12]}/{parts.name}"


def paths_by_name(pool: PictureList) -> dict[str, str]:
    """Paths in the pool by portable name, and by themselves as old records have them."""
    return {**{path: path for path in pool.paths}, **{portable_name(p): p for p in pool.paths}}


def pool_digest(pool: PictureList) -> str:
    """SHA-256 of the list of paths; the files themselves are known by their own digests."""
    return hashlib.sha256("\n".join(pool.paths).encode("utf-8", "surrogateescape")).hexdigest()
