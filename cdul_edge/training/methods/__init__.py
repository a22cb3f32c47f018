"""Training methods, one file each."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from cdul_edge.training.config import METHODS, TrainConfig
from cdul_edge.training.methods.base import Method, Supervision
from cdul_edge.training.methods.settings import MethodSettings

__all__ = ["Method", "Supervision", "find_method", "make_method", "resolve_settings"]


def find_method(name: str) -> type[Method]:
    """The class of a method by its name on the command line."""
    module, _, found = METHODS[name].partition(":")
    return cast(type[Method], getattr(import_module(f"{__name__}.{module}"), found))


def resolve_settings(config: TrainConfig) -> MethodSettings:
    """Every setting of the configured method; wrong or unknown ones are a `CdulEdgeError`."""
    return find_method(config.method).Settings.read(config.method, config.method_settings)


def make_method(config: TrainConfig, supervision: Supervision) -> Method:
    """The configured method, started from what is known.

    Raises:
        CdulEdgeError: wrong settings, or something that the method needs and `supervision` lacks.
    """
    return find_method(config.method)(supervision, resolve_settings(config))
