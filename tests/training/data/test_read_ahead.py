"""Batches reach the device in order, read ahead or when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from threading import current_thread, main_thread

import pytest
import torch

from cdul_edge.training.data.dataset import StoredPictures
from cdul_edge.training.data.read_ahead import read_batches, take_ahead


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_every_batch_holds_the_pictures_of_its_numbers(device: str) -> None:
    numbers = torch.arange(10, dtype=torch.uint8)
    stored = StoredPictures(numbers.view(10, 1, 1, 1).expand(10, 4, 4, 3).contiguous())
    batches = [torch.tensor(one, dtype=torch.int64) for one in ([9, 0, 3], [1], [], [2, 2])]
    found = list(read_batches(stored, batches, torch.device(device)))
    assert [images.device.type for images in found] == [device] * 4
    assert [tuple(images.shape) for images in found] == [(len(one), 4, 4, 3) for one in batches]
    for images, one in zip(found, batches, strict=True):
        assert torch.equal(images.cpu()[:, 0, 0, 0].long(), one)


def test_items_are_made_in_one_thread_a_few_ahead_and_no_more() -> None:
    made: list[int] = []

    def make() -> Iterator[int]:
        for number in range(9):
            assert current_thread() is not main_thread()
            made.append(number)
            yield number

    taken = []
    for number in take_ahead(make(), 3):
        taken.append(number)
        assert len(made) <= number + 1 + 3
    assert taken == made == list(range(9))


def test_what_goes_wrong_while_reading_is_raised_where_the_batch_would_be() -> None:
    def make() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    ahead = take_ahead(make(), 3)
    assert next(ahead) == 1
    with pytest.raises(OSError, match="gone"):
        next(ahead)
