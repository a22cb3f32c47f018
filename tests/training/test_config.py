"""Settings check themselves and compare with one another."""

from __future__ import annotations

import pytest

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.presets import Preset, make_config
from cdul_edge_runtime.errors import CdulEdgeError


def test_all_faults_are_named_together() -> None:
    with pytest.raises(CdulEdgeError) as caught:
        TrainConfig(epochs=0, shift=0.4, method="magic", learning_rate=float("nan"))
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


def test_settings_of_another_version_are_refused_by_name() -> None:
    values = {**TrainConfig().to_dict(), "new_thing": 1}
    with pytest.raises(CdulEdgeError, match="another version: new_thing"):
        TrainConfig.from_dict(values)


def test_differences_name_both_values() -> None:
    assert TrainConfig(seed=1).differences(TrainConfig(seed=2)) == ["seed 1 (now 2)"]


@pytest.mark.parametrize(
    ("preset", "batch_size"),
    [
        (Preset.PAPER_VOC2012, 8),
        (Preset.PAPER_VOC2007, 8),
        (Preset.PAPER_COCO, 16),
        (Preset.PAPER_NUS, 16),
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
        (Preset.PU_MLC_VOC, 90, 4e-5, 0.991, 0.85, 2.0),
        (Preset.PU_MLC_COCO, 70, 1e-4, 0.9997, 0.55, 1.0),
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


def test_an_option_goes_before_the_preset_and_the_preset_before_the_default() -> None:
    config = make_config(Preset.PAPER_COCO, epochs=3, seed=None)
    assert (config.epochs, config.batch_size, config.seed) == (3, 16, 0)


def test_a_presets_method_settings_are_changed_one_by_one() -> None:
    config = make_config(Preset.CDUL_PAPER, method_settings={"eta": 0.5})
    assert (config.method_settings["eta"], config.method_settings["sigma"]) == (0.5, 1.0)


def test_a_presets_method_settings_are_not_those_of_another_method() -> None:
    assert make_config(Preset.CDUL_PAPER, method="an").method_settings == {}
