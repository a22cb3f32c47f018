"""Values with tensors in them, taken apart so that the tensors need not be pickled."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Apart:
    """A value without its tensors.

    Attributes:
        words: the rest of it, pickled.
        forms: shape, strides, and type of each tensor.
    """

    words: bytes
    forms: tuple[tuple[tuple[int, ...], tuple[int, ...], torch.dtype], ...]

    def make_room(self) -> list[Tensor]:
        """Tensors like those that were taken out, to be filled."""
        return [
            torch.empty_strided(shape, strides, dtype=kind) for shape, strides, kind in self.forms
        ]

    def put_together(self, tensors: list[Tensor]) -> object:
        """The value, with these tensors in it."""
        return _Joiner(self.words, tensors).load()


def take_apart(value: object) -> tuple[Apart, list[Tensor]]:
    """The value without its tensors of the CPU, and these: they share its memory where dense."""
    splitter = _Splitter()
    splitter.dump(value)
    tensors = [_without_gaps(tensor) for tensor in splitter.tensors]
    forms = ((tuple(one.shape), one.stride(), one.dtype) for one in tensors)
    return Apart(splitter.sink.getvalue(), tuple(forms)), tensors


def as_bytes(tensor: Tensor) -> Tensor:
    """(bytes,) uint8 of a dense tensor that is not empty, in its own memory, whatever its type."""
    flat = tensor.as_strided((tensor.numel(),), (1,), tensor.storage_offset())
    return flat.view(torch.uint8)


class _Splitter(pickle.Pickler):
    def __init__(self) -> None:
        self.sink = io.BytesIO()
        super().__init__(self.sink)
        self.tensors: list[Tensor] = []

    def persistent_id(self, value: object) -> int | None:
        if type(value) is not Tensor:  # a parameter is more
            return None
        if value.requires_grad or not value.is_cpu or value.layout is not torch.strided:
            return None
        self.tensors.append(value)
        return len(self.tensors) - 1


class _Joiner(pickle.Unpickler):
    def __init__(self, words: bytes, tensors: list[Tensor]) -> None:
        super().__init__(io.BytesIO(words))
        self._tensors = tensors

    def persistent_load(self, number: int) -> Tensor:
        return self._tensors[number]


def _without_gaps(tensor: Tensor) -> Tensor:
    """Itself, in whatever order of its axes, where its numbers lie side by side; else a copy."""
    strides = sorted(zip(tensor.stride(), tensor.shape, strict=True))
    expected = 1
    for stride, size in strides:
        if size > 1 and stride != expected:
            return tensor.contiguous()
        expected *= size
    return tensor
