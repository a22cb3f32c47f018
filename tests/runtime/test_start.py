"""What a device pays before its first answer: the modules that the front door brings along."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.device_choice import DeviceChoice
from cdul_edge_runtime.run_order import worth_warming_up
from tests.fakes.pretended_machine import Machine

AddPrecision = Callable[..., None]

# A module more is a millisecond more in every process that starts; one of these may be ten.
HEAVY = {
    *("argparse", "asyncio", "bz2", "concurrent.futures", "csv", "email", "hashlib", "html"),
    *("http", "importlib.metadata", "importlib.resources", "logging", "lzma", "multiprocessing"),
    *("random", "shutil", "socket", "sqlite3", "ssl", "statistics", "subprocess", "tempfile"),
    *("unittest", "urllib.request", "uuid", "xml", "zipfile"),
}
PACKAGES = {"numpy", "cdul_edge", "cdul_edge_runtime"}  # Pillow comes while a network loads
# Of the runtime; its rooms `metrics`, `verify` and `bench`, and other backends, come when asked for
OURS = {
    *("backends", "bundle", "choices", "classifier", "device_choice", "errors", "host"),
    *("pictures", "passed_over", "prediction", "run_order", "selection", "single_file"),
    *(f"backends.ort.{name}" for name in ("api", "backend", "failures", "library", "providers")),
    *("backends.ort", "backends.profile", "backends.run_failure"),
    *(f"bundle.{name}" for name in ("bundle", "classes", "manifest", "threshold_values")),
    *(f"host.{name}" for name in ("files", "forks", "json_record", "machine", "meanwhile")),
    *("host.memory", "host.memory_errors", "host.reading", "host.shared_library"),
    *("pictures.agreement", "pictures.first_picture", "pictures.preprocess"),
}


def loaded_by(statement: str) -> set[str]:
    """Names of the modules that it brings, beyond those of Python's start and of numpy."""
    code = (
        "import json, sys, numpy\n"
        "before = set(sys.modules)\n"
        f"{statement}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


def test_the_front_door_brings_these_modules_and_no_others() -> None:
    found = loaded_by("from cdul_edge import Classifier")
    ours = {name for name in found if name.partition(".")[0] == "cdul_edge_runtime"}
    assert ours - {f"cdul_edge_runtime.{name}" for name in OURS} == {"cdul_edge_runtime"}
    assert found & HEAVY == set()
    packages = {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names)
    assert packages <= PACKAGES


BROKEN = "class PanicException(BaseException): pass\nraise PanicException('no such CPU')\n"


def test_what_pictures_need_is_there_once_a_network_is_loaded_and_no_thread_is_left(
    bundle: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "cykooz_resizer.py").write_text(BROKEN)  # costs nothing but its use
    for path in (bundle, bundle / "model.fp32.onnx"):
        found = loaded_by(
            f"sys.path.insert(0, {str(tmp_path)!r})\n"
            "from cdul_edge import Classifier\n"
            f"classifier = Classifier.load({str(path)!r}, device='cpu')\n"
            "import threading\n"
            "assert [one for one in threading.enumerate() if 'cdul' in one.name] == []"
        )
        expected = {"PIL.Image", "PIL.JpegImagePlugin", "PIL.PngImagePlugin"}
        assert {*expected, "cdul_edge_runtime.pictures.resizer"} <= found


def test_an_empty_picture_is_run_where_it_helps_or_another_choice_is_left(
    bundle: Path, add_precision: AddPrecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_precision(bundle, Precision.INT8_CPU)
    for device, precision, warm_up, runs in (
        ("cpu", "fp32", None, 0),
        ("cpu", "int8-cpu", None, 0),
        ("cpu", "fp32", True, 1),
        ("auto", "auto", None, 1),  # INT8 there, with FP32 to fall back on
        ("auto", "auto", False, 0),
        ("auto", "fp32", None, 0),  # all that is left
        ("openvino", "fp32", None, 1),
        ("openvino", "fp32", False, 0),
        ("cuda", "fp32", False, 1),
    ):
        machine = Machine(monkeypatch)
        machine.driver, machine.engines = False, {"tensorrt": [], "rtx": []}
        machine.no_cuda = "no driver"
        Classifier.load(bundle, device=device, precision=precision, warm_up=warm_up)
        assert len(machine.fake.batches) == runs, (device, precision, warm_up)
    assert worth_warming_up(DeviceChoice("tensorrt"), None)  # as of one engine's file
    assert not worth_warming_up(DeviceChoice("cpu"), None)
