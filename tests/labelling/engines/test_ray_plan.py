"""What of a plan travels to actors: no list, which they read from the labels folder, but shards."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from cdul_edge.labelling import LabelRequest
from cdul_edge.labelling.engines.ray_scorer import SAMPLE, RemoteChoice, RemoteScorer
from cdul_edge.labelling.plan import LabelPlan, make_plan
from tests.fakes.shards import write_tar

NOT_LOADED: Any = None


def plan_of(images: Path, tmp_path: Path) -> LabelPlan:
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "manifest.json").write_text("{}")
    out, classes = tmp_path / "labels", tmp_path / "classes.txt"
    return make_plan(LabelRequest(images=images, classes=classes, out=out, clip="demo"), None)


def test_of_a_list_no_path_travels_and_to_choose_a_clip_a_thousand(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("".join(f"{i:06}.jpg\n" for i in range(20_000)))
    plan = plan_of(tmp_path / "list.txt", tmp_path)
    assert len(pickle.dumps(plan)) > 200_000
    sent = pickle.dumps(RemoteScorer.of(plan, NOT_LOADED))
    assert len(sent) < 10_000
    assert pickle.loads(sent).plan.source.root == tmp_path
    chosen = pickle.loads(pickle.dumps(RemoteChoice.of(plan, None)))
    assert chosen.plan.source.pictures == SAMPLE
    assert chosen.plan.source.paths(0)[:2] == ("000000.jpg", "000001.jpg")


def test_shards_travel_as_they_are(tmp_path: Path) -> None:
    for index in range(3):
        write_tar(tmp_path / "tars" / f"{index}.tar", [(f"{index}.jpg", b"1")])
    plan = plan_of(tmp_path / "tars", tmp_path)
    sent = pickle.loads(pickle.dumps(RemoteScorer.of(plan, NOT_LOADED)))
    assert (sent.count, sent.plan.total, sent.plan.unit) == (3, 3, "parts")
    assert [sent.plan.source.paths(part) for part in sent.plan.parts] == [
        ("0.jpg",),
        ("1.jpg",),
        ("2.jpg",),
    ]
