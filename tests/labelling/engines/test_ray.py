"""A real Ray on this machine: whatever dies, the parts are those of one process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmarks.scale.machines import Machines
from cdul_edge.labelling import LabelRequest, label
from cdul_edge.labelling.choose_clip import ChosenClip
from cdul_edge.labelling.engines.ray_scorer import RemoteScorer
from cdul_edge.labelling.engines.versions import Versions
from cdul_edge.labelling.plan import LabelPlan
from cdul_edge.sources.listed import ListedPictures
from cdul_edge.storage.location import Url
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole
from tests.fakes.s3_server import S3Server
from tests.fakes.shards import pack

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,  # Ray takes five seconds to start, and CLIP as long in each actor
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Ray's own, of its own settings
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
PART = 5


@pytest.fixture(scope="module")
def machines(s3_process: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Machines that have the credentials of the imitation of S3, as real ones have theirs."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_process.environment(tmp_path_factory.mktemp("nowhere")).items():
            patch.setenv(name, value)
        found = Machines(2)
    yield found
    found.close()


class Labels:
    """`label` of fifty pictures into parts of five, here and on the cluster."""

    def __init__(self, common: dict[str, Any], address: str, folder: Path) -> None:
        self._common = common
        self._address = address
        self.here, self.there = folder / "here", folder / "there"

    def alone(self, **changes: Any) -> None:
        """In this process."""
        label(LabelRequest(**{"out": self.here, **self._common, **changes}), SilentConsole())

    def on_ray(self, console: SilentConsole | None = None, **changes: Any) -> None:
        """By actors."""
        asked = {"out": self.there, "engine": "ray", "address": self._address}
        label(LabelRequest(**{**self._common, **asked, **changes}), console or SilentConsole())

    def refuse_differences(self) -> None:
        """Every file is the same, byte by byte."""
        assert self.files(self.there) == self.files(self.here)

    @staticmethod
    def files(out: Path) -> dict[str, bytes]:
        found = (file for file in out.rglob("*") if file.is_file() and file.name != ".lock")
        return {file.relative_to(out).as_posix(): file.read_bytes() for file in found}

    def parts(self) -> dict[str, int]:
        """When each part was written."""
        files = self.there.glob("similarities/part-*.parquet")
        return {file.name: file.stat().st_mtime_ns for file in files}


@pytest.fixture
def labels(
    machines: Machines, classes: Path, tiny_clip: Path, tmp_path: Path, paint: Any
) -> Labels:
    paint(tmp_path / "pictures", 50)
    common = {
        "images": tmp_path / "pictures",
        "classes": classes,
        "clip": str(tiny_clip),
        "pretrained": "none",
        "encoder": "torch",
        "threads": 1,
        "workers": 0,
        "part_pictures": PART,
        "batch_pictures": 2,
    }
    return Labels(common, machines.address, tmp_path)


def when(happened: Callable[[], bool], act: Callable[[], object]) -> threading.Thread:
    """Do something, in a thread, once something else has happened."""

    def wait() -> None:
        deadline = time.monotonic() + 100
        while not happened():
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_parts_labels_and_manifest_are_those_of_one_process(labels: Labels) -> None:
    labels.alone()
    labels.on_ray()
    labels.refuse_differences()
    before = labels.parts()
    (labels.there / "similarities" / "part-00003.parquet").unlink()
    labels.on_ray(repair=True)
    labels.refuse_differences()
    again = [name for name, written in labels.parts().items() if before[name] != written]
    assert again == ["part-00003.parquet"]


def test_actors_and_a_machine_may_be_killed(labels: Labels, machines: Machines) -> None:
    labels.alone()

    kept: dict[str, int] = {}

    def kill_actors() -> None:
        kept.update(labels.parts())
        for process in machines.actors():
            os.kill(process, signal.SIGKILL)

    threads = [
        when(lambda: len(labels.parts()) >= 4, kill_actors),
        when(lambda: len(labels.parts()) >= 6, lambda: machines.kill(0)),
    ]
    labels.on_ray()
    for thread in threads:
        thread.join()
    assert len(kept) >= 4
    # each of the two actors may have written a part that it was killed before it told of
    assert len(kept.items() - labels.parts().items()) <= 2
    labels.refuse_differences()


def test_a_part_that_ends_every_actor_ends_the_run_in_one_line(
    labels: Labels, machines: Machines
) -> None:
    ended = threading.Event()

    def end_each_actor() -> None:
        seen: set[int] = set()
        while not ended.wait(0.05):
            for process in set(machines.actors()) - seen:
                seen.add(process)
                time.sleep(1)  # it began a part, and CLIP is not loaded by then
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=end_each_actor)
    killer.start()
    try:
        with pytest.raises(CdulEdgeError, match=r"part \d+ ended its actor 3 times, the last on "):
            labels.on_ray(actors=1)
    finally:
        ended.set()
        killer.join()
    labels.alone()
    labels.on_ray()
    labels.refuse_differences()


def test_a_machine_of_another_kind_is_one_line(
    labels: Labels, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = RemoteScorer.of

    def refuse(line: str) -> None:
        with pytest.raises(CdulEdgeError, match=line):
            labels.on_ray()
        monkeypatch.undo()

    versions = Versions({**Versions.of_this_process("torch").found, "torch": "1.0.0"})
    monkeypatch.setattr(Versions, "of_this_process", lambda library: versions)
    refuse(r"has other versions than this machine.*: torch \S+ there and 1.0.0 here: install")

    def of_another_folder(plan: LabelPlan, clip: ChosenClip) -> RemoteScorer:
        return replace(made(plan, clip), manifest=b"{}")

    monkeypatch.setattr(RemoteScorer, "of", of_another_folder)
    refuse("is not the same folder on .*: give --out a folder that every machine sees")

    def of_absent_pictures(plan: LabelPlan, clip: ChosenClip) -> RemoteScorer:
        assert isinstance(plan.source, ListedPictures)
        source = replace(plan.source, root=tmp_path / "not-mounted")
        return made(replace(plan, source=source), clip)

    monkeypatch.setattr(RemoteScorer, "of", of_absent_pictures)
    refuse("sees none of the 5 pictures of part .*not-mounted: mount the folder")
    assert labels.parts() == {}


def test_an_error_of_a_part_is_that_of_one_process(labels: Labels, tmp_path: Path) -> None:
    (tmp_path / "pictures" / "007.jpg").write_bytes(b"no picture")
    (tmp_path / "pictures" / "008.jpg").write_bytes(b"")
    for run in (labels.alone, labels.on_ray):
        with pytest.raises(
            CdulEdgeError, match=r"more than --max-errors 1; the last is '008\.jpg'"
        ):
            labels._common["max_errors"] = 1
            run()
    labels._common["max_errors"] = 2
    labels.alone()
    labels.on_ray()
    labels.refuse_differences()


def test_shards_in_an_object_store_become_the_labels_of_the_folder(
    labels: Labels, s3: S3Server, tmp_path: Path
) -> None:
    names = sorted(file.name for file in (tmp_path / "pictures").iterdir())
    for part in range(len(names) // PART):
        shard = tmp_path / "tars" / f"{part:02}.tar"
        pack(shard, tmp_path / "pictures", *names[PART * part : PART * (part + 1)])
    s3.make_bucket("ray")
    bucket = open_storage(Url("s3://ray"))
    for shard in (tmp_path / "tars").iterdir():
        with bucket.write_stream(f"tars/{shard.name}") as file:
            file.write(shard.read_bytes())

    labels.alone(out=tmp_path / "folder")
    labels.alone(images=tmp_path / "tars")
    labels.on_ray(images=tmp_path / "tars")
    labels.refuse_differences()
    out = Url("s3://ray/labels")
    labels.on_ray(images=Url("s3://ray/tars"), out=out)

    storage, here = open_storage(out), labels.files(labels.here)
    there = {name: storage.read(name) for name in storage.sizes()}
    assert there.keys() == here.keys()
    folder = labels.files(tmp_path / "folder")
    parts = [name for name in here if name.startswith("similarities/")]
    assert len(parts) == 10
    assert {name: there[name] for name in parts} == {name: folder[name] for name in parts}
    # where the pictures lie is told by these, and when the shards were written
    told = {"manifest.json", "shards.parquet", "pseudo_labels.parquet"}
    assert {name for name in here if there[name] != here[name]} <= told
    tables = [pq.read_table(io.BytesIO(one["pseudo_labels.parquet"])) for one in (here, there)]
    assert tables[0].equals(tables[1])
    manifests = [json.loads(one["manifest.json"]) for one in (here, there)]
    different = {key for key in manifests[0] if manifests[0][key] != manifests[1][key]}
    assert different == {"inputs", "files"}  # the root, and digests of files that name it
