from pathlib import Path
from typing import Any, cast

import pytest
import typer
from rich.markup import render
from typer.testing import CliRunner

from cdul_edge.cli import app


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["label", "", "--out", "x"], "IMAGES"),
        (["label", "photos", "--classes", "", "--out", "x"], "--classes"),
        (["label", "photos", "--classes", "c.txt", "--out="], "--out"),
        (["evaluate", "", "--truth", "t.csv"], "SCORES"),
        (["train", "labels", "--out", " "], "--out"),
        (["explain", "run", "", "--out", "x"], "IMAGES"),
        (["study", "--out", ""], "--out"),
        (["export", "run", "--out", ""], "--out"),
        (["calibrate", "bundle", "--images", ""], "--images"),
        (["build", ""], "BUNDLE"),
        (["predict", "bundle", ""], "SOURCES"),
        (["predict", "bundle", "a.jpg", ""], "SOURCES"),
        (["predict", "bundle", "a.jpg", "--threshold", ""], "--threshold"),
        (["predict", "bundle", "a.jpg", "--out", ""], "--out"),
        (["watch", "bundle", ""], "SOURCES"),
        (["watch", "bundle", "a.mp4", "--out", ""], "--out"),
        (["watch", "bundle", "a.mp4", "--mqtt", ""], "--mqtt"),
        (["watch", "bundle", "a.mp4", "--clip-events", ""], "--clip-events"),
        (["verify", "bundle", "--truth", ""], "--truth"),
        (["bench", ""], "BUNDLE"),
        (["demo", "--out", ""], "--out"),
        (["info", ""], "PATH"),
        (["doctor", "--json", ""], "--json"),
    ],
)
def test_an_empty_value_never_means_the_current_folder(command: list[str], name: str) -> None:
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert result.stderr == (
        f"cdul-edge: {name} is empty: give a value (is a shell variable in it not set?)\n"
    )


@pytest.mark.parametrize(
    ("command", "address"),
    [
        (["info", "s3://labels/first"], "s3://labels/first"),
        (["train", "labels", "--out", "gs://runs/first"], "gs://runs/first"),
        (["export", "hf://datasets/run", "--out", "bundle"], "hf://datasets/run"),
        (["label", "a", "--out", "b", "--classes", "s3://a/c.txt"], "s3://a/c.txt"),
    ],
)
def test_an_address_where_only_a_path_will_do_never_becomes_a_folder(
    command: list[str], address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert result.stderr == (
        f"cdul-edge: {address} is an address, and expected is a path on this machine: copy it here "
        "first, or mount it\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_labels_are_not_made_in_memory_that_ends_with_the_command() -> None:
    result = CliRunner().invoke(app, ["label", "photos", "--out", "memory://labels"])
    assert result.exit_code == 2
    assert "--out memory://labels: what lies in memory ends with the command" in result.stderr


def test_help_is_shown_with_every_word_of_it() -> None:
    """Rich takes [rtx] for a style, and leaves it out."""
    group = cast(Any, typer.main.get_command(app))
    texts = [
        text
        for command in group.commands.values()
        for text in (command.help, *(getattr(param, "help", None) for param in command.params))
        if text
    ]
    assert len(texts) > 100
    assert [text for text in texts if render(text).plain != text] == []


def test_what_a_command_does_wraps_where_the_console_ends_and_nowhere_else() -> None:
    described = {
        one.callback.__name__: one.help or "" for one in app.registered_commands if one.callback
    }
    assert {"label", "verify"} <= set(described)
    assert "\n\nExit code 1 when a limit is broken." in described["verify"]
    for name, text in described.items():
        assert "\n" not in text.replace("\n\n", ""), name
