import pytest
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
