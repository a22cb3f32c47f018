"""What ends a checkpoint midway is what the caller hears of."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch

from cdul_edge.training.checkpoint import write_tensors


class InterruptedFile(io.FileIO):
    """One in whose second write Ctrl-C falls; torch then raises another error while it closes."""

    def write(self, content: Any, /) -> int:
        if self.tell():
            raise KeyboardInterrupt
        return super().write(content) or 0


def test_an_interrupt_while_a_checkpoint_is_written_stays_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "checkpoint.pt"
    write_tensors(file, {"weights": torch.zeros(2)})
    before = file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda path, mode: InterruptedFile(path, mode))
        with pytest.raises(KeyboardInterrupt):
            write_tensors(file, {"weights": torch.ones(2)})
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
