"""Builds of PyTorch without torch.distributed, as for some boards, train in one process."""

from __future__ import annotations

import runpy
import sys
from importlib.util import find_spec

import pytest
import torch
import torch.distributed as dist

from cdul_edge.launcher import Launch
from cdul_edge.training.ranks.meeting import open_ranks
from cdul_edge_runtime.errors import CdulEdgeError

NATIVE = "torch._C._distributed_c10d"


@pytest.mark.parametrize("module", ["ranks", "meeting"])
def test_what_ranks_are_made_of_is_imported_without_it(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = find_spec(f"cdul_edge.training.ranks.{module}")
    assert spec is not None
    assert spec.origin is not None
    monkeypatch.setitem(sys.modules, NATIVE, None)  # an import of it raises
    assert "Ranks" in runpy.run_path(spec.origin)


def test_several_processes_are_told_that_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, NATIVE, None)
    monkeypatch.setattr(dist, "is_available", lambda: False)
    several = open_ranks(Launch(0, 2, 0, 2), torch.device("cpu"))
    with pytest.raises(CdulEdgeError, match=r"built without torch\.distributed"):
        several.__enter__()
