"""Float32 is whole where that was asked for, and as it was afterwards."""

from __future__ import annotations

import pytest
import torch

from cdul_edge.clip.float32 import is_whole, whole_float32


def test_rounding_is_off_inside_and_as_it_was_outside() -> None:
    assert not is_whole()  # torch's default
    with pytest.raises(KeyError), whole_float32():
        assert is_whole()
        raise KeyError
    assert not is_whole()


@pytest.mark.gpu
def test_a_gpus_convolution_is_then_that_of_the_cpu() -> None:
    draws = torch.Generator().manual_seed(0)
    images, weights = (
        torch.rand(2, 8, 9, 9, generator=draws),
        torch.rand(8, 8, 1, 1, generator=draws),
    )
    exact = torch.nn.functional.conv2d(images.double(), weights.double())
    with whole_float32():
        found = torch.nn.functional.conv2d(images.cuda(), weights.cuda())
    # Eight products: float32 loses 2**-24 of the sum with each, TF32 2**-11 of every factor.
    torch.testing.assert_close(found.cpu().double(), exact, rtol=1e-6, atol=0)
