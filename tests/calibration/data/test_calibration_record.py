from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdul_edge_calibration.data.calibration_record import (
    CALIBRATION,
    CalibrationKey,
    CalibrationRecord,
    pool_digest,
    portable_name,
)
from cdul_edge_runtime.pictures.images import PictureList, find_images
from tests.fakes.residual_network import pictures, write_pictures


@pytest.fixture
def pool(tmp_path: Path) -> PictureList:
    return find_images(write_pictures(tmp_path / "pool", pictures(5)))


@pytest.fixture
def record(pool: PictureList) -> CalibrationRecord:
    """Three pictures calibrated, one checked."""
    digests = {
        path: hashlib.sha256((pool.root / path).read_bytes()).hexdigest() for path in pool.paths
    }
    return CalibrationRecord(
        key=CalibrationKey("ab" * 32, pool_digest(pool), "percentile", 1, 3, 1),
        calibration={path: digests[path] for path in pool.paths[:3]},
        check={path: digests[path] for path in pool.paths[3:4]},
        check_is_separate=True,
        predicted={"cat": 2, "dog": 0},
        extremes={"conv1": (-1.5, 2.25)},
        ranges={"conv1": (-1.0, 2.0)},
        means={"conv1": [0.25, -0.5]},
        version="1.2.3",
    )


def test_reading_undoes_writing(record: CalibrationRecord, tmp_path: Path) -> None:
    record.write(tmp_path)
    assert CalibrationRecord.read(tmp_path) == record
    content = json.loads((tmp_path / CALIBRATION).read_text())
    assert (content["program"], content["stage"], content["format"]) == (
        "cdul-edge",
        "calibration",
        1,
    )


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"program": "other"}', "\xff"])
def test_a_damaged_or_foreign_record_is_none_and_calibration_starts_anew(
    tmp_path: Path, content: str
) -> None:
    assert CalibrationRecord.read(tmp_path) is None
    (tmp_path / CALIBRATION).write_bytes(content.encode("latin-1"))
    assert CalibrationRecord.read(tmp_path) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"program": "other"},
        {"stage": "calibrate"},
        {"key": {"method": "entropy"}},
        {"ranges": {"conv1": [1]}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_record_of_another_version_is_none(
    record: CalibrationRecord, tmp_path: Path, changes: dict[str, Any]
) -> None:
    record.write(tmp_path)
    path = tmp_path / CALIBRATION
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    assert CalibrationRecord.read(tmp_path) is None


def test_a_record_fits_unchanged_pictures_with_the_same_key(
    record: CalibrationRecord, pool: PictureList
) -> None:
    assert record.fits(replace(record.key), pool)


def test_a_record_without_means_of_an_earlier_version_is_read_but_taken_again(
    record: CalibrationRecord, pool: PictureList, tmp_path: Path
) -> None:
    record.write(tmp_path)
    content = json.loads((tmp_path / CALIBRATION).read_text())
    del content["means"]
    (tmp_path / CALIBRATION).write_text(json.dumps(content))
    earlier = CalibrationRecord.read(tmp_path)
    assert earlier is not None
    assert earlier.ranges == record.ranges
    assert not earlier.fits(record.key, pool)


@pytest.mark.parametrize(
    "changes",
    [
        {"source_sha256": "00" * 32},
        {"pool_sha256": "00" * 32},
        {"method": "minmax"},
        {"seed": 2},
        {"count": 4},
        {"check_count": 2},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_record_fits_no_other_model_pool_or_setting(
    record: CalibrationRecord, pool: PictureList, changes: dict[str, Any]
) -> None:
    assert not record.fits(replace(record.key, **changes), pool)


@pytest.mark.parametrize("number", [0, 3], ids=["calibration", "check"])
def test_a_changed_or_missing_picture_does_not_fit(
    record: CalibrationRecord, pool: PictureList, number: int
) -> None:
    path = pool.absolute(number)
    path.write_bytes(path.read_bytes() + b"x")
    assert not record.fits(record.key, pool)
    path.unlink()
    assert not record.fits(record.key, pool)


def test_a_picture_that_was_not_chosen_may_change(
    record: CalibrationRecord, pool: PictureList
) -> None:
    pool.absolute(4).write_bytes(b"other")
    assert record.fits(record.key, pool)


def test_one_digest_stands_for_all_pictures_and_their_order(record: CalibrationRecord) -> None:
    backwards = dict(reversed(record.calibration.items()))
    assert replace(record, calibration=backwards).pictures_sha256 != record.pictures_sha256
    joined = "".join(record.calibration.values())
    assert record.pictures_sha256 == hashlib.sha256(joined.encode()).hexdigest()


def test_a_pool_is_known_by_its_paths(tmp_path: Path) -> None:
    lists = [("a.png", "b.png"), ("b.png", "a.png"), ("a.png",), ("a.pngb.png",)]
    digests = {pool_digest(PictureList(tmp_path, paths)) for paths in lists}
    assert len(digests) == 4
    assert pool_digest(PictureList(Path("/elsewhere"), lists[0])) in digests


def test_a_picture_outside_the_pool_is_named_without_its_folders() -> None:
    assert portable_name("animals/a.jpg") == "animals/a.jpg"
    for path in ("/home/ann/a.jpg", "../ann/a.jpg"):
        digits, name = portable_name(path).split("/")
        assert (len(digits), name) == (12, "a.jpg")
    assert portable_name("/home/ann/a.jpg") != portable_name("/home/bob/a.jpg")
