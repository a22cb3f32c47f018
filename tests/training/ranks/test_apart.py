"""Values travel without their tensors, and come together again as they were."""

from __future__ import annotations

import pytest
import torch

from cdul_edge.training.ranks.apart import as_bytes, take_apart

TENSORS = {
    "weights": torch.arange(48.0).view(2, 2, 3, 4).to(memory_format=torch.channels_last),
    "some": torch.arange(12)[3:7],
    "every_other": torch.arange(12)[::2],
    "one_row": torch.arange(3).expand(2, 3),
    "step": torch.tensor(7.5),
    "none": torch.empty(0, 4),
    "flags": torch.tensor([True, False, True]),
    "halves": torch.tensor([[0.5, -2.0]], dtype=torch.bfloat16),
}


def travel(value: object) -> tuple[object, int]:
    """What comes out where the tensors' bytes are copied, and the bytes of the rest."""
    apart, sent = take_apart(value)
    received = apart.make_room()
    for here, there in zip(sent, received, strict=True):
        if here.numel():
            as_bytes(there).copy_(as_bytes(here))
    return apart.put_together(received), len(apart.words)


@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_arrives_to_the_bit(name: str) -> None:
    tensor = TENSORS[name]
    arrived, _ = travel({"state": {0: [tensor, "plain", 1.5]}})
    assert isinstance(arrived, dict)
    found, *plain = arrived["state"][0]
    assert plain == ["plain", 1.5]
    assert found.dtype == tensor.dtype
    assert torch.equal(found, tensor)
    assert found.is_contiguous(memory_format=torch.channels_last) == (name == "weights")


def test_what_is_pickled_does_not_grow_with_the_tensors() -> None:
    large = torch.zeros(1 << 20)
    arrived, pickled = travel((large, torch.nn.Parameter(torch.ones(2))))
    assert pickled < 4096
    (sent, *_) = take_apart([large])[1]
    assert sent.data_ptr() == large.data_ptr()  # no copy
    assert isinstance(arrived, tuple)
    assert isinstance(arrived[1], torch.nn.Parameter)
