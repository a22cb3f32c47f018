"""The index of the parts, and what is done where it is old, damaged, missing or another's."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge.labelling.score.scoring import Scoring
from cdul_edge.labelling.store.folder import WantedParts, sort_parts
from cdul_edge.labelling.store.index import PartsIndex, part_sizes
from cdul_edge.labelling.store.parts import (
    EMBEDDINGS_FOLDER,
    FOLDER,
    Part,
    PartFacts,
    part_name,
    write_part,
)
from cdul_edge.labelling.store.pictures import StoredPicture, digest_paths
from cdul_edge.labels.manifest import MANIFEST, PARTS
from cdul_edge_runtime.errors import LabelsError
from cdul_edge_runtime.host.files import sha256_file


def make(out: Path, part: int, *names: str, settings: str = "s") -> PartFacts:
    pictures = tuple(StoredPicture(name) for name in names)
    values = np.zeros((len(names), 1, 2), np.float32)
    return write_part(out / part_name(part), Part(pictures, values), "cosines", settings)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Three parts of two pictures, and their index."""
    index = PartsIndex(tmp_path)
    for part in range(3):
        index.add(part, {FOLDER: make(tmp_path, part, f"{part}a", f"{part}b")})
    index.write()
    return tmp_path


WANTED = WantedParts([digest_paths((f"{part}a", f"{part}b")) for part in range(3)], "s")


def sort(out: Path, wanted: WantedParts = WANTED) -> list[int]:
    return sort_parts(PartsIndex.recover(out), wanted, repair=False)[1]


def test_a_part_is_what_its_writer_says_and_what_is_found_when_it_is_opened(out: Path) -> None:
    index = PartsIndex.read(out)
    file = out / part_name(1)
    expected = PartFacts(
        pictures=2,
        labelled=2,
        bytes=file.stat().st_size,
        sha256=sha256_file(file),
        settings="s",
        paths=digest_paths(("1a", "1b")),
    )
    assert index.facts[FOLDER, 1] == expected
    empty = PartsIndex(out)
    assert empty.learn({(FOLDER, 1): expected.bytes}) == {}
    assert empty.facts == {(FOLDER, 1): expected}


def test_a_listing_tells_which_parts_are_done_and_no_part_is_opened(out: Path) -> None:
    for part in range(3):
        file = out / part_name(part)
        file.write_bytes(bytes(file.stat().st_size))  # nothing that could be read
    assert sort(out) == []


@pytest.mark.parametrize("damage", ["missing", "cut", "noise"])
def test_without_an_index_the_parts_are_opened_and_it_is_written_again(
    out: Path, damage: str
) -> None:
    before = (out / PARTS).read_bytes()
    if damage == "missing":
        (out / PARTS).unlink()
    else:
        (out / PARTS).write_bytes(before[:-9] if damage == "cut" else b"PAR1 noise PAR1")
    assert sort(out) == []
    assert (out / PARTS).read_bytes() == before


def test_the_index_of_another_store_vouches_for_nothing(out: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    index = PartsIndex(other)
    for part in range(4):  # parts of the same size, of other pictures and other settings
        facts = make(other, part, f"{part}x", f"{part}y", settings="t")
        index.add(part, {FOLDER: facts})
    index.write()
    shutil.copy(other / PARTS, out / PARTS)
    assert sort(out) == [0, 1, 2]  # made again: that costs time, and no row is lost
    assert sorted(name for _, name in part_sizes(out)) == []
    assert len(list((out / "earlier").iterdir())) == 3


def test_a_part_of_other_settings_or_pictures_is_set_aside_and_vouched_for_no_more(
    out: Path,
) -> None:
    index = PartsIndex.read(out)
    index.add(1, {FOLDER: make(out, 1, "1a", "1b", settings="t")})
    index.add(2, {FOLDER: make(out, 2, "2b", "2a")})
    index.write()
    assert sort(out) == [1, 2]
    assert set(PartsIndex.read(out).facts) == {(FOLDER, 0)}
    assert [file.name for file in sorted((out / "earlier").iterdir())] == [
        "similarities-00000.parquet",
        "similarities-00001.parquet",
    ]


def test_more_pictures_leave_the_parts_before_them_as_they_are(out: Path) -> None:
    more = WantedParts([*WANTED.paths, digest_paths(("3a",))], "s")
    assert sort(out, more) == [3]


def test_parts_beyond_the_list_are_set_aside(out: Path) -> None:
    assert sort(out, WantedParts(WANTED.paths[:2], "s")) == []
    assert set(part_sizes(out)) == {(FOLDER, 0), (FOLDER, 1)}


def test_a_part_that_a_dead_node_left_truncated_is_made_again_with_repair(out: Path) -> None:
    file = out / part_name(1)
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(LabelsError, match=r"part-00001.parquet is truncated or damaged.*--repair"):
        sort(out)
    assert sort_parts(PartsIndex.read(out), WANTED, repair=True)[1] == [1]


def test_kept_embeddings_are_indexed_beside_the_cosines(label: Any) -> None:
    label(keep_embeddings=True)
    facts = PartsIndex.read(label.out).facts
    assert sorted(facts) == [
        (kind, part) for kind in (EMBEDDINGS_FOLDER, FOLDER) for part in (0, 1, 2)
    ]
    assert {one.pictures for one in facts.values()} == {3, 1}


@pytest.mark.parametrize("damage", ["missing", "cut", "row"])
def test_a_finished_folder_with_a_bad_index_is_refused_and_repaired_without_clip(
    label: Any, damage: str
) -> None:
    label()
    file = label.out / PARTS
    before = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(before[:-9])
    else:
        index = PartsIndex.read(label.out)
        index.drop([(FOLDER, 1)])
        index.write()
    with pytest.raises(LabelsError, match=r"parts.parquet .*--repair"):
        label(scoring=Scoring("max"))
    assert label(repair=True).scored == 0
    assert file.read_bytes() == before


def test_the_manifest_names_no_part(label: Any) -> None:
    """So it is as large for 200,000 parts as for three."""
    sizes = []
    for part_pictures in (1, 3):
        label(part_pictures=part_pictures, out=label.out.with_name(str(part_pictures)))
        manifest = label.out.with_name(str(part_pictures)) / MANIFEST
        sizes.append(manifest.stat().st_size)
        files = json.loads(manifest.read_text())["files"]
        assert sorted(files) == [PARTS, "pictures.parquet", "pseudo_labels.parquet"]
    assert abs(sizes[0] - sizes[1]) < 20  # digits


@pytest.mark.parametrize("parts", [1000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_the_index_takes_less_than_a_hundred_bytes_a_part(tmp_path: Path, parts: int) -> None:
    index = PartsIndex(tmp_path)
    for part in range(parts):
        digests = [hashlib.sha256(f"{part} {kind}".encode()).hexdigest() for kind in "sp"]
        index.facts[FOLDER, part] = PartFacts(500, 499, 16_000_000, digests[0], "s", digests[1])
    index.write()
    assert (tmp_path / PARTS).stat().st_size < 100 * parts + 20_000
    assert PartsIndex.read(tmp_path).facts == index.facts
