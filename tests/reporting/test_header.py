"""The head of a page: how each input was made, and whether one was made from another."""

from __future__ import annotations

import json
import shlex
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("jinja2", reason="a page is made with it")
pytest.importorskip("pyarrow", reason="labels are Parquet")

from cdul_edge.cli import app
from cdul_edge.labelling import ImportRequest, Scoring, label
from cdul_edge.reporting.header import make_header
from cdul_edge.reporting.inputs import find_inputs
from cdul_edge.reporting.origins.origin import Origin
from cdul_edge.reporting.request import ReportRequest
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.request import TrainRequest
from cdul_edge.training.run_config import RunConfig
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.host.files import read_json, sha256_file, write_json
from tests.conftest import write_bundle
from tests.fakes.shown_page import show
from tests.fakes.small_run import write_run


def origins(*paths: Path) -> dict[str, Origin]:
    inputs = find_inputs(paths, SilentConsole())
    header = make_header(ReportRequest(paths, Path("page.html")), inputs)
    return {one.key: one.origin for one in header.entries}


def breaks(*paths: Path) -> tuple[str, ...]:
    inputs = find_inputs(paths, SilentConsole())
    return make_header(ReportRequest(paths, Path("page.html")), inputs).breaks


def test_labels_say_the_command_that_makes_them_again(tmp_path: Path) -> None:
    folder = tmp_path / "it's mine"
    folder.mkdir()
    cosines = np.full((3, 5, 2), 0.2, np.float32)
    np.savez(
        folder / "clip.npz", names=["a", "b", "c"], classes=["cat", "dog"],
        global_cosines=cosines[:, 0], local_cosines=cosines[:, 1:],
    )  # fmt: skip
    scoring = Scoring("max", fusion="pooled", temperature="0.02", thresholds="fixed")
    said = folder / "said.csv"
    said.write_text("image_path,label\na,cat\na,-dog\n", encoding="utf-8")
    request = ImportRequest(folder / "clip.npz", folder / "labels", scoring=scoring)
    label(replace(request, observed=(said,)), SilentConsole())
    origin = origins(folder / "labels")["labels"]
    (command,) = origin.commands
    assert shlex.split(command) == [
        *("cdul-edge", "label", "--from-similarities", str(folder / "clip.npz")),
        *("--strategy", "max", "--fusion", "pooled", "--temperature", "0.02"),
        *("--thresholds", "fixed", "--observed", str(said), "--out", str(folder / "labels")),
    ]
    asked = [(one.name, one.value) for one in origin.settings if one.differs]
    assert asked == [
        *(("strategy", "max"), ("fusion", "pooled")),
        *(("temperature", "0.02"), ("thresholds", "fixed"), ("observed", str(said))),
    ]
    assert origin.settings[: len(asked)] == tuple(o for o in origin.settings if o.differs)
    (digest,) = origin.digests
    assert digest.sha256 == sha256_file(folder / "labels" / "pseudo_labels.parquet")


def test_a_run_says_what_differs_from_the_defaults_and_so_does_its_command(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    settings = TrainConfig(
        height_px=96, width_px=64, epochs=3, flip=False, labels="hard", network="clip:demo",
        method="cdul", method_settings={"eta": 0.5, "guard": True, "label_warmup": None},
    )  # fmt: skip
    stored = read_json(run / "config.json")
    write_json(run / "config.json", {**stored, "settings": settings.to_dict()})
    origin = origins(run)["run"]
    (command,) = origin.commands
    assert shlex.split(command) == [
        *("cdul-edge", "train", str(tmp_path / "labels.parquet"), "--image-size", "96x64"),
        *("--network", "clip:demo", "--method", "cdul", "--epochs", "3", "--no-flip", "--hard"),
        *("--set", "eta=0.5", "--set", "guard=true", "--out", str(run)),
    ]
    asked = {one.name: (one.value, one.default) for one in origin.settings if one.differs}
    assert asked["epochs"] == ("3", str(TrainConfig().epochs))
    assert asked["flip"] == ("no", "yes")
    assert "height_px" not in asked  # the run settles it where nobody asks
    assert origin.made_from == RunConfig.read(run).labels_sha256


# One of another value for every setting of a run.
CHANGED = TrainConfig(
    network="timm:x", weights="none", local_global=True, height_px=64, width_px=96, resize="center",
    method="an", labels="hard", epochs=2, batch_size=4, optimizer="sgd", learning_rate=0.5,
    weight_decay=0.5, momentum=0.5, head_rate_multiplier=2.0, schedule="constant",
    rate_warmup_steps=3, gradient_clip=1.0, ema_decay=0.5, ema_warmup=True, freeze_trunk_epochs=1,
    freeze_norms=False, freeze_depth=0.25, precision="fp32", flip=False, shift=0.125, color=0.5,
    shuffle_colors=0.5, zoom_in=0.25, zoom_out=0.5, mixup=0.5, set_aside=32, seed=5,
    correct_labels=True,
)  # fmt: skip


def test_the_command_of_a_run_is_read_as_the_settings_that_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every setting is an option of `train`; none is left out, and none is misspelled."""
    usual = TrainConfig()
    same = [one.name for one in fields(TrainConfig) if getattr(usual, one.name) ==
            getattr(CHANGED, one.name)]  # fmt: skip
    assert same == ["method_settings"]
    run = write_run(tmp_path)
    stored = read_json(run / "config.json")
    write_json(run / "config.json", {**stored, "settings": CHANGED.to_dict()})
    (command,) = origins(run)["run"].commands
    asked: list[TrainRequest] = []
    monkeypatch.setattr("cdul_edge.cli.train._run", lambda request, json: asked.append(request))
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output
    assert asked[0].config == CHANGED


def test_what_was_not_made_from_one_another_is_said(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    labels = tmp_path / "labels.parquet"
    assert breaks(labels, run) == ()
    stored = read_json(run / "config.json")
    write_json(run / "config.json", {**stored, "labels_sha256": "0123456789abcdef"})
    (told,) = breaks(labels, run)
    assert told == f"{run} was trained on other labels than {labels}: SHA-256 0123456789ab…"
    assert told.replace("…", "") in show(tmp_path / "page", labels, run).html.replace("…", "")

    source = {"run": {"checkpoint_sha256": "fedcba9876543210", "labels_sha256": "aaaa"}}
    bundle = write_bundle(tmp_path / "bundle", provenance=source)
    (run / "checkpoint.pt").write_bytes(b"weights")
    (told,) = breaks(run, bundle)
    assert told.startswith(f"{bundle} was exported from another run than {run}")
    (told,) = breaks(labels, bundle)
    assert told.startswith(f"{bundle} learned from other labels than {labels}: SHA-256 aaaa")
    (command,) = origins(run, bundle)["bundle"].commands
    assert command == f"cdul-edge export RUN --out {bundle}"
    source["run"]["checkpoint_sha256"] = sha256_file(run / "checkpoint.pt")
    known = write_bundle(tmp_path / "known", provenance=source)
    assert breaks(run, known) == ()
    assert origins(run, known)["bundle"].commands == (f"cdul-edge export {run} --out {known}",)

    verified = {"program": "cdul-edge", "stage": "verify", "format": 2, "bundle": "b"}
    digest = sha256_file(bundle / "manifest.json")
    for name, sha256 in (("of.json", digest), ("not.json", "1111")):
        (tmp_path / name).write_text(json.dumps({**verified, "manifest_sha256": sha256}))
    assert breaks(bundle, tmp_path / "of.json") == ()
    (told,) = breaks(bundle, tmp_path / "not.json")
    assert told.startswith(f"{tmp_path / 'not.json'} is of another bundle than {bundle}")


def test_what_was_not_given_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    page = show(tmp_path / "page", write_run(tmp_path))
    missing = page.at("/header/missing")
    assert isinstance(missing, list)
    assert [one["title"] for one in missing] == [
        *("Labels", "Bundle", "Verification", "Speed", "Evaluation", "Predictions", "Streams")
    ]
    assert all(one["command"] in page.html for one in missing)
    assert page.at("/header/command") == f"cdul-edge report {tmp_path / 'run'} --out report.html"


def test_evaluations_say_what_they_compared(tmp_path: Path) -> None:
    told = {"program": "cdul-edge", "version": "1.2", "scores": "my labels", "ap": {}}
    files: dict[str, tuple[dict[str, object], str]] = {
        "truth.json": ({"truth": "t.csv"}, "--truth t.csv"),
        "sheet.json": ({"sheet": "s.csv"}, "--sampled s.csv"),
        "estimate.json": ({"estimate": True}, ""),
    }
    for name, (more, words) in files.items():
        file = tmp_path / name
        file.write_text(json.dumps({**told, **more}), encoding="utf-8")
        origin = origins(file)["evaluation"]
        expected = f"cdul-edge evaluate 'my labels' {words} --json {file}".replace("  ", " ")
        assert (origin.version, origin.commands) == ("1.2", (expected,))
