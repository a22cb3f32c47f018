"""OpenVINO as pip leaves it: absent, damaged, or whole, and then without a word to a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError
from cdul_edge_runtime.host.child_python import child_command, child_environment
from tests.fakes.openvino_agreement import needs_openvino

# Python tells its audit hooks of every socket and every file, whoever opens it.
_SPY = """
import json, sys
import numpy as np
import cdul_edge_runtime.classifier as runtime
assert not [name for name in sys.modules if name.partition(".")[0] == "openvino"]
sockets, written = [], []
def spy(event, args):
    if event.startswith("socket."):
        sockets.append(event)
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        written.append(str(args[0]))
sys.addaudithook(spy)
with runtime.Classifier.load(sys.argv[1], device="openvino", precision="fp32") as classifier:
    scores = classifier.predict(np.full((8, 8, 3), 255, np.uint8)).scores
found = [list(sockets), list(written), [m for m in sys.modules if "telemetry" in m]]
import openvino
found += [openvino.convert_model.__name__, hasattr(openvino, "nothing")]
print(json.dumps([*found, [round(float(score), 3) for score in scores]]))
"""


@needs_openvino
def test_it_opens_no_socket_and_leaves_no_file(bundle: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    run = subprocess.run(
        [sys.executable, "-B", "-c", _SPY, str(bundle)],
        env={**os.environ, "HOME": str(home), "USERPROFILE": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    sockets, written, telling, converter, nothing, scores = json.loads(run.stdout)
    assert (sockets, written, telling) == ([], [], [])
    # Whoever wants its converter in the same program still has it. That one, of 2026.4.1, leaves
    # an identity in the home folder as soon as it is imported, which `written` would name.
    assert (converter, nothing) == ("convert_model", False)
    assert scores == [0.982, 0.982, 0.982]  # sigmoid(4)


# Two that are given back in the order in which they were loaded, and then a signal, which runs on
# the stack that the thread has for that.
_INTERRUPT = """
import gc, os, signal, sys, time
from cdul_edge_runtime.classifier import Classifier
loaded = [Classifier.load(sys.argv[1], device="openvino", precision="fp32") for _ in range(2)]
while loaded:
    loaded.pop(0).close()
    gc.collect()
try:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
except KeyboardInterrupt:
    print("interrupted")
"""


@needs_openvino
def test_a_signal_after_models_were_closed_is_heard(bundle: Path) -> None:
    run = subprocess.run(
        child_command(_INTERRUPT, str(bundle)),
        env=child_environment(),
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "interrupted\n", "")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is searched first, with an OpenVINO that was never imported."""
    folder = tmp_path / "packages"
    (folder / "openvino").mkdir(parents=True)
    for name in [n for n in sys.modules if n.partition(".")[0] == "openvino"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(folder)
    return folder / "openvino" / "__init__.py"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "files of it are missing"),
        ("from openvino._pyopenvino import Core", r"No module named 'openvino\._pyopenvino'"),
        (
            "raise ImportError('libopenvino.so.2641: cannot open\\nfile')",
            r"so\.2641: cannot open f",
        ),
    ],
)
def test_a_damaged_one_is_one_line_with_the_way_out(
    code: str, reason: str, packages: Path, bundle: Path
) -> None:
    packages.write_text(code)
    with pytest.raises(CdulEdgeError, match=f"^openvino is damaged .*{reason}") as caught:
        Classifier.load(bundle, device="openvino", precision="fp32")
    sys.modules.pop("openvino", None)
    assert str(caught.value).endswith("pip install --force-reinstall openvino")
    assert not isinstance(caught.value, MissingExtraError)


def test_without_it_the_extra_is_named(packages: Path, bundle: Path) -> None:
    packages.write_text("raise ModuleNotFoundError(name='openvino')")
    with pytest.raises(MissingExtraError, match=r'pip install "cdul-edge\[openvino\]"$') as caught:
        Classifier.load(bundle, device="openvino", precision="fp32")
    assert str(caught.value).startswith("device openvino needs openvino, which is not installed")
