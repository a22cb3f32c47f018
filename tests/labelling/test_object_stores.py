"""A labels folder in an object store is a labels folder, to the byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge.labelling.part_report import PartReport
from cdul_edge.labelling.score.scoring import Scoring
from cdul_edge.labelling.score_part import PartScorer
from cdul_edge.labelling.store.parts import part_name
from cdul_edge.labels.manifest import MANIFEST
from cdul_edge.labels.pseudo_labels import FILE_NAME, PseudoLabels
from cdul_edge.storage.location import Url
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from tests.fakes.s3_server import S3Server


def content(where: Path | Url) -> dict[str, bytes]:
    storage = open_storage(where)
    return {name: storage.read(name) for name in storage.sizes()}


@pytest.mark.parametrize("scheme", ["s3", "memory"])
def test_every_file_is_the_one_of_a_local_folder(label: Any, s3: S3Server, scheme: str) -> None:
    s3.make_bucket("bucket")
    out = Url(f"s3://bucket/{uuid4()}/labels" if scheme == "s3" else f"memory://{uuid4()}/labels")
    label()
    label(out=out)
    assert content(out) == content(label.out)
    assert sorted(content(out)) == sorted(
        ["manifest.json", "parts.parquet", "pictures.parquet", "pseudo_labels.parquet"]
        + [part_name(index) for index in range(3)]
    )


def test_a_run_that_was_stopped_goes_on_there_and_only_misses_are_encoded(
    label: Any, s3: S3Server
) -> None:
    s3.make_bucket("bucket")
    out = Url("s3://bucket/labels")
    label(out=out)
    before, storage = content(out), open_storage(out)
    storage.remove(part_name(1))
    with pytest.raises(LabelsError, match=r"part-00001.parquet is missing: .*--repair"):
        label(out=out)
    unfinished = {**json.loads(storage.read(MANIFEST)), "complete": False}
    with storage.write_stream(MANIFEST) as file:
        file.write(json.dumps(unfinished).encode())
    assert label(out=out).scored == 3
    assert content(out) == before
    assert label(out=out, scoring=Scoring("max")).scored == 0
    with pytest.raises(LabelsError, match="seed 0"):
        label(out=out, seed=1)


def test_another_folder_is_left_alone_and_labels_are_replaced_with_force(
    label: Any, s3: S3Server
) -> None:
    s3.make_bucket("bucket")
    storage = open_storage(Url("s3://bucket/labels"))
    with storage.write_stream("mine.txt") as file:
        file.write(b"mine")
    with pytest.raises(CdulEdgeError, match="exists and is not a labels folder"):
        label(out=storage.where)
    assert list(storage.sizes()) == ["mine.txt"]
    storage.remove("mine.txt")
    label(out=storage.where)
    with storage.write_stream("mine.txt") as file:
        file.write(b"mine")
    with pytest.raises(CdulEdgeError, match=r"also holds mine.txt"):
        label(out=storage.where, seed=1, force=True)
    storage.remove("mine.txt")
    assert label(out=storage.where, seed=1, force=True).scored == 7


def test_labels_are_read_from_there(label: Any, s3: S3Server) -> None:
    s3.make_bucket("bucket")
    out = Url("s3://bucket/labels")
    label(out=out)
    label()
    there, here = PseudoLabels.read(out), PseudoLabels.read(label.out)
    assert there.paths == here.paths
    assert (there.scores == here.scores).all()
    open_storage(out).remove(FILE_NAME)
    with pytest.raises(LabelsError, match=f"s3://bucket/labels .*{FILE_NAME} is missing"):
        PseudoLabels.read(out)


def test_a_bucket_that_vanishes_midway_ends_the_run_in_one_line_and_it_goes_on_later(
    label: Any, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.make_bucket("bucket")
    out = Url("s3://bucket/labels")
    write, kept = PartScorer._write, {}

    def vanish(self: PartScorer, index: int, *arguments: Any) -> PartReport:
        if index == 2:
            kept.update(content(out))
            s3.ask("POST", "/moto-api/reset")
        return write(self, index, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(PartScorer, "_write", vanish)
        with pytest.raises(CdulEdgeError, match=r"s3://bucket/labels/.* no such bucket, 'bucket'"):
            label(out=out)
    assert part_name(1) in kept
    s3.make_bucket("bucket")  # it is there again, with what was in it
    for name, found in kept.items():
        with open_storage(out).write_stream(name) as file:
            file.write(found)
    assert label(out=out).scored == 1  # of seven pictures, three a part
    label()
    assert content(out) == content(label.out)


def test_two_runs_that_know_nothing_of_each_other_leave_what_one_leaves(
    label: Any, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object store has no locks: the second begins while the first is at its last part."""
    s3.make_bucket("bucket")
    out = Url("s3://bucket/labels")
    write = PartScorer._write
    second: list[None] = []

    def begin_another(self: PartScorer, index: int, *arguments: Any) -> PartReport:
        if index == 2 and not second:
            second.append(None)
            label(out=out)
        return write(self, index, *arguments)

    monkeypatch.setattr(PartScorer, "_write", begin_another)
    label(out=out)
    assert second
    label()
    assert content(out) == content(label.out)


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("s3://nowhere/labels", "s3://nowhere/labels cannot be read: there is no such bucket"),
        ("s3://KEY:hush@bucket/labels", "a s3:// address holds credentials: leave them out"),
        ("xyz://bucket/labels", "xyz://bucket/labels is of no known kind"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line_of_the_command_line(
    pictures: Path, classes: Path, s3: S3Server, out: str, said: str
) -> None:
    words = ["label", str(pictures), "--classes", str(classes), "--clip", "demo", "--out", out]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert said in result.output
    assert result.output.count("\n") == 1
    assert "hush" not in result.output
