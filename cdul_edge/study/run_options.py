"""Settings of a study's runs as the command line takes them: `--train NAME=VALUE`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import cast

from cdul_edge.study.request import DECIDED
from cdul_edge.training.config import SettingValue, TrainConfig
from cdul_edge.training.presets import ConfigChanges
from cdul_edge_runtime.errors import CdulEdgeError

_DEFAULTS = TrainConfig()


def parse_run_options(
    pairs: Sequence[str], *, epochs: int | None = None, image_size: int | None = None
) -> ConfigChanges:
    """Read `NAME=VALUE` texts as settings of a run, each of its own type.

    Args:
        pairs: the texts.
        epochs: of every run, where given.
        image_size: side of the network's input in px, where given.

    Raises:
        CdulEdgeError: no such setting, or a value of another type.
    """
    names = [one.name for one in fields(TrainConfig) if one.name not in DECIDED]
    options: dict[str, SettingValue] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and value) or name not in names:
            raise CdulEdgeError(
                f"--train {pair!r}: expected NAME=VALUE with one of the names {', '.join(names)} "
                "(settings of a method belong to its variant)"
            )
        options[name] = _parse(name, value, getattr(_DEFAULTS, name))
    if image_size is not None:
        options |= {"height_px": image_size, "width_px": image_size}
    if epochs is not None:
        options["epochs"] = epochs
    return cast(ConfigChanges, options)  # its names were checked above


def _parse(name: str, value: str, default: SettingValue) -> SettingValue:
    if isinstance(default, str):
        return value
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[value.lower()]
        return float(value) if isinstance(default, float) else int(value)
    except (ValueError, KeyError) as error:
        kind = "true or false" if isinstance(default, bool) else "a number"
        raise CdulEdgeError(f"--train {name}={value}: expected {kind}") from error
