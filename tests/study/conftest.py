"""A study of four tiny runs, and outcomes whose numbers can be checked by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="a study trains networks")

from cdul_edge.study import DrawnWorld, StudyRequest, run
from cdul_edge.study.cells import Cell
from cdul_edge.study.outcome import MEASURES, Finished, Measure
from cdul_edge.training.config import TrainConfig
from cdul_edge_runtime.host.console import SilentConsole
from tests.fakes.study_cells import run_cells_here

TINY: dict[str, Any] = {
    "data": DrawnWorld(24, 16),
    "strategies": ("default",),
    "methods": ("fixed", "cdul"),
    "seeds": (0, 1),
    "preset": "demo",
    "options": {"epochs": 1, "height_px": 32, "width_px": 32, "weights": "none"},
    "threads": 1,
    "device": "cpu",
}


@pytest.fixture
def tiny() -> Callable[..., StudyRequest]:
    """Settings of a study of seconds; each can be changed."""
    return lambda out, **changes: StudyRequest(out=out, **{**TINY, **changes})


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Cells run here, one after another; returns the titles of those that were."""
    titles: list[str] = []
    monkeypatch.setattr(run, "run_in_workers", run_cells_here(titles))
    return titles


def measured(strategy: str, method: str, seed: int, heldout: float, **changes: Any) -> Finished:
    """A finished cell; every measure but the held-out mAP is 50 unless it is given."""
    cell = Cell(strategy, method, changes.pop("observed", "none"), seed)
    measures: dict[Measure, float | None] = {
        name: changes.pop(name, heldout if name == "heldout_map" else 50.0) for name in MEASURES
    }
    fields: dict[str, Any] = {
        "ap": {"cat": heldout + 1, "dog": heldout - 1},
        "curve": (heldout - 2, heldout),
        "labels_curve": (50.0, 50.0),
        "settings": TrainConfig(),
        "labels_digest": "0",
        **changes,
    }
    return Finished(cell, measures, **fields)


@pytest.fixture
def cell() -> Callable[..., Finished]:
    return measured


@pytest.fixture
def outcomes() -> list[Finished]:
    """Two methods and two strategies, two seeds: fixed 70 and 72, cdul 71 and 74, global 60, 60."""
    return [
        measured("default", "fixed", 0, 70.0, labels_first_map=80.0),
        measured("default", "cdul", 0, 71.0, labels_first_map=80.0, labels_curve=(80.0, 81.0)),
        measured("global", "fixed", 0, 60.0, labels_first_map=65.0),
        measured("default", "fixed", 1, 72.0, labels_first_map=82.0),
        measured("default", "cdul", 1, 74.0, labels_first_map=82.0, labels_curve=(82.0, 83.0)),
        measured("global", "fixed", 1, 60.0, labels_first_map=67.0),
    ]


@pytest.fixture(scope="session")
def quiet() -> SilentConsole:
    return SilentConsole()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "study"
