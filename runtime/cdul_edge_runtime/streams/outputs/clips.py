"""A picture of each label that appears, in a folder that does not grow without end."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.outputs.output import LastingWrites, Say
from cdul_edge_runtime.streams.row_json import date_of
from cdul_edge_runtime.streams.rows import Appeared, Row

_SOFTWARE = "cdul-edge watch"
_NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z_[\w.-]*\.jpg", re.ASCII)
_SOFTWARE_TAG, _DESCRIPTION_TAG, _TIME_TAG = 0x0131, 0x010E, 0x0132  # of EXIF
_MOST_EXIF = 65_000  # bytes; JPEG holds 65,533 in one place
_QUALITY = 85
_LONGEST = 60  # letters of a stream or label in a name: file systems allow 255 bytes in all


class ClipFolder:
    """Keeps the frame at which a label became certain, as JPEG, and drops the oldest ones.

    `20261126T225244.123Z_door_person_7.jpg` names time, stream, label and the row's `id`; EXIF
    holds the whole row as JSON, in ImageDescription. Only pictures that a watch wrote are dropped.
    """

    def __init__(
        self, folder: Path, encode: Callable[[Row], str], say: Say, *, size_mib: float = 1024.0
    ) -> None:
        """Make the folder, and look what earlier watches left in it.

        Args:
            folder: where pictures go.
            encode: a row as JSON.
            say: told in one line when the disk is full, and when it no longer is.
            size_mib: the oldest pictures go where all together are larger than that.

        Raises:
            CdulEdgeError: `size_mib` is not above 0, or a file is in the folder's place.
            OSError: it cannot be made.
        """
        if not 0 < size_mib < math.inf:
            raise CdulEdgeError(f"pictures of at most {size_mib} MiB: expected more than 0")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise CdulEdgeError(f"{folder} is a file: name a folder for pictures") from error
        self._folder = folder
        self._encode = encode
        self._most = int(size_mib * (1 << 20))
        self._writes = LastingWrites(str(folder), "pictures", say)
        found = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
        self._kept = deque((path, path.stat().st_size) for path in found)
        self._used = sum(size for _, size in self._kept)

    @property
    def lost(self) -> int:
        """How many pictures could not be written."""
        return self._writes.lost

    def write(self, row: Row) -> None:
        """Keep the picture of what appears."""
        if isinstance(row, Appeared) and row.picture is not None:
            self._writes.attempt(lambda: self._save(row))

    def close(self) -> None:
        """Nothing is open."""

    def _save(self, row: Appeared) -> None:
        from PIL import Image

        assert row.picture is not None
        pixels = row.picture.pixels()
        image = Image.fromarray(pixels[..., ::-1] if row.picture.color == "bgr" else pixels)
        taken = date_of(row.time_s)
        tags = image.getexif()
        tags[_SOFTWARE_TAG] = _SOFTWARE
        if taken is not None:
            tags[_TIME_TAG] = taken.strftime("%Y:%m:%d %H:%M:%S")
        if len((described := self._encode(row)).encode("utf-8", "replace")) < _MOST_EXIF:
            tags[_DESCRIPTION_TAG] = described
        path = self._folder / clip_name(row, taken)
        # not `atomic_write`, which waits for the disk: on a memory card, as long as a frame lasts
        temporary = path.with_name(f".{path.name}.tmp")
        # nor by Pillow: it takes no notice of a disk that takes a part of the picture
        content = BytesIO()
        image.save(content, "JPEG", quality=_QUALITY, exif=tags)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)  # somebody may have removed it
            temporary.write_bytes(content.getbuffer())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        self._keep(path)

    def _keep(self, path: Path) -> None:
        size = path.stat().st_size
        self._kept.append((path, size))
        self._used += size
        while self._used > self._most and len(self._kept) > 1:
            oldest, size = self._kept.popleft()
            self._used -= size
            if _is_own(oldest):  # not asked of all at the start, which would read the whole folder
                oldest.unlink(missing_ok=True)


def clip_name(row: Appeared, taken: datetime | None) -> str:
    """A file name that every file system takes, whatever stream and label are called."""
    stamp = "00000000T000000.000Z"
    if taken is not None:
        stamp = f"{taken:%Y%m%dT%H%M%S}.{taken.microsecond // 1000:03d}Z"
    return "_".join((stamp, *map(_plain, (row.stream, row.label, row.id)))) + ".jpg"


def _plain(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9.-]+", "-", name)[:_LONGEST]


def _is_own(path: Path) -> bool:
    """Whether a watch wrote it: a picture that somebody edited or put there is left alone."""
    with suppress(OSError), path.open("rb") as file:
        return _SOFTWARE.encode() in file.read(64 << 10)
    return False
