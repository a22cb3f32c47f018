"""Labels of tar shards: the same bytes as of a folder, and what happens when shards change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
import pytest

from cdul_edge.storage.location import Url
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from cdul_edge_runtime.host.files import read_json
from tests.fakes.s3_server import S3Server
from tests.fakes.shards import pack


@pytest.fixture
def shards(pictures: Path, tmp_path: Path) -> Path:
    """The seven pictures in shards of three, as parts have three."""
    names = sorted(file.name for file in pictures.iterdir())
    for index in range(3):
        pack(tmp_path / "tars" / f"{index}.tar", pictures, *names[3 * index : 3 * index + 3])
    return tmp_path / "tars"


@pytest.mark.parametrize("workers", [0, 2])
def test_shards_give_the_bytes_that_a_folder_of_the_same_pictures_gives(
    label: Any, pictures: Path, shards: Path, tmp_path: Path, workers: int
) -> None:
    (pictures / "004.jpg").write_bytes(b"no picture")
    os.utime(pictures / "004.jpg", ns=(1, 1_700_000_000_123_456_789))
    pack(shards / "1.tar", pictures, "003.jpg", "004.jpg", "005.jpg")
    label()
    # which pictures a part holds is not of its settings: shards are cut otherwise
    found = label(images=shards, out=tmp_path / "of-shards", workers=workers, part_pictures=512)
    assert (found.pictures, found.labelled, found.scored) == (7, 6, 6)
    assert [(one.path, one.reason) for one in found.skipped] == [
        ("004.jpg", "is not a picture that Pillow can identify")
    ]
    assert label.parts(tmp_path / "of-shards") == label.parts()
    tables = [pq.read_table(out / "pseudo_labels.parquet") for out in (label.out, found.out)]
    assert tables[0].equals(tables[1])
    inputs = read_json(found.out / "manifest.json")["inputs"]
    assert (inputs["root"], inputs["pictures"]) == (str(shards), None)
    assert label(images=shards, out=found.out, part_pictures=None).scored == 0
    assert "CLIP is not run" in label.said.getvalue()


def test_several_shards_make_a_part_and_the_store_remembers(label: Any, shards: Path) -> None:
    assert label(images=shards, part_shards=2).labelled == 7
    assert len(label.parts()) == 2
    assert label(images=shards).scored == 0
    with pytest.raises(LabelsError, match="the same pictures in another order: give --update"):
        label(images=shards, part_shards=1)


def test_new_replaced_and_gone_shards_are_refused_then_followed_with_update(
    label: Any, pictures: Path, shards: Path, tmp_path: Path, paint: Any
) -> None:
    label(images=shards)
    paint(tmp_path / "others", 2, seed=1)
    pack(shards / "3.tar", tmp_path / "others", "000.jpg")
    (tmp_path / "others" / "000.jpg").rename(tmp_path / "others" / "new.jpg")
    pack(shards / "3.tar", tmp_path / "others", "new.jpg")  # new, at the end
    pack(shards / "1.tar", pictures, "003.jpg", "004.jpg")  # replaced: one picture less
    message = (
        r"the shards changed since .* was made: 1 new \('3.tar'\), 1 replaced \('1.tar'\): give "
    )
    with pytest.raises(LabelsError, match=message):
        label(images=shards)
    before = label.parts()
    result = label(images=shards, update=True)
    assert (result.scored, result.labelled) == (1, 7)  # of the replaced shard, rows are kept
    after = label.parts()
    assert [after[part] == before[part] for part in range(3)] == [True, False, True]
    (shards / "0.tar").unlink()
    assert label(images=shards, update=True).labelled == 4
    assert label(images=shards).scored == 0


def test_a_renamed_shard_is_read_again_and_its_rows_are_kept(label: Any, shards: Path) -> None:
    label(images=shards)
    (shards / "1.tar").rename(shards / "1b.tar")
    result = label(images=shards, update=True)
    assert (result.scored, result.labelled) == (0, 7)


def test_a_shard_that_was_copied_is_the_same(label: Any, shards: Path) -> None:
    label(images=shards)
    os.utime(shards / "1.tar", ns=(1, 1))
    assert label(images=shards).scored == 0
    assert "CLIP is not run" in label.said.getvalue()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_shard_stops_the_run_by_name_and_every_part_before_it_is_made(
    label: Any, shards: Path, workers: int
) -> None:
    whole = (shards / "2.tar").read_bytes()
    (shards / "2.tar").write_bytes(whole[:700])  # within its only picture
    message = r"the shard .*2\.tar .*cut.*with --update: finished parts are kept"
    with pytest.raises(CdulEdgeError, match=message):
        label(images=shards, workers=workers)
    assert len(label.parts()) == 2  # however far it is read ahead
    (shards / "2.tar").write_bytes(whole)
    result = label(images=shards, update=True)
    assert (result.labelled, result.scored) == (7, 1)


def test_parts_of_other_shards_are_not_taken_where_no_manifest_tells(
    label: Any, pictures: Path, shards: Path
) -> None:
    label(images=shards)
    (label.out / "manifest.json").unlink()
    whole = (shards / "2.tar").read_bytes()
    pack(shards / "2.tar", pictures, "006.jpg", "005.jpg")
    with pytest.raises(LabelsError, match=r"shards changed .*1 replaced \('2\.tar'\)"):
        label(images=shards, repair=True)
    (shards / "2.tar").write_bytes(whole)
    assert label(images=shards, repair=True).scored == 0


def test_a_picture_in_two_shards_is_refused_naming_both_and_nothing_is_lost(
    label: Any, pictures: Path, shards: Path
) -> None:
    pack(shards / "2.tar", pictures, "006.jpg", "001.jpg")
    message = r"the shards 0\.tar and 2\.tar both hold a picture called '001.jpg'.*--update"
    with pytest.raises(CdulEdgeError, match=message):
        label(images=shards)
    pack(shards / "2.tar", pictures, "006.jpg")
    result = label(images=shards, update=True)
    assert (result.labelled, result.scored) == (7, 0)


def test_labels_of_a_folder_become_those_of_shards_without_running_clip(
    label: Any, pictures: Path, shards: Path
) -> None:
    label()
    before = label.parts()
    assert label(images=shards, update=True).scored == 0
    assert label.parts() == before
    assert not (label.out / "pictures.parquet").exists()
    assert label(update=True).scored == 0
    assert not (label.out / "shards.parquet").exists()


def test_an_object_store_gives_the_bytes_that_this_machine_gives(
    label: Any, pictures: Path, shards: Path, tmp_path: Path, s3: S3Server
) -> None:
    place = Url(f"s3://b{uuid4()}")
    s3.make_bucket(place.place)
    storage = open_storage(place)
    for folder, files in (("tars", shards), ("photos", pictures)):
        for file in files.iterdir():
            with storage.write_stream(f"{folder}/{file.name}") as opened:
                opened.write(file.read_bytes())
    label()
    label(images=place / "tars", out=tmp_path / "tars-labels", workers=2)
    assert label.parts(tmp_path / "tars-labels") == label.parts()
    found = label(images=place / "photos", out=tmp_path / "photo-labels", workers=2)
    assert found.labelled == 7
    tables = [pq.read_table(out / "pseudo_labels.parquet") for out in (label.out, found.out)]
    assert tables[0].equals(tables[1])
    storage.remove("photos/003.jpg")
    with pytest.raises(LabelsError, match=r"1 gone \('003.jpg'\)"):
        label(images=place / "photos", out=found.out)
    assert label(images=place / "photos", out=found.out, update=True).scored == 0
