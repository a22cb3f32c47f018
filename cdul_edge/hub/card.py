"""The model card: what the manifest, the records, and the run say, and nothing else."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, PackageLoader, StrictUndefined

from cdul_edge.hub.request import PushRequest
from cdul_edge.version import __version__
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Manifest
from cdul_edge_runtime.bundle.precision_record import PrecisionRecord

if TYPE_CHECKING:
    from cdul_edge.hub.weights import RunFacts
    from cdul_edge_runtime.metrics.metrics import MetricsReport

MARK = "<!-- written by cdul-edge push -->"
_METRICS = {"mAP": "map", "macro F1": "macro_f1", "CF1": "cf1", "OF1": "of1"}


@dataclass(frozen=True)
class CardFacts:
    """All that the template shows.

    Attributes:
        repository: "hf://user/name".
        license: None where nobody stated one.
        manifest: of the bundle.
        settings: of the training run by name, where the manifest has them; else empty.
        labels_sha256: of the pseudo-labels, likewise.
        records: of the reduced precisions.
        observed: what people labeled, in words; None where nobody did, or nothing is known of it.
        held_out: names and values in percent of what the run measured, and on how many images.
        weights: whether the run's weights are there.
        images: in reference.npz.
        never: classes that are never predicted.
        version: of the program that writes the card.
    """

    repository: str
    license: str | None
    manifest: Manifest
    settings: Mapping[str, object]
    labels_sha256: str | None
    records: tuple[PrecisionRecord, ...]
    observed: str | None
    held_out: Mapping[str, float]
    held_out_images: int
    weights: bool
    images: int
    never: tuple[str, ...]
    version: str = __version__


def write_card(file: Path, request: PushRequest, bundle: Bundle, run: RunFacts | None) -> None:
    """Write README.md: metadata for the Hub, and the text."""
    environment = Environment(
        loader=PackageLoader("cdul_edge.hub"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it is no HTML: `plain` makes names inert, in Markdown and HTML
    )
    environment.filters["plain"] = plain
    facts = _gather(request, bundle, run)
    text = environment.get_template("card.md").render(facts=facts, mark=MARK)
    head = _metadata(facts).to_yaml()
    file.write_text(f"---\n{head}\n---\n{text}", encoding="utf-8", newline="\n")


def plain(value: object) -> str:
    """Any text as one line of Markdown that shows it as it is."""
    line = " ".join(str(value).split())
    return re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", html.escape(line, quote=False))


def _gather(request: PushRequest, bundle: Bundle, run: RunFacts | None) -> CardFacts:
    manifest = bundle.manifest
    origin = manifest.provenance.get("run")
    origin = origin if isinstance(origin, Mapping) else {}
    settings, digest = origin.get("settings"), origin.get("labels_sha256")
    reduced = [one for one in bundle.precisions() if bundle.has_record(one)]
    val = None if run is None else run.summary.val
    never = np.flatnonzero(np.isinf(manifest.thresholds))
    return CardFacts(
        repository=request.repository,
        license=request.license,
        manifest=manifest,
        settings=settings if isinstance(settings, Mapping) else {},
        labels_sha256=digest if isinstance(digest, str) else None,
        records=tuple(map(bundle.record, reduced)),
        observed=None if run is None else run.config.observed_from,
        held_out={} if val is None else _defined(val),
        held_out_images=0 if val is None else val.pictures,
        weights=run is not None,
        images=len(bundle.reference().names),
        never=tuple(tuple(manifest.classes)[number] for number in never),
    )


def _defined(report: MetricsReport) -> dict[str, float]:
    values = {shown: float(getattr(report, name)) for shown, name in _METRICS.items()}
    return {shown: value for shown, value in values.items() if np.isfinite(value)}


def _metadata(facts: CardFacts) -> ModelCardData:
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type="unknown",
            dataset_name="held-out images of the run",
            metric_type=name,
            metric_value=round(value, 2),
        )
        for name, value in facts.held_out.items()
    ]
    return ModelCardData(
        library_name="cdul-edge",
        pipeline_tag="image-classification",
        license=facts.license or "unknown",
        tags=["cdul-edge", "multi-label", "onnx", "edge"],
        model_name=facts.repository.rpartition("/")[2] if results else None,
        eval_results=results or None,
    )
