"""Bound runs on the CPU, where ONNX Runtime binds inputs and outputs as it does on a GPU."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from cdul_edge_runtime.backends.ort.bound_runs import BoundRuns
from tests.fakes.noise import pictures


class CountedSession:
    """A session of ONNX Runtime's own that counts the bindings it is asked for."""

    def __init__(self, model: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(str(model), options, providers)
        self.bindings = 0

    def io_binding(self) -> Any:
        self.bindings += 1
        return self.session.io_binding()

    def run_with_iobinding(self, binding: Any) -> None:
        self.session.run_with_iobinding(binding)

    def run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        scores: npt.NDArray[np.float32] = self.session.run(None, {"images": images})[0]
        return scores


@pytest.fixture
def session(bundle: Path) -> CountedSession:
    return CountedSession(bundle / "model.fp32.onnx")


@pytest.fixture
def runs(session: CountedSession) -> BoundRuns:
    return BoundRuns(session, 3, "cpu")


def test_they_give_the_scores_of_a_plain_run_at_every_batch_size(
    session: CountedSession, runs: BoundRuns
) -> None:
    for seed, count in enumerate((1, 16, 3, 16, 1, 2, 5, 7, 9, 1)):
        images = pictures(count, seed)
        before = images.copy()
        assert np.array_equal(runs.infer(images), session.run(images))
        assert np.array_equal(images, before)
        flipped = images[:, ::-1, :, ::-1]
        expected = session.run(np.ascontiguousarray(flipped))
        assert np.array_equal(runs.infer(flipped), expected)


def test_later_calls_leave_the_scores_of_earlier_ones_as_they_are(
    session: CountedSession, runs: BoundRuns
) -> None:
    inputs = [pictures(2, seed) for seed in range(8)]
    found = [runs.infer(images) for images in inputs]
    for images, scores in zip(inputs, found, strict=True):
        assert np.array_equal(scores, session.run(images))


def test_a_stream_of_batches_takes_no_more_memory_after_its_first_ones(
    session: CountedSession, runs: BoundRuns
) -> None:
    for _ in range(500):
        for count in (16, 1, 3):
            runs.infer(pictures(1).repeat(count, axis=0))
    assert session.bindings == 3  # one a batch size: each holds the memory of one batch
    for count in range(1, 30):
        runs.infer(pictures(1).repeat(count, axis=0))
    before = session.bindings
    for count in (26, 27, 28, 29):  # the last four are kept, and those before are given back
        runs.infer(pictures(1).repeat(count, axis=0))
    assert session.bindings == before
    runs.infer(pictures(25))
    assert session.bindings == before + 1


def test_threads_do_not_share_memory(session: CountedSession, runs: BoundRuns) -> None:
    inputs = [pictures(1 + seed % 2, seed) for seed in range(200)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(runs.infer, inputs))
    for images, scores in zip(inputs, found, strict=True):
        assert np.array_equal(scores, session.run(images))
    assert session.bindings < 200


def test_a_run_that_fails_leaves_nothing_behind(session: CountedSession, runs: BoundRuns) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError, match="invalid dimensions"):
            runs.infer(np.zeros((1, 9, 8, 3), np.uint8))
    assert session.bindings == 2  # what failed was not taken for the second
    images = pictures(1)
    assert np.array_equal(runs.infer(images), session.run(images))
