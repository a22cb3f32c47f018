"""The settings of a training method: a frozen value that checks itself, and reads plain text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from cdul_edge.training.config import SettingValue
from cdul_edge_runtime.errors import CdulEdgeError

Settings = TypeVar("Settings", bound="MethodSettings")

_WORDS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


def number(default: float | int | None, low: float, high: float) -> Any:
    """A setting with its allowed range, both ends included; None as default allows None."""
    return field(default=default, metadata={"range": (low, high)})


def choice(default: str, *others: str) -> Any:
    """A setting that is one of a few words."""
    return field(default=default, metadata={"choices": (default, *others)})


@dataclass(frozen=True)
class MethodSettings:
    """What every method's `Settings` derive from.

    Raises:
        CdulEdgeError: a value outside its range or choices; all faults are named together.
    """

    def __post_init__(self) -> None:
        faults = []
        for one in fields(self):
            value = getattr(self, one.name)
            if "choices" in one.metadata and value not in one.metadata["choices"]:
                faults.append(
                    f"{one.name} {value!r}, expected {' or '.join(one.metadata['choices'])}"
                )
            if "range" in one.metadata and not _within(value, one.default, one.metadata["range"]):
                low, high = one.metadata["range"]
                faults.append(f"{one.name} {value!r}, expected {low:g} to {high:g}")
        if faults:
            raise CdulEdgeError(f"the method's settings are wrong: {'; '.join(faults)}")

    @classmethod
    def read(cls: type[Settings], method: str, given: Mapping[str, SettingValue]) -> Settings:
        """Settings from plain values or the command line's text; what is not given is the default.

        Raises:
            CdulEdgeError: a setting that the method does not have, or a value of the wrong kind.
        """
        known: dict[str, Any] = {one.name: one.default for one in fields(cls)}
        odd = sorted(set(given) - set(known))
        if odd:
            has = ", ".join(known) or "none"
            raise CdulEdgeError(
                f"the method {method} has no setting {', '.join(odd)}: its settings are {has}"
            )
        return cls(**{name: _parse(name, value, known[name]) for name, value in given.items()})


@dataclass(frozen=True)
class RefinementSettings(MethodSettings):
    """When a method revises its labels.

    Attributes:
        label_warmup: epochs before the first time; None is 5, or half of a run of fewer than ten.
        update_every: epochs between two times.
        freeze_after: share of the epochs after which labels stay.
    """

    label_warmup: int | None = number(None, 0, 100_000)
    update_every: int = number(1, 1, 100_000)
    freeze_after: float = number(0.8, 0, 1)

    def due(self, epoch: int, epochs: int) -> bool:
        """Whether labels are revised after `epoch` of `epochs`; never after the last."""
        warmup = self.label_warmup
        first = max(1, min(5, max(1, epochs // 2)) if warmup is None else warmup)
        last = min(epochs - 1, math.floor(self.freeze_after * epochs))
        return first <= epoch <= last and (epoch - first) % self.update_every == 0


def _within(value: float | None, default: object, allowed: tuple[float, float]) -> bool:
    if value is None:
        return default is None
    if not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and allowed[0] <= value <= allowed[1]


def _parse(name: str, value: SettingValue, default: SettingValue) -> SettingValue:
    if not isinstance(value, str) or isinstance(default, str):
        return value
    try:
        if isinstance(default, bool):
            return _WORDS[value.lower()]
        return int(value) if value.lstrip("+-").isdecimal() else float(value)
    except (ValueError, KeyError) as error:
        kind = "on or off" if isinstance(default, bool) else "a number"
        raise CdulEdgeError(f"the setting {name}={value} is not {kind}") from error
