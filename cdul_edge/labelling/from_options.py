"""From the command line's options to a request, and to the right kind of run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdul_edge.labelling.encode.console import Talk
from cdul_edge.labelling.encode.prompts import expand_templates
from cdul_edge.labelling.encode.views import Views, parse_grid
from cdul_edge.labelling.imported.label_imported import ImportRequest, label_from_similarities
from cdul_edge.labelling.request import LabelRequest, Scoring
from cdul_edge.labelling.run import label_pictures
from cdul_edge.labelling.write_labels import LabelSummary
from cdul_edge_runtime.errors import CdulEdgeError

DEFAULT_GRID = "3x3"


def run_label(given: Mapping[str, Any], talk: Talk) -> LabelSummary:
    """Carry out `cdul-edge label`; `given` are its options by name.

    Raises:
        CdulEdgeError: options that exclude each other, or one that is missing.
    """
    taken = "strategy zeta fusion balance temperature debias thresholds".split()
    scoring = Scoring(**{key: given[key] for key in taken})
    if given["from_similarities"] is not None:
        return label_from_similarities(_import_request(given, scoring), talk)
    return label_pictures(_label_request(given, scoring), talk)


def _import_request(given: Mapping[str, Any], scoring: Scoring) -> ImportRequest:
    if given["clip"] is not None:
        raise CdulEdgeError("--from-similarities and --clip exclude each other: CLIP is not run")
    if scoring.kind == "patches":
        raise CdulEdgeError(
            "--strategy patches needs the embeddings of patches, which --from-similarities does "
            "not bring: give --clip a ViT and the pictures, or another --strategy"
        )
    return ImportRequest(
        similarities=given["from_similarities"],
        made_with=given["made_with_temperature"],
        scoring=scoring,
        **{key: given[key] for key in ("out", "images", "classes", "force", "repair")},
    )


def _label_request(given: Mapping[str, Any], scoring: Scoring) -> LabelRequest:
    if given["made_with_temperature"] is not None:
        raise CdulEdgeError("--made-with-temperature is about --from-similarities: drop it")
    for name, hint in (
        ("images", "name a folder, a text file of paths, or a CSV with image_path"),
        ("classes", "give --classes a file with one class name a line"),
        ("clip", "give --clip demo for the drawn world, or an architecture with --pretrained"),
    ):
        if given[name] is None:
            raise CdulEdgeError(f"{name} is missing: {hint}")
    taken = (
        "images classes out clip pretrained seed device precision keep_embeddings part_pictures "
        "batch_pictures workers threads max_errors force repair"
    ).split()
    return LabelRequest(
        **{key: given[key] for key in taken},
        templates=expand_templates(given["template"]),
        views=_views(given, scoring),
        scoring=scoring,
    )


def _views(given: Mapping[str, Any], scoring: Scoring) -> Views:
    if scoring.kind == "patches":
        for name in ("grid", "overlap"):
            if given[name] is not None:
                raise CdulEdgeError(
                    f"--{name} is about snippets, and --strategy patches has none: drop it"
                )
        return Views(0, 0, fit=given["fit"])
    rows, columns = parse_grid(given["grid"] or DEFAULT_GRID)
    return Views(rows, columns, given["overlap"] or 0.0, given["fit"])
