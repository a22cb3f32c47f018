"""The papers' settings as cells of a study, and what paired runs say of a claim."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.paired import Finding, describe_cells, judge_claim, judge_published, maps_of
from benchmarks.published_settings import CLAIMS, PUBLISHED, STRATEGY, VARIANTS, Claim, Side
from benchmarks.tables.published import compared, draw_claims, draw_levels, interval
from benchmarks.world_figures import FinishedRow, Judged
from cdul_edge.study.levels import parse_level
from cdul_edge.study.variants import METHOD_VARIANTS
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.methods import resolve_settings
from cdul_edge_runtime.bundle.verdict import Estimate
from cdul_edge_runtime.metrics.metrics import mean_average_precision

GOOD, BAD = Side("good", "only-10%"), Side("bad", "only-10%")
CLAIM = Claim("good beats bad", GOOD, BAD)
TRUTH = (np.random.default_rng(0).random((80, 2)) < 0.4).astype(np.int8)


def scores(noise: float, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    drawn = np.random.default_rng(seed).random((80, 2))
    return ((TRUTH + noise * drawn) / (1 + noise)).astype(np.float32)


def test_every_cell_is_a_level_without_pseudo_labels_and_a_method_with_settings() -> None:
    assert len(set(PUBLISHED)) == len(PUBLISHED)
    for _, method, level in PUBLISHED:
        assert parse_level(level).labels_from == "observed"
        variant = {**METHOD_VARIANTS, **VARIANTS}[method]
        resolve_settings(TrainConfig(method=variant.method, method_settings=dict(variant.settings)))


def test_every_claim_is_about_two_cells_that_are_run() -> None:
    run = {Side(method, level) for _, method, level in PUBLISHED}
    for claim in CLAIMS:
        assert {claim.better, claim.worse} <= run, claim
        assert claim.better != claim.worse


def test_an_ablation_differs_from_its_method_in_one_setting_or_in_what_hangs_on_it() -> None:
    def settings(name: str) -> dict[str, object]:
        variant = VARIANTS[name]
        config = TrainConfig(method=variant.method, method_settings=dict(variant.settings))
        return vars(resolve_settings(config))

    changed = {
        name: {key for key, value in settings(name).items() if value != settings(plain)[key]}
        for plain, name in (
            ("plmcl-early", "plmcl-no-momentum"),
            ("plmcl-early", "plmcl-no-velocity"),
            ("plmcl-early", "plmcl-all-at-once"),
            ("g2netpl-early", "g2netpl-no-kl"),
        )
    }
    assert changed == {
        "plmcl-no-momentum": {"momentum", "damping"},
        "plmcl-no-velocity": {"damping"},
        "plmcl-all-at-once": {"easy_first"},
        "g2netpl-no-kl": {"eta", "unstable"},
    }


def test_a_clear_gain_on_three_seeds_holds_and_its_opposite_does_not() -> None:
    runs = {
        GOOD: {seed: scores(0.5, seed) for seed in range(3)},  # below 1: never wrong
        BAD: {seed: scores(4.0, seed + 9) for seed in range(3)},
    }
    found = judge_claim(CLAIM, runs, TRUTH)
    assert found.verdict == "holds"
    assert set(found.gains) == {0, 1, 2}
    assert found.over_seeds is not None
    assert found.over_seeds.value == pytest.approx(np.mean(list(found.gains.values())))
    back = judge_claim(Claim("bad beats good", BAD, GOOD), runs, TRUTH)
    assert back.verdict == "does not hold"
    assert judge_claim(Claim("", GOOD, GOOD), runs, TRUTH).verdict == "cannot tell"


def test_only_seeds_that_both_sides_ran_are_paired_and_one_tells_nothing() -> None:
    runs = {GOOD: {0: scores(0.5, 0), 1: scores(0.5, 1)}, BAD: {1: scores(4.0, 9)}}
    found = judge_claim(CLAIM, runs, TRUTH)
    assert set(found.gains) == {1}
    assert found.verdict == "cannot tell"  # another seed may bring anything
    assert found.to_dict()["over_seeds"] == [None, None]
    assert judge_claim(CLAIM, {GOOD: runs[GOOD]}, TRUTH).verdict == "not run"
    unkept = judge_claim(CLAIM, {}, TRUTH, {GOOD: {0: 90.0, 1: 92.0}, BAD: {0: 80.0, 1: 82.0}})
    assert (unkept.gains, unkept.over_pictures) == ({0: 10.0, 1: 10.0}, None)
    assert unkept.verdict == "cannot tell"


@pytest.mark.parametrize(
    ("seeds", "pictures", "verdict"),
    [
        ((0.1, 2), (0.2, 1), "holds"),
        ((-0.1, 2), (0.2, 1), "cannot tell"),
        ((0.1, 2), (-0.2, 1), "cannot tell"),
        ((-2, -0.1), (-1, -0.2), "does not hold"),
        ((0, 2), (0.1, 1), "cannot tell"),
    ],
)
def test_both_intervals_decide(
    seeds: tuple[float, float], pictures: tuple[float, float], verdict: str
) -> None:
    found = Finding(CLAIM, {}, Estimate(1, *seeds, 3), Estimate(1, *pictures, 80))
    assert found.verdict == verdict


def test_rows_are_judged_with_the_scores_that_were_kept() -> None:
    def row(method: str, noise: float, kept: tuple[int, ...]) -> FinishedRow:
        runs = {}
        for seed in (0, 1):
            one = scores(noise, seed)
            runs[seed] = Judged(
                one if seed in kept else None, mean_average_precision(one, TRUTH), {}, 0, 0, 0
            )
        return FinishedRow((STRATEGY, method, "only-single-positive"), TRUTH, runs, {})

    found = judge_published([row("em", 0.5, (1,)), row("an", 4.0, (0, 1))])
    assert [cell["method"] for cell in found["cells"]] == ["em", "an"]
    assert found["cells"][0]["map"] == {"0": 100.0, "1": 100.0}
    ran = [claim for claim in found["claims"] if claim["verdict"] != "not run"]
    (claim,) = ran  # EM beats AN
    assert claim["better"] == ["em", "only-single-positive"]
    gains = claim["gains"]
    assert isinstance(gains, dict)
    assert set(gains) == {"0", "1"}
    assert claim["mean"] == pytest.approx(sum(gains.values()) / 2, abs=0.01)
    assert claim["over_pictures"] is not None  # of seed 1 alone


def test_a_row_of_the_table_names_a_common_level_once() -> None:
    claim = {"better": ["vlpl", "only-10%"], "worse": ["em", "only-10%"]}
    assert compared(claim) == "`vlpl` - `em`, `only-10%`"
    claim["worse"] = ["em", "only-50%"]
    assert compared(claim) == "`vlpl`, `only-10%` - `em`, `only-50%`"
    assert interval([0.25, 1.04]) == "+0.2 to +1.0"
    assert interval([None, None]) == interval(None) == ""


def test_cells_and_claims_are_drawn_as_they_were_found() -> None:
    runs = {
        GOOD: {seed: scores(0.5, seed) for seed in range(3)},
        BAD: {seed: scores(4.0, seed + 9) for seed in range(3)},
        Side("good", "only-50%"): {0: scores(0.5, 0)},
    }
    drawn = draw_levels(describe_cells(maps_of(runs, TRUTH)))
    assert "| method | `only-10%` | `only-50%` |" in drawn
    assert "| `good` | 100.0 | 100.0 |" in drawn
    assert "855 photographs; 1 to 3 seeds\na cell" in drawn
    found = [judge_claim(CLAIM, part, TRUTH).to_dict() for part in (runs, {})]
    lines = draw_claims(found).splitlines()
    assert len(lines) == 5  # the claim that was not run is left out
    assert lines[-1].startswith("| good beats bad | `good` - `bad`, `only-10%` | +")
    assert lines[-1].endswith("| holds |")
