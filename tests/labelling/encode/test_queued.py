"""What a GPU is given is what a CPU computes: the queue runs on both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cdul_edge.clip.models import LoadedClip, load_clip
from cdul_edge.labelling.arrays import Pixels
from cdul_edge.labelling.decode.decoding import Decoded
from cdul_edge.labelling.encode import encoder as encoder_module
from cdul_edge.labelling.encode.encoder import ClipEncoder
from cdul_edge.labelling.encode.patch_encoder import PatchEncoder
from cdul_edge.labelling.encode.queued import AHEAD, Queued, bring_pixels, stream_queued
from cdul_edge.labelling.store.parts import part_name, read_part
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge_runtime.errors import CdulEdgeError

MakeClip = Callable[[], LoadedClip]
PIXELS = np.random.default_rng(0).integers(0, 256, (7, 3, 32, 32, 3), dtype=np.uint8)

each_device = pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
)


def piece(number: int, start: int, stop: int, *, ends: bool) -> Decoded:
    return Decoded(0, (StoredPicture(str(number)),), PIXELS[start:stop], number, ends)


# Two batches of 4 and 3 pictures; in the middle of each is a piece that could not be read.
PIECES = [
    piece(0, 0, 3, ends=False), piece(1, 3, 3, ends=False), piece(2, 3, 4, ends=True),
    piece(3, 4, 5, ends=False), piece(4, 5, 5, ends=False), piece(5, 5, 7, ends=True),
    piece(6, 7, 7, ends=True),
]  # fmt: skip


@each_device
def test_each_piece_gets_its_own_vectors_in_order(clip: MakeClip, device: Any) -> None:
    encoder = ClipEncoder(clip(), device, "fp32")
    found = list(stream_queued(encoder.queue, iter(PIECES)))
    assert [one.slot for one, _ in found] == [0, 1, 2, 3, 4, 5, 6]
    assert [len(vectors) for _, vectors in found] == [3, 0, 1, 1, 0, 2, 0]
    joined = np.concatenate([vectors for _, vectors in found if len(vectors)])
    assert joined == pytest.approx(ClipEncoder(clip(), "cpu").embed_views(PIXELS), abs=1e-4)


@each_device
def test_pieces_lie_together_on_the_device(device: str) -> None:
    brought = bring_pixels([PIXELS[:2], PIXELS[2:2], PIXELS[2:]], device)
    assert brought.device.type == device
    assert np.array_equal(brought.cpu().numpy(), PIXELS.reshape(21, 32, 32, 3))


def test_some_batches_are_queued_before_one_is_fetched_and_no_more_are_held() -> None:
    events: list[str] = []

    class Answer(Queued):
        def fetch(self) -> Any:
            events.append("fetch")
            return super().fetch()

    def queue(pieces: Sequence[Pixels]) -> Queued:
        events.append("queue")
        return Answer(torch.zeros(sum(map(len, pieces)), 1))

    def decoded() -> Iterator[Decoded]:
        for number in range(5):
            events.append("decode")
            yield piece(number, number, number + 1, ends=True)

    for _ in stream_queued(queue, decoded()):
        events.append("given")
    held = 0
    for event in events:
        held += {"decode": 1, "given": -1}.get(event, 0)
        assert held <= AHEAD + 1
    # The device has AHEAD more batches whenever the program waits for one, until none are left.
    waits = [i for i, event in enumerate(events) if event == "fetch"]
    queued = [events[:i].count("queue") - events[:i].count("fetch") for i in waits]
    assert queued == [3, 3, 3, 2, 1]


@each_device
def test_broken_weights_are_an_error_when_they_are_fetched(clip: MakeClip, device: Any) -> None:
    encoder = ClipEncoder(clip(), device)
    with torch.no_grad():
        encoder._model.visual.conv1.weight.fill_(float("nan"))
    queued = encoder.queue([PIXELS])
    with pytest.raises(CdulEdgeError, match="NaN or infinity"):
        queued.fetch()


@pytest.mark.parametrize("kind", [ClipEncoder, PatchEncoder])
def test_no_tower_asks_its_device_for_a_value(
    tiny_clip: Path, tiny_vit: Path, kind: type[ClipEncoder]
) -> None:
    meta: Any = "meta"  # has shapes and no values: a question to it would raise
    loaded = load_clip(str(tiny_vit if kind is PatchEncoder else tiny_clip), "none")
    encoder = kind(loaded, meta, "fp32")
    pixels = torch.from_numpy(PIXELS[0]).to(meta)
    assert encoder.encode(encoder.normalize(pixels)).shape[0] == 3


@pytest.mark.gpu
def test_nothing_is_waited_for_until_it_is_fetched(clip: MakeClip) -> None:
    encoder = ClipEncoder(clip(), "cuda")
    encoder.queue([PIXELS]).fetch()  # what cuDNN does once
    torch.cuda.set_sync_debug_mode("error")
    try:
        queued = encoder.queue([PIXELS])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert queued.fetch().shape == (7, 3, 16)


def test_a_store_holds_the_same_whichever_way_its_batches_went(
    label: Any, pictures: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (pictures / "001.jpg").write_bytes(b"no picture")
    label()
    monkeypatch.setattr(encoder_module, "QUEUING", ("cpu",))
    monkeypatch.setattr(encoder_module, "PIECE_PICTURES", 1)
    label(out=tmp_path / "queued", workers=1)
    for index in range(3):
        found, expected = (
            read_part(out / part_name(index), "cosines") for out in (tmp_path / "queued", label.out)
        )
        assert found.pictures == expected.pictures
        assert found.values == pytest.approx(expected.values, abs=1e-6)
