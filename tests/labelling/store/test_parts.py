"""Parts of the store: what is written is read, and damage has a name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cdul_edge.labelling.store.parts import (
    Part,
    part_name,
    read_head,
    read_part,
    read_pictures,
    slice_parts,
    write_part,
)
from cdul_edge.labelling.store.pictures import Content, StoredPicture, digest_paths
from cdul_edge.labels.manifest import SkippedPicture
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError

PART = Part(
    pictures=(
        StoredPicture("a.jpg", 4, 3, Content(900, 1_700_000_000_123_456_789, "c0ffee")),
        StoredPicture("b\n.jpg", content=Content(0, 5, None), reason="is empty (0 bytes)"),
        StoredPicture("ü.jpg", 8, 6, Content(70, 6, "beef")),
    ),
    values=np.arange(12, dtype=np.float32).reshape(2, 3, 2),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / part_name(3)
    write_part(path, PART, "cosines", "abc")
    return path


def test_read_undoes_write(file: Path) -> None:
    found = read_part(file, "cosines", PART.paths)
    assert found.pictures == PART.pictures == read_pictures(file)
    assert (found.values == PART.values).all()
    assert found.labelled == ("a.jpg", "ü.jpg")
    assert found.skipped == (SkippedPicture("b\n.jpg", "is empty (0 bytes)"),)
    head = read_head(file)
    assert (head.settings, head.shape, head.pictures) == ("abc", (3, 2), digest_paths(PART.paths))


def test_other_tools_see_plain_columns(file: Path) -> None:
    rows = pq.read_table(file).to_pylist()
    assert rows[1] == {
        "path": "b\n.jpg",
        "status": "error",
        "reason": "is empty (0 bytes)",
        "width": 0,
        "height": 0,
        "cosines": None,
        "bytes": 0,
        "mtime_ns": 5,
        "digest": None,
    }
    assert rows[2]["cosines"] == [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]


def test_the_same_part_is_the_same_bytes(file: Path, tmp_path: Path) -> None:
    write_part(tmp_path / "again.parquet", PART, "cosines", "abc")
    assert (tmp_path / "again.parquet").read_bytes() == file.read_bytes()


def test_a_part_without_a_readable_picture_is_a_part(tmp_path: Path) -> None:
    picture = StoredPicture("a", reason="is empty")
    empty = Part((picture,), np.empty((0, 3, 2), np.float32))
    write_part(tmp_path / "p.parquet", empty, "cosines", "abc")
    assert read_part(tmp_path / "p.parquet", "cosines").values.shape == (0, 3, 2)


def test_missing_cut_foreign_and_other_parts_are_told_apart(file: Path, tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match=r"is missing.*--repair"):
        read_part(tmp_path / "none.parquet", "cosines")
    with pytest.raises(LabelsError, match="about other pictures"):
        read_part(file, "cosines", ("a.jpg",))
    with pytest.raises(LabelsError, match="no column embeddings"):
        read_part(file, "embeddings")
    file.write_bytes(file.read_bytes()[:-100])
    for read in (lambda: read_part(file, "cosines"), lambda: read_head(file)):
        with pytest.raises(LabelsError, match=r"truncated or damaged.*--repair") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_parts_cover_every_picture_once() -> None:
    assert slice_parts(7, 3) == [range(0, 3), range(3, 6), range(6, 7)]
    assert slice_parts(6, 3) == [range(0, 3), range(3, 6)]


def test_float16_is_stored_as_such_and_read_as_float32(tmp_path: Path) -> None:
    halves = np.array([0.1, 1 / 3, -1, 6e-8], np.float16).reshape(2, 1, 2)
    part = Part((StoredPicture("a"), StoredPicture("b")), halves)
    write_part(tmp_path / "p.parquet", part, "embeddings", "abc")
    assert str(pq.read_schema(tmp_path / "p.parquet").field("embeddings").type) == (
        "list<element: halffloat>"
    )
    found = read_part(tmp_path / "p.parquet", "embeddings").values
    assert found.dtype == np.float32
    assert (found == halves).all()


def test_a_part_beyond_parquets_offsets_is_refused(tmp_path: Path) -> None:
    huge = np.broadcast_to(np.float16(0), (1, 2**16, 2**15))  # no memory behind it
    part = Part((StoredPicture("a"),), huge)
    with pytest.raises(CdulEdgeError, match="give fewer --part-pictures"):
        write_part(tmp_path / "p.parquet", part, "embeddings", "abc")
