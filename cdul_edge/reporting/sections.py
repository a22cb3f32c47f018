"""Which reader makes the section of what: a new section is one line here."""

from __future__ import annotations

from collections.abc import Mapping

from cdul_edge.reporting.asked import Asked, Reader
from cdul_edge.reporting.inputs import Input, InputKind
from cdul_edge.reporting.section import Section
from cdul_edge.reporting.stages.bench_section import read_bench
from cdul_edge.reporting.stages.bundle_section import read_bundle
from cdul_edge.reporting.stages.evaluation.section import read_evaluation
from cdul_edge.reporting.stages.predictions.section import read_predictions
from cdul_edge.reporting.stages.verification_section import read_verification
from cdul_edge.reporting.stages.watch.section import read_watch


def _read_labels(one: Input, asked: Asked) -> Section:
    """Imported where there are labels: they need pyarrow, and a device that reports has none."""
    from cdul_edge.reporting.labels.section import read_labels

    return read_labels(one, asked)


def _read_run(one: Input, asked: Asked) -> Section:
    """Imported where there is a run, for the same reason."""
    from cdul_edge.reporting.stages.run.section import read_run

    return read_run(one, asked)


READERS: Mapping[InputKind, Reader] = {
    "labels": _read_labels,
    "run": _read_run,
    "bundle": read_bundle,
    "verify": read_verification,
    "bench": read_bench,
    "evaluation": read_evaluation,
    "predictions": read_predictions,
    "watch": read_watch,
}
