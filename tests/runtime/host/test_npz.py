from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.npz import read_npz


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two arrays, and one that only pickle could read."""
    odd = np.array([{}], object)
    np.savez(tmp_path / "a.npz", names=np.array(["a"]), scores=np.ones((1, 2)), odd=odd)
    return tmp_path / "a.npz"


def test_only_what_is_needed_is_read(file: Path) -> None:
    assert set(read_npz(file, ("names", "scores"))) == {"names", "scores"}
    assert set(read_npz(file, wanted="names".__eq__)) == {"names"}


def test_nothing_is_unpickled(file: Path) -> None:
    with pytest.raises(CdulEdgeError, match=r"is not a readable NPZ file .Object arrays"):
        read_npz(file)


def test_what_is_missing_is_named_with_what_is_there(file: Path) -> None:
    with pytest.raises(CdulEdgeError, match="has no array labels: it has names, scores, odd"):
        read_npz(file, ("names", "labels"))
    with pytest.raises(CdulEdgeError, match="does not exist"):
        read_npz(file.with_name("b.npz"))


def test_a_shape_that_never_was_is_damage(tmp_path: Path) -> None:
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (4000000000000000, 9), }"
    array = b"\x93NUMPY\x01\x00" + (128 - 10).to_bytes(2, "little") + header.ljust(117).encode()
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("scores.npy", array + b"\n")
    with pytest.raises(CdulEdgeError, match="is not a readable NPZ file"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_what_is_no_archive_is_damage(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(CdulEdgeError, match="is not a readable NPZ file"):
        read_npz(tmp_path / "a.npz")
