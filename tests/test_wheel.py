"""What people install: the built wheel holds everything it needs and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from scripts import release_check

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    pytest.importorskip("hatchling", reason="the wheel is built with hatchling")
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (built,) = out.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_the_four_packages_typed_and_nothing_beside_them(
    wheel: zipfile.ZipFile,
) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    packages = {"cdul_edge", "cdul_edge_export", "cdul_edge_calibration", "cdul_edge_runtime"}
    assert {top for top in tops if not top.endswith(".dist-info")} == packages
    for package in packages:
        assert f"{package}/py.typed" in wheel.namelist()


def test_every_file_of_the_packages_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    packed = set(wheel.namelist())
    for folder in ("cdul_edge", "export/cdul_edge_export", "runtime/cdul_edge_runtime"):
        package = ROOT / folder
        for ending in ("py", "html", "css", "js", "mplstyle"):
            files = {
                path.relative_to(package.parent).as_posix() for path in package.rglob(f"*.{ending}")
            }
            assert files - packed == set()
    assert {"cdul_edge/page/templates/style.css", "cdul_edge/page/charts.mplstyle"} <= packed


def test_the_wheel_carries_the_tiny_clip_within_four_megabytes(wheel: zipfile.ZipFile) -> None:
    weights = wheel.getinfo("cdul_edge/demo/clip/open_clip_model.safetensors")
    assert 0 < weights.file_size <= 4_000_000
    assert "cdul_edge/demo/clip/open_clip_config.json" in wheel.namelist()


def test_the_device_needs_only_numpy_pillow_typer_and_rich(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    headers = Parser().parsestr(wheel.read(metadata).decode())
    always = [r for r in headers.get_all("Requires-Dist", []) if "extra ==" not in r]
    names = {requirement.partition(">")[0].strip().lower() for requirement in always}
    assert names == {"numpy", "pillow", "typer", "rich"}
    assert headers["License-Expression"] == "Apache-2.0"
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_nothing_in_the_wheel_names_the_machine_that_built_it(wheel: zipfile.ZipFile) -> None:
    files = ((name, wheel.read(name)) for name in wheel.namelist())
    release_check.check_bytes(files, (str(ROOT).encode(),), release_check.MACHINE)


@pytest.mark.parametrize(
    "content", [b'"/home/ann/photos"', b"C:\\Users\\ann\\run", b"by ann <", b"/Users/ann/x.pt"]
)
def test_a_file_that_names_a_user_is_refused(content: bytes) -> None:
    with pytest.raises(release_check.ReleaseError, match="names this machine"):
        release_check.check_bytes([("bundle.json", content)], (b"ann",), release_check.MACHINE)


def test_a_name_inside_a_longer_word_is_not_the_user() -> None:
    release_check.check_bytes([("a.py", b"channel annotation ann_x /usr/lib")], (b"ann",))


@pytest.mark.parametrize(
    ("name", "license_", "allowed"),
    [
        ("numpy", "BSD-3-Clause AND 0BSD AND MIT", True),
        ("packaging", "Apache-2.0 OR BSD-2-Clause", True),
        ("old", "BSD License; MIT License", True),
        ("copyleft", "GPL-3.0-only", False),
        ("mixed", "MIT AND GPL-3.0-only", False),
        ("choice", "GPL-3.0-only OR MIT", True),
        ("nvidia-cublas", "LicenseRef-NVIDIA-Proprietary", True),
        ("unknown", "UNKNOWN", False),
    ],
)
def test_every_part_of_one_choice_of_licenses_must_be_allowed(
    name: str, license_: str, allowed: bool
) -> None:
    assert release_check.is_allowed({"Name": name, "License": license_}) is allowed


def test_what_has_nvidias_license_is_named() -> None:
    packages = [
        {"Name": "tensorrt_rtx_cu13", "License": "Proprietary"},
        {"Name": "numpy", "License": "BSD-3-Clause"},
    ]
    assert release_check.summarize_licenses(packages) == (
        "1 packages with allowed licenses, and under NVIDIA's licenses: tensorrt_rtx_cu13"
    )
    assert "NVIDIA" not in release_check.summarize_licenses(packages[1:])
