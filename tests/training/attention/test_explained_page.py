"""The page of an explanation: what it shows, and what it says of panels it has no room for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cdul_edge.page.page import write_page
from cdul_edge.training.attention.explained_page import render_explanation
from tests.fakes.chromium import NARROW_PX, Number, OpenPage

PATHS = ["a <b>.png", "two\nlines.png", "c.png"]


def explanation(folder: Path) -> tuple[dict[str, object], list[str]]:
    """Panels of three pictures, and their index."""
    panels = [f"{place:05d}-panel {place}.png" for place in range(3)]
    for place, panel in enumerate(panels):
        Image.new("RGB", (960, 300), (80 * place, 0, 0)).save(folder / panel)
    pictures = [
        {
            "path": path,
            "panel": panel,
            "classes": [{"name": "<cat>", "predicted": True, "scores": [0.25, 0.75 + place / 10]}],
        }
        for place, (path, panel) in enumerate(zip(PATHS, panels, strict=True))
    ]
    index: dict[str, object] = {
        **{"version": "1", "run": "runs/one", "checkpoint_sha256": "ab" * 32, "network": "clip"},
        **{"rows": ["after epoch 1", "after epoch 9"], "pictures": pictures},
    }
    return index, panels


def test_every_panel_is_shown_with_its_scores(
    open_page: Callable[..., OpenPage], tmp_path: Path
) -> None:
    html = render_explanation(tmp_path, *explanation(tmp_path))
    assert html == render_explanation(tmp_path, *explanation(tmp_path))
    write_page(tmp_path / "index.html", html)
    opened = open_page(tmp_path / "index.html")
    assert opened.page.locator("h2").all_inner_texts() == PATHS
    images = opened.page.locator("img")
    assert images.evaluate_all("all => all.map(one => one.getAttribute('alt'))") == [
        f"Activation maps over {path}" for path in PATHS
    ]
    images.evaluate_all("all => Promise.all(all.map(one => one.decode()))")
    assert images.evaluate_all("all => all.map(one => one.naturalWidth)") == [960] * 3
    assert opened.numbers()[:2] == [
        Number("/pictures/0/classes/0/scores/0", "0.25", "0.25"),
        Number("/pictures/0/classes/0/scores/1", "0.75", "0.75"),
    ]
    opened.show(width=NARROW_PX, colors="dark")
    assert opened.overflow_px() == 0
    assert opened.violations() == []
    assert (opened.requests, opened.errors) == ([], [])


@pytest.mark.parametrize(("budget", "shown"), [(0, 1), (1_000_000, 3)])
def test_panels_beyond_the_budget_are_named_and_counted(
    budget: int, shown: int, tmp_path: Path
) -> None:
    html = render_explanation(tmp_path, *explanation(tmp_path), budget=budget)
    assert html.count("<img") == shown
    assert html.count('<li><a href="0000') == 3 - shown
    said = "shows the first 1 of 3 panels"
    assert (said in html) == (shown < 3)
    assert ('href="00002-panel%202.png"' in html) == (shown < 3)
