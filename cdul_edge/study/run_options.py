"""A study's settings as the command line takes them: `--train`, `--variant`, `--subset`, names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import cast

from cdul_edge.labelling.encode.prompts import DEFAULT_TEMPLATE, read_prompts
from cdul_edge.study.request import DECIDED
from cdul_edge.study.variants import METHOD_VARIANTS, MethodVariant
from cdul_edge.training.config import SettingValue, TrainConfig
from cdul_edge.training.presets import ConfigChanges
from cdul_edge_runtime.errors import CdulEdgeError

_DEFAULTS = TrainConfig()
_NAMES = tuple(one.name for one in fields(TrainConfig) if one.name not in DECIDED)


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
    options: dict[str, SettingValue] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and value) or name not in _NAMES:
            raise CdulEdgeError(
                f"--train {pair!r}: expected NAME=VALUE with one of the names {', '.join(_NAMES)} "
                "(settings of a method belong to its variant)"
            )
        options[name] = _parse(name, value, getattr(_DEFAULTS, name))
    if image_size is not None:
        options |= {"height_px": image_size, "width_px": image_size}
    if epochs is not None:
        options["epochs"] = epochs
    return cast(ConfigChanges, options)  # its names were checked above


def parse_variants(texts: Sequence[str]) -> dict[str, MethodVariant]:
    """Read `NAME=METHOD,SETTING=VALUE,…`: settings of a run, and others are the method's own.

    METHOD may be a variant that there is; the new settings are then added to its own.

    Raises:
        CdulEdgeError: another form, no such method, a name twice, or a value of another type.
    """
    found: dict[str, MethodVariant] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        method, *pairs = rest.split(",")
        if not (equals and name and method in METHOD_VARIANTS) or name in found:
            raise CdulEdgeError(
                f"--variant {text!r}: expected NAME=METHOD,SETTING=VALUE,… with a NAME of its own "
                f"and one of the methods {', '.join(METHOD_VARIANTS)}"
            )
        base = METHOD_VARIANTS[method]
        own = [pair for pair in pairs if pair.partition("=")[0] not in _NAMES]
        settings: dict[str, SettingValue] = dict(base.settings)
        for pair in own:
            setting, equals, value = pair.partition("=")
            if not (setting and equals and value):
                raise CdulEdgeError(f"--variant {text!r}: {pair!r} is not SETTING=VALUE")
            settings[setting] = value
        options = parse_run_options([pair for pair in pairs if pair not in own])
        merged = cast(ConfigChanges, {**base.options, **options})
        found[name] = MethodVariant(base.method, base.labels, settings, merged)
    return found


def parse_subsets(texts: Sequence[str]) -> dict[str, Path]:
    """Read `NAME=LIST`; raises `CdulEdgeError` for another form, or a list that is not there."""
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not (name and equals and file) or name in found:
            raise CdulEdgeError(f"--subset {text!r}: expected NAME=LIST with a NAME of its own")
        if not Path(file).is_file():
            raise CdulEdgeError(f"--subset {text}: there is no such file")
        found[name] = Path(file)
    return found


def parse_names(text: str) -> tuple[str, ...]:
    """Class names with commas between, or those of a class file."""
    if Path(text).is_file():
        return tuple(read_prompts(Path(text), (DEFAULT_TEMPLATE,)).classes)
    return tuple(name for part in text.split(",") if (name := part.strip()))


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
