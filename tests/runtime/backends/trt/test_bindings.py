"""NVIDIA's real Python bindings, imported over an empty library: every name is looked up in them.

The bindings' wheel is small, and its extension module needs a handful of C functions of TensorRT's
libraries. A stub of those lets it be imported where there is no TensorRT and no GPU; nothing can be
built or run with it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cdul_edge_runtime.backends.trt.api import OPTIONAL
from tests.fakes.tensorrt_names import MODULES, RTX, declared

pytestmark = [pytest.mark.slow, pytest.mark.network]

WHEELS = [
    ("tensorrt-bindings", "8.6.1", "8.6.1"),
    ("tensorrt-cu12-bindings", "10.3.0", "10.3.0"),
    ("tensorrt-cu13-bindings", "11.4.0.106", "11.4"),
]
FUNCTIONS = """
createInferBuilder_INTERNAL createInferRefitter_INTERNAL createInferRuntime_INTERNAL
createNvOnnxParserRefitter_INTERNAL createNvOnnxParser_INTERNAL getBuilderPluginRegistry
getPluginRegistry initLibNvInferPlugins getLogger getNvOnnxParserVersion getInferLibVersion
_ZN11nvuffparser15createUffParserEv _ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi
_ZN14nvcaffeparser117createCaffeParserEv _ZN14nvcaffeparser123shutdownProtobufLibraryEv
""".split()  # the last four are of parsers that only 8 has
SHIM = "from tensorrt_bindings import *\nfrom tensorrt_bindings import __version__\n"
PROBE = """
import json, sys
from cdul_edge_runtime.backends.trt.library import collect_messages, import_tensorrt, log_text
trt = import_tensorrt()
messages = collect_messages(trt)
severities = [trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR, trt.ILogger.WARNING,
              trt.ILogger.INFO, trt.ILogger.VERBOSE]
for severity in severities:
    messages.log(severity, "heard")
wanted = json.loads(sys.argv[1])
print(json.dumps({
    "version": trt.__version__,
    "members": {name: sorted(m for m in dir(getattr(trt, name))) for name in wanted},
    "severities": [int(severity) for severity in severities],
    "bits": [int(bit) for bit in (trt.BuilderFlag.TF32, trt.BuilderFlag.VERSION_COMPATIBLE)],
    "log": log_text(messages),
}))
"""


def download(package: str, version: str, folder: Path) -> Path:
    """Unpack the wheel that fits this Python; skip where there is none to be had."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(folder)]
    answer = subprocess.run([*command, f"{package}=={version}"], capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if answer.returncode or not wheels:
        pytest.skip(f"{package} {version} cannot be had: {answer.stderr.strip()[-200:]}")
    zipfile.ZipFile(wheels[0]).extractall(folder)
    (folder / "tensorrt.py").write_text(SHIM)
    return folder


def compile_stub(folder: Path, major: str) -> None:
    """Libraries whose functions all return NULL, under the names that the bindings ask for."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    source = folder / "stub.c"
    source.write_text("".join(f"void* {name}(void) {{ return 0; }}\n" for name in FUNCTIONS))
    for library in ("nvinfer", "nvonnxparser", "nvinfer_plugin", "nvparsers"):
        target = folder / f"lib{library}.so.{major}"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-o", str(target), str(source)], check=True, timeout=60
        )


@pytest.mark.parametrize(("package", "version", "recorded"), WHEELS)
def test_the_real_bindings_have_every_name_and_take_our_logger(
    package: str, version: str, recorded: str, tmp_path: Path
) -> None:
    folder = download(package, version, tmp_path)
    compile_stub(folder, version.split(".")[0])
    classes = {
        name: set(members)
        for name, members in declared().items()
        if name not in MODULES and not name.startswith(RTX)
    }
    answer = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(sorted(classes))],
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **os.environ,
            "LD_LIBRARY_PATH": str(folder),
            "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]),
        },
    )
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    members = {name: set(all_of_it) for name, all_of_it in found["members"].items()}
    assert found["version"] == version
    assert {name: sorted(classes[name] - members[name]) for name in classes} == {
        name: [] for name in classes
    }
    names = json.loads(
        (Path(__file__).parents[3] / "fakes" / "tensorrt_api" / f"{recorded}.json").read_text()
    )
    for name in classes:
        assert set(names[name]) <= members[name], f"{name} was recorded wrongly"
    for name in OPTIONAL:
        owner, _, member = name.partition(".")
        if owner in MODULES:  # a class, of which nothing but its name is used
            continue
        assert (member in members[owner]) == (member in names[owner]), name
    assert found["severities"] == [0, 1, 2, 3, 4]
    assert len(set(found["bits"])) == 2
    assert found["log"] == "[internal error] heard\n[error] heard\n[warning] heard\n[info] heard\n"
