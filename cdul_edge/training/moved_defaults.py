"""Defaults that moved: what a command means where it goes on with a run of an earlier version."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cdul_edge.training.config import Precision, TrainConfig
from cdul_edge.training.presets import PLAIN
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.json_record import parse_record

# A setting that is as old as the defaults of today: a run without it had those before.
_SINCE = "freeze_depth"


# What a CPU can train in.
_ON_CPU: tuple[Precision, ...] = ("fp32", "bf16")


@dataclass(frozen=True)
class _Begun:
    settings: Mapping[str, Any]


def precision_of(begun: Path) -> Precision | None:
    """The precision of the run that is there, where it goes on in it on a CPU.

    What "auto" found when the run began is not found anew: another moment, or another machine, may
    find another.

    Args:
        begun: config.json of the run, which need not be there.
    """
    with suppress(CdulEdgeError):
        stored = parse_record(_Begun, read_json(begun)).settings if begun.is_file() else {}
        return next((one for one in _ON_CPU if one == stored.get("precision")), None)
    return None


def as_begun(config: TrainConfig, begun: Path) -> TrainConfig:
    """The settings with which a run began, as far as nothing else is asked for.

    The command that began a run resumes it, in a later version too. So where a setting has its
    default of today, and the run is of an earlier version and has the default of then, it keeps
    that one. What is no default stays as it is, and a run of today's version is taken at its word.

    Args:
        config: as it was asked for.
        begun: config.json of the run, which need not be there.
    """
    with suppress(CdulEdgeError):  # a damaged file is told of where the folder is inspected
        stored = parse_record(_Begun, read_json(begun)).settings if begun.is_file() else {}
        if stored and _SINCE not in stored:
            defaults, then = TrainConfig(), TrainConfig.from_dict(stored)
            former: dict[str, Any] = {
                name: value
                for name, value in PLAIN.items()
                if getattr(then, name) == value and getattr(config, name) == getattr(defaults, name)
            }
            return replace(config, **former)
    return config
