"""Decoding in other processes gives what decoding here gives, in order, and never hangs."""

from __future__ import annotations

import os
import shutil
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cdul_edge.labelling.decode import shared_memory
from cdul_edge.labelling.decode.decoding import Decoder, Work, open_decoder
from cdul_edge.labelling.decode.picture_reader import PictureReader
from cdul_edge.labelling.decode.views import Views
from cdul_edge.labelling.store.pictures import Content, is_same
from cdul_edge.sources.files import LocalFiles
from cdul_edge.sources.source import SourcePicture
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.pictures import resizer
from cdul_edge_runtime.pictures.preprocess import Preprocess

SIDE = 8
BATCH = 4


@pytest.fixture
def reader(tmp_path: Path) -> PictureReader:
    """Ten pictures, each of its own gray: 10, 20, … 100; the fourth is not a picture."""
    for index in range(10):
        gray = 10 * (index + 1)
        Image.new("RGB", (20 + index, 30), (gray,) * 3).save(tmp_path / f"{index}.png")
    (tmp_path / "3.png").write_text("no picture")
    return PictureReader(
        LocalFiles(tmp_path), Views(2, 2), Preprocess(SIDE, SIDE, "squash", "bicubic")
    )


@contextmanager
def decoder_of(reader: PictureReader, workers: int, held_slots: int = 1) -> Iterator[Decoder]:
    with open_decoder(reader, BATCH, workers, held_slots, SilentConsole()) as decoder:
        yield decoder


def named(*paths: str) -> tuple[SourcePicture, ...]:
    return tuple(map(SourcePicture, paths))


def works() -> Iterator[Work]:
    names = [f"{index}.png" for index in range(10)]
    for part, start in ((0, 0), (0, 4), (1, 8)):
        yield Work(part, named(*names[start : start + 4]))


def test_what_cannot_be_read_leaves_no_gap_and_shifts_nothing(reader: PictureReader) -> None:
    slot = np.zeros(reader.shape(BATCH), np.uint8)
    pictures = reader.read_batch(named("2.png", "3.png", "4.png"), slot)
    assert [(p.width_px, p.height_px) for p in pictures] == [(22, 30), (0, 0), (24, 30)]
    reasons = [picture.reason for picture in pictures]
    assert reasons == [None, "is not a picture that Pillow can identify", None]
    assert (slot[0] == 30).all()
    assert (slot[1] == 50).all()


def test_what_is_read_is_known_again_by_its_bytes(reader: PictureReader, tmp_path: Path) -> None:
    slot = np.zeros(reader.shape(BATCH), np.uint8)
    file = tmp_path / "2.png"
    (picture,) = reader.read_batch(named("2.png"), slot)
    assert is_same(reader.files, picture)
    os.utime(file, ns=(1, 1))  # copied again: the same bytes at another time
    assert is_same(reader.files, picture)
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)
    assert not is_same(reader.files, picture)
    file.unlink()
    assert not is_same(reader.files, picture)


@pytest.mark.parametrize("given", [False, True], ids=["files", "bytes"])
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_come_in_order_whoever_decodes_them(
    reader: PictureReader, tmp_path: Path, workers: int, given: bool
) -> None:
    grays, readable, batches = [], [], []
    asked = (_with_bytes(work, tmp_path) for work in works()) if given else works()
    with decoder_of(reader, workers) as decoder:
        for batch in decoder.batches(asked):
            assert batch.pixels.shape[1:] == (5, SIDE, SIDE, 3)
            grays += batch.pixels[:, 0, 0, 0, 0].tolist()
            readable += [picture.reason is None for picture in batch.pictures]
            batches.append((batch.part, len(batch.pixels)))
            decoder.release(batch)
    assert grays == [10, 20, 30, 50, 60, 70, 80, 90, 100]
    assert readable == [index != 3 for index in range(10)]
    assert batches == [(0, 3), (0, 4), (1, 2)]


def _with_bytes(work: Work, folder: Path) -> Work:
    """Each padded to what no pipe holds; a PNG ends before."""
    padded = (
        (one.path, (folder / one.path).read_bytes() + bytes(1 << 18)) for one in work.pictures
    )
    return replace(work, pictures=tuple(SourcePicture(*one) for one in padded))


def test_bytes_and_files_are_recorded_alike(reader: PictureReader, tmp_path: Path) -> None:
    slots = [np.zeros(reader.shape(2), np.uint8) for _ in range(2)]
    files = [tmp_path / "2.png", tmp_path / "3.png"]  # the second is no picture
    given = [SourcePicture(f.name, f.read_bytes(), f.stat().st_mtime_ns) for f in files]
    by_name = reader.read_batch(named("2.png", "3.png"), slots[1])
    assert reader.read_batch(given, slots[0]) == by_name
    assert (slots[0] == slots[1]).all()


def test_a_picture_that_its_source_gives_up_is_skipped_with_that_reason(
    reader: PictureReader,
) -> None:
    given = SourcePicture("a.png", b"", 5, "has a name that leads out of its shard")
    (picture,) = reader.read_batch([given], np.zeros(reader.shape(1), np.uint8))
    assert (picture.reason, picture.content) == (given.reason, Content(0, 5, None))


def test_a_batch_keeps_its_pixels_until_it_is_released(reader: PictureReader) -> None:
    with decoder_of(reader, 1, held_slots=3) as decoder:
        held = list(decoder.batches(works()))
        assert [int(batch.pixels[0].max()) for batch in held] == [10, 50, 90]


def test_names_with_newlines_and_other_alphabets_reach_the_workers(
    reader: PictureReader, tmp_path: Path
) -> None:
    name = "zwei\nZeilen – 猫.png"
    Image.new("RGB", (9, 9), (7, 7, 7)).save(tmp_path / name)
    with decoder_of(reader, 1) as decoder:
        (batch,) = decoder.batches([Work(0, named(name))])
        assert (batch.pixels == 7).all()


def test_a_worker_that_is_killed_costs_no_picture(reader: PictureReader) -> None:
    grays = []
    with decoder_of(reader, 1) as decoder:
        os.kill(_only_worker(decoder), signal.SIGKILL)
        for batch in decoder.batches(works()):
            grays += batch.pixels[:, 0, 0, 0, 0].tolist()
            decoder.release(batch)
    assert grays == [10, 20, 30, 50, 60, 70, 80, 90, 100]


def test_a_picture_that_kills_its_decoder_is_skipped_and_the_others_are_not(
    reader: PictureReader,
) -> None:
    grays, reasons = [], []
    deadly = [Work(one.part, tuple(map(_deadly_five, one.pictures))) for one in works()]
    with decoder_of(reader, 2) as decoder:
        for batch in decoder.batches(deadly):
            grays += batch.pixels[:, 0, 0, 0, 0].tolist()
            reasons += [picture.reason for picture in batch.pictures]
            decoder.release(batch)
    assert grays == [10, 20, 30, 50, 70, 80, 90, 100]
    assert reasons[5] == "killed its decoder (exit code -9)"
    assert [index for index, reason in enumerate(reasons) if reason] == [3, 5]


def test_when_every_picture_kills_its_decoder_the_run_stops_and_says_so(
    reader: PictureReader,
) -> None:
    deadly = [Work(0, tuple(map(_deadly, one.pictures))) for one in works()]
    with (
        decoder_of(reader, 1) as decoder,
        pytest.raises(CdulEdgeError, match=r"3 decoding processes died.*exit code -9.*'2.png'"),
    ):
        list(decoder.batches(deadly))


def _deadly_five(picture: SourcePicture) -> SourcePicture:
    return _deadly(picture) if picture.path == "5.png" else picture


def _deadly(picture: SourcePicture) -> SourcePicture:
    return SourcePicture(Deadly(picture.path))


def test_a_file_in_the_current_folder_is_never_imported(
    reader: PictureReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "pickle", "numpy", "PIL", "cdul_edge", "sitecustomize", "typing"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with decoder_of(reader, 1) as decoder:
        assert [len(batch.pixels) for batch in decoder.batches([Work(0, named("0.png"))])] == [1]


def test_workers_end_when_the_block_ends(reader: PictureReader) -> None:
    with decoder_of(reader, 1) as decoder:
        worker = _only_worker(decoder)
        os.kill(worker, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_the_shared_memory_has_no_name_that_could_be_left_behind(reader: PictureReader) -> None:
    before = set(os.listdir("/dev/shm")) if Path("/dev/shm").is_dir() else set()
    with decoder_of(reader, 0):
        if Path("/dev/shm").is_dir():
            assert set(os.listdir("/dev/shm")) <= before


@pytest.mark.parametrize(
    ("free", "reason"), [(0, "MiB left: "), (1 << 60, "cannot be written (")], ids=["full", "read"]
)
def test_without_room_in_memory_the_disk_serves_and_a_line_says_so(
    reader: PictureReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, reason: str
) -> None:
    said: list[str] = []

    class Recorder(SilentConsole):
        def say(self, line: str) -> None:
            said.append(line)

    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shared_memory, "_IN_MEMORY", Path("/proc/self"))  # nobody writes there
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    with open_decoder(reader, BATCH, 1, 1, Recorder()) as decoder:
        assert len(list(decoder.batches([Work(0, named("0.png"))]))) == 1
    assert len(said) == 1
    assert reason in said[0]
    assert ": decoded pictures go through" in said[0]


class Deadly(str):
    """A name that kills the process which receives it, as the system does for too much memory."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return eval, ("__import__('os').kill(__import__('os').getpid(), 9)",)


def _only_worker(decoder: Decoder) -> int:
    (worker,) = decoder._workers
    return worker._process.pid


def test_what_every_child_has_to_say_of_the_resizer_is_said_once(
    reader: PictureReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    broken = tmp_path / "modules" / "cykooz_resizer"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise OSError('made for another computer')\n")
    monkeypatch.syspath_prepend(broken.parent)  # children import from where their parent does
    monkeypatch.setattr(resizer, "_said", {})
    with warnings.catch_warnings(record=True) as said, decoder_of(reader, workers=2) as decoder:
        warnings.simplefilter("always")
        for batch in decoder.batches(works()):
            assert len(batch.pixels)
            decoder.release(batch)
    (line,) = [str(one.message) for one in said]
    assert line.startswith("cykooz-resizer is installed and not used (made for another computer)")
    assert capfd.readouterr().err == ""
