"""How a run was trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cdul_edge.reporting.origins.origin import (
    Digest,
    Origin,
    Setting,
    as_text,
    asked_first,
    command,
)
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.run_config import CONFIG, RunConfig
from cdul_edge.training.summary import SUMMARY, RunSummary, read_summary
from cdul_edge_runtime.host.files import read_json, sha256_file

_CHECKPOINT = "checkpoint.pt"
# Settings that are no option of their own name.
_OTHERWISE = ("height_px", "width_px", "method_settings", "labels")


def run_origin(path: Path) -> Origin:
    """Of a finished run."""
    config, summary = RunConfig.read(path), read_summary(path)
    digests = [Digest(SUMMARY, sha256_file(path / SUMMARY))]
    if (path / _CHECKPOINT).is_file():
        digests.append(Digest(_CHECKPOINT, sha256_file(path / _CHECKPOINT)))
    version = read_json(path / CONFIG).get("version")
    return Origin(
        version=version if isinstance(version, str) else None,
        digests=tuple(digests),
        settings=asked_first(_settings(config.settings)),
        commands=(command("train", config.labels, *_options(config), "--out", path),),
        remarks=tuple(_remarks(config, summary)),
        made_from=config.labels_sha256,
    )


def _settings(used: TrainConfig) -> Iterator[Setting]:
    usual = TrainConfig().to_dict()
    for name, value in used.to_dict().items():
        if name == "method_settings":
            continue
        default = usual[name]
        if default is None:  # the run settles it, and config.json holds what it came to
            default = value
        yield Setting(name, as_text(value), as_text(default))
    for name, value in used.method_settings.items():
        yield Setting(f"{used.method}: {name}", as_text(value), as_text(value))


def _options(config: RunConfig) -> Iterator[str]:
    used, usual = config.settings.to_dict(), TrainConfig().to_dict()
    settings = config.settings
    yield from ("--image-size", f"{settings.height_px}x{settings.width_px}")
    for name, value in used.items():
        if name in _OTHERWISE or value is None or value == usual[name]:
            continue
        option = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{option}" if value else f"--no-{option}"
        else:
            yield from (f"--{option}", str(value))
    if settings.labels == "hard":
        yield "--hard"
    for name, value in settings.method_settings.items():
        if value is not None:
            yield from ("--set", f"{name}={str(value).lower()}")
    if config.observed_sha256 is not None:
        yield from ("--observed", "OBSERVED")
    if config.labels_from != "observed+pseudo":
        yield from ("--labels-from", config.labels_from)
    if config.pictures_sha256 is not None:
        yield from ("--only", "LIST")


def _remarks(config: RunConfig, summary: RunSummary) -> Iterator[str]:
    if config.observed_from is not None:
        yield f"OBSERVED stands for what people said: {config.observed_from}."
    if config.pictures_sha256 is not None:
        yield f"LIST stands for the list of {config.pictures} images that it was trained on."
    if summary.val is not None:
        yield "Held-out images and truth (--val, --truth) change no weight and are not recorded."
