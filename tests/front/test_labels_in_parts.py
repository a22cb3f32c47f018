"""Whoever reads labels reads them as one file, as a folder of parts, and from an object store."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pseudo-labels stand in Parquet")

from cdul_edge.front.description import describe_path
from cdul_edge.front.estimation import EstimateRequest, estimate
from cdul_edge.front.evaluation import EvaluateRequest, evaluate
from cdul_edge.front.sampling import SampleRequest, sample
from cdul_edge.labels.label_stream import FILE_NAME, iterate_labels
from cdul_edge.labels.labels_writer import LabelsWriter
from cdul_edge.labels.scored_pictures import read_scored_pictures
from cdul_edge.storage.location import Location, Url
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.s3_server import S3Server

CLASSES = ClassList(("cat", "dog"))
N = 40


def write(place: Location, rows: int) -> Location:
    scores = np.random.default_rng(0).random((N, 2), np.float32)
    with LabelsWriter(open_storage(place), Path("/pictures"), CLASSES, rows) as writer:
        writer.add([f"{row}.jpg" for row in range(N)], scores, scores)
        writer.seal()
        about = {"aggregation": {"strategy": "evidence"}}
        writer.finish(np.array([0.4, 0.6], np.float32), about)
    return place


def test_evaluate_estimate_sample_and_info_say_the_same_of_each(
    tmp_path: Path, s3: S3Server
) -> None:
    s3.make_bucket("bucket")
    truth = tmp_path / "truth.csv"
    rows = [f"{row}.jpg,{row % 2},{row % 3 == 0:d}" for row in range(N)]
    truth.write_text("\n".join(["image_path,cat,dog", *rows]))
    places = [
        write(tmp_path / "one", N),
        write(tmp_path / "parts", 9),
        write(Url("s3://bucket/labels"), 9),
    ]
    said = []
    for number, place in enumerate((*places, places[1] / FILE_NAME, places[2] / FILE_NAME)):
        found = {
            "evaluate": evaluate(EvaluateRequest(place, truth)).to_dict(),
            "estimate": estimate(EstimateRequest(place)).to_dict(),
            "labelled_by": read_scored_pictures(place).labelled_by,
        }
        sheet = tmp_path / f"{number}.csv"
        with pytest.warns(match="pictures drawn are not in /pictures"):
            sample(SampleRequest(place, sheet, per_class=6))
        text = json.dumps(found, sort_keys=True).replace(str(place), "SCORES")
        said.append((text, sheet.read_text()))
    assert len(set(said)) == 1
    described = describe_path(tmp_path / "parts" / FILE_NAME)
    assert (described.kind, described.facts["rows"]) == ("pseudo-labels", N)
    assert described.facts["parts"] == 5


def test_the_digest_of_labels_in_parts_tells_each_part(tmp_path: Path) -> None:
    first = iterate_labels(write(tmp_path / "a", 9)).sha256()
    assert iterate_labels(write(tmp_path / "b", 9)).sha256() == first
    assert iterate_labels(write(tmp_path / "c", 10)).sha256() != first
    part = tmp_path / "b" / FILE_NAME / "part-00003.parquet"
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    assert iterate_labels(tmp_path / "b").sha256() != first


def test_predictions_in_an_object_store_are_to_be_copied() -> None:
    with pytest.raises(CdulEdgeError, match="read from this machine: copy them first"):
        read_scored_pictures(Url("s3://bucket/predictions.jsonl"))
