"""Small tar shards of small pictures."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

TIME = 1_700_000_000  # whole seconds, as plain headers hold


def picture_bytes(gray: int, side_px: int = 9) -> bytes:
    """A PNG of one gray."""
    file = io.BytesIO()
    Image.new("RGB", (side_px, side_px), (gray,) * 3).save(file, "PNG")
    return file.getvalue()


def write_tar(path: Path, members: Iterable[tuple[str, bytes]], mode: str = "w") -> Path:
    """A tar of files; `mode` is as tarfile's, such as "w:gz"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for name, content in members:
            tar.addfile(make_member(name, len(content)), io.BytesIO(content))
    return path


def make_member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    """The header of a member; links lead to "0.png"."""
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.type, member.linkname = size, TIME, kind, "0.png"
    return member


def pack(shard: Path, pictures: Path, *names: str) -> None:
    """A tar of some files, with their times to the nanosecond."""
    shard.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(shard, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            member = tar.gettarinfo(pictures / name, name)
            time_ns = (pictures / name).stat().st_mtime_ns
            member.pax_headers = {"mtime": f"{time_ns // 10**9}.{time_ns % 10**9:09d}"}
            with (pictures / name).open("rb") as file:
                tar.addfile(member, file)
