"""How a bundle was exported and calibrated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from cdul_edge.reporting.origins.origin import (
    IMAGES,
    RUN,
    TRUTH,
    Digest,
    Origin,
    Setting,
    as_text,
    asked_first,
    command,
)
from cdul_edge_calibration.request import CalibrateRequest
from cdul_edge_runtime.bundle.bundle import MANIFEST, Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json, sha256_file
from cdul_edge_runtime.host.json_record import parse_record

_CALIBRATION = "calibration.json"
_KEY = ("count", "check_count", "method", "seed")


@dataclass(frozen=True)
class _Run:
    """Of the run, as the bundle remembers it; a network of somebody's own has none of it."""

    checkpoint_sha256: str | None = None
    labels_sha256: str | None = None


@dataclass(frozen=True)
class _Thresholds:
    rule: str = "run"


@dataclass(frozen=True)
class _Provenance:
    run: _Run = _Run()
    thresholds: _Thresholds = _Thresholds()


@dataclass(frozen=True)
class BundleSource:
    """What a bundle says of where it comes from."""

    checkpoint_sha256: str | None
    labels_sha256: str | None


def bundle_source(bundle: Bundle) -> BundleSource:
    """The digests of checkpoint and labels; None where another program trained the network."""
    run = _provenance(bundle).run
    return BundleSource(run.checkpoint_sha256, run.labels_sha256)


def bundle_origin(path: Path, runs: Mapping[str, Path]) -> Origin:
    """Of a bundle.

    Args:
        path: its folder.
        runs: the runs that the page shows too, by the digest of their checkpoint.
    """
    bundle = Bundle.load(path)
    about = _provenance(bundle)
    known = about.run.checkpoint_sha256
    run = runs.get(known or "", Path(RUN))
    words, thresholds = _choose(about.thresholds.rule)
    commands = [command("export", run, *words, "--out", path)]
    calibration = _calibration(path)
    if any(one.has_file and one is not Precision.FP32 for one in bundle.precisions()):
        options = [word for one in calibration if one.differs for word in _words(one)]
        commands.append(command("calibrate", path, "--images", IMAGES, *options))
    remarks = [] if known is None or known in runs else [_unknown_run(known)]
    if known is None:
        commands, remarks = [], ["It was exported from a network of another program."]
    return Origin(
        version=bundle.manifest.version,
        digests=(Digest(MANIFEST, sha256_file(path / MANIFEST)),),
        settings=asked_first([Setting("thresholds", about.thresholds.rule, "run"), *calibration]),
        commands=tuple(commands),
        remarks=(*remarks, *thresholds),
        made_from=known,
    )


def _provenance(bundle: Bundle) -> _Provenance:
    try:
        return parse_record(_Provenance, dict(bundle.manifest.provenance))
    except CdulEdgeError:  # it is free for whoever exports a network of their own
        return _Provenance()


def _choose(rule: str) -> tuple[list[str], list[str]]:
    if rule == "run":
        return [], []
    if rule == "file":
        return ["--thresholds", "THRESHOLDS"], ["THRESHOLDS stands for a file {class: threshold}."]
    truth = [] if rule.startswith("rate") else ["--truth", TRUTH]
    return ["--thresholds", rule, "--images", IMAGES, *truth], []


def _unknown_run(checkpoint: str) -> str:
    return f"RUN stands for the run whose checkpoint has the SHA-256 {checkpoint}."


def _calibration(path: Path) -> list[Setting]:
    """What calibration.json says it was asked for."""
    if not (path / _CALIBRATION).is_file():
        return []
    content = read_json(path / _CALIBRATION)
    key = content.get("key") if isinstance(content, dict) else None
    usual = {one.name: one.default for one in fields(CalibrateRequest)}
    if not isinstance(key, dict):
        return []
    return [
        Setting(f"calibrate: {name}", as_text(key[name]), as_text(usual[name]))
        for name in _KEY
        if name in key
    ]


def _words(setting: Setting) -> Iterator[str]:
    yield f"--{setting.name.removeprefix('calibrate: ').replace('_', '-')}"
    yield setting.value
