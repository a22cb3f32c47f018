"""What docs/scale.md says of several ranks is what was measured."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.record import RESULTS
from benchmarks.scale.rank_runs import CASES
from benchmarks.scale.ranks import COUNTS
from cdul_edge.training.config import METHODS

ROOT = Path(__file__).parents[2]


def test_every_case_was_measured_and_ends_as_the_page_says() -> None:
    found = json.loads((RESULTS / "scale_ranks.json").read_text())["figures"]["cases"]
    assert set(found) == set(CASES)
    rows = [row[f"ranks_{count}"] for row in found.values() for count in COUNTS]
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    assert f"All {len(METHODS)} end within 1e-6 of one process" in page
    assert max(row["weights"] for row in rows) <= 1e-6
    assert max(row["labels"] for row in rows) <= 1e-6
    assert max(row["resumed"] for row in rows) <= 1e-6


def test_the_page_shows_what_a_rank_holds_of_labels() -> None:
    content = json.loads((RESULTS / "scale.json").read_text())
    row = content["figures"]["rows"]["label-state"]
    held = {one["key"]: round(one["median"]) for one in row["figures"]}
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    for key in ("distill-kept", "cdul-kept", "distill-peak", "cdul-peak"):
        assert f"{held[key]:,}" in page
