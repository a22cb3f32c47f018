"""The house rules that no linter can hold: what imports what at run time, and how big files are."""

from __future__ import annotations

import ast
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = [ROOT, ROOT / "export", ROOT / "calibration", ROOT / "runtime"]
ON_THE_WORKSTATION = tuple(
    f"cdul_edge.{room}"
    for room in (
        "labelling",
        "training",
        "demo",
        "study",
        "sources",
        "page",
        "report",
        "review",
        "hub",
    )
)
CALIBRATION = "cdul_edge_calibration"  # needs onnx, and no torch either
NEED_THE_TRAIN_EXTRA = {
    "cdul_edge.clip.float32",
    "cdul_edge.clip.sources",
    "cdul_edge.clip.models",
    "cdul_edge.clip.tensor_files",
    "cdul_edge.labels.label_rows",
    "cdul_edge.labels.label_stream",
    "cdul_edge.labels.labels_writer",
    "cdul_edge.labels.parquet_files",
    "cdul_edge.labels.pseudo_labels",
    "cdul_edge.labels.subset",
    "cdul_edge.cli.__main__",  # runs the command line when imported
    "cdul_edge.front.export_run",
    "cdul_edge_export.graphs.col2im",
    "cdul_edge_export.deploy",
    "cdul_edge_export.graphs.folding",
    "cdul_edge_export.graphs.graph",
    "cdul_edge_export.onnx_export",
    "cdul_edge_export.bundle_export",
    "cdul_edge_export.pipelines.deepstream",
    "cdul_edge_export.pipelines.deepstream_graph",
    "cdul_edge_export.graphs.tensorrt_input",
    "cdul_edge_export.torch_backend",
}

# A device has none of these: importing one fails as it would there.
BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.partition(".")[0])
sys.meta_path.insert(0, Blocked())
sys.path[:0] = {folders!r}
"""
WORKSTATION_PACKAGES = [
    *("torch", "torchvision", "open_clip", "pyarrow", "onnx", "onnxscript", "sklearn", "yaml"),
    *("safetensors", "timm", "pandas", "scipy", "matplotlib"),
]
# Sources and outputs of a watch import these where they are used, and may lack them here.
EXTRAS = ("av", "gi", "paho", "rosbags")
IMPORT_ALL = """
import importlib
from cdul_edge_runtime.errors import MissingExtraError
for name in {names!r}:
    try:
        importlib.import_module(name)
    except MissingExtraError:
        pass
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {extras!r}:
            raise
"""


def run_as_on_the_device(code: str, *allowed: str) -> subprocess.CompletedProcess[str]:
    blocked = [name for name in WORKSTATION_PACKAGES if name not in allowed]
    header = BLOCK.format(blocked=blocked, folders=[str(f) for f in FOLDERS])
    return subprocess.run(
        [sys.executable, "-c", header + code], capture_output=True, text=True, timeout=120
    )


def device_modules() -> list[str]:
    roots = ("cdul_edge", "cdul_edge_export", "cdul_edge_calibration", "cdul_edge_runtime")
    packages = [folder / root for folder in FOLDERS for root in roots if (folder / root).is_dir()]
    found = []
    for package in packages:
        walked = pkgutil.walk_packages([str(package)], f"{package.name}.", onerror=None)
        found += [package.name, *(m.name for m in walked)]
    return sorted(
        name
        for name in found
        if not name.startswith((*ON_THE_WORKSTATION, CALIBRATION))
        and name not in NEED_THE_TRAIN_EXTRA
    )


@pytest.fixture(scope="module")
def walkable() -> list[str]:
    modules = device_modules()
    assert "cdul_edge_runtime.classifier" in modules
    assert "cdul_edge.cli.predict" in modules
    return modules


def test_everything_on_the_device_imports_without_torch(walkable: list[str]) -> None:
    code = IMPORT_ALL.format(names=walkable, extras=EXTRAS)
    result = run_as_on_the_device(code)
    assert result.returncode == 0, result.stderr


def test_calibration_imports_without_torch() -> None:
    pytest.importorskip("onnx")
    folder = ROOT / "calibration" / CALIBRATION
    names = [f"{CALIBRATION}.{module.name}" for module in pkgutil.iter_modules([str(folder)])]
    assert f"{CALIBRATION}.calibration" in names
    code = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    result = run_as_on_the_device(code, "onnx")
    assert result.returncode == 0, result.stderr


def test_bundles_are_pulled_without_torch() -> None:
    result = run_as_on_the_device("import cdul_edge.hub.pull, cdul_edge.hub.push", "yaml")
    assert result.returncode == 0, result.stderr


def test_the_front_door_loads_no_backend_and_no_command_line() -> None:
    code = (
        "import sys\n"
        "heavy = {'numpy', 'PIL', 'torch', 'onnxruntime', 'typer', 'rich'}\n"
        "import cdul_edge\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "from cdul_edge import *\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = run_as_on_the_device(code)
    assert result.stdout.splitlines() == ["[]", "['numpy']"], result.stderr


def test_commands_are_known_without_numpy_pictures_or_tables() -> None:
    heavy = {"numpy", "PIL", "rich", "torch", "onnx"}
    code = f"import sys, cdul_edge.cli; print({heavy!r} & set(sys.modules))"
    assert run_as_on_the_device(code).stdout == "set()\n"


def test_a_command_that_needs_an_extra_says_which(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("cat\ndog\n")
    code = (
        "from typer.testing import CliRunner\n"
        "from cdul_edge.cli import app\n"
        f"d = {str(tmp_path)!r}\n"
        "result = CliRunner().invoke(\n"
        "    app, ['label', d, '--classes', d + '/c.txt', '--out', d + '/out']\n"
        ")\n"
        "print(result.exit_code, result.stderr)"
    )
    result = run_as_on_the_device(code)
    assert result.stdout.startswith("2 "), result.stdout + result.stderr
    assert 'pip install "cdul-edge[train]"' in result.stdout


def test_pages_are_made_without_pyarrow_but_those_of_labels(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "pseudo_labels.parquet").touch()
    rows = [
        f'{{"path": "{k}.jpg", "scores": {{"a": 0, "b": 0.{k}}}, "labels": []}}\n' for k in (3, 4)
    ]
    (tmp_path / "predictions.jsonl").write_text("".join(rows))
    code = (
        "from typer.testing import CliRunner\n"
        "from cdul_edge.cli import app\n"
        "import cdul_edge.reviewing.review, os\n"  # which also reads predictions
        f"os.chdir({str(tmp_path)!r})\n"
        "for name in ('predictions.jsonl', '.', 'labels'):\n"
        "    result = CliRunner().invoke(app, ['report', name, '--out', 'p.html', '--force'])\n"
        "    print(result.exit_code, ' '.join(result.stderr.split()))"
    )
    made, left_out, refused = run_as_on_the_device(code, "matplotlib").stdout.splitlines()
    needs = "reading the labels labels needs pyarrow, which is not installed: pip install"
    assert made.startswith("0 1 section (")
    assert left_out.startswith(f'0 warning: left out: {needs} "cdul-edge[train]" 1 section (')
    assert refused == f'2 cdul-edge: {needs} "cdul-edge[train]"'


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize(
    ("folders", "limit"),
    [
        (("cdul_edge", "export", "calibration", "runtime", "benchmarks"), 300),
        (("tests",), 450),
    ],
)
def test_no_file_outgrows_its_one_idea(folders: tuple[str, ...], limit: int) -> None:
    lengths = {p.relative_to(ROOT): len(p.read_text().splitlines()) for p in python_files(*folders)}
    assert lengths
    assert {path: n for path, n in lengths.items() if n > limit} == {}


PACKAGES = ("cdul_edge", "export", "calibration", "runtime")


def test_no_function_outgrows_a_screen() -> None:
    long = []
    for path in python_files(*PACKAGES):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = node.end_lineno - body[0].lineno + 1 if body else 0
                if lines > 40 or node.end_lineno - node.lineno >= 60:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} {lines}")
    assert long == []


def test_types_and_names_can_be_followed() -> None:
    sources = [path.read_text() for path in python_files(*PACKAGES)]
    assert [source for source in sources if re.search(r"\blocals\(\)", source)] == []
    lines = sum(source.count("\n") for source in sources)
    unknown = sum(len(re.findall(r"\bAny\b", source)) for source in sources)
    assert unknown / lines < 6 / 1000


def test_no_room_is_without_a_name() -> None:
    nameless = {"utils.py", "helpers.py", "common.py", "misc.py"}
    folders = ("cdul_edge", "export", "calibration", "runtime", "tests", "benchmarks")
    assert [p for p in python_files(*folders) if p.name in nameless] == []
