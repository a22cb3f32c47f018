"""Training on a CUDA device: every method runs there, and learns what the CPU learns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cdul_edge
from cdul_edge.front.export_run import ExportRunRequest, export_run
from cdul_edge.labelling import Scoring
from cdul_edge.training.config import METHODS, MethodName, TrainConfig
from cdul_edge.training.probabilities import ScoreScale, apply_scale
from cdul_edge.training.request import EvaluationOptions
from cdul_edge.training.run_folder import RunConfig, load_run
from cdul_edge.training.summary import RunSummary
from cdul_edge_runtime.classifier import Classifier
from tests.training.test_every_method import FINE_TUNING, start_training
from tests.training.test_every_method import train as train_epochs
from tests.training.test_train import cut_after

pytestmark = pytest.mark.gpu

Train = Callable[..., RunSummary]
# These read more from a labels folder than scores.
NEED_CLIP = ("ccd", "vlpl")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Of the finished run, on the CPU."""
    state: dict[str, torch.Tensor] = load_run(folder).network.state_dict()
    assert {tensor.device.type for tensor in state.values()} == {"cpu"}
    return state


@pytest.mark.parametrize("method", [name for name in METHODS if name not in NEED_CLIP])
def test_every_method_runs_there(train: Train, tmp_path: Path, method: MethodName) -> None:
    torch.cuda.reset_peak_memory_stats()
    train(tmp_path / "run", method=method, device="cuda")
    assert torch.cuda.max_memory_allocated() > 0
    assert all(bool(values.isfinite().all()) for values in weights(tmp_path / "run").values())


@pytest.mark.parametrize("method", NEED_CLIP)
def test_methods_that_ask_clip_run_there(
    squares: Any, small: Callable[..., TrainConfig], tmp_path: Path, method: MethodName
) -> None:
    (tmp_path / "classes.txt").write_text("red\ngreen\nblue\n")
    cdul_edge.label(
        images=squares.root / "train", classes=tmp_path / "classes.txt", clip="demo",
        scoring=Scoring("cdul"),
        out=tmp_path / "labels", device="cuda",
    )  # fmt: skip
    settings = {"label_warmup": 1} if method == "ccd" else {}
    # At 64 px the last feature map has four places.
    config = small(method=method, method_settings=settings, height_px=64, width_px=64)
    cdul_edge.train(labels=tmp_path / "labels", out=tmp_path / "run", config=config, device="cuda")
    assert all(bool(values.isfinite().all()) for values in weights(tmp_path / "run").values())


def test_two_devices_learn_the_same_in_float32(train: Train, tmp_path: Path) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    settings: dict[str, Any] = {"method": "fixed", "epochs": 1, "shift": 0.0, "color": 0.0}
    for device in ("cpu", "cuda"):
        train(tmp_path / device, device=device, **settings)
    cpu, cuda = weights(tmp_path / "cpu"), weights(tmp_path / "cuda")
    for name, values in cpu.items():
        # Three steps of AdamW at a rate of 1e-3, whose sign may differ where a gradient is zero.
        assert (values.float() - cuda[name].float()).abs().max() <= 2 * 3 * 1e-3, name


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_everything_that_fine_tuning_can_do_runs_there(
    small: Callable[..., TrainConfig], precision: str
) -> None:
    trainer = start_training(small, "cdul", 256, device="cuda", precision=precision, **FINE_TUNING)
    train_epochs(trainer, 4)
    before = trainer.predict(trainer.pictures, exact=True)
    scale = trainer.find_scale(before) or ScoreScale(2.0, np.zeros(3))
    kept = trainer.checkpoint(
        classes=[], plan={}, settings={}, labels_sha256="", scale=scale
    ).result
    apply_scale(trainer.result, scale)
    after = trainer.predict(trainer.pictures, exact=True)
    torch.testing.assert_close(after, scale.logits(before), rtol=1e-3, atol=1e-3)
    for name, values in trainer.result.state_dict().items():
        assert torch.equal(kept[name], values), name


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_each_number_format_learns_the_squares(
    train: Train, squares: Any, tmp_path: Path, precision: str
) -> None:
    summary = train(
        tmp_path / "run", method="fixed", epochs=30, precision=precision, device="cuda",
        evaluation=EvaluationOptions(squares.val, squares.val_truth), weights="default",
    )  # fmt: skip
    assert RunConfig.read(tmp_path / "run").settings.precision == precision
    assert summary.val is not None
    assert summary.val.map >= 80


def test_an_interrupted_run_goes_on_there(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_after(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", device="cuda", ema_decay=0.9)
    monkeypatch.undo()
    summary = train(tmp_path / "run", device="cuda", ema_decay=0.9)
    assert summary.epochs == 3


def test_a_run_of_a_gpu_answers_on_the_cpu_once_exported(train: Train, tmp_path: Path) -> None:
    train(tmp_path / "run", device="cuda")
    export_run(ExportRunRequest(tmp_path / "run", tmp_path / "bundle"))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    with Classifier.load(tmp_path / "bundle", device="cpu") as classifier:
        assert classifier.backend.infer(pixels).shape == (2, 3)
