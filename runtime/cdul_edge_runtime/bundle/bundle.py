"""A bundle: the folder that travels to the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.manifest import FileRecord, Manifest, Precision
from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from cdul_edge_runtime.host.files import atomic_write, read_json, sha256_file
from cdul_edge_runtime.host.meanwhile import Meanwhile

if TYPE_CHECKING:
    from cdul_edge_runtime.bundle.precision_record import PrecisionRecord
    from cdul_edge_runtime.bundle.score_reference import ScoreReference

MANIFEST = "manifest.json"
REFERENCE = "reference.npz"
SCORE_REFERENCE = "score_reference.npz"  # younger than the format; run folders have it too
ENGINES = "engines"  # its folder of engines, which are caches: it is complete without them
MEASURED = f"{ENGINES}/measured.json"  # what was measured on this machine; see `Measured`


@dataclass(frozen=True)
class Reference:
    """Real pictures with PyTorch's answers, so that a device without PyTorch verifies itself.

    Attributes:
        inputs: (K, H, W, 3) uint8 RGB, what `Preprocess` made of K pictures.
        scores: (K, C) float32 sigmoid scores that PyTorch gave.
        names: K names to tell the pictures by.
    """

    inputs: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float32]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if (
            self.inputs.dtype != np.uint8
            or self.inputs.ndim != 4
            or self.inputs.shape[3] != 3
            or self.scores.ndim != 2
            or not len(self.inputs) == len(self.scores) == len(self.names) > 0
            or not ((self.scores >= 0) & (self.scores <= 1)).all()
        ):
            raise BundleError(
                f"the reference holds inputs {self.inputs.dtype}{self.inputs.shape}, scores "
                f"{self.scores.shape} and {len(self.names)} names: expected uint8 (K, H, W, 3), "
                "(K, C) in [0, 1] and K >= 1"
            )

    def write(self, path: Path) -> None:
        """Write an NPZ that loads without pickle."""
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file, inputs=self.inputs, scores=self.scores, names=np.array(self.names, dtype=str)
            )

    @classmethod
    def read(cls, path: Path) -> Reference:
        """Read what `write` wrote; anything else is a `BundleError`."""
        from cdul_edge_runtime.host.npz import read_npz  # a device that predicts reads none

        try:
            arrays = read_npz(path, ("inputs", "scores", "names"))
            scores, names = arrays["scores"], arrays["names"]
            if scores.dtype.kind != "f" or names.dtype.kind != "U" or names.ndim != 1:
                raise BundleError(f"scores are {scores.dtype} and names {names.dtype}")
            return cls(arrays["inputs"], scores.astype(np.float32), tuple(names.tolist()))
        except CdulEdgeError as error:
            raise BundleError(
                f"{path} is not a readable reference ({error}): copy the bundle again"
            ) from error


@dataclass(frozen=True)
class Bundle:
    """A folder whose files are what its manifest says; files beside them do not matter."""

    folder: Path
    manifest: Manifest

    @classmethod
    def load(cls, folder: Path | str) -> Bundle:
        """Read the manifest and check every file that it names, digests included.

        Raises:
            BundleError: no bundle there, an unknown format, a missing or changed file, a path that
                leaves the folder. All faults stand in one message.
        """
        with cls.checked_meanwhile(folder) as (bundle, _):
            return bundle

    @classmethod
    @contextmanager
    def checked_meanwhile(
        cls, folder: Path | str, then: Callable[[], None] | None = None
    ) -> Iterator[tuple[Bundle, Meanwhile[None]]]:
        """The bundle, whose files' digests are computed in a thread that the block begins.

        Whatever is wrong without reading them is raised at once. A changed file is raised where the
        block asks for the result of the thread, or where it ends: also in place of an error that
        ends it, of which a changed file is the likely cause.

        Args:
            then: what the thread does next, where no file was changed.

        Raises:
            BundleError: as `load`.
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        faults = {name: _place_fault(folder, name, file) for name, file in manifest.files.items()}
        sound = [name for name, fault in faults.items() if fault is None]
        missing = Precision.FP32.file_name not in manifest.files

        def find_faults() -> None:
            """All of them: one that is seen at once does not hide another."""
            for name in sound:
                faults[name] = _digest_fault(folder, name, manifest.files[name])
            found = [fault for fault in faults.values() if fault]
            if missing:
                found.append(f"{MANIFEST} names no {Precision.FP32.file_name}")
            if found:
                raise BundleError(
                    f"{folder}: {'; '.join(found)}: copy the bundle again, or export it again"
                )

        if missing or len(sound) < len(faults):
            find_faults()

        def work() -> None:
            find_faults()
            if then is not None:
                then()

        check = Meanwhile(work)
        try:
            yield cls(folder, manifest), check
        finally:
            check.result()

    def model_path(self, precision: Precision = Precision.FP32) -> Path:
        """Where the ONNX file of that precision lies.

        FP32's file was checked by `load`; the others are checked here against their records.

        Raises:
            BundleError: it has none, it was changed, or it was made from another FP32 file.
        """
        if precision.file is not Precision.FP32:
            self.record(precision).check(self.folder, self.fp32_sha256)
        return self.folder / precision.file_name

    def record(self, precision: Precision) -> PrecisionRecord:
        """What is known of a reduced precision.

        Raises:
            BundleError: it has no record, or BF16's was measured on another FP32 file.
        """
        from cdul_edge_runtime.bundle.precision_record import PrecisionRecord

        record = PrecisionRecord.read(self.folder, precision)
        if not precision.has_file:  # then no file tells that the record is not this model's
            record.check_source(self.folder, self.fp32_sha256)
        return record

    def precisions(self) -> tuple[Precision, ...]:
        """FP32 and BF16, which read one file, and every other that has a record; none is checked.

        What runs each of them is `run_order`'s to say.
        """
        made = (p for p in Precision if p.file is not Precision.FP32 and self.has_record(p))
        return (Precision.FP32, Precision.BF16, *made)

    def has_record(self, precision: Precision) -> bool:
        """Whether `calibrate` measured it; the record is not read."""
        return (self.folder / precision.record_name).is_file()

    def model_sha256(self, precision: Precision) -> str:
        """Digest of that precision's ONNX file, as manifest or record have it; nothing is read."""
        if precision.file is Precision.FP32:
            return self.fp32_sha256
        return self.record(precision).sha256

    @property
    def fp32_sha256(self) -> str:
        """Digest of the FP32 file, by which everything that is made from it knows it again."""
        return self.manifest.files[Precision.FP32.file_name].sha256

    def reference(self) -> Reference:
        """The reference pictures with PyTorch's scores.

        Raises:
            BundleError: there are none, or they do not fit the manifest.
        """
        if REFERENCE not in self.manifest.files:
            raise BundleError(f"{self.folder} has no {REFERENCE}: export it again")
        reference = Reference.read(self.folder / REFERENCE)
        preprocess = self.manifest.preprocess
        expected = (preprocess.height_px, preprocess.width_px, len(self.manifest.classes))
        found = (*reference.inputs.shape[1:3], reference.scores.shape[1])
        if found != expected:
            raise BundleError(
                f"{self.folder / REFERENCE} has (height, width, classes) {found}, "
                f"the manifest says {expected}: export the bundle again"
            )
        return reference

    def score_reference(self) -> ScoreReference | None:
        """How the training pictures' scores were distributed, for `measure_drift`.

        Returns:
            None where the bundle has none: it was made by an earlier version, or of a run of one.

        Raises:
            BundleError: it does not fit the manifest.
        """
        from cdul_edge_runtime.bundle.score_reference import ScoreReference

        if SCORE_REFERENCE not in self.manifest.files:
            return None
        return ScoreReference.read(self.folder / SCORE_REFERENCE, self.manifest.classes)


def read_manifest(folder: Path) -> Manifest:
    """Read a bundle's manifest.json without checking the files it names.

    Raises:
        BundleError: no bundle there, not JSON, an unknown format, or damaged fields.
    """
    if not folder.is_dir():
        raise BundleError(f"{folder} is not a folder: give a bundle that `cdul-edge export` made")
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(
            f"{folder} has no {MANIFEST}: it is not a bundle; make one with `cdul-edge export`"
        )
    try:
        content = read_json(path)
    except CdulEdgeError as error:
        raise BundleError(str(error)) from error
    try:
        return Manifest.from_dict(content)
    except BundleError as error:
        raise BundleError(f"{path} {error}") from error


def list_stamps(folder: Path) -> list[Path]:
    """Files of a bundle that are an engine's stamp by their names, sorted."""
    return sorted(set((folder / ENGINES).glob("*.json")) - {folder / MEASURED})


def record_file(path: Path) -> FileRecord:
    """Size and digest of a file, as a manifest keeps them."""
    return FileRecord(sha256_file(path), path.stat().st_size)


def _place_fault(folder: Path, name: str, record: FileRecord) -> str | None:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        return f"{name} is a link that leaves the folder"
    if not path.is_file():
        return f"{name} is missing"
    if path.stat().st_size != record.bytes:
        return f"{name} has {path.stat().st_size} bytes, expected {record.bytes}"
    return None


def _digest_fault(folder: Path, name: str, record: FileRecord) -> str | None:
    digest = sha256_file(folder / name)
    if digest != record.sha256:
        return (
            f"{name} is not the file its manifest names "
            f"(sha256 {digest[:8]}…, expected {record.sha256[:8]}…)"
        )
    return None
