"""A classifier of three colors, and sources that come back without a wait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.streams.reading import backoff


@pytest.fixture
def classifier(bundle: Path) -> Iterator[Classifier]:
    """The tiny bundle: its labels are red and green, and blue never."""
    with Classifier.load(bundle, device="cpu", threads=1) as loaded:
        yield loaded


@pytest.fixture
def no_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost source is tried again at once."""
    monkeypatch.setattr(backoff, "FIRST_WAIT_S", 0.0)
