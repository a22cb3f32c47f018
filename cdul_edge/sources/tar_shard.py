"""Pictures of a tar file, as WebDataset writes them: read once, from the first byte to the last.

Python's own reader takes a header that is cut or damaged for the end of the archive; this one asks
for the blocks of zeros that end every tar, and for nothing behind them.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import posixpath
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from tarfile import HeaderError, TarError, TarFile, TarInfo
from typing import IO, TypeVar

from cdul_edge.sources.left_out import LeftOut
from cdul_edge.sources.source import SourcePicture
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.images import MAX_PICTURE_BYTES
from cdul_edge_runtime.pictures.walk import SUFFIXES, is_litter, is_utf8, suffix_of

_BLOCK = 4 << 20  # read at once: one request to an object store
_CUT = "it is cut"
_AGAIN = "make or copy it again, then run the same command with --update: finished parts are kept"
_NOT_TAR = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PAR1", "a Parquet file"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard: unpack it (`zstd -d`)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
)


def read_tar(file: IO[bytes], where: str, left_out: LeftOut) -> Iterator[SourcePicture]:
    """The pictures of a tar, in its order; gzip, bzip2 and xz around it are undone.

    Every member whose name ends as a picture's does, or has no ending, is a picture, as in a
    folder; the others of a WebDataset sample (.json, .txt, .cls) are left out.

    Args:
        file: the tar, at its first byte.
        where: what errors call it.
        left_out: counts the members that are no pictures.

    Raises:
        CdulEdgeError: it is no tar, or it is cut, damaged, or more than one.
    """
    start = file.read(6)
    file.seek(0)
    if not start:
        raise CdulEdgeError(f"the shard {where} is empty (0 bytes): {_AGAIN}")
    with _faults(where, start), _open(file, start) as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # which would hold every header to the end
            picture = _take(tar, member, left_out)
            if picture is not None:
                yield picture
        _require_zeros(tar, where)


_Header = TypeVar("_Header", bound="_Member")


class _DamagedError(Exception):
    """A header that is none; its text is the cause."""


class _Member(TarInfo):
    """A header, whose faults are no end."""

    @classmethod
    def fromtarfile(cls: type[_Header], tarfile: TarFile) -> _Header:
        """Read the next header; only zeros are the end."""
        try:
            return super().fromtarfile(tarfile)
        except HeaderError as error:
            kind = type(error).__name__  # no stub of tarfile names these classes
            if kind == "EOFHeaderError":
                raise
            cut = kind in ("EmptyHeaderError", "TruncatedHeaderError")
            raise _DamagedError(_CUT if cut else "one of its headers is damaged") from error


class _Tar(TarFile):
    members: list[TarInfo]  # as every version of Python has it


def _open(file: IO[bytes], start: bytes) -> _Tar:
    """The tar behind the compression that the first bytes tell of."""
    plain: IO[bytes] | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile = file
    if start.startswith(b"\x1f\x8b"):
        plain = gzip.GzipFile(fileobj=file)
    elif start.startswith(b"BZh"):
        plain = bz2.BZ2File(file)
    elif start.startswith(b"\xfd7zXZ\0"):
        plain = lzma.LZMAFile(file)  # noqa: SIM115 - the caller closes what is below it
    try:
        return _Tar.open(fileobj=plain, mode="r|", bufsize=_BLOCK, tarinfo=_Member)
    except _DamagedError as error:
        raise error if str(error) == _CUT else _DamagedError("it does not begin as one") from error


@contextmanager
def _faults(where: str, start: bytes) -> Iterator[None]:
    """Name the shard in whatever damaged bytes lead its readers to."""
    try:
        yield
    except _DamagedError as error:
        what = next((what for magic, what in _NOT_TAR if start.startswith(magic)), None)
        if what is not None:
            raise CdulEdgeError(f"the shard {where} is no tar, but {what}") from error
        raise CdulEdgeError(f"the shard {where} is no whole tar: {error}: {_AGAIN}") from error
    except (
        *(TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile),
        *(ValueError, OverflowError),
    ) as error:
        raise CdulEdgeError(f"the shard {where} is cut or damaged ({error}): {_AGAIN}") from error


def _take(tar: TarFile, member: TarInfo, left_out: LeftOut) -> SourcePicture | None:
    """The picture that a member is, or None where it is none."""
    name = posixpath.normpath(member.name)
    kind = _no_picture(member, name)
    if kind is not None:
        if kind:
            left_out.add(kind)
        return None
    mtime_ns = _mtime_ns(member)
    if name.startswith(("/", "../")):
        return SourcePicture(name, b"", mtime_ns, "has a name that leads out of its shard")
    if member.size > MAX_PICTURE_BYTES:
        return SourcePicture(name, b"", mtime_ns, _too_large(member.size))
    opened = tar.extractfile(member)
    assert opened is not None  # it is a regular file
    try:
        return SourcePicture(name, opened.read(), mtime_ns)
    except MemoryError:
        return SourcePicture(name, b"", mtime_ns, "needs more memory than there is")


def _no_picture(member: TarInfo, name: str) -> str | None:
    """Why a member is no picture; "" for a folder, of which nothing need be said."""
    if member.isdir():
        return ""
    if member.issym() or member.islnk():
        return "that are links"
    if not member.isreg():
        return "that are devices or pipes"
    if any(is_litter(part) for part in name.split("/") if part != ".."):
        return "that are hidden or left by other programs"
    suffix = suffix_of(name.rpartition("/")[2])
    if suffix and suffix not in SUFFIXES:
        return f"that end with {suffix!r}"
    return None if is_utf8(name) else "whose name is not UTF-8"


def _mtime_ns(member: TarInfo) -> int:
    """PAX headers say it in decimals, which floats would round."""
    try:
        found = int(Decimal(member.pax_headers.get("mtime", member.mtime)) * 10**9)
    except (InvalidOperation, ValueError, OverflowError):  # not a number
        return 0
    return found if -(2**63) <= found < 2**63 else 0


def _too_large(size: int) -> str:
    return (
        f"has {size / 2**20:,.0f} MiB, more than the limit of {MAX_PICTURE_BYTES / 2**20:,.0f} MiB"
    )


def _require_zeros(tar: TarFile, where: str) -> None:
    """What stands behind the end would be lost without a word."""
    assert tar.fileobj is not None
    while block := tar.fileobj.read(_BLOCK):
        if block.strip(b"\0"):
            raise CdulEdgeError(
                f"the shard {where} goes on behind its end, as two tars put together do: keep them "
                "as two shards"
            )
