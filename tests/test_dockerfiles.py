"""The Dockerfiles were never built; what can be known of them without doing so holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILES = sorted((ROOT / "docker").glob("Dockerfile.*"))
EXTRAS_ASKED = re.compile(r"cdul-edge\[([a-z,]+)\]")
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
    asked = {name for group in EXTRAS_ASKED.findall(text) for name in group.split(",")}
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
