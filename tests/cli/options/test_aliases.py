from collections.abc import Iterator
from typing import Any, cast

import pytest
import typer
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge.cli.options.aliases import (
    RENAMED_OPTIONS,
    RENAMED_VALUES,
    renamed_settings,
    use_current_names,
)


@pytest.mark.parametrize(
    ("given", "current", "notices"),
    [
        (["in", "--colour", "0.1"], ["in", "--color", "0.1"], 1),
        (["--colour=0.1", "--colour=0.2"], ["--color=0.1", "--color=0.2"], 1),
        (["--fit", "centre"], ["--fit", "center"], 1),
        (["--fit=centre"], ["--fit=center"], 1),
        (["--color", "0.1", "centre"], ["--color", "0.1", "centre"], 0),
        (["--", "--colour"], ["--", "--colour"], 0),
        (["--colours"], ["--colours"], 0),
    ],
)
def test_former_names_become_current_ones(
    given: list[str], current: list[str], notices: int
) -> None:
    told: list[str] = []
    values = {"--fit": {"centre": "center"}}
    assert use_current_names(given, {"--colour": "--color"}, values, told.append) == current
    assert len(told) == notices


def test_former_settings_become_current_ones() -> None:
    told: list[str] = []
    given = ["patches_a_class=3", "anchor=0.3"]
    found = renamed_settings(given, {"patches_a_class": "patches_per_class"}, told.append)
    assert found == ["patches_per_class=3", "anchor=0.3"]
    assert told == [
        "patches_a_class is now called patches_per_class; the former name goes in the next release"
    ]


def current_options() -> Iterator[tuple[str, set[str]]]:
    group = cast(Any, typer.main.get_command(app))
    for name, command in group.commands.items():
        yield name, {option for param in command.params for option in param.opts}


def test_every_alias_leads_to_an_option_that_exists_and_hides_none() -> None:
    options = dict(current_options())
    for command, names in RENAMED_OPTIONS.items():
        assert set(names.values()) <= options[command]
        assert not set(names) & options[command]
    for command, values in RENAMED_VALUES.items():
        assert set(values) <= options[command]


def test_a_former_option_works_and_says_so_in_one_line() -> None:
    arguments = ["train", "missing", "--out", "out", "--optimiser", "sgd"]
    result = CliRunner().invoke(app, arguments)
    notice, complaint = result.stderr.splitlines()
    assert notice == (
        "cdul-edge: --optimiser is now called --optimizer; the former name goes in the next release"
    )
    assert complaint.startswith("cdul-edge: missing")
