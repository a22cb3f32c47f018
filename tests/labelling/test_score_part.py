"""A part is what (plan, number) says, whoever makes it, in whatever order, after whatever else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from cdul_edge.labelling.choose_clip import choose_clip, reopen_clip
from cdul_edge.labelling.decode.decode_process import DecodeProcess
from cdul_edge.labelling.engines.open_engine import open_engine
from cdul_edge.labelling.error_limit import ErrorLimit
from cdul_edge.labelling.part_report import PartReport
from cdul_edge.labelling.plan import LabelPlan, make_plan
from cdul_edge.labelling.request import LabelRequest
from cdul_edge.labelling.score_part import PartScorer, open_scorer
from cdul_edge.labelling.store.parts import EMBEDDINGS_FOLDER, FOLDER, PartFacts, part_name
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge.labels.manifest import SkippedPicture
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole


@pytest.fixture
def plan(pictures: Path, classes: Path, tiny_clip: Path, tmp_path: Path) -> LabelPlan:
    """Seven pictures in parts of three, whose batches of two are decoded by a process."""
    (pictures / "004.jpg").write_bytes(b"")
    request = LabelRequest(
        images=pictures,
        classes=classes,
        out=tmp_path / "labels",
        clip=str(tiny_clip),
        pretrained="none",
        part_pictures=3,
        batch_pictures=2,
        workers=1,
        threads=1,
        encoder="torch",
        keep_embeddings=True,
    )
    return make_plan(request, None)


@pytest.fixture
def scorer(plan: LabelPlan) -> Iterator[PartScorer]:
    with open_scorer(plan, *choose_clip(plan, None, SilentConsole()), SilentConsole()) as opened:
        yield opened


def read_parts(plan: LabelPlan) -> dict[str, bytes]:
    out = plan.request.out
    assert isinstance(out, Path)
    return {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*.parquet")}


def remove_parts(plan: LabelPlan) -> None:
    out = plan.request.out
    assert isinstance(out, Path)
    for name in read_parts(plan):
        (out / name).unlink()


def test_parts_are_the_same_bytes_together_and_alone_and_by_another_process_clip(
    plan: LabelPlan, scorer: PartScorer
) -> None:
    reports = list(scorer.score_parts(range(3)))
    together = read_parts(plan)
    assert len(together) == 6  # cosines and embeddings of each
    assert [report.part for report in reports] == [0, 1, 2]
    assert [report.pictures for report in reports] == [3, 3, 1]
    assert [report.labelled for report in reports] == [3, 2, 1]
    assert [report.encoded for report in reports] == [3, 2, 1]
    assert reports[1].skipped == (SkippedPicture("004.jpg", "is empty (0 bytes)"),)
    for report in reports:
        for kind in (FOLDER, EMBEDDINGS_FOLDER):
            content = together[part_name(report.part, kind)]
            written = report.files[kind]
            assert (written.bytes, written.sha256) == (len(content), sha256(content).hexdigest())

    remove_parts(plan)
    for index in (2, 0, 1):
        assert scorer.score_part(index).part == index
    assert read_parts(plan) == together

    remove_parts(plan)
    _, chosen = choose_clip(plan, None, SilentConsole())
    again = reopen_clip(plan, chosen, SilentConsole())
    with open_scorer(plan, again, chosen, SilentConsole()) as other:
        other.score_part(1)
    assert read_parts(plan) == {
        name: content for name, content in together.items() if name.endswith("00001.parquet")
    }


def test_a_part_whose_embeddings_stand_needs_no_picture(
    plan: LabelPlan, scorer: PartScorer
) -> None:
    scorer.score_part(1)
    before, out = read_parts(plan), plan.request.out
    assert isinstance(out, Path)
    (out / part_name(1)).unlink()  # as where its maker was killed between the two
    assert not scorer.needs_clip(1)
    report = scorer.score_part(1)
    assert (report.from_embeddings, report.encoded, report.unreadable) == (True, 0, 1)
    assert read_parts(plan) == before


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[DecodeProcess]:
    """The decoding processes that were started, in order."""
    found: list[DecodeProcess] = []
    start = DecodeProcess.__init__

    def note(self: DecodeProcess, *arguments: Any) -> None:
        found.append(self)
        start(self, *arguments)

    monkeypatch.setattr(DecodeProcess, "__init__", note)
    return found


def test_one_decoding_process_serves_part_after_part_and_another_comes_after_a_fault(
    plan: LabelPlan, scorer: PartScorer, started: list[DecodeProcess]
) -> None:
    scorer.score_part(0)
    scorer.score_part(2)
    assert len(started) == 1

    def refuse(pictures: Sequence[StoredPicture]) -> None:
        raise CdulEdgeError("too many")

    with pytest.raises(CdulEdgeError, match="too many"):
        scorer.score_part(1, refuse)
    out = plan.request.out
    assert isinstance(out, Path)
    assert not (out / part_name(1)).exists()
    assert scorer.score_part(1).labelled == 2
    assert len(started) == 2


def test_no_decoding_process_is_left_when_an_engine_is_left_in_the_middle(
    plan: LabelPlan, started: list[DecodeProcess]
) -> None:
    with open_engine(plan, SilentConsole()) as engine:
        engine.choose_clip(None)
        parts = engine.score_parts([0, 1, 2], lambda pictures: None)
        assert next(parts).part == 0
        assert [process.alive for process in started] == [True]
    assert [process.alive for process in started] == [False]


def test_another_clip_than_the_one_chosen_is_refused_by_name(plan: LabelPlan) -> None:
    _, chosen = choose_clip(plan, None, SilentConsole())
    other = replace(chosen, model=replace(chosen.model, image_size_px=64))
    with pytest.raises(CdulEdgeError, match=r"is another CLIP here .*image_size_px 64 \(now 32\)"):
        reopen_clip(plan, other, SilentConsole())


def make_report(part: int, unreadable: int, listed: int) -> PartReport:
    skipped = tuple(SkippedPicture(f"{part}-{at}.jpg", "is empty") for at in range(listed))
    file = PartFacts(500, 500 - unreadable, bytes=1, sha256="", settings="", paths="")
    return PartReport(part, 500, 500 - unreadable, skipped, 0, False, file, None, 0.0)


def test_the_errors_of_all_actors_count_together() -> None:
    limit = ErrorLimit(120, already=10)
    limit.add_report(make_report(0, 100, 100))
    limit.add_report(make_report(1, 0, 0))
    limit.add_report(make_report(2, 10, 10))
    assert limit.count == 120
    with pytest.raises(CdulEdgeError, match=r"121 pictures .*--max-errors 120; the last is '3-0"):
        limit.add_report(make_report(3, 1, 1))
    beyond = ErrorLimit(150)
    with pytest.raises(CdulEdgeError, match=r"200 pictures could not be read"):
        beyond.add_report(make_report(4, 200, 100))
