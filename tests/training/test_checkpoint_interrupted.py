"""What ends a checkpoint midway is what the caller hears of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cdul_edge.training.checkpoint import write_tensors


class Interrupting:
    def __reduce__(self) -> str:
        raise KeyboardInterrupt


def test_an_interrupt_while_a_checkpoint_is_written_stays_one(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    write_tensors(file, {"weights": torch.zeros(2)})
    before = file.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write_tensors(file, {"weights": torch.zeros(2), "rest": Interrupting()})
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
