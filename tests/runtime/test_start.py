"""What a device pays before its first answer: the modules that the front door brings along."""

from __future__ import annotations

import json
import subprocess
import sys

# A module more is a millisecond more in every process that starts; one of these may be ten.
HEAVY = {
    *("argparse", "asyncio", "bz2", "concurrent.futures", "csv", "email", "hashlib", "html"),
    *("http", "importlib.metadata", "importlib.resources", "logging", "lzma", "multiprocessing"),
    *("random", "shutil", "socket", "sqlite3", "ssl", "statistics", "subprocess", "tempfile"),
    *("unittest", "urllib.request", "uuid", "xml", "zipfile"),
}
PACKAGES = {"numpy", "cdul_edge", "cdul_edge_runtime"}  # Pillow comes with the first picture
# Of the runtime; its rooms `metrics`, `verify` and `bench`, and other backends, come when asked for
OURS = {
    *("backends", "bundle", "choices", "classifier", "device_choice", "errors", "host"),
    *("pictures", "passed_over", "prediction", "run_order", "selection", "single_file"),
    *(f"backends.ort.{name}" for name in ("api", "backend", "failures", "library", "providers")),
    *("backends.ort", "backends.profile", "backends.run_failure"),
    *(f"bundle.{name}" for name in ("bundle", "classes", "manifest", "threshold_values")),
    *(f"host.{name}" for name in ("files", "forks", "json_record", "machine", "meanwhile")),
    *("host.reading", "host.shared_library"),
    *("pictures.agreement", "pictures.preprocess"),
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
