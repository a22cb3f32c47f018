"""Which reader makes the section of what: a new section is one line here."""

from __future__ import annotations

from collections.abc import Mapping

from cdul_edge.reporting.asked import Reader
from cdul_edge.reporting.inputs import InputKind
from cdul_edge.reporting.labels.section import read_labels
from cdul_edge.reporting.stages.bench_section import read_bench
from cdul_edge.reporting.stages.bundle_section import read_bundle
from cdul_edge.reporting.stages.evaluation.section import read_evaluation
from cdul_edge.reporting.stages.predictions.section import read_predictions
from cdul_edge.reporting.stages.run.section import read_run
from cdul_edge.reporting.stages.verification_section import read_verification
from cdul_edge.reporting.stages.watch.section import read_watch

READERS: Mapping[InputKind, Reader] = {
    "labels": read_labels,
    "run": read_run,
    "bundle": read_bundle,
    "verify": read_verification,
    "bench": read_bench,
    "evaluation": read_evaluation,
    "predictions": read_predictions,
    "watch": read_watch,
}
