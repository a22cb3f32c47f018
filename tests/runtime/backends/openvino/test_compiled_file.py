"""What is kept of a compiled INT8 model, and when it counts for nothing."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest

from cdul_edge_runtime.backends.openvino.backend import Cache, OpenVinoBackend
from cdul_edge_runtime.bundle.bundle import Bundle, record_file
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.device_choice import CpuThreads
from cdul_edge_runtime.errors import CdulEdgeWarning
from cdul_edge_runtime.host.machine import describe_machine
from tests.fakes.conv_bundle import write_conv_bundle
from tests.fakes.noise import pictures
from tests.fakes.openvino_agreement import needs_openvino

pytestmark = needs_openvino
_SLOWER = "OpenVINO compiles the model at the start, which takes longer; nothing else is lost"


@pytest.fixture
def made(bundle: Path) -> Bundle:
    """With an INT8 file that says something of itself, which a compiled model does not."""
    write_conv_bundle(bundle)
    path = bundle / Precision.INT8.file_name
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"by": "a test"})
    onnx.save(model, path)
    about = record_file(path)
    record = Bundle.load(bundle).record(Precision.INT8)
    replace(record, sha256=about.sha256, bytes=about.bytes).write(bundle)
    return Bundle.load(bundle)


def start(made: Bundle, threads: int | None = None) -> bool:
    """Whether the compiled model came from the file; its scores are those of a fresh one."""
    cache = Cache(made.folder / "engines", made.model_sha256(Precision.INT8))
    backend = OpenVinoBackend(
        made.model_path(Precision.INT8),
        precision=Precision.INT8,
        threads=CpuThreads(threads),
        cache=cache,
    )
    compiled = OpenVinoBackend(made.model_path(Precision.INT8), precision=Precision.INT8)
    assert np.abs(backend.infer(pictures(3)) - compiled.infer(pictures(3))).max() < 1e-6
    backend.close()
    return not backend.metadata


def kept(made: Bundle) -> Path:
    (file,) = (made.folder / "engines").iterdir()
    assert file.name == "openvino-int8-CPU"
    return file


def test_the_second_start_reads_what_the_first_kept_whatever_the_threads(made: Bundle) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [start(made, threads) for threads in (None, 1, 2)] == [False, True, True]
    with Classifier.load(made, device="openvino", precision="int8") as classifier:
        assert classifier.selection is not None
    kept(made)  # which `Classifier` uses as well: there is still one


def test_a_file_of_another_version_or_model_is_replaced_without_a_word(made: Bundle) -> None:
    start(made)
    head, _, compiled = kept(made).read_bytes().partition(b"\n")
    for change in ({"openvino": "2024.0"}, {"model_sha256": "0"}, {"device": "a CPU of old"}):
        about = json.dumps({**json.loads(head), **change}).encode()
        kept(made).write_bytes(about + b"\n" + compiled)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert [start(made), start(made)] == [False, True]


def _cut(content: bytes) -> bytes:
    return content[:-50]


def _flip(content: bytes) -> bytes:
    return content[:-50] + bytes([content[-50] ^ 1]) + content[-49:]


def _other(content: bytes) -> bytes:
    return b"[1]\nsomething"


@pytest.mark.parametrize("damage", [_cut, _flip, _other])
def test_a_damaged_file_is_told_once_and_replaced(
    damage: Callable[[bytes], bytes], made: Bundle
) -> None:
    start(made)
    kept(made).write_bytes(damage(kept(made).read_bytes()))
    with pytest.warns(CdulEdgeWarning) as told:
        assert not start(made)
    (warning,) = told
    assert str(warning.message) == f"{kept(made)} is damaged: {_SLOWER}"
    assert start(made)


@pytest.mark.parametrize("content", [b"\0" * 999, b"no model"])
def test_what_openvino_does_not_take_is_told_once_and_replaced(
    content: bytes, made: Bundle
) -> None:
    start(made)
    head = json.loads(kept(made).read_bytes().partition(b"\n")[0])
    head["sha256"] = sha256(content).hexdigest()
    kept(made).write_bytes(json.dumps(head).encode() + b"\n" + content)
    with pytest.warns(CdulEdgeWarning, match="is not what this OpenVINO and device wrote: Open"):
        assert not start(made)
    assert start(made)


@pytest.mark.parametrize("kind", ["a file", "nobody's"])
def test_a_folder_that_cannot_be_written_to_costs_only_time(kind: str, made: Bundle) -> None:
    engines = made.folder / "engines"
    if kind == "a file":
        engines.write_text("mine")
    else:
        if not hasattr(os, "geteuid") or os.geteuid() == 0:
            pytest.skip("the superuser may write anywhere")
        engines.mkdir(mode=0o555)
    with pytest.warns(CdulEdgeWarning, match=f"cannot be written .*: {_SLOWER}$"):
        assert not start(made)
    if kind == "a file":
        assert engines.read_text() == "mine"


def test_the_file_names_the_instruction_sets_that_it_was_compiled_for(made: Bundle) -> None:
    start(made)
    head = json.loads(kept(made).read_bytes().partition(b"\n")[0])
    flags = describe_machine()["cpu_flags"]
    assert head["device"].endswith(", ".join(["", *flags]))
