"""Decoding in other processes gives what decoding here gives, in order, and never hangs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdul_edge.labelling.encode.decoding import (
    Decoder,
    DecodingPlan,
    Work,
    decode_batch,
    open_decoder,
)
from cdul_edge.labelling.encode.views import Views
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.preprocess import Preprocess

SIDE = 8


@pytest.fixture
def plan(tmp_path: Path) -> DecodingPlan:
    """Ten pictures, each of its own gray: 10, 20, … 100; the fourth is not a picture."""
    for index in range(10):
        gray = 10 * (index + 1)
        Image.new("RGB", (20 + index, 30), (gray,) * 3).save(tmp_path / f"{index}.png")
    (tmp_path / "3.png").write_text("no picture")
    return DecodingPlan(tmp_path, Views(2, 2), Preprocess(SIDE, SIDE, "squash", "bicubic"), 4)


def works() -> Iterator[Work]:
    names = [f"{index}.png" for index in range(10)]
    for part, start in ((0, 0), (0, 4), (1, 8)):
        yield Work(part, tuple(names[start : start + 4]))


def test_what_cannot_be_read_leaves_no_gap_and_shifts_nothing(plan: DecodingPlan) -> None:
    slot = np.zeros(plan.slot_shape, np.uint8)
    outcome = decode_batch(plan, ("2.png", "3.png", "4.png"), slot)
    assert outcome.sizes == ((22, 30), (0, 0), (24, 30))
    assert outcome.reasons == (None, "is not a picture that Pillow can identify", None)
    assert (slot[0] == 30).all()
    assert (slot[1] == 50).all()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_come_in_order_whoever_decodes_them(plan: DecodingPlan, workers: int) -> None:
    grays, reasons, batches = [], [], []
    with open_decoder(plan, workers, held_slots=1) as decoder:
        for batch in decoder.batches(works()):
            assert batch.pixels.shape[1:] == (5, SIDE, SIDE, 3)
            grays += batch.pixels[:, 0, 0, 0, 0].tolist()
            reasons += [reason is None for reason in batch.reasons]
            batches.append((batch.work.part, len(batch.pixels)))
            decoder.release(batch)
    assert grays == [10, 20, 30, 50, 60, 70, 80, 90, 100]
    assert reasons == [index != 3 for index in range(10)]
    assert batches == [(0, 3), (0, 4), (1, 2)]


def test_a_batch_keeps_its_pixels_until_it_is_released(plan: DecodingPlan) -> None:
    with open_decoder(plan, 1, held_slots=3) as decoder:
        held = list(decoder.batches(works()))
        assert [int(batch.pixels[0].max()) for batch in held] == [10, 50, 90]


def test_names_with_newlines_and_other_alphabets_reach_the_workers(plan: DecodingPlan) -> None:
    name = "zwei\nZeilen – 猫.png"
    Image.new("RGB", (9, 9), (7, 7, 7)).save(plan.root / name)
    with open_decoder(plan, 1, held_slots=1) as decoder:
        (batch,) = decoder.batches([Work(0, (name,))])
        assert (batch.pixels == 7).all()


def test_a_worker_that_dies_is_an_error_that_names_its_pictures(plan: DecodingPlan) -> None:
    with open_decoder(plan, 1, held_slots=1) as decoder:
        os.kill(_only_worker(decoder), signal.SIGKILL)
        with pytest.raises(CdulEdgeError, match=r"died \(exit code -9\).*'0.png' and '3.png'"):
            list(decoder.batches(works()))


def test_workers_end_when_the_block_ends_and_when_the_pipe_does(plan: DecodingPlan) -> None:
    with open_decoder(plan, 1, held_slots=1) as decoder:
        worker = _only_worker(decoder)
        os.kill(worker, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_the_shared_memory_has_no_name_that_could_be_left_behind(plan: DecodingPlan) -> None:
    before = set(os.listdir("/dev/shm")) if Path("/dev/shm").is_dir() else set()
    with open_decoder(plan, 0, held_slots=1):
        if Path("/dev/shm").is_dir():
            assert set(os.listdir("/dev/shm")) <= before


def _only_worker(decoder: Decoder) -> int:
    (worker,) = decoder._workers
    return worker._process.pid
