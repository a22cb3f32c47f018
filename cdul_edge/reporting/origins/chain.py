"""Whether the things on one page were made from one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from cdul_edge.reporting.inputs import Input, Inputs
from cdul_edge.reporting.origins.bundle import bundle_origin, bundle_source
from cdul_edge.reporting.origins.files import file_origin
from cdul_edge.reporting.origins.origin import Origin
from cdul_edge.reporting.origins.run import run_origin
from cdul_edge_runtime.bundle.bundle import Bundle


def find_origins(inputs: Inputs) -> dict[str, Origin]:
    """The origin of each input, by the key of its section."""
    found = {one.key: _labels_origin(one.path) for one in inputs.of("labels")}
    found |= {one.key: run_origin(one.path) for one in inputs.of("run")}
    runs: dict[str, Path] = {}
    for one in inputs.of("run"):
        runs.setdefault(_digest(found[one.key]), one.path)
    found |= {one.key: bundle_origin(one.path, runs) for one in inputs.of("bundle")}
    return found | {one.key: file_origin(one) for one in inputs.shown if one.key not in found}


def _labels_origin(path: Path) -> Origin:
    """Imported where there are labels: they need pyarrow, and a device that reports has none."""
    from cdul_edge.reporting.origins.labels import labels_origin

    return labels_origin(path)


def find_breaks(inputs: Inputs, origins: Mapping[str, Origin]) -> tuple[str, ...]:
    """Each thing that was made from another than those that the page shows, in a sentence."""
    labels, runs, bundles = inputs.of("labels"), inputs.of("run"), inputs.of("bundle")
    return (
        *_compare(runs, labels, origins, "was trained on other labels"),
        *_compare(bundles, runs, origins, "was exported from another run"),
        *_compare(inputs.of("verify"), bundles, origins, "is of another bundle"),
        *_trained_otherwise(inputs, origins),
    )


def _compare(
    later: tuple[Input, ...], earlier: tuple[Input, ...], origins: Mapping[str, Origin], how: str
) -> Iterator[str]:
    known = {_digest(origins[one.key]) for one in earlier}
    for one in later:
        source = origins[one.key].made_from
        if known and source is not None and source not in known:
            others = " or ".join(str(other.path) for other in earlier)
            yield f"{one.path} {how} than {others}: SHA-256 {source[:12]}…"


def _trained_otherwise(inputs: Inputs, origins: Mapping[str, Origin]) -> Iterator[str]:
    """Bundles whose run the page does not show, of labels that it does."""
    known = {_digest(origins[one.key]) for one in inputs.of("labels")}
    for one in () if inputs.of("run") else inputs.of("bundle"):
        source = bundle_source(Bundle.load(one.path)).labels_sha256
        if known and source is not None and source not in known:
            others = " or ".join(str(other.path) for other in inputs.of("labels"))
            yield f"{one.path} learned from other labels than {others}: SHA-256 {source[:12]}…"


def _digest(origin: Origin) -> str:
    """What later stages remember of it: a run's checkpoint, else the only digest."""
    return origin.digests[-1].sha256
