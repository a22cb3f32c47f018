"""`cdul-edge push` and `cdul-edge pull`: results on stdout, talk and one-line errors on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

pytest.importorskip("huggingface_hub")

from huggingface_hub import constants

from cdul_edge.cli import app
from tests.fakes.hub_server import Hub, started_hub

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with started_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        monkeypatch.setenv("HF_TOKEN", server.token)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield server


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


def test_a_bundle_goes_and_comes_by_command(hub: Hub, bundle: Path, tmp_path: Path) -> None:
    pushed = invoke("push", bundle, "hf://me/colors", "--license", "mit")
    assert pushed.exit_code == 0, pushed.output
    commit = hub.repositories["me/colors"].branches["main"][0][0]
    assert pushed.stdout == f"{hub.endpoint}/me/colors/tree/{commit}\n"
    assert "warning: reference.npz holds 3 images" in pushed.stderr
    pulled = invoke("pull", "hf://me/colors", tmp_path / "back", "--revision", commit)
    assert pulled.exit_code == 0, pulled.output
    assert pulled.stdout == f"{tmp_path / 'back'}\n"
    assert f"commit {commit}" in pulled.stderr
    assert (tmp_path / "back" / "manifest.json").is_file()


def test_what_is_wrong_is_one_line_and_exit_2(hub: Hub, bundle: Path, tmp_path: Path) -> None:
    for words, told in (
        (("push", bundle, "hf://colors"), "hf://colors names no user"),
        (("push", tmp_path / "none", "hf://me/colors"), "is not a folder: give a bundle"),
        (("pull", "hf://me/colors", tmp_path / "back"), "hf://me/colors is not there, or is priv"),
        (("pull", "hf://me/colors", bundle), "exists: choose another --out, or replace it with"),
    ):
        result = invoke(*words)
        assert (result.exit_code, result.stdout) == (2, ""), result.output
        assert told in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "back").exists()
