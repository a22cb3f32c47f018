"""Every package that the Dockerfiles, the documents, and pyproject.toml name is there to be had.

PyPI is asked through pip, and Debian through apt. What stands in NVIDIA's apt repository, in Docker
Hub, or in nvcr.io cannot be asked this way: `UNCHECKED` lists it, and nothing else may be left out.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYTHON = "3.10"  # the oldest that is promised
PROJECT = "cdul-edge"
NVIDIA_APT = {"python3-libnvinfer", "nvidia-jetpack"}
IMAGES = {
    "nvcr.io/nvidia/l4t-jetpack:r36.4.0",
    "nvidia/cuda:13.0.2-cudnn-runtime-ubuntu24.04",
    "nvidia/cuda:13.0.2-base-ubuntu24.04",
    "python:3.10-slim",
    "python:3.12-slim",
}
UNCHECKED = NVIDIA_APT | IMAGES

TEXTS = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "Makefile"),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "docker").glob("Dockerfile.*")),
    *sorted(path for top in ("cdul_edge", "export", "calibration", "runtime", "scripts")
            for path in (ROOT / top).rglob("*.py")),
]  # fmt: skip
# An install command ends with its line, its code quote, or where the sentence around it goes on:
# words after a quoted one are that sentence's.
OPTION = r"(?: +(?:--group [\w$*]+|--?[\w-]+(?:=\S+)?))*"
WORDS = rf'({OPTION}(?:(?: +"[^"\n]+"{OPTION})+|(?: +\w[\w.-]*\w(?:==[\w.]+\w)?)+))'
PIP = re.compile(r"\bpip install" + WORDS)
APT = re.compile(r"\bapt(?:-get)? install" + WORDS)
IMAGE = re.compile(r"(?:^FROM |\bBASE=)([\w./-]+:[\w.-]+)", re.MULTILINE)
JETSON = (  # wheels that its Ubuntu 22.04 takes
    "manylinux2014_aarch64",
    "manylinux_2_17_aarch64",
    "manylinux_2_28_aarch64",
)


def commands(pattern: re.Pattern[str]) -> Iterator[str]:
    """The words after `install`, options left out, of every command that a text shows."""
    for path in TEXTS:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        for found in pattern.findall(text):
            words = shlex.split(re.sub("--group \\S+", "", found))
            yield from (word for word in words if not word.startswith("-"))


def shown_requirements() -> set[str]:
    """What `pip install` is shown with; a file in place of a package is none."""
    shown = set()
    for word in commands(PIP):
        try:
            shown.add(str(Requirement(word.partition(" @ ")[0])))
        except InvalidRequirement:  # "cdul-edge[$EXTRAS]": tests/test_dockerfiles.py reads these
            continue
    return shown


def read_project() -> dict[str, list[str]]:
    """Requirements of pyproject.toml by extra or group; "" is what everybody gets."""
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    content = toml.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = content["project"]
    groups: dict[str, list[str]] = {"": project["dependencies"]}
    groups["build"] = content["build-system"]["requires"]
    groups |= project["optional-dependencies"] | content["dependency-groups"]
    return groups


def project_requirements() -> set[str]:
    return {text for group in read_project().values() for text in group}


def apt_packages() -> set[str]:
    return set(commands(APT))


@cache
def published(name: str, *platforms: str) -> tuple[Version, ...]:
    """Versions that pip's own index has for the oldest Python, the newest first."""
    only = ["--only-binary=:all:", *(word for p in platforms for word in ("--platform", p))]
    done = subprocess.run(
        [*(sys.executable, "-m", "pip", "index", "versions", name, "--python-version", PYTHON)]
        + (only if platforms else []),
        capture_output=True,
        text=True,
        timeout=120,
    )
    listed = re.search(r"^Available versions: (.+)$", done.stdout, re.MULTILINE)
    assert listed, f"{name}: {done.stderr.strip().splitlines()[-1:]}"
    return tuple(Version(text) for text in listed[1].split(", "))


def faults(requirement: Requirement, *platforms: str) -> list[str]:
    """What is wrong with one requirement: no version of it, or a floor that never was."""
    versions = published(canonicalize_name(requirement.name), *platforms)
    found = []
    if not list(requirement.specifier.filter(versions)):
        found.append(f"no version of {requirement}")
    for part in requirement.specifier:
        floor = Version(part.version)
        same = [v for v in versions if v.release[: len(floor.release)] == floor.release]
        padded = [v for v in versions if v == floor]
        if part.operator in (">=", "==") and not same and not padded:
            found.append(f"{requirement} names a version that is not published")
    return found


def test_there_are_commands_to_check_and_they_are_read_as_a_shell_would() -> None:
    shown = shown_requirements()
    assert {"cdul-edge[train]", "cdul-edge[cpu]", "numpy<2,>=1.24"} <= shown
    assert [one for one in shown if one.startswith("tensorrt-rtx-cu13==")]
    assert {"python3-venv", "python3-libnvinfer"} <= apt_packages()
    assert {"torch>=2.7", "hatchling>=1.27", "mypy>=1.13"} <= project_requirements()


def test_nothing_but_what_is_listed_stays_unchecked() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "docker").glob("Dockerfile.*")]
    named = {image for text in texts for image in IMAGE.findall(text)}
    assert named == IMAGES
    assert apt_packages() >= NVIDIA_APT


def test_an_extra_that_is_shown_is_one_that_there_is() -> None:
    shown = [Requirement(text) for text in shown_requirements()]
    extras = {extra for r in shown if r.name == PROJECT for extra in r.extras}
    assert extras
    assert extras <= set(read_project())


@pytest.mark.network
@pytest.mark.parametrize(
    "text",
    sorted(
        text
        for text in shown_requirements() | project_requirements()
        if Requirement(text).name != PROJECT  # which is not published yet
    ),
)
def test_pypi_has_it_and_the_version_that_it_asks_for(text: str) -> None:
    requirement = Requirement(text)
    if requirement.marker is not None and not requirement.marker.evaluate():
        pytest.skip(f"not for this machine: {requirement.marker}")
    assert faults(requirement) == []


@pytest.mark.network
def test_a_version_that_is_not_there_is_found() -> None:
    assert faults(Requirement("typer>=9999")) == [
        "no version of typer>=9999",
        "typer>=9999 names a version that is not published",
    ]


@pytest.mark.network
@pytest.mark.parametrize(
    "text",
    [
        text
        for text in [*read_project()[""], *read_project()["cpu"]]
        if Requirement(text).name != PROJECT
    ],
)
def test_a_jetson_finds_a_wheel_for_its_python(text: str) -> None:
    assert faults(Requirement(text), *JETSON) == []


@pytest.mark.network
@pytest.mark.parametrize(
    ("machine", "system", "wheel"),
    [
        ("x86_64", "linux", "manylinux_2_17_x86_64"),
        ("aarch64", "linux", "manylinux_2_35_aarch64"),
        ("AMD64", "win32", "win_amd64"),
        ("ARM64", "win32", "win_arm64"),
        ("arm64", "darwin", "macosx_11_0_arm64"),
        ("x86_64", "darwin", "macosx_10_12_x86_64"),
    ],
)
@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_the_fast_resizer_is_asked_for_exactly_where_it_has_a_wheel(
    machine: str, system: str, wheel: str, python: str, tmp_path: Path
) -> None:
    fast, pillow = map(Requirement, read_project()["fast"])
    assert fast.marker is not None
    assert fast.marker == pillow.marker
    asked = fast.marker.evaluate(
        {"platform_machine": machine, "sys_platform": system, "python_version": python}
    )
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(tmp_path)]
    older = ["manylinux_2_28_aarch64", "manylinux_2_17_aarch64"] if machine == "aarch64" else []
    where = [word for name in [wheel, *older] for word in ("--platform", name)]
    only = ["--only-binary=:all:", "--python-version", python, *where]
    done = subprocess.run(
        [*pip, *only, f"{fast.name}{fast.specifier}"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 or "No matching distribution" in done.stderr, done.stderr
    assert asked == (done.returncode == 0)


@pytest.mark.network
def test_the_base_has_the_cuda_and_cudnn_that_onnxruntime_gpu_is_built_for() -> None:
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed"]
    answer = subprocess.run(
        [*pip, "--quiet", "--report", "-", *read_project()["gpu"]],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    (package,) = json.loads(answer.stdout)["install"]
    needs = {r.name: r for r in map(Requirement, package["metadata"]["requires_dist"])}
    text = (ROOT / "docker" / "Dockerfile.x86").read_text(encoding="utf-8")
    base = re.search(r"^ARG BASE=nvidia/cuda:([\d.]+)-cudnn-", text, re.MULTILINE)
    assert base is not None
    assert needs["nvidia-cuda-runtime"].specifier.contains(base[1])
    assert f"nvidia-cudnn-cu{base[1].partition('.')[0]}" in needs


@pytest.mark.network
@pytest.mark.parametrize("name", sorted(apt_packages() - NVIDIA_APT))
def test_debian_has_it(name: str) -> None:
    """Ubuntu, which the images are of, takes these packages from Debian."""
    if shutil.which("apt-cache") is None:
        pytest.skip("needs apt-cache: this is not Debian nor Ubuntu")
    done = subprocess.run(["apt-cache", "policy", name], capture_output=True, text=True, timeout=60)
    candidate = re.search(r"Candidate: (\S+)", done.stdout)
    assert candidate, "no such package, or `apt-get update` never ran here"
    assert candidate[1] != "(none)"
