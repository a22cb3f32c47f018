"""What the labeling and training steps of the GPU check count, in sizes that take no time."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gpu import labelling, training
from benchmarks.gpu.drawn_world import _judge
from benchmarks.gpu.machine import CheckedMachine
from benchmarks.gpu.step import Context
from cdul_edge.clip.models import load_clip
from cdul_edge.labelling.decode.views import Views


@pytest.fixture
def context(tmp_path: Path) -> Context:
    nothing = CheckedMachine(
        gpu=None, capability=None, gpu_memory_mib=None, driver=None, cuda=None, providers=(),
        versions={}, machine={},
    )  # fmt: skip
    return Context("cpu", False, nothing, tmp_path, float("inf"), lambda outcome: None)


def test_a_rate_begins_when_the_first_batch_is_done() -> None:
    clock = labelling._Clock()
    # Batches of 50 come out in pieces at once: at 0 s, then 25 pictures a second.
    for start in (10.0, 12.0, 14.0):
        clock.marks += [(start, 8)] * 6 + [(start, 2)]
    assert clock.rate(50) == pytest.approx(100 / 4)
    with clock.progress("labeling", 3) as advance:
        advance(3)
    with clock.progress("something else", 3) as advance:
        advance(3)
    assert [units for _, units in clock.marks[-2:]] == [2, 3]


def test_labeling_decoding_and_the_forward_are_timed_on_the_same_pictures(tmp_path: Path) -> None:
    files = labelling.write_pictures(tmp_path / "some", 2)
    case = labelling.Case("demo", None, load_clip("demo"), "cpu", Views(1, 1), files, most=2)
    labelling.link_pictures(files, tmp_path / "many", 4)
    encoder = case.encoder()
    assert labelling.time_forward(case, encoder, 0) > 0
    assert labelling.time_decoding(case, encoder, tmp_path / "many", 0) > 0
    found = labelling.time_labelling(case, encoder, tmp_path / "many", tmp_path / "labels")
    assert found.pictures == 4
    assert found.steady > 0
    rounding = labelling.compare_cosines(case, 2)
    assert rounding.precision == "bf16"
    assert 0 < rounding.largest < 0.05


def test_turns_of_training_are_set_against_bare_steps() -> None:
    case = training.Case("clip:demo", 32, "fp32", "cpu", pictures=5, batch=2)
    found = training.time_training(case, 0)
    assert {name: len(values) for name, values in found.seconds.items()} == {
        "train": 1, "bare": 1, "benchmarked": 1,
    }  # fmt: skip
    # Two steps of two pictures each: the fifth picture has no place in a batch.
    assert found.train == pytest.approx(4 / found.seconds["train"][0], rel=0.01)


def test_a_map_is_held_to_what_the_demo_found_less_three_deviations(context: Context) -> None:
    figure = _judge(context, "held-out mAP", "student_heldout", 83.0)
    # benchmarks/results/demo.json: 83.39 with a deviation of 0.58
    assert figure.at_least == pytest.approx(83.39 - 1.74, abs=0.06)
    assert figure.verdict(full=True) == "met"
