"""Training reads labels as one file, as parts, and from an object store: the same task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra 'train' is not installed")

import torch

from cdul_edge.labels.labels_writer import LabelsWriter
from cdul_edge.storage.location import Location, Url
from cdul_edge.storage.open_storage import open_storage
from cdul_edge.training.ranks import ALONE
from cdul_edge.training.request import TrainRequest
from cdul_edge.training.task import open_task
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import LabelsError
from cdul_edge_runtime.host.console import SilentConsole
from tests.fakes.s3_server import S3Server

CLASSES = ClassList(("cat", "dog"))


def write(place: Location, rows: int, root: Location) -> Location:
    scores = np.linspace(0, 1, 22, dtype=np.float32).reshape(11, 2)
    with LabelsWriter(open_storage(place), root, CLASSES, rows) as writer:
        writer.add([f"{row}.jpg" for row in range(11)], scores, scores)
        writer.seal()
        writer.finish(np.array([0.4, 0.6], np.float32), {})
    return place


def test_labels_in_parts_and_elsewhere_are_the_same_task(tmp_path: Path, s3: S3Server) -> None:
    s3.make_bucket("bucket")
    pictures = tmp_path / "pictures"
    places = (
        write(tmp_path / "one", 11, pictures),
        write(tmp_path / "parts", 4, pictures),
        write(Url("s3://bucket/labels"), 4, pictures),
    )
    device = torch.device("cpu")
    tasks = [
        open_task(TrainRequest(place, tmp_path / "run"), SilentConsole(), device, ALONE)
        for place in places
    ]
    for task in tasks:
        assert task.labels.paths == tasks[0].labels.paths
        assert task.labels.scores.tobytes() == tasks[0].labels.scores.tobytes()
        assert task.inspect().name == "FRESH"
    digests = [task.about.labels_sha256 for task in tasks]
    assert digests[1] == digests[2] != digests[0]
    abouts = [replace(task.about, labels="", labels_sha256="") for task in tasks]
    assert abouts[0] == abouts[1] == abouts[2]


def test_pictures_of_an_object_store_are_to_be_copied_first(tmp_path: Path) -> None:
    place = write(tmp_path / "labels", 11, Url("s3://photos/2026"))
    request = TrainRequest(place, tmp_path / "run")
    task = open_task(request, SilentConsole(), torch.device("cpu"), ALONE)
    with pytest.raises(LabelsError, match=r"lie in s3://photos/2026.*give that folder as --images"):
        _ = task.labels.folder
