"""Which cells a study has, and what it refuses to begin with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cdul_edge.study import DrawnWorld, Photographs, StudyRequest
from cdul_edge.study.cells import Cell, select_cells
from cdul_edge.study.levels import Level, parse_level
from cdul_edge.study.run_options import parse_run_options
from cdul_edge.study.variants import METHOD_VARIANTS, STRATEGIES
from cdul_edge.training.methods import resolve_settings
from cdul_edge.training.request import ObservedOptions
from cdul_edge_runtime.errors import CdulEdgeError


def rows(cells: list[Cell]) -> list[str]:
    return [" ".join(cell.row) for cell in cells]


def test_strategies_share_a_method_and_methods_a_strategy() -> None:
    cells = select_cells(("default", "global"), ("cdul", "fixed"), ("none",), (0,))
    assert rows(cells) == ["default cdul none", "default fixed none", "global fixed none"]


def test_seeds_come_one_after_another_with_the_same_cells() -> None:
    cells = select_cells(("global",), ("em",), ("none",), (4, 2))
    assert cells == [Cell("global", "em", "none", 4), Cell("global", "em", "none", 2)]


def test_levels_are_for_the_methods_that_are_named() -> None:
    cells = select_cells(
        ("default", "max"), ("fixed", "em"), ("none", "10%"), (0,), observed_methods=("em",)
    )
    assert rows(cells) == [
        "default fixed none",
        "default em none",
        "max fixed none",
        "default em 10%",
    ]


def test_without_the_level_none_only_observed_cells_are_left() -> None:
    cells = select_cells(("default",), ("fixed", "em"), ("50%",), (0,))
    assert rows(cells) == ["default fixed 50%", "default em 50%"]


def test_a_cross_has_every_cell_once() -> None:
    cells = select_cells(("a", "b"), ("c", "d"), ("none", "10%"), (0, 1), cross=True)
    assert len(cells) == len(set(cells)) == 16


def test_cells_lie_in_folders_of_their_own() -> None:
    cell = Cell("default", "vlpl+negatives", "10%", 3)
    assert str(cell.path) == "default/vlpl+negatives/10%/seed-3"
    assert cell.title == "vlpl+negatives on default labels, 10% observed, seed 3"


@pytest.mark.parametrize("name", METHOD_VARIANTS)
def test_every_method_variant_has_settings_that_its_method_knows(
    tiny: Callable[..., StudyRequest], name: str
) -> None:
    config = tiny(Path("unused")).run_options(name, 5)
    assert config.seed == 5
    assert resolve_settings(config) is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("fixed", "magic")}, "no method magic: there are cdul, fixed"),
        ({"strategies": ("best",)}, "no strategy best: there are default, global"),
        ({"methods": ("fixed", "fixed")}, "the method fixed is named twice"),
        ({"seeds": (1, 1)}, "a seed is named twice in 1, 1"),
        ({"observed": ()}, "at least one strategy, method, level and seed"),
        ({"observed": ("some",)}, "'some'"),
        ({"observed_methods": ("em",)}, "em is not among the methods"),
        ({"options": {"seed": 3}}, "the study decides seed itself"),
        ({"options": {"epochs": 0}}, "epochs 0, expected 1"),
        (
            {"device": "cuda:1"},
            "'cuda:1': expected auto, cpu, cuda; to use another GPU, .* CUDA_VIS",
        ),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_written(
    tiny: Callable[..., StudyRequest], folder: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        tiny(folder, **changes)
    assert not folder.exists()


def test_data_that_cannot_be_used_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        CdulEdgeError, match="a drawn world of 0 and 5 pictures: expected at least 2"
    ):
        DrawnWorld(0, 5)
    here, gone = tmp_path, tmp_path / "gone"
    with pytest.raises(CdulEdgeError, match="gone does not exist"):
        Photographs(here, here, "demo", gone, here, here)


def test_settings_of_runs_are_read_in_their_own_types() -> None:
    given = ["network=resnet18", "batch_size=8", "shift=0.1", "flip=false", "rate_warmup_steps=5"]
    assert parse_run_options(given) == {
        "network": "resnet18",
        "batch_size": 8,
        "shift": 0.1,
        "flip": False,
        "rate_warmup_steps": 5,
    }


def test_epochs_and_size_have_options_of_their_own() -> None:
    expected = {"epochs": 3, "height_px": 48, "width_px": 48}
    assert parse_run_options(["epochs=9"], epochs=3, image_size=48) == expected


@pytest.mark.parametrize("text", ["epochs", "epochs=many", "method=fixed", "flip=2", "nothing=1"])
def test_a_setting_that_no_run_has_or_of_another_type_is_refused(text: str) -> None:
    with pytest.raises(CdulEdgeError, match=f"--train .*{text}"):
        parse_run_options([text])


def test_every_strategy_is_one_that_label_knows() -> None:
    assert {"default", "global", "average", "max", "cdul"} <= set(STRATEGIES)


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("none", Level(None)),
        ("10%", Level("10%")),
        ("positives=30%", Level("positives=30%")),
        ("only-single-positive", Level("single-positive", "observed")),
        ("only-known=50%", Level("known=50%", "observed")),
    ],
)
def test_a_level_names_what_people_gave_and_whether_it_is_all(name: str, level: Level) -> None:
    assert parse_level(name) == level


def test_what_a_level_asks_of_a_run() -> None:
    truth = Path("truth.csv")
    assert parse_level("none").options(truth) == ObservedOptions()
    assert parse_level("only-10%").options(truth) == ObservedOptions(
        simulate="10%", truth=truth, labels_from="observed"
    )


@pytest.mark.parametrize("name", ["only-", "only-none", "only", "only-only-10%", "some"])
def test_other_levels_are_refused(name: str) -> None:
    with pytest.raises(CdulEdgeError, match="expected single-positive"):
        parse_level(name)
