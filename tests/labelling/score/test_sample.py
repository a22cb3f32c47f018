"""Which pictures stand for a set: the same ones in whatever order and parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from cdul_edge.labelling.score import sample as sampling
from cdul_edge.labelling.score.sample import Sample, choose_sample, hash_path
from cdul_edge.labelling.store.parts import Part, part_name, write_part
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge.labelling.store.reader import StoreReader

NAMES = [f"{place:02}.jpg" for place in range(20)]


def write(folder: Path, names: Sequence[str], size: int, bad: Sequence[str] = ()) -> StoreReader:
    """A store in which a picture's one cosine is its number."""
    starts = range(0, len(names), size)
    for index, start in enumerate(starts):
        some = names[start : start + size]
        pictures = tuple(StoredPicture(n, reason="is bad" if n in bad else None) for n in some)
        values = [[[float(n[:2])]] for n in some if n not in bad]
        part = Part(pictures, np.array(values, np.float32).reshape(-1, 1, 1))
        write_part(folder / part_name(index), part, "cosines", "")
    return StoreReader(folder, len(starts))


def read(sample: Sample) -> list[int]:
    return [int(value) for part in sample.read() for value in part.values.ravel()]


def test_a_hash_is_the_same_on_every_machine() -> None:
    # BLAKE2b of 8 bytes, as `b2sum -l 64` prints it
    assert hash_path("a.jpg").hex() == "fe47f0026e12a789"


def test_order_and_parts_do_not_matter(tmp_path: Path) -> None:
    expected = sorted(sorted(range(20), key=lambda place: hash_path(NAMES[place]))[:7])
    one = choose_sample(write(tmp_path / "one", NAMES, 6), 7)
    assert read(one) == expected
    assert (len(one), one.pictures, one.whole) == (7, 20, False)
    other = choose_sample(write(tmp_path / "other", NAMES[::-1], 1), 7)
    assert sorted(read(other)) == expected
    # every picture but the last, in its order; and all of them
    assert len(read(choose_sample(write(tmp_path / "one", NAMES, 6), 19))) == 19
    assert choose_sample(write(tmp_path / "one", NAMES, 6), 20).whole
    assert read(choose_sample(write(tmp_path / "one", NAMES, 6), 21)) == list(range(20))


def test_pictures_that_cannot_be_read_are_not_chosen(tmp_path: Path) -> None:
    bad = [*NAMES[:6], NAMES[8]]  # the whole first part, and one more
    store = write(tmp_path, NAMES, 6, bad)
    sample = choose_sample(store, 5)
    readable = [place for place in range(20) if NAMES[place] not in bad]
    expected = sorted(sorted(readable, key=lambda place: hash_path(NAMES[place]))[:5])
    assert read(sample) == expected
    assert sample.pictures == 13
    whole = choose_sample(store, 13)
    assert whole.whole
    assert whole.starts() == (0, 0, 5, 11, 13)
    nothing = choose_sample(write(tmp_path, NAMES, 6, NAMES), 5)
    assert (len(nothing), nothing.pictures) == (0, 0)


def test_paths_that_hash_alike_are_told_apart_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "hash_path", lambda path, salt="": b"same")
    turned = NAMES[10:] + NAMES[:10]
    assert sorted(read(choose_sample(write(tmp_path, turned, 3), 4))) == [0, 1, 2, 3]


def test_another_salt_chooses_others(tmp_path: Path) -> None:
    store = write(tmp_path, NAMES, 6)
    assert read(choose_sample(store, 7, "a")) != read(choose_sample(store, 7, "b"))
