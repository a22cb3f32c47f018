"""What a bundle holds: classes, preprocessing, files, what each precision costs, engines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from cdul_edge.page.charts import Interval, draw_intervals, to_inline_svg
from cdul_edge.reporting.asked import Asked
from cdul_edge.reporting.inputs import Input
from cdul_edge.reporting.section import Section
from cdul_edge.reporting.stages.stage_json import read_stage
from cdul_edge.reporting.stages.titles import title_of
from cdul_edge_runtime.backends.trt.engine_stamp import damaged_stamps, list_engines
from cdul_edge_runtime.backends.trt.platform import library_name
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Parity, Precision
from cdul_edge_runtime.bundle.measured import BenchRun, Judgement, Measured
from cdul_edge_runtime.bundle.precision_record import Limits
from cdul_edge_runtime.bundle.threshold_values import thresholds_to_json
from cdul_edge_runtime.bundle.verdict import Interval as Ends
from cdul_edge_runtime.bundle.verdict import Verdict
from cdul_edge_runtime.host.json_record import finite_or_none
from cdul_edge_runtime.pictures.preprocess import Preprocess

SENSITIVITY = "sensitivity.json"
MOST_LAYERS = 15


@dataclass(frozen=True)
class BundleClass:
    """A class with the score from which on it is predicted; None: never."""

    name: str
    threshold: float | None


@dataclass(frozen=True)
class BundleFile:
    """A file that the manifest names, and that is as it says."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class PrecisionFacts:
    """One precision, and what `calibrate` measured of it.

    Attributes:
        file: its ONNX file; `sha256` and `bytes` are that file's.
        measured: whether there is a record; all that follows is None or empty without one.
        pictures: how many it was measured on, that it was not calibrated on.
        truth: what mAP was taken against.
        map_fp32, map, map_drop: in percent; `map_drop` is positive where it lost.
        flip_rate: share of decisions that differ from FP32's, in [0, 1].
        max_error, mean_error: of scores.
        limits: what `verify` holds it to.
        float_layers: layers that stayed in floating point, the most sensitive first.
    """

    precision: str
    file: str
    sha256: str
    bytes: int
    measured: bool
    pictures: int | None = None
    truth: str | None = None
    map_fp32: float | None = None
    map: float | None = None
    map_drop: float | None = None
    map_drop_interval: Ends | None = None
    flip_rate: float | None = None
    flip_rate_interval: Ends | None = None
    max_error: float | None = None
    mean_error: float | None = None
    limits: Limits | None = None
    within_budget: bool | None = None
    verdict: Verdict | None = None
    speed_up: float | None = None
    float_layers: tuple[str, ...] = ()
    float_layer_count: int | None = None


@dataclass(frozen=True)
class LayerFacts:
    """What one layer alone in INT8 does to the scores."""

    layer: str
    weights: int
    mean_error: float
    max_error: float
    flip_rate: float


@dataclass(frozen=True)
class SensitivityFacts:
    """sensitivity.json, the most sensitive layers first."""

    pictures: int
    layers: tuple[LayerFacts, ...]


@dataclass(frozen=True)
class EngineFacts:
    """An engine, and for which GPUs it was built."""

    name: str
    precision: str
    library: str
    gpus: str
    bytes: int


@dataclass(frozen=True)
class MeasuredFacts:
    """engines/measured.json: what was timed and judged, on which processor."""

    cpu: str
    runs: tuple[BenchRun, ...]
    judgements: tuple[Judgement, ...]


@dataclass(frozen=True)
class BundleFacts:
    """A bundle; names and values are those of its manifest and records.

    Attributes:
        opset: of the graph, with `newer_operators` that only some programs run.
        reference_pictures: how many a device verifies itself on; None without any.
        score_pictures: how many tell how scores are distributed, for drift; None without any.
        layers: how many `sensitivity` knows; the most sensitive are shown.
    """

    version: str
    classes: tuple[BundleClass, ...]
    preprocess: Preprocess
    opset: int
    newer_operators: tuple[str, ...]
    parity: Parity
    files: tuple[BundleFile, ...]
    precisions: tuple[PrecisionFacts, ...]
    reference_pictures: int | None
    score_pictures: int | None
    sensitivity: SensitivityFacts | None
    layers: int
    engines: tuple[EngineFacts, ...]
    damaged_engines: tuple[str, ...]
    measured: MeasuredFacts | None


def read_bundle(one: Input, asked: Asked) -> Section:
    """The section of one bundle, every file of which is checked.

    Raises:
        CdulEdgeError: a file is missing, was changed, or is damaged.
    """
    bundle = Bundle.load(one.path)
    facts = _facts(bundle)
    return Section(
        key=one.key,
        title=title_of(one, asked),
        template="report/bundle.html",
        source=one.path,
        facts=facts,
        charts=_draw(facts, one.key),
    )


def _facts(bundle: Bundle) -> BundleFacts:
    manifest = bundle.manifest
    reference = bundle.reference() if "reference.npz" in manifest.files else None
    scores = bundle.score_reference()
    sensitivity = _sensitivity(bundle.folder)
    return BundleFacts(
        version=manifest.version,
        classes=tuple(
            BundleClass(name, threshold)
            for name, threshold in zip(
                manifest.classes, thresholds_to_json(manifest.thresholds), strict=True
            )
        ),
        preprocess=manifest.preprocess,
        opset=manifest.graph.opset,
        newer_operators=manifest.graph.newer_operators,
        parity=manifest.parity,
        files=tuple(
            BundleFile(name, record.sha256, record.bytes) for name, record in manifest.files.items()
        ),
        precisions=tuple(_precision(bundle, one) for one in bundle.precisions()),
        reference_pictures=None if reference is None else len(reference.names),
        score_pictures=None if scores is None else scores.pictures,
        sensitivity=None
        if sensitivity is None
        else SensitivityFacts(sensitivity.pictures, sensitivity.layers[:MOST_LAYERS]),
        layers=0 if sensitivity is None else len(sensitivity.layers),
        engines=_engines(bundle),
        damaged_engines=tuple(damaged_stamps(bundle.folder)),
        measured=_measured(bundle.folder),
    )


def _precision(bundle: Bundle, precision: Precision) -> PrecisionFacts:
    file = bundle.model_path(precision) if precision.has_file else None
    place = bundle.folder / precision.file_name if file is None else file
    facts = PrecisionFacts(
        precision=precision.value,
        file=place.name,
        sha256=bundle.model_sha256(precision),
        bytes=place.stat().st_size,
        measured=False,
    )
    if not bundle.has_record(precision):
        return facts
    record = bundle.record(precision)
    accuracy = record.accuracy
    return replace(
        facts,
        measured=True,
        pictures=accuracy.pictures,
        truth=accuracy.truth,
        map_fp32=finite_or_none(accuracy.map_fp32),
        map=finite_or_none(accuracy.map),
        map_drop=finite_or_none(accuracy.map_drop),
        map_drop_interval=accuracy.map_drop_interval,
        flip_rate=finite_or_none(accuracy.flip_rate),
        flip_rate_interval=accuracy.flip_rate_interval,
        max_error=finite_or_none(accuracy.max_error),
        mean_error=finite_or_none(accuracy.mean_error),
        limits=record.limits,
        within_budget=record.within_budget,
        verdict=record.verdict,
        speed_up=record.speed_up,
        float_layers=record.float_layers,
        float_layer_count=len(record.float_layers),
    )


def _sensitivity(folder: Path) -> SensitivityFacts | None:
    file = folder / SENSITIVITY
    if not file.is_file():
        return None
    return read_stage(file, SensitivityFacts, "calibrate", stage="sensitivity", format=1)


def _engines(bundle: Bundle) -> tuple[EngineFacts, ...]:
    found = [one for precision in Precision for one in list_engines(bundle.folder, precision)]
    return tuple(
        EngineFacts(
            name=one.path.name,
            precision=one.stamp.precision.value,
            library=f"{library_name(one.stamp.flavor)} {one.stamp.platform.tensorrt}",
            gpus=one.stamp.describe_gpus(),
            bytes=one.stamp.bytes,
        )
        for one in found
    )


def _measured(folder: Path) -> MeasuredFacts | None:
    measured = Measured.read(folder)
    if measured is None:
        return None
    return MeasuredFacts(measured.cpu, measured.runs, measured.judgements)


def _draw(facts: BundleFacts, key: str) -> dict[str, Markup]:
    measured = [one for one in facts.precisions if one.measured]
    if not measured:
        return {}
    rows = [
        Interval(one.precision, one.map_drop, *(one.map_drop_interval or (None, None)))
        for one in measured
    ]
    limits = {one.limits.max_map_drop for one in measured if one.limits is not None}
    (limit,) = limits if len(limits) == 1 else (None,)
    return {
        "lost": to_inline_svg(
            draw_intervals(rows, "points of mAP lost against fp32", reference=limit),
            key=f"{key}-lost",
            title="Points of mAP that each precision lost when it was made",
            description="; ".join(
                f"{row.name}: {'unknown' if row.value is None else f'{row.value:.2f}'}"
                for row in rows
            ),
        )
    }
