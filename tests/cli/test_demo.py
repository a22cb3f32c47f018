"""The demo is the end-to-end test: every command, on real files, in one run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

pytest.importorskip("torch", reason="the demo trains a network")
pytest.importorskip("open_clip", reason="the demo labels with a tiny CLIP")

from cdul_edge.cli import app
from cdul_edge.labels.manifest import LABELS_FOLDER
from cdul_edge.training.run_folder import RUN_FOLDER
from cdul_edge_runtime.bench.latency import Effort
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.folder_kind import BUNDLE_FOLDER
from cdul_edge_runtime.host.ownership import require_own


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("demo") / "out"
    size = ["--train-pictures", "64", "--heldout-pictures", "20"]
    with pytest.MonkeyPatch.context() as patch:
        # Nothing here is about speed: each measurement ends after ten calls.
        repeats, warm_up, _ = Effort.__init__.__defaults__ or ()
        patch.setattr(Effort.__init__, "__defaults__", (repeats, warm_up, 0.0))
        result = CliRunner().invoke(app, ["demo", "--out", str(out), "--json", "-", *size])
    assert result.exit_code == 0, result.output
    # stdout is the report and nothing else
    assert json.loads(result.stdout) == json.loads((out / "demo.json").read_text(encoding="utf-8"))
    return out, result.stderr


def test_the_report_holds_the_table_and_names_files_that_exist(demo: tuple[Path, str]) -> None:
    out, _ = demo
    report = json.loads((out / "demo.json").read_text(encoding="utf-8"))
    assert {"global", "pseudo_labels", "student_heldout"} <= set(report["map"])
    # Even on 64 pictures the snippets show CLIP far more than the whole picture does.
    assert report["map"]["pseudo_labels"] > report["map"]["global"] + 10
    assert report["seconds"] == pytest.approx(sum(report["stage_seconds"].values()), abs=0.6)
    assert all(Path(path).exists() for path in report["paths"].values())


def test_the_table_is_printed_with_the_figures_of_the_report(demo: tuple[Path, str]) -> None:
    out, printed = demo
    report = json.loads((out / "demo.json").read_text(encoding="utf-8"))
    for name in ("global", "pseudo_labels", "student_heldout"):
        assert f"{report['map'][name]:.1f}" in printed
    assert str(out / "contact_sheet.png") in printed
    *_, build, page = printed.splitlines()
    assert build.endswith(f"cdul-edge build {out / 'bundle'}")
    assert page == f"open in a browser: {out / 'report.html'}"


def test_every_precision_stands_in_the_table_with_what_it_costs(demo: tuple[Path, str]) -> None:
    out, printed = demo
    precisions = json.loads((out / "demo.json").read_text(encoding="utf-8"))["precisions"]
    assert list(precisions) == ["fp32", "fp16", "int8", "int8-cpu"]
    assert precisions["fp32"]["map_change"] == precisions["fp32"]["flips_percent"] == 0
    assert precisions["fp16"]["mib"] == pytest.approx(precisions["fp32"]["mib"] / 2, rel=0.05)
    assert precisions["int8-cpu"]["mib"] < 0.35 * precisions["fp32"]["mib"]
    printed = printed.partition("The student in each precision")[2]
    for name, cost in precisions.items():
        timed = cost["latency_ms"] is not None
        assert timed == (name in ("fp32", "int8-cpu"))  # the others are emulated on a CPU
        row = next(line for line in printed.splitlines() if line.startswith(f"│ {name} "))
        assert f"{cost['map']:.2f}" in row


def test_the_bundle_verified_and_every_heldout_picture_was_predicted(
    demo: tuple[Path, str],
) -> None:
    out, _ = demo
    assert json.loads((out / "verify.json").read_text(encoding="utf-8"))["passed"] is True
    assert len(Bundle.load(out / "bundle").manifest.classes) == 12
    lines = (out / "predictions_heldout.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 20
    with Image.open(out / "contact_sheet.png") as sheet:
        assert sheet.width > 5 * 200


def test_it_ends_with_a_page_of_every_stage_made_by_the_command_that_it_shows(
    demo: tuple[Path, str],
) -> None:
    out, printed = demo
    shown = next(line for line in printed.splitlines() if line.startswith("$ cdul-edge report "))
    *inputs, option, place = shlex.split(shown)[3:]
    assert (option, place) == ("--out", str(out / "report.html"))
    page = (out / "report.html").read_text(encoding="utf-8")
    assert shlex.join(["cdul-edge", "report", *inputs, "--out", "report.html"]) in page
    for key in ("labels", "run", "bundle", "verify", "evaluation", "evaluation-2"):
        assert f'id="{key}"' in page
    # nothing in it was made from something else, and nothing was left out
    assert not any(word in page for word in (" other labels than ", "another run", "Left out"))


def test_a_second_demo_needs_force(demo: tuple[Path, str]) -> None:
    out, _ = demo
    result = CliRunner().invoke(app, ["demo", "--out", str(out)])
    assert result.exit_code == 2
    assert "--force" in result.stderr


def test_all_that_a_demo_makes_is_known_as_its_own_so_that_force_replaces_it(
    demo: tuple[Path, str],
) -> None:
    from cdul_edge.demo.pipeline import DEMO_FOLDER

    out, _ = demo
    require_own(out, DEMO_FOLDER)
    for folder, kind in (("bundle", BUNDLE_FOLDER), ("labels", LABELS_FOLDER), ("run", RUN_FOLDER)):
        require_own(out / folder, kind)
