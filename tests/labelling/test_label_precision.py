"""`--precision auto` tries what the CPU has; a folder keeps to what it was begun in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from cdul_edge.labelling import LabelRequest
from cdul_edge.labelling.arrays import Floats, Pixels
from cdul_edge.labelling.encode import choose_encoder, cpu_layers
from cdul_edge.labelling.encode.choose_encoder import list_ways
from cdul_edge.labelling.encode.open_encoder import Wish
from cdul_edge.labelling.encode.trial import Candidate, Trial, TrialRow, run_trial
from cdul_edge.labels.manifest import read_manifest
from cdul_edge.labels.settings import ClipSettings
from cdul_edge_runtime.errors import LabelsError


def made_in(folder: Path) -> tuple[str, str]:
    """The precision that was asked for, and what it came to."""
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest.model is not None
    assert isinstance(manifest.settings, ClipSettings)
    return manifest.settings.precision, manifest.model.precision


@pytest.fixture
def bf16_wins(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A clock by which bf16 is twice as fast; counts the trials."""
    tried: list[int] = []

    def judge(candidates: Sequence[Candidate], batches: Sequence[Pixels], texts: Floats) -> Trial:
        trial = run_trial(candidates, batches, texts, seconds=0)
        tried.append(trial.views)
        rows = [
            TrialRow(row.name, speed, 1.0)
            for row, speed in zip(trial.rows, (10.0, 20.0), strict=True)
        ]
        return Trial(tuple(rows), trial.views)

    monkeypatch.setattr(choose_encoder, "run_trial", judge)
    monkeypatch.setattr(choose_encoder, "multiplies_bf16", lambda: True)
    return tried


def test_without_the_option_a_cpu_computes_in_fp32_and_nothing_is_tried(
    label: Any, bf16_wins: list[int]
) -> None:
    assert LabelRequest(Path("a"), Path("b"), Path("c"), "demo").precision is None
    label()
    assert made_in(label.out) == ("auto", "fp32")
    assert not bf16_wins


def test_the_winner_of_the_trial_is_told_recorded_and_kept(
    label: Any, tmp_path: Path, bf16_wins: list[int], paint: Callable[..., list[str]]
) -> None:
    label(precision="auto")
    assert made_in(label.out) == ("auto", "bf16")
    (views,) = bf16_wins
    assert views >= 16  # however slow the CLIP is
    line = f"tried on {views} views: fp32 10 views/s; bf16 20 views/s, naming the same class in"
    assert line in label.said.getvalue()
    assert "100.0 %: bf16 is used" in label.said.getvalue()
    for name in paint(tmp_path / "more", 2, seed=9):
        (tmp_path / "more" / name).rename(tmp_path / "pictures" / f"new-{name}")
    label(update=True)
    label(precision="auto", templates=("one {}",), force=True, update=True)
    assert made_in(label.out) == ("auto", "bf16")
    assert len(bf16_wins) == 2  # starting over is a new folder; going on is not
    with pytest.raises(LabelsError, match=r"precision auto, which took bf16 \(now bf16\)"):
        label(precision="bf16")


def test_an_interrupted_run_goes_on_in_its_precision_and_ends_with_the_same_bytes(
    label: Any, bf16_wins: list[int]
) -> None:
    label(precision="auto")
    whole = label.parts()
    (label.out / "similarities" / "part-00001.parquet").unlink()
    label(precision="auto", repair=True)
    assert label.parts() == whole
    (label.out / "similarities" / "part-00001.parquet").unlink()
    label(repair=True)
    assert label.parts() == whole
    assert len(bf16_wins) == 1


def test_a_folder_of_before_stays_in_fp32(label: Any, bf16_wins: list[int]) -> None:
    label()
    (label.out / "similarities" / "part-00001.parquet").unlink()
    label(precision="auto", repair=True)
    assert made_in(label.out) == ("auto", "fp32")
    assert not bf16_wins


def test_a_real_trial_prints_one_line_and_its_choice_is_what_was_recorded(
    label: Any, spoil: Callable[[], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(choose_encoder, "multiplies_bf16", lambda: True)
    first = sorted((tmp_path / "pictures").iterdir())[0]
    first.write_bytes(b"no picture")
    label(precision="auto")
    (line,) = [line for line in label.said.getvalue().splitlines() if "tried on" in line]
    assert line.endswith(f": {made_in(label.out)[1]} is used")


def test_where_a_cpu_has_no_bf16_fp32_is_used_and_bf16_by_name_is_obeyed_with_a_word(
    label: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (choose_encoder, cpu_layers):
        monkeypatch.setattr(module, "multiplies_bf16", lambda: False)
    label(precision="auto")
    assert made_in(label.out) == ("auto", "fp32")
    assert "fp32 is used: this machine has nothing faster to try" in label.said.getvalue()
    label(precision="bf16", out=tmp_path / "named")
    assert made_in(tmp_path / "named") == ("bf16", "bf16")
    assert "this processor has no bf16 instructions" in label.said.getvalue()


@pytest.mark.parametrize(("kept", "precision"), [("openvino", "bf16"), ("torch", None)])
def test_a_folder_that_goes_on_beside_a_gpu_keeps_the_precision_of_a_library_without(
    kept: Any, precision: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Wish] = []
    monkeypatch.setattr(choose_encoder, "choose_device", lambda _: "cuda")
    monkeypatch.setattr(choose_encoder, "choose_library", lambda _, wish, *__: asked.append(wish))
    wish, nothing = Wish(kept=kept, kept_precision="bf16"), cast(Any, None)
    choose_encoder.choose_encoder(nothing, wish, nothing, nothing, nothing)
    assert [one.precision for one in asked] == [precision]


@pytest.mark.parametrize(
    ("encoder", "pays", "named"),
    [
        ("auto", False, ["torch fp32", "torch bf16"]),
        ("auto", True, ["torch fp32", "torch bf16", "openvino bf16"]),
        ("torch", True, ["torch fp32", "torch bf16"]),
        ("openvino", False, ["openvino fp32", "openvino bf16"]),
        ("onnx", False, ["onnx fp32"]),
    ],
)
def test_what_is_tried_is_of_the_encoder_asked_for(
    encoder: Any,
    pays: bool,
    named: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for check in ("multiplies_bf16", "has_openvino_bf16"):
        monkeypatch.setattr(choose_encoder, check, lambda: True)
    ways = list_ways(Wish(encoder=encoder, precision="auto"), lambda: pays)
    assert [" ".join(way) for way in ways] == named
