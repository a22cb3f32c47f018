"""Training methods, one file each."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import cast

from cdul_edge.training.config import MethodName, TrainConfig
from cdul_edge.training.methods.base import AnyMethod, Supervision
from cdul_edge.training.methods.settings import MethodSettings
from cdul_edge_runtime.errors import CdulEdgeError

__all__ = ["AnyMethod", "Supervision", "find_method", "make_method", "resolve_settings"]

# Module and class of every method: only the chosen one is imported.
_HOMES: dict[MethodName, str] = {
    "cdul": "cdul:GradientAlignment",
    "fixed": "fixed:FixedLabels",
    "distill": "distill:Distillation",
    "an": "assume_negative:AssumeNegative",
    "ls": "label_smoothing:LabelSmoothing",
    "wan": "weak_negative:WeakAssumeNegative",
    "asl": "asymmetric:AsymmetricLoss",
    "partial-bce": "partial_bce:PartialBce",
    "role": "role:OnlineLabelEstimation",
    "em": "entropy:EntropyMaximization",
    "em-apl": "entropy_apl:AsymmetricPseudoLabels",
    "ll-r": "large_loss:RejectLargeLosses",
    "ll-ct": "large_loss:CorrectForNow",
    "ll-cp": "large_loss:CorrectForGood",
    "vlpl": "vlpl:VisionLanguagePseudoLabels",
    "plmcl": "plmcl:MomentumCurriculum",
    "g2netpl": "g2netpl:LabelGame",
    "pu-mlc": "pu_mlc:PositiveUnlabeled",
    "ccd": "ccd:ClassifierGuided",
}


def find_method(name: MethodName) -> type[AnyMethod]:
    """The class of a method by its name on the command line."""
    module, _, found = _HOMES[name].partition(":")
    return cast(type[AnyMethod], getattr(import_module(f"{__name__}.{module}"), found))


def resolve_settings(config: TrainConfig) -> MethodSettings:
    """Every setting of the configured method; wrong or unknown ones are a `CdulEdgeError`."""
    given = set(config.method_settings)
    try:
        return find_method(config.method).Settings.read(config.method, config.method_settings)
    except CdulEdgeError as error:
        owners = [name for name in _HOMES if given <= _settings_of(name)]
        if not owners or config.method in owners:
            raise
        raise CdulEdgeError(f"{error}; --method {' or '.join(owners)} has") from error


def _settings_of(method: MethodName) -> set[str]:
    return {one.name for one in fields(find_method(method).Settings)}


def make_method(config: TrainConfig, supervision: Supervision) -> AnyMethod:
    """The configured method, started from what is known.

    Raises:
        CdulEdgeError: wrong settings, something that the method needs and `supervision` lacks, or
            mixed pictures that its loss cannot take.
    """
    found = find_method(config.method)
    if config.mixup > 0 and not found.mixes:
        able = ", ".join(name for name in _HOMES if find_method(name).mixes)
        raise CdulEdgeError(
            f"the method {config.method} cannot learn from mixed pictures: train it with --mixup "
            f"0, or choose one of {able} as --method"
        )
    return found(supervision, resolve_settings(config))
