"""`cdul-edge label`: pseudo-labels from pictures and class names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cdul_edge.cli.options import engines
from cdul_edge.cli.options import labelling as options
from cdul_edge.cli.output.result_console import message_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge.cli.output.tables.label import show_result
from cdul_edge.storage.location import Location, Url, parse_location
from cdul_edge_runtime.choices import Resize
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.host.console import StderrConsole

if TYPE_CHECKING:
    from cdul_edge.labelling import LabelResult, Scoring, Views, WholePicture

Value = TypeVar("Value")


def label(
    out: options.Out,
    images: options.Images = None,
    classes: options.Classes = None,
    from_similarities: options.FromSimilarities = None,
    made_with_temperature: options.MadeWithTemperature = None,
    force: options.Force = False,
    update: options.Update = False,
    json: options.Json = None,
    clip: options.Clip = None,
    pretrained: options.Pretrained = None,
    seed: options.Seed = 0,
    template: options.Template = None,
    device: options.Device = "auto",
    precision: options.Precision = None,
    encoder: options.Encoder = "auto",
    grid: options.Grid = None,
    overlap: options.Overlap = None,
    fit: options.Fit = "squash",
    strategy: options.Strategy = "evidence",
    zeta: options.Zeta = 0.2,
    fusion: options.Fusion = "half",
    balance: options.Balance = 0.0,
    temperature: options.Temperature = "model",
    debias: options.Debias = "none",
    thresholds: options.Thresholds = "hard-prevalence",
    observed: options.Observed = None,
    keep_embeddings: options.KeepEmbeddings = False,
    workers: options.Workers = None, threads: options.Threads = None,
    batch_pictures: options.BatchPictures = None,
    part_pictures: options.PartPictures = None,
    part_shards: options.PartShards = None,
    max_errors: options.MaxErrors = None,
    repair: options.Repair = False,
    verify: engines.Verify = False,
    engine: engines.Engine = "local",
    address: engines.Address = None, actors: engines.Actors = None,
) -> None:  # fmt: skip
    """Score pictures against class names with CLIP, and make pseudo-labels from the scores."""
    with extra_imports("train", "labeling"):
        from cdul_edge.labelling import ImportRequest, LabelRequest, Scoring, run
    place = _lasting(parse_location(out))
    scoring = Scoring(strategy, zeta, fusion, balance, temperature, debias, thresholds)
    if from_similarities is not None:
        _refuse_beside_import(clip, update, engine == "ray" or address or actors)
        return _show(run.label(ImportRequest(
            parse_location(from_similarities), place, _local(images), classes,
            made_with_temperature, scoring, force, repair, verify, tuple(observed or ()),
        ), _console()), json)  # fmt: skip
    _refuse(made_with_temperature, "--made-with-temperature: it is for --from-similarities")
    return _show(run.label(LabelRequest(
        images=parse_location(_require(images, _IMAGES)), classes=_require(classes, _CLASSES),
        out=place, clip=_require(clip, _CLIP), pretrained=pretrained, seed=seed, scoring=scoring,
        templates=_templates(template), views=_views(scoring, grid, overlap, fit), device=device,
        precision=precision, encoder=encoder, keep_embeddings=keep_embeddings,
        part_pictures=part_pictures, part_shards=part_shards, batch_pictures=batch_pictures,
        workers=workers, threads=threads, max_errors=max_errors, force=force, update=update,
        repair=repair, verify=verify, engine=engine, address=address, actors=actors,
        observed=tuple(observed or ()),
    ), _console()), json)  # fmt: skip


def _console() -> StderrConsole:
    return StderrConsole(message_console())


def _show(result: LabelResult, json: Path | None) -> None:
    show_result(result, message_console())
    if json is not None:
        write_summary(json, result.to_dict())


_IMAGES = "images is missing: name a folder, a text file of paths, a CSV with image_path, or shards"
_CLASSES = "classes is missing: give --classes a file with one class name per line"
_CLIP = (
    "clip is missing: give --clip an architecture with --pretrained, or demo for the drawn world"
)


def _require(value: Value | None, missing: str) -> Value:
    if value is None:
        raise CdulEdgeError(missing)
    return value


def _refuse(value: object, why: str) -> None:
    if value is not None:
        raise CdulEdgeError(f"drop {why}")


def _local(images: str | None) -> Path | None:
    where = None if images is None else parse_location(images)
    if isinstance(where, Url):
        raise CdulEdgeError(
            f"{where}: with --from-similarities, pictures are a folder or a list of this machine"
        )
    return where


def _lasting(out: Location) -> Location:
    if isinstance(out, Url) and out.scheme == "memory":
        raise CdulEdgeError(
            f"--out {out}: what lies in memory ends with the command: give a folder, or the "
            "address of an object store"
        )
    return out


def _refuse_beside_import(clip: str | None, update: bool, cluster: object) -> None:
    _refuse(clip, "--clip: with --from-similarities CLIP is not run")
    _refuse(update or None, "--update: with --from-similarities, --force replaces labels")
    _refuse(
        cluster or None,
        "--engine ray, --address and --actors: an import has no parts that a cluster could make",
    )


def _templates(given: list[str] | None) -> tuple[str, ...]:
    from cdul_edge.labelling.encode.prompts import expand_templates

    return expand_templates(given)


def _views(
    scoring: Scoring, grid: str | None, overlap: float | None, fit: Resize
) -> Views | WholePicture:
    from cdul_edge.labelling.decode.views import Views, WholePicture, parse_grid

    if scoring.kind == "patches":
        for name, value in (("grid", grid), ("overlap", overlap)):
            _refuse(value, f"--{name}: it is about snippets, and --strategy patches has none")
        return WholePicture(fit)
    rows, columns = parse_grid(grid) if grid else (Views.rows, Views.columns)
    return Views(rows, columns, overlap or 0.0, fit)
