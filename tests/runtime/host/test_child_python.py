"""No child Python imports anything from the current folder."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdul_edge.labelling.decode.decoding import Work, open_decoder
from cdul_edge.labelling.decode.picture_reader import PictureReader
from cdul_edge.labelling.decode.views import Views
from cdul_edge.sources.files import LocalFiles
from cdul_edge.sources.source import SourcePicture
from cdul_edge_runtime.host.child_python import (
    child_command,
    child_environment,
    module_command,
    safe_path,
)
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.host.workers import run_in_workers
from cdul_edge_runtime.pictures.preprocess import Preprocess

ROOT = Path(__file__).parents[3]
NAMES = (
    "json random numpy pickle subprocess typing pathlib importlib PIL sitecustomize torch runpy "
    "multiprocessing threading onnxruntime cdul_edge cdul_edge_runtime rich typer enum re"
).split()


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with files named like modules; returns the file that they leave."""
    mark = tmp_path / "was-run"
    folder = tmp_path / "here"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write({name!r})\n")
    monkeypatch.chdir(folder)
    return mark


@pytest.fixture(params=["as it is", "empty entry", "dot", "absolute", "PYTHONPATH"])
def trapped(trap: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, and the path of this process leads there in one of the usual ways."""
    entry = {"empty entry": "", "dot": ".", "absolute": str(Path.cwd())}.get(request.param)
    if entry is not None:
        monkeypatch.setattr(sys, "path", [entry, *sys.path])
    if request.param == "PYTHONPATH":
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", ".", str(Path.cwd())]))
    return trap


def ask(command: list[str]) -> str:
    return subprocess.run(
        command, env=child_environment(), capture_output=True, text=True, check=True
    ).stdout


def test_code_and_its_own_children_import_nothing_from_here(trapped: Path) -> None:
    code = (
        "import json, random, numpy, subprocess, sys; "
        "subprocess.run([sys.executable, '-c', 'import json'], check=True) "
        "if sys.version_info >= (3, 11) else None; print(numpy.pi, sys.argv)"
    )
    assert ask(child_command(code, "a b", "c")) == f"{np.pi} ['-c', 'a b', 'c']\n"
    assert not trapped.exists()


def test_a_module_finds_its_packages_and_nothing_here(trap: Path) -> None:
    answer = ask(module_command("cdul_edge.cli", "--version"))
    assert answer.startswith("cdul-edge ")
    assert not trap.exists()


def test_decoding_processes_and_workers_import_nothing_from_here(
    trapped: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "a.png")
    reader = PictureReader(LocalFiles(tmp_path), Views(1, 1), Preprocess(8, 8))
    with open_decoder(reader, 1, 1, 1, SilentConsole()) as decoder:
        (batch,) = decoder.batches([Work(0, (SourcePicture("a.png"),))])
        assert batch.pixels[0, 0, 0, 0].tolist() == [9, 9, 9]
    assert dict(run_in_workers(abs, [-1], workers=1)) == {-1: 1}
    assert not trapped.exists()


def test_the_module_that_is_the_command_line_imports_nothing_from_here(trap: Path) -> None:
    """runpy's own imports come before any line of ours; there `python -P -m` helps."""
    for name in ("importlib", "runpy", "re", "enum", "cdul_edge", "cdul_edge_runtime"):
        (trap.parent / "here" / f"{name}.py").unlink(missing_ok=True)
    answer = subprocess.run(
        [sys.executable, "-m", "cdul_edge.cli", "--version"], capture_output=True, text=True
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    assert not trap.exists()


def test_a_checkout_in_the_current_folder_is_found_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert safe_path()[-1] == str(ROOT)
    assert safe_path().count(str(ROOT)) == 1


def test_pythons_own_library_as_the_current_folder_stays_on_the_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = str(Path(os.__file__).parent)
    monkeypatch.chdir(library)
    assert library in safe_path()
