"""How labels were made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cdul_edge.labelling.score.scoring import Scoring
from cdul_edge.labels.label_stream import LabelStream, iterate_labels
from cdul_edge.labels.manifest import LabelsManifest, read_manifest
from cdul_edge.labels.settings import ClipSettings, ImportSettings
from cdul_edge.reporting.origins.origin import (
    IMAGES,
    Digest,
    Origin,
    Setting,
    as_text,
    asked_first,
    command,
)
from cdul_edge_runtime.host.json_record import RecordError, parse_record

_TEMPLATE = "a photo of a {}"
_PART_PICTURES = {"snippets": 512, "patches": 128}
_CLASSES = (
    "The class file itself is not recorded: write the names that the section shows, one a line, "
    "with their prompts where the manifest has others, into classes.txt."
)


@dataclass(frozen=True)
class _Option:
    """An option of `label`: its words where it differs from the default; "" is no default."""

    name: str
    value: object
    default: object
    words: tuple[str, ...] = field(default=())

    @property
    def setting(self) -> Setting:
        default = None if self.default == "" else as_text(self.default)
        return Setting(self.name, as_text(self.value), default)


@dataclass(frozen=True)
class _Observed:
    """Files of labels that people gave, each with its digest."""

    files: Mapping[str, str]


@dataclass(frozen=True)
class _Scored:
    """What the manifest says of the scores."""

    strategy: str
    temperature: float | None = None
    zeta: float = 0.2
    fusion: str = "half"
    balance: float = 0.0
    debias: str = "none"
    thresholds: object = None
    observed: _Observed | None = None


def labels_origin(path: Path) -> Origin:
    """Of a labels folder, or of a file of pseudo-labels."""
    stream = iterate_labels(path)
    digest = (Digest("pseudo-labels", stream.sha256()),)
    manifest = read_manifest(path) if path.is_dir() else None
    if manifest is None:
        return _of_stream(stream, digest)
    options = [*_clip_options(manifest), *_scoring_options(manifest)]
    words = [word for one in options if one.value != one.default for word in one.words]
    source, remarks = _source(manifest)
    return Origin(
        version=manifest.version,
        digests=digest,
        settings=asked_first(one.setting for one in options),
        commands=(command("label", *source, *words, "--out", path),),
        remarks=remarks,
    )


def _of_stream(stream: LabelStream, digest: tuple[Digest, ...]) -> Origin:
    program = str(stream.provenance.get("program", ""))
    kept = {
        name: value
        for name, value in stream.provenance.items()
        if isinstance(value, (str, int, float)) and name != "program"
    }
    return Origin(
        version=program.removeprefix("cdul-edge ") or None,
        digests=digest,
        settings=tuple(Setting(name, as_text(value)) for name, value in kept.items()),
        remarks=("A file of labels alone does not say which command made it.",),
    )


def _source(manifest: LabelsManifest) -> tuple[list[str], tuple[str, ...]]:
    """Of the command: what was labeled."""
    inputs, settings = manifest.inputs, manifest.settings
    if isinstance(settings, ImportSettings):
        images = [] if inputs.images is None else [inputs.images]
        words = [*images, "--from-similarities", inputs.similarities or "FILE"]
        if settings.made_with_temperature is not None:
            words += ["--made-with-temperature", str(settings.made_with_temperature)]
        return words, ()
    words = [inputs.images or IMAGES, "--classes", "classes.txt", "--clip", settings.clip]
    return words, (_CLASSES,)


def _clip_options(manifest: LabelsManifest) -> Iterator[_Option]:
    used = manifest.settings
    if not isinstance(used, ClipSettings):
        return
    yield _Option("clip", used.clip, "")
    yield _option("pretrained", used.pretrained, None)
    yield _option("seed", used.seed, 0)
    templates = manifest.templates or ()
    yield _Option(
        "template",
        " | ".join(templates),
        _TEMPLATE,
        tuple(word for one in templates for word in ("--template", one)),
    )
    if used.kind == "snippets":
        yield _option("grid", used.grid, "3x3")
        yield _option("overlap", used.overlap, 0.0)
    yield _option("fit", used.fit, "squash")
    yield _option("precision", used.precision, "auto")  # which is what no option is stored as
    patches = used.kind == "patches"
    yield _Option("keep-embeddings", used.keep_embeddings, patches, ("--keep-embeddings",))
    yield _option("part-pictures", used.part_pictures, _PART_PICTURES[used.kind])


def _scoring_options(manifest: LabelsManifest) -> Iterator[_Option]:
    stored: Mapping[str, object] = manifest.pseudo_labels or {}
    try:
        used, usual = parse_record(_Scored, dict(stored)), Scoring()
    except RecordError:  # of another version: the section shows what they came to
        return
    yield _option("strategy", used.strategy, usual.strategy)
    yield _option("zeta", used.zeta, usual.zeta)
    yield _option("fusion", used.fusion, usual.fusion)
    yield _option("lambda", used.balance, usual.balance)
    models = manifest.similarities.model_temperature
    temperature = usual.temperature if used.temperature in (None, models) else used.temperature
    yield _option("temperature", temperature, usual.temperature)
    yield _option("debias", used.debias, usual.debias)
    if isinstance(used.thresholds, str):
        yield _option("thresholds", used.thresholds, usual.thresholds)
    if used.observed is not None:
        files = tuple(used.observed.files)
        words = tuple(word for file in files for word in ("--observed", file))
        yield _Option("observed", ", ".join(files), None, words)


def _option(name: str, value: object, default: object) -> _Option:
    return _Option(name, value, default, (f"--{name}", str(value)))
