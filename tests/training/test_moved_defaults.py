"""A command that began a run in an earlier version goes on with it under new defaults."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.moved_defaults import as_begun
from cdul_edge.training.presets import PLAIN

YOUNG = ("freeze_depth", "freeze_norms", "zoom_in", "set_aside", "correct_labels")


def begun(folder: Path, *, without: tuple[str, ...] = YOUNG, **changes: Any) -> Path:
    """config.json of a run with the defaults of before photographs chose them, and changes."""
    settings = replace(TrainConfig(), **{**PLAIN, **changes}).to_dict()
    kept = {name: value for name, value in settings.items() if name not in without}
    file = folder / "config.json"
    file.write_text(json.dumps({"settings": kept}))
    return file


def moved() -> set[str]:
    """Settings whose default is another than it was; where nothing moved, nothing is tested."""
    names = {name for name in PLAIN if getattr(TrainConfig(), name) != PLAIN.get(name)}
    assert {"network", "learning_rate", "freeze_norms"} <= names
    return names


def test_what_nobody_asked_for_is_as_the_run_began(tmp_path: Path) -> None:
    config = as_begun(TrainConfig(), begun(tmp_path))
    assert {name: getattr(config, name) for name in moved()} == {
        name: value for name, value in PLAIN.items() if name in moved()
    }


def test_what_is_asked_for_stays_and_so_does_what_began_otherwise(tmp_path: Path) -> None:
    file = begun(tmp_path, network="resnet18", learning_rate=3e-4)
    asked = TrainConfig(network="resnet34", epochs=3)
    config = as_begun(asked, file)
    assert (config.network, config.epochs) == ("resnet34", 3)  # refused later, as differences
    assert config.learning_rate == TrainConfig().learning_rate  # 3e-4 has to be asked for again
    assert config.freeze_norms == PLAIN.get("freeze_norms")


def test_a_run_of_this_version_is_taken_at_its_word(tmp_path: Path) -> None:
    assert as_begun(TrainConfig(), begun(tmp_path, without=())) == TrainConfig()


def test_a_run_from_before_labels_could_be_corrected_kept_them() -> None:
    today = TrainConfig().to_dict()
    assert today.pop("correct_labels") is False
    assert TrainConfig.from_dict(today) == TrainConfig()


@pytest.mark.parametrize("text", [None, "", "{}", '{"settings": 3}', '{"settings": {"epochs": 1}}'])
def test_no_run_and_a_damaged_one_change_nothing(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "config.json"
    if text is not None:
        file.write_text(text)
    assert as_begun(TrainConfig(), file) == TrainConfig()


def test_every_default_of_then_is_known() -> None:
    left = {one.name for one in fields(TrainConfig)} - set(PLAIN)
    assert left == {"method_settings", "rate_warmup_steps", "precision", "seed"}
