"""When an engine's memory, stream and graph go, and what a run that is cut short leaves behind."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge_runtime.backends.trt.backend import TrtBackend
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError, DeviceError
from tests.fakes.engine_machine import Machine
from tests.fakes.noise import pictures

Images = npt.NDArray[np.uint8]
Expected = Callable[[Images], npt.NDArray[np.float32]]


@pytest.fixture
def machine() -> Machine:
    return Machine.make()


@pytest.fixture
def backend(machine: Machine, bundle: Path) -> TrtBackend:
    return TrtBackend(machine.build(bundle), trt=machine.trt, cuda=machine.cuda)


def test_a_closed_classifier_keeps_nothing_on_the_device(
    machine: Machine, bundle: Path, backend: TrtBackend
) -> None:
    classifier = Classifier(Bundle.load(bundle).manifest, backend)
    for _ in range(3):
        classifier.predict(pictures(1)[0])
    assert {"device", "host", "stream", "runnable"} <= set(machine.library.left())
    classifier.close()
    classifier.close()
    assert machine.library.left() == []


def test_an_engine_that_is_dropped_without_close_gives_everything_back_in_order(
    machine: Machine, bundle: Path
) -> None:
    backend = TrtBackend(machine.build(bundle), trt=machine.trt, cuda=machine.cuda)
    for _ in range(3):
        backend.infer(pictures(2))
    machine.library.events.clear()
    del backend
    gc.collect()
    assert machine.library.left() == []
    assert machine.library.events[:2] == ["runnable destroyed", "context released"]
    assert machine.library.events[-1] == "stream destroyed"


def test_close_waits_for_a_run_and_whoever_comes_later_gets_one_line(
    machine: Machine,
    bundle: Path,
    backend: TrtBackend,
    tiny_scores: Expected,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside, go_on = Event(), Event()
    synchronize = machine.cuda.synchronize

    def wait(stream: int) -> None:
        inside.set()
        assert go_on.wait(10)
        synchronize(stream)

    monkeypatch.setattr(machine.cuda, "synchronize", wait)
    classifier = Classifier(Bundle.load(bundle).manifest, backend)
    images = pictures(1)
    with ThreadPoolExecutor(3) as pool:
        running = pool.submit(classifier.predict_inputs, images)
        assert inside.wait(10)
        closing = pool.submit(classifier.close)
        late = pool.submit(backend.infer, images)
        assert not closing.done()
        go_on.set()
        np.testing.assert_allclose(running.result(10)[0].scores, tiny_scores(images)[0], atol=1e-6)
        closing.result(10)
        fault = late.exception(10)  # it came before or after the closing
        if fault is None:
            np.testing.assert_allclose(late.result(), tiny_scores(images), atol=1e-6)
        else:
            assert str(fault) == "this TensorRT engine was closed: load it again"
    assert machine.library.left() == []
    with pytest.raises(CdulEdgeError, match="the classifier is closed: load it again"):
        classifier.predict_inputs(images)
    with pytest.raises(CdulEdgeError, match="was closed: load it again"):
        backend.infer(images)


def test_a_gpu_that_is_lost_lets_itself_be_closed(machine: Machine, backend: TrtBackend) -> None:
    backend.infer(pictures(1))
    machine.library.failures["cudaStreamSynchronize"] = [700]
    machine.library.failures["cudaFree"] = [700, 700]
    backend.close()
    assert machine.library.left() == ["device", "device"]  # what the GPU did not take
    assert "stream destroyed" in machine.library.events


def test_a_recording_that_fails_half_way_leaves_no_graph(
    machine: Machine,
    backend: TrtBackend,
    tiny_scores: Expected,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = pictures(2)
    backend.infer(images)
    real = machine.cuda.copy_to_host
    failures = [DeviceError("no room")]

    def copy(*words: Any) -> None:
        if failures:
            raise failures.pop()
        real(*words)

    monkeypatch.setattr(machine.cuda, "copy_to_host", copy)
    np.testing.assert_allclose(backend.infer(images), tiny_scores(images), atol=1e-6)
    assert backend.graph_fault == "no room"
    assert machine.library.graphs == {}


def test_an_interrupted_change_of_size_is_not_taken_for_done(
    machine: Machine,
    backend: TrtBackend,
    tiny_scores: Expected,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend.infer(pictures(8))

    def interrupt(*words: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(machine.cuda, "copy_to_device", interrupt)
    with pytest.raises(KeyboardInterrupt):
        backend.infer(pictures(1))  # the context is set to one picture now
    monkeypatch.undo()
    images = pictures(8, seed=1)
    np.testing.assert_allclose(backend.infer(images), tiny_scores(images), atol=1e-6)


FORK = """
import gc, os, sys, warnings
from pathlib import Path
from cdul_edge_runtime.backends.trt.backend import TrtBackend
from tests.fakes.engine_machine import Machine

warnings.simplefilter("ignore")  # Python 3.12 warns of forks beside threads
machine = Machine.make()
backend = TrtBackend(machine.build(Path(sys.argv[1])), trt=machine.trt, cuda=machine.cuda)
held = machine.library.left()
calls = len(machine.library.calls)
child = os.fork()
if child == 0:
    del backend
    gc.collect()
    sys.exit(7 if machine.library.left() == held and len(machine.library.calls) == calls else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
backend.close()
assert machine.library.left() == []
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_gives_nothing_back_to_a_gpu_that_it_cannot_reach(bundle: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FORK, str(bundle)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (run.returncode, run.stderr) == (0, "")
