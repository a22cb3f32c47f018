"""The train command: its summary, its one-line errors, and a run that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge.cli.train import train
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.config import METHODS, TrainConfig
from cdul_edge.training.request import DataOptions, EvaluationOptions
from cdul_edge_runtime.bundle.classes import ClassList
from tests.fakes.full_disk import largest_file

TINY = (
    "--network clip:demo --weights none --image-size 32 --batch-size 4 --precision fp32 "
    "--method cdul --set label_warmup=1 --shift 0.1 --color 0.2"
).split()


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of noise with random labels: enough to see that the machinery runs."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for index in range(12):
        pixels = rng.integers(0, 256, (40, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{index:02}.png")
    PseudoLabels(
        root=root,
        paths=tuple(f"{index:02}.png" for index in range(12)),
        classes=ClassList(("cat", "dog", "cow")),
        scores=rng.uniform(size=(12, 3)).astype(np.float32),
        thresholds=np.full(3, 0.5, np.float32),
    ).write(root / "labels" / "pseudo_labels.parquet")
    truth = ["image_path,cat,dog,cow", *(f"{i:02}.png,1,0,{i % 2}" for i in range(12))]
    (root / "truth.csv").write_text("\n".join(truth) + "\n")
    return root / "labels"


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def test_the_summary_goes_to_stdout_and_the_talk_to_stderr(labels: Path, tmp_path: Path) -> None:
    truth = labels.parent / "truth.csv"
    result = invoke(
        labels, "--out", tmp_path / "run", *TINY, "--epochs", "2", "--json", "-",
        "--val", labels.parent, "--truth", truth, "--train-truth", truth,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["epochs"] == 2
    assert 0 <= summary["val"]["map"] <= 100
    assert len(summary["thresholds"]) == 3
    assert "epoch 2/2:" in result.stderr
    assert "held-out pictures, mAP" in result.stderr
    again = invoke(
        labels, "--out", tmp_path / "run", *TINY, "--epochs", "2", "--json", tmp_path / "s.json"
    )
    assert again.exit_code == 0
    assert "is finished" in again.stderr
    assert json.loads((tmp_path / "s.json").read_text()) == summary


def test_a_preset_is_overridden_by_an_option(labels: Path, tmp_path: Path) -> None:
    result = invoke(
        labels, "--out", tmp_path / "run", "--preset", "cdul-paper", *TINY, "--epochs", "1",
        "--set", "sigma=0.7", "--hard", "--no-flip", "--lr", "0.01",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    settings = json.loads((tmp_path / "run" / "config.json").read_text())["settings"]
    method = settings["method_settings"]
    assert (method["eta"], method["sigma"], method["anchor"]) == (1.0, 0.7, 0.0)
    assert (settings["labels"], settings["flip"]) == ("hard", False)
    assert (settings["learning_rate"], settings["height_px"]) == (0.01, 32)


def test_observed_labels_come_from_a_file_or_are_drawn_with_the_runs_seed(
    labels: Path, tmp_path: Path
) -> None:
    (tmp_path / "seen.csv").write_text('image_path,label\n00.png,"cow, -cat"\n')
    (tmp_path / "more.csv").write_text("image_path,label\n01.png,cat\n")
    said = []
    truth = str(labels.parent / "truth.csv")
    drawn = ["--simulate", "single-positive", "--train-truth", truth, "--seed", "7"]
    for name, options in {
        "file": ["--observed", str(tmp_path / "seen.csv")],
        "files": [
            *("--observed", str(tmp_path / "seen.csv")),
            *("--observed", str(tmp_path / "more.csv"), "--correct-labels"),
        ],
        "drawn": drawn,
        "alone": [*drawn, "--labels-from", "observed", "--method", "plmcl"],
    }.items():
        run = tmp_path / name
        result = invoke(labels, "--out", run, *TINY, "--epochs", "1", "--no-flip", *options)
        assert result.exit_code == 0, result.output
        said.append(json.loads((run / "config.json").read_text())["observed_from"])
        assert said[-1] in result.stderr
    assert said[0] == f"{tmp_path / 'seen.csv'}: 1 present, 1 absent, of 36 labels"
    files = f"{tmp_path / 'seen.csv'} and {tmp_path / 'more.csv'}"
    assert said[1] == f"{files}: 2 present, 1 absent, of 36 labels"
    assert said[2].endswith("simulated with seed 7: 12 present, 0 absent, of 36 labels")
    assert said[3] == f"{said[2]}, without pseudo-labels"
    first = PseudoLabels.read(tmp_path / "file" / "pseudo_labels_refined.parquet").scores[0]
    assert (first[0], first[2]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "epochs 0, expected 1 to"),
        (["--set", "anchor"], "--set 'anchor': expected NAME=VALUE"),
        (
            ["--set", "pace=2"],
            "the method cdul has no setting pace: its settings are label_warmup,",
        ),
        (["--method", "distill", "--set", "sigma=1"], "has no setting label_warmup, sigma: "),
        (["--method", "distill", "--set", "sigma=1"], "; --method cdul or plmcl has"),
        (["--set", "anchor=2"], "anchor 2, expected 0 to 1"),
        (["--image-size", "big"], "--image-size 'big': expected px such as 224"),
        (["--image-size", "4"], "height_px 4"),
        (["--shift", "0.9"], "shift 0.9, expected 0 to 0.25"),
        (["--network", "resnet81"], "did you mean"),
        (["--network", "clip:RN5"], "no CLIP called 'RN5'"),
        (["--weights", "missing.pth"], "is not a file"),
        (["--device", "cuda:77"], "device 'cuda:77' cannot be used"),
        (["--truth", "truth.csv"], "--val and --truth go together"),
        (["--images", "/nowhere"], "12 of 12 labeled pictures are not in /nowhere"),
        (["--train-truth", "/nowhere.csv"], "/nowhere.csv does not exist"),
        (["--observed", "/nowhere.csv"], "the observed labels /nowhere.csv are not a file"),
        (["--labels-from", "observed"], "--labels-from observed needs labels that people gave"),
        (["--simulate", "10%"], "--simulate 10% draws from the truth of the labeled pictures"),
        (
            ["--simulate", "10%", "--observed", "seen.csv"],
            "--observed and --simulate exclude each other",
        ),
    ],
)
def test_bad_input_ends_in_one_line_and_writes_nothing(
    labels: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = invoke(labels, "--out", tmp_path / "run", *TINY, *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "image_path,bird,fish\n00.png,1,0\n",
            "has no class 'cat', 'dog', 'cow': it has bird, fish",
        ),
        ("image_path,cat,dog\n00.png,1,0\n", "has no class 'cow': it has cat, dog"),
        ("image_path,cat,dog,cow\nx.png,1,0,0\n", "names none of the 12 pictures"),
        ("image_path,cat,dog,cow\n00.png,,,-1\n", "knows no class of any of the 1 pictures"),
    ],
)
def test_truth_of_something_else_is_found_before_training(
    labels: Path, tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "truth.csv"
    file.write_text(content)
    of_val: tuple[str | Path, ...] = ("--val", labels.parent, "--truth", file)
    for options in (("--train-truth", file), of_val):
        result = invoke(labels, "--out", tmp_path / "run", *TINY, *options)
        assert result.exit_code == 2
        assert f"cdul-edge: the truth {file} {message}" in result.stderr.splitlines()[-1]
        assert not (tmp_path / "run").exists()


def test_a_labels_folder_that_is_not_there_or_damaged_is_refused(
    labels: Path, tmp_path: Path
) -> None:
    missing = invoke(tmp_path / "nothing", "--out", tmp_path / "run", *TINY)
    assert missing.exit_code == 2
    assert "does not exist: make it with `cdul-edge label`" in missing.stderr
    content = (labels / "pseudo_labels.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(content[: len(content) // 2])
    cut = invoke(tmp_path / "cut.parquet", "--out", tmp_path / "run", *TINY)
    assert cut.exit_code == 2
    assert "is truncated or damaged" in cut.stderr


def test_a_disk_that_fills_up_ends_in_one_line_and_the_same_command_goes_on(
    labels: Path, tmp_path: Path
) -> None:
    options = [*TINY, "--epochs", "2"]
    with largest_file(1 << 20):  # a checkpoint is larger
        full = invoke(labels, "--out", tmp_path / "run", *options)
    assert full.exit_code == 2, full.output
    assert "the disk is full" in full.stderr
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names <= {"config.json", "metrics.jsonl", "cache"}
    assert invoke(labels, "--out", tmp_path / "run", *options).exit_code == 0


# Runs the command line, and kills itself in the third epoch as the system does without memory.
KILLED = """
import os, signal
from cdul_edge.cli import app
from cdul_edge.training.loop import Trainer

step = Trainer._take_step

def take_step(self, *batch):
    if self.epoch == 2 and self.step % self.steps_per_epoch == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *batch)

Trainer._take_step = take_step
app()
"""


def test_a_run_that_was_killed_is_resumed_to_the_same_weights_and_labels(
    labels: Path, tmp_path: Path
) -> None:
    options = [*TINY, "--epochs", "4"]
    whole = invoke(labels, "--out", tmp_path / "whole", *options)
    assert whole.exit_code == 0, whole.output
    words = ["train", str(labels), "--out", str(tmp_path / "killed"), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *words], env=environment, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not (tmp_path / "killed" / "summary.json").exists()
    resumed = invoke(labels, "--out", tmp_path / "killed", *options)
    assert resumed.exit_code == 0, resumed.output
    assert "resuming after epoch 2 of 4" in resumed.stderr
    one, other = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        for name in ("whole", "killed")
    )
    assert one["epoch"] == other["epoch"] == 4
    for name, weights in one["network"].items():
        assert weights.numpy().tobytes() == other["network"][name].numpy().tobytes(), name
    refined = [
        PseudoLabels.read(tmp_path / name / "pseudo_labels_refined.parquet").scores.tobytes()
        for name in ("whole", "killed")
    ]
    assert refined[0] == refined[1]
    lines = (tmp_path / "killed" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 5))


def options_of_train() -> dict[str, typer.models.OptionInfo]:
    """Every option of the command with a default, by the name of its parameter."""
    hints = get_type_hints(train, include_extras=True)
    del hints["return"]
    # Python 3.10 puts Optional around an option whose default is None
    kinds = {n: k if hasattr(k, "__metadata__") else get_args(k)[0] for n, k in hints.items()}
    return {name: kind.__metadata__[0] for name, kind in kinds.items()}


def test_every_setting_of_a_run_is_an_option_that_shows_the_requests_default() -> None:
    shown = {name: option.show_default for name, option in options_of_train().items()}
    config = TrainConfig()
    plain = {one.name for one in fields(TrainConfig)} & set(shown) - {"labels"}  # the argument
    assert {one.name for one in fields(TrainConfig)} - plain == {
        "height_px", "width_px",  # --image-size
        "labels",  # --hard/--soft
        "method_settings",  # --set
    }  # fmt: skip
    switches = {name for name in plain if isinstance(getattr(config, name), bool)}
    in_words = {"rate_warmup_steps": "a tenth of all steps",
                "freeze_trunk_epochs": "a quarter of all epochs"}  # fmt: skip
    for name in plain - switches - set(in_words):
        default = getattr(config, name)
        assert type(default)(shown[name]) == default, name
    assert (config.height_px, config.width_px) == (None, None)
    assert shown["image_size"] == "224, or a timm network's own"
    assert switches == {"local_global", "flip", "ema_warmup", "freeze_norms", "correct_labels"}
    for name in switches:
        word = name.replace("_", "-")
        assert shown[name] == (word if getattr(config, name) else f"no-{word}")
    for name, words in in_words.items():
        assert (getattr(config, name), shown[name]) == (None, words)
    assert shown["hard"] == config.labels
    given = {name: one.default for name, one in signature(train).parameters.items()}
    assert {given[name] for name in plain} == {None}  # a preset, or else the request, decides
    data, evaluation = DataOptions(), EvaluationOptions()
    assert (given["cache"], given["cache_budget"]) == (data.cache, data.cache_budget_mib)
    assert (given["workers"], given["difficult"]) == (data.workers, evaluation.difficult)


def test_every_option_says_in_a_sentence_what_it_does() -> None:
    for name, option in options_of_train().items():
        assert option.help, name
        assert option.help[0].isupper(), name
        assert option.help.endswith("."), name


def test_a_value_that_is_no_choice_names_the_choices(labels: Path, tmp_path: Path) -> None:
    wrong = invoke(labels, "--out", tmp_path / "run", "--method", "magic")
    assert wrong.exit_code == 2
    for name in METHODS:
        assert f"'{name}'" in wrong.stderr
