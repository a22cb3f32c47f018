"""The keywords of the front door: those of each request, and paths may be strings.

Only type checkers read this; `tests/front/test_verbs.py` holds the names against the requests.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Required

    from cdul_edge.clip.choices import Device, Encoder, Precision
    from cdul_edge.converting.request import FormatName
    from cdul_edge.labelling import Scoring, Views, WholePicture
    from cdul_edge.labelling.choices import EngineName
    from cdul_edge.training import TrainConfig
    from cdul_edge.training.request import (
        ClipSource,
        DataOptions,
        EvaluationOptions,
        ObservedOptions,
        TrackerName,
    )
    from cdul_edge_export import TritonOptions
    from cdul_edge_runtime.backends.profile import Profile
    from cdul_edge_runtime.bundle import manifest
    from cdul_edge_runtime.choices import FlavorRequest, Pipeline, PrecisionRequest, RangeMethod

StrPath = str | os.PathLike[str]


class LabelKeywords(TypedDict, total=False):
    """Of `LabelRequest`."""

    images: Required[StrPath]
    classes: Required[StrPath]
    out: Required[StrPath]
    clip: Required[str]
    pretrained: str | None
    seed: int
    templates: tuple[str, ...]
    views: Views | WholePicture | None
    scoring: Scoring
    device: Device
    precision: Precision | None
    encoder: Encoder
    keep_embeddings: bool
    part_pictures: int | None
    part_shards: int | None
    batch_pictures: int | None
    workers: int | None
    threads: int | None
    max_errors: int | None
    force: bool
    update: bool
    repair: bool
    verify: bool
    engine: EngineName
    address: str | None
    actors: int | None
    observed: tuple[StrPath, ...]


class SampleKeywords(TypedDict, total=False):
    """Of `SampleRequest`."""

    scores: Required[StrPath]
    out: Required[StrPath]
    per_class: int
    class_names: tuple[str, ...]
    threshold: float | StrPath | None
    images: StrPath | None
    seed: int
    force: bool


class TrainKeywords(TypedDict, total=False):
    """Of `TrainRequest`."""

    labels: Required[StrPath]
    out: Required[StrPath]
    config: TrainConfig
    data: DataOptions
    evaluation: EvaluationOptions
    observed: ObservedOptions
    device: str
    force: bool
    clip: ClipSource | None
    only: StrPath | None
    resumable: bool
    try_precision: bool
    log: tuple[TrackerName, ...]


class ExportKeywords(TypedDict, total=False):
    """Of `ExportRunRequest`."""

    run: Required[StrPath]
    out: Required[StrPath]
    thresholds: str
    images: StrPath | None
    truth: StrPath | None
    reference: StrPath | None
    reference_count: int
    parity_limit: float
    force: bool


class CalibrateKeywords(TypedDict, total=False):
    """Of `CalibrateRequest`."""

    bundle: Required[StrPath]
    images: Required[StrPath]
    precisions: tuple[manifest.Precision, ...]
    count: int
    check_count: int
    check_images: StrPath | None
    truth: StrPath | None
    method: RangeMethod
    seed: int
    max_map_drop: float
    max_flip_rate: float
    force: bool


class BuildKeywords(TypedDict, total=False):
    """Of `BuildRequest`."""

    bundle: Required[StrPath]
    precisions: tuple[manifest.Precision, ...] | None
    profile: Profile
    workspace_mib: int
    version_compatible: bool
    hardware_compatible: bool
    optimization_level: int | None
    force: bool
    flavor: FlavorRequest
    for_gpus: tuple[str, ...]
    gpu: int


class ExportConfigKeywords(TypedDict, total=False):
    """Of `ExportConfigRequest`."""

    target: Required[Pipeline]
    bundle: Required[StrPath]
    out: Required[StrPath]
    precision: manifest.Precision
    batch_size: int | None
    threshold: float | StrPath | None
    triton: TritonOptions
    force: bool


class VerifyKeywords(TypedDict, total=False):
    """Of `VerifyRequest`."""

    bundle: Required[StrPath]
    device: str
    precision: PrecisionRequest
    images: StrPath | None
    truth: StrPath | None
    threads: int | None
    batches: Sequence[int]
    repeats: int


class ReportKeywords(TypedDict, total=False):
    """Of `ReportRequest`."""

    inputs: Required[Sequence[StrPath]]
    out: Required[StrPath]
    images: StrPath | None
    class_names: tuple[str, ...]
    json: StrPath | None
    force: bool


class ConvertKeywords(TypedDict, total=False):
    """Of `ConvertRequest`."""

    input: Required[StrPath]
    out: Required[StrPath]
    to_format: FormatName | None
    from_format: FormatName | None
    labels: StrPath | None
    images: StrPath | None
    copy: bool
    picture_url: str | None
    force: bool


class ReviewKeywords(TypedDict, total=False):
    """Of `ReviewRequest`."""

    labels: Required[StrPath]
    out: Required[StrPath]
    images: StrPath | None
    count: int
    class_names: tuple[str, ...]
    observed: Sequence[StrPath]
    sheet: StrPath | None
    force: bool


class PushKeywords(TypedDict, total=False):
    """Of `PushRequest`."""

    bundle: Required[StrPath]
    repository: Required[str]
    run: StrPath | None
    license: str | None
    revision: str
    private: bool
    force: bool


class PullKeywords(TypedDict, total=False):
    """Of `PullRequest`."""

    repository: Required[str]
    out: Required[StrPath]
    revision: str
    force: bool
