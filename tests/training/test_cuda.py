"""Training on a CUDA device: every method runs there, and learns what the CPU learns.

The same bodies run with the CPU in the device's place: a fault of theirs shows without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cdul_edge
from cdul_edge.clip.float32 import whole_float32
from cdul_edge.front.export_run import ExportRunRequest, export_run
from cdul_edge.labelling import Scoring
from cdul_edge.training.config import METHODS, MethodName, TrainConfig
from cdul_edge.training.loop import Trainer
from cdul_edge.training.probabilities import ScoreScale, apply_scale
from cdul_edge.training.request import EvaluationOptions
from cdul_edge.training.run_folder import RunConfig, load_run
from cdul_edge.training.summary import RunSummary, read_metrics
from cdul_edge_runtime.classifier import Classifier
from tests.training.test_every_method import FINE_TUNING, start_training
from tests.training.test_every_method import train as train_epochs
from tests.training.test_train import cut_after

Train = Callable[..., RunSummary]
# These read more from a labels folder than scores.
NEED_CLIP = ("ccd", "vlpl")


def on(device: str, *values: Any) -> Any:
    """Parameters of a test, the device first; those of CUDA need one."""
    marks = [pytest.mark.gpu] if device == "cuda" else []
    return pytest.param(device, *values, marks=marks)


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Types of the devices where networks trained."""
    found: set[str] = set()
    step = Trainer._take_step

    def watched(self: Trainer, images: torch.Tensor, *args: Any) -> Any:
        found.update(one.device.type for one in (images, *self.network.parameters()))
        return step(self, images, *args)

    monkeypatch.setattr(Trainer, "_take_step", watched)
    return found


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Of the finished run, on the CPU."""
    state: dict[str, torch.Tensor] = load_run(folder).network.state_dict()
    assert {tensor.device.type for tensor in state.values()} == {"cpu"}
    return state


def assert_finite(folder: Path) -> None:
    assert all(bool(values.isfinite().all()) for values in weights(folder).values())


@pytest.mark.parametrize(
    ("device", "method"),
    [on("cpu", "fixed"), *(on("cuda", name) for name in METHODS if name not in NEED_CLIP)],
)
def test_every_method_runs_there(
    train: Train, places: set[str], tmp_path: Path, device: str, method: MethodName
) -> None:
    train(tmp_path / "run", method=method, device=device)
    assert places == {device}
    assert_finite(tmp_path / "run")


@pytest.mark.parametrize(
    ("device", "method"), [on("cpu", "ccd"), *(on("cuda", name) for name in NEED_CLIP)]
)
def test_methods_that_ask_clip_run_there(
    squares: Any, small: Callable[..., TrainConfig], places: set[str], tmp_path: Path,
    device: Any, method: MethodName,
) -> None:  # fmt: skip
    (tmp_path / "classes.txt").write_text("red\ngreen\nblue\n")
    cdul_edge.label(
        images=squares.root / "train", classes=tmp_path / "classes.txt", clip="demo",
        scoring=Scoring("cdul"), out=tmp_path / "labels", device=device,
    )  # fmt: skip
    # These squares are none of its classes: whatever CLIP says of them is taken up.
    settings = {"label_warmup": 1, "sure_entropy": 1.0} if method == "ccd" else {}
    # At 64 px the last feature map has four places.
    config = small(method=method, method_settings=settings, height_px=64, width_px=64)
    found = cdul_edge.train(
        labels=tmp_path / "labels", out=tmp_path / "run", config=config, device=device
    )
    assert places == {device}
    assert_finite(tmp_path / "run")
    if method == "ccd":
        (line,) = (one for one in _lines(tmp_path / "run") if "look_threshold" in one)
        assert line["pictures_seen_again"] > 0
    assert found.summary.epochs == 3


@pytest.mark.parametrize("device", [on("cpu"), on("cuda")])
def test_two_devices_learn_the_same_in_float32(train: Train, tmp_path: Path, device: str) -> None:
    settings: dict[str, Any] = {"method": "fixed", "epochs": 1, "shift": 0.0, "color": 0.0}
    with whole_float32():
        for out, place in (("reference", "cpu"), ("tried", device)):
            train(tmp_path / out, device=place, head_rate_multiplier=1.0, **settings)
    reference, tried = weights(tmp_path / "reference"), load_run(tmp_path / "tried").network
    apart = torch.cat(
        [(reference[name] - one).abs().flatten() for name, one in tried.named_parameters()]
    ).detach()
    # Three steps of AdamW at a rate of 1e-3 at most, whose sign may differ where a gradient is no
    # more than rounding; nearly everywhere it is more.
    assert apart.max() <= 2 * 3 * 1e-3
    assert apart.median() <= 1e-4


@pytest.mark.parametrize(
    ("device", "precision"),
    [on("cpu", "bf16"), *(on("cuda", name) for name in ("fp32", "bf16", "fp16"))],
)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_everything_that_fine_tuning_can_do_runs_there(
    small: Callable[..., TrainConfig], device: str, precision: str, optimizer: str
) -> None:
    trainer = start_training(
        small, "cdul", 256, device=device, precision=precision, optimizer=optimizer, **FINE_TUNING
    )
    train_epochs(trainer, 4)
    before = trainer.predict(trainer.pictures, exact=True)
    scale = trainer.find_scale(before) or ScoreScale(2.0, np.zeros(3))
    kept = trainer.checkpoint(
        classes=[], plan={}, settings={}, labels_sha256="", scale=scale
    ).result
    apply_scale(trainer.result, scale)
    after = trainer.predict(trainer.pictures, exact=True)
    assert before.device.type == after.device.type == "cpu"
    assert bool(before.isfinite().all())
    torch.testing.assert_close(after, scale.logits(before), rtol=1e-3, atol=1e-3)
    for name, values in trainer.result.state_dict().items():
        assert torch.equal(kept[name], values), name


@pytest.mark.parametrize(
    ("device", "precision"),
    [on("cpu", "bf16"), *(on("cuda", name) for name in ("fp32", "bf16", "fp16"))],
)
def test_each_number_format_learns_the_squares(
    train: Train, squares: Any, tmp_path: Path, device: str, precision: str
) -> None:
    summary = train(
        tmp_path / "run", method="fixed", epochs=30, precision=precision, device=device,
        evaluation=EvaluationOptions(squares.val, squares.val_truth), weights="default",
    )  # fmt: skip
    assert RunConfig.read(tmp_path / "run").settings.precision == precision
    assert summary.val is not None
    assert summary.val.map >= 80


@pytest.mark.parametrize("device", [on("cpu"), on("cuda")])
def test_an_interrupted_run_goes_on_there(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    with monkeypatch.context() as patch:
        cut_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "run", device=device, ema_decay=0.9)
    summary = train(tmp_path / "run", device=device, ema_decay=0.9)
    assert summary.epochs == 3
    assert_finite(tmp_path / "run")


@pytest.mark.gpu  # on the CPU, half of the suite does this
def test_a_run_of_a_gpu_answers_on_the_cpu_once_exported(train: Train, tmp_path: Path) -> None:
    train(tmp_path / "run", device="cuda")
    export_run(ExportRunRequest(tmp_path / "run", tmp_path / "bundle"))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    with Classifier.load(tmp_path / "bundle", device="cpu") as classifier:
        assert classifier.backend.infer(pixels).shape == (2, 3)


def _lines(run: Path) -> list[dict[str, float]]:
    return [dict(line.revision) for line in read_metrics(run)]  # type: ignore[arg-type]
