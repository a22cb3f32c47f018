"""A study of four tiny runs, and outcomes whose numbers can be checked by hand."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="a study trains networks")

from cdul_edge.study import study
from cdul_edge.study.settings import DrawnWorld, StudySettings

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
def tiny() -> Callable[..., StudySettings]:
    """Settings of a study of seconds; each can be changed."""
    return lambda out, **changes: StudySettings(out=out, **{**TINY, **changes})


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Cells run here, one after another; returns the titles of those that were."""
    titles: list[str] = []

    def run(
        function: Callable[[Any], Any], jobs: Iterable[Any], *, workers: int
    ) -> Generator[tuple[Any, Any]]:
        for job in jobs:
            titles.append(job.cell.title)
            yield job, function(job)

    monkeypatch.setattr(study, "run_in_workers", run)
    return titles


def measured(
    strategy: str, method: str, seed: int, heldout: float, **changes: Any
) -> dict[str, Any]:
    """A finished cell; every measure but the held-out mAP is 50 unless it is given."""
    measures = "labels_first_map labels_last_map train_map heldout_cf1 heldout_of1 heldout_macro_f1"
    return {
        "cell": {
            "strategy": strategy,
            "method": method,
            "observed": changes.pop("observed", "none"),
            "seed": seed,
        },
        "status": "done",
        **dict.fromkeys((*measures.split(), "heldout_ece", "seconds"), 50.0),
        "heldout_map": heldout,
        "ap": {"cat": heldout + 1, "dog": heldout - 1},
        "curve": [heldout - 2, heldout],
        "labels_curve": [50.0, 50.0],
        **changes,
    }


@pytest.fixture
def cell() -> Callable[..., dict[str, Any]]:
    return measured


@pytest.fixture
def outcomes() -> list[dict[str, Any]]:
    """Two methods and two strategies, two seeds: fixed 70 and 72, cdul 71 and 74, global 60, 60."""
    return [
        measured("default", "fixed", 0, 70.0, labels_first_map=80.0),
        measured("default", "cdul", 0, 71.0, labels_first_map=80.0, labels_curve=[80.0, 81.0]),
        measured("global", "fixed", 0, 60.0, labels_first_map=65.0),
        measured("default", "fixed", 1, 72.0, labels_first_map=82.0),
        measured("default", "cdul", 1, 74.0, labels_first_map=82.0, labels_curve=[82.0, 83.0]),
        measured("global", "fixed", 1, 60.0, labels_first_map=67.0),
    ]


@pytest.fixture(scope="session")
def quiet() -> Callable[[str], None]:
    return lambda line: None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "study"
