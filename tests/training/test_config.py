"""Settings check themselves and compare with one another."""

from __future__ import annotations

from dataclasses import fields

import pytest

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.presets import PRESETS, ConfigChanges, Preset, make_config
from cdul_edge_runtime.errors import CdulEdgeError


def test_all_faults_are_named_together() -> None:
    with pytest.raises(CdulEdgeError) as caught:
        TrainConfig(
            epochs=0,
            shift=0.4,
            method="magic",  # type: ignore[arg-type]
            learning_rate=float("nan"),
        )
    for fault in (
        "epochs 0",
        "shift 0.4, expected 0 to 0.25",
        "method 'magic'",
        "learning_rate nan",
    ):
        assert fault in str(caught.value)


def test_settings_survive_their_plain_form() -> None:
    config = TrainConfig(network="resnet18", method_settings={"label_warmup": 3})
    assert TrainConfig.from_dict(config.to_dict()) == config


def test_settings_in_the_former_spelling_are_read() -> None:
    values = TrainConfig(optimizer="sgd", color=0.25, shuffle_colors=0.5).to_dict()
    for new, old in {
        "optimizer": "optimiser", "color": "colour", "shuffle_colors": "shuffle_colours"
    }.items():  # fmt: skip
        values[old] = values.pop(new)
    config = TrainConfig.from_dict(values)
    assert (config.optimizer, config.color, config.shuffle_colors) == ("sgd", 0.25, 0.5)


def test_a_run_that_is_older_than_a_setting_means_what_it_meant() -> None:
    values = TrainConfig(ema_decay=0.99).to_dict()
    younger = {
        "zoom_in": 0.0, "zoom_out": 0.0, "mixup": 0.0, "ema_warmup": False,
        "freeze_trunk_epochs": 0, "freeze_norms": False, "freeze_depth": 0.0,
    }  # fmt: skip
    for name in younger:
        del values[name]
    config = TrainConfig.from_dict(values)
    assert {name: getattr(config, name) for name in younger} == younger
    assert config.ema_decay == 0.99


def test_no_other_setting_may_be_missing() -> None:
    values = TrainConfig().to_dict()
    del values["shift"]
    with pytest.raises(CdulEdgeError, match="another version: shift"):
        TrainConfig.from_dict(values)


def test_changes_are_typed_as_the_settings_are() -> None:
    """What `make_config` takes are the settings of a run, of the same types or None."""
    settings = {one.name: str(one.type).removesuffix(" | None") for one in fields(TrainConfig)}
    changes = {
        name: str(kind.__forward_arg__).removesuffix(" | None")
        for name, kind in ConfigChanges.__annotations__.items()
    }
    assert changes == settings


def test_settings_of_another_version_are_refused_by_name() -> None:
    values = {**TrainConfig().to_dict(), "new_thing": 1}
    with pytest.raises(CdulEdgeError, match="another version: new_thing"):
        TrainConfig.from_dict(values)


def test_differences_name_both_values() -> None:
    assert TrainConfig(seed=1).differences(TrainConfig(seed=2)) == ["seed 1 (now 2)"]


@pytest.mark.parametrize(
    ("preset", "batch_size"),
    [
        ("paper-voc2012", 8),
        ("paper-voc2007", 8),
        ("paper-coco", 16),
        ("paper-nus", 16),
    ],
)
def test_the_papers_presets_hold_the_papers_numbers(preset: Preset, batch_size: int) -> None:
    config = make_config(preset)
    assert (config.network, config.weights) == ("resnet101", "IMAGENET1K_V1")
    assert (config.height_px, config.epochs, config.batch_size) == (448, 20, batch_size)
    assert (config.learning_rate, config.weight_decay) == (1e-5, 0.0)
    settings = config.method_settings
    assert (settings["eta"], settings["sigma"], settings["anchor"]) == (1.0, 1.0, 0.0)
    assert (settings["label_warmup"], settings["guard"]) == (1, False)
    assert (config.schedule, config.rate_warmup_steps) == ("constant", 0)
    assert (config.shift, config.color, config.resize) == (0.0, 0.0, "squash")


@pytest.mark.parametrize(
    ("preset", "batch_size", "rate", "ema", "gamma", "alpha"),
    [
        ("pu-mlc-voc", 90, 4e-5, 0.991, 0.85, 2.0),
        ("pu-mlc-coco", 70, 1e-4, 0.9997, 0.55, 1.0),
    ],
)
def test_the_presets_of_pu_mlc_hold_its_codes_numbers(
    preset: Preset, batch_size: int, rate: float, ema: float, gamma: float, alpha: float
) -> None:
    config = make_config(preset)
    assert (config.method, config.batch_size, config.weight_decay) == ("pu-mlc", batch_size, 1e-4)
    assert (config.learning_rate, config.head_rate_multiplier) == (rate, 1.0)
    assert config.ema_decay == ema
    assert config.method_settings == {"gamma": gamma, "alpha": alpha}


def test_the_drawn_world_trains_as_it_always_did() -> None:
    """What the demo's figures in docs/ were measured with; defaults may change, this may not."""
    config = make_config("demo")
    assert (config.network, config.weights, config.method) == ("clip:demo", "default", "cdul")
    assert (config.height_px, config.epochs, config.batch_size) == (96, 10, 32)
    assert (config.learning_rate, config.head_rate_multiplier) == (2e-3, 1.0)
    assert (config.weight_decay, config.schedule, config.rate_warmup_steps) == (
        0.05,
        "cosine",
        None,
    )
    assert (config.flip, config.shift, config.color, config.shuffle_colors) == (
        True, 0.125, 0.4, 0.5,
    )  # fmt: skip
    assert (config.zoom_in, config.zoom_out, config.mixup) == (0.0, 0.0, 0.0)
    assert (config.ema_decay, config.freeze_trunk_epochs, config.freeze_norms) == (0.0, 0, False)


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "cdul-paper"])
def test_a_preset_leaves_nothing_but_chance_and_the_method_to_the_defaults(preset: Preset) -> None:
    open_settings = {one.name for one in fields(TrainConfig)} - set(PRESETS[preset])
    assert open_settings <= {"method_settings", "rate_warmup_steps", "precision", "seed"}


def test_an_option_goes_before_the_preset_and_the_preset_before_the_default() -> None:
    config = make_config("paper-coco", epochs=3, seed=None)
    assert (config.epochs, config.batch_size, config.seed) == (3, 16, 0)


def test_a_presets_method_settings_are_changed_one_by_one() -> None:
    config = make_config("cdul-paper", method_settings={"eta": 0.5})
    assert (config.method_settings["eta"], config.method_settings["sigma"]) == (0.5, 1.0)


def test_a_presets_method_settings_are_not_those_of_another_method() -> None:
    assert make_config("cdul-paper", method="an").method_settings == {}
