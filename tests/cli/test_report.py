"""`cdul-edge report` as a command: what it prints, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("jinja2", reason="a page is made with it")
pytest.importorskip("pyarrow", reason="labels are Parquet")

from cdul_edge.cli import app
from tests.reporting.labels.test_labels_section import write_labels


def invoke(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["report", *map(str, words)])
    return result.exit_code, result.stdout, result.stderr


def test_stdout_is_the_path_of_the_page_or_its_figures(tmp_path: Path) -> None:
    labels, out = write_labels(tmp_path / "labels"), tmp_path / "page.html"
    code, printed, said = invoke(labels, "--out", out, "--json", tmp_path / "page.json")
    assert (code, printed) == (0, f"{out}\n")
    assert said == "1 section and 2 pictures (0.1 MB): open the page in a browser\n"
    page = out.read_bytes()
    code, printed, _ = invoke(labels, "--out", out, "--json", "-", "--force")
    assert code == 0
    figures = json.loads(printed)
    assert figures == json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))
    assert list(figures) == ["program", "version", "stage", "header", "sections"]
    assert out.read_bytes() == page
    # the figures of a page are replaced without --force, as every --json is
    again = invoke(labels, "--out", out, "--json", tmp_path / "page.json", "--force")
    assert again[0] == 0


def test_what_the_user_can_fix_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    labels, out = write_labels(tmp_path / "labels"), tmp_path / "page.html"
    (tmp_path / "empty.json").touch()
    for words, told in (
        ((tmp_path / "empty.json", "--out", out), "is empty"),
        ((labels, "--class", "cta", "--out", out), "did you mean cat?"),
        ((labels, "--out", out, "--json", out), "--json and --out are both"),
        ((labels, "--out", out, "--images", tmp_path / "gone"), "is no folder"),
        (("s3://bucket/labels", "--out", out), "is an address"),
        ((labels, "--out", ""), "--out is empty"),
    ):
        code, printed, said = invoke(*words)
        assert (code, printed) == (2, ""), words
        assert told in said
        assert said.count("\n") == 1, said
    assert not out.exists()


def test_an_interrupted_page_is_not_said_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cdul_edge.reporting.report.write_page", interrupt)
    labels, out = write_labels(tmp_path / "labels"), tmp_path / "page.html"
    code, printed, said = invoke(labels, "--out", out)
    assert (code, printed, out.exists()) == (130, "", False)
    told = "interrupted: nothing half-written is left; the same command begins again"
    assert said == f"cdul-edge: {told}\n"


def test_a_page_is_made_without_torch(tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "labels")
    code = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['onnx'] = None\n"
        "from cdul_edge import report\n"
        f"print(report(inputs={str(labels)!r}, out={str(tmp_path / 'page.html')!r}).sections)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "('labels',)", run.stderr
