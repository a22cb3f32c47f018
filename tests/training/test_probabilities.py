"""How sure a network may be, as pictures that it never saw tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training import TrainConfig, TrainRequest, train
from cdul_edge.training.checkpoint import Checkpoint
from cdul_edge.training.data.dataset import StoredPictures
from cdul_edge.training.evaluation import predict_logits
from cdul_edge.training.loop import Trainer
from cdul_edge.training.methods import make_method
from cdul_edge.training.methods.base import Supervision
from cdul_edge.training.networks.timm_models import build_timm
from cdul_edge.training.networks.torchvision_models import build_torchvision
from cdul_edge.training.probabilities import (
    ScoreScale,
    apply_scale,
    can_scale,
    choose_set_aside,
    fit_scale,
)
from cdul_edge.training.run_folder import load_run
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.pictures.images import open_image
from cdul_edge_runtime.pictures.preprocess import Preprocess
from tests.training.conftest import CLASSES, SIDE, SMALL, paint_folder

SHIFTS = torch.tensor([1.0, -0.5, 0.0])


def know(scores: Tensor, *, observed_only: bool = False) -> Supervision:
    none = torch.zeros(scores.shape, dtype=torch.int8)
    return Supervision(scores, none, None, hard=False, epochs=3, observed_only=observed_only)


def draw_logits(count: int) -> Tensor:
    return 2 * torch.randn(count, 3, generator=torch.Generator().manual_seed(0)) - 1


@pytest.mark.parametrize("slope", [0.5, 2.0])
def test_the_scale_that_labels_were_made_with_is_found(slope: float) -> None:
    logits, unseen = draw_logits(1200), torch.arange(0, 64)
    known = know(torch.sigmoid(slope * logits + SHIFTS))
    scale = fit_scale(logits, known, unseen)
    assert scale is not None
    assert scale.slope == pytest.approx(slope, rel=0.05)
    assert torch.sigmoid(scale.logits(logits)).mean(dim=0).tolist() == pytest.approx(
        known.scores.mean(dim=0).tolist(), abs=0.01
    )
    again = fit_scale(scale.logits(logits), known, unseen)
    assert again is not None
    assert again.slope == pytest.approx(1)
    assert np.abs(again.shifts).max() < 1e-3


def test_thresholds_on_the_new_scale_decide_as_before() -> None:
    logits = draw_logits(1000)
    scale = ScoreScale(1.8, np.array([1.5, -2.0, 0.0]))
    before = torch.sigmoid(logits).numpy()
    after = torch.sigmoid(scale.logits(logits)).numpy()
    for picture in range(20):  # thresholds are scores of pictures
        old = np.append(before[picture, :2], np.inf).astype(np.float32)
        new = scale.thresholds(old)
        assert new[2] == np.inf
        assert ((after >= new) == (before >= old)).all()


def test_a_class_of_tiny_scores_keeps_the_pictures_that_it_is_predicted_in() -> None:
    scale = ScoreScale(0.5, np.array([12.0]))
    logits = torch.tensor([[-30.0], [-40.0]])  # scores of 9e-14 and 4e-18; then 0.05 and 0.0003
    threshold = scale.thresholds(torch.sigmoid(logits[0]).numpy())
    assert threshold == pytest.approx([1 / (1 + np.exp(3))], rel=1e-5)
    scores = torch.sigmoid(scale.logits(logits)).numpy()
    assert (scores >= threshold).tolist() == [[True], [False]]


def test_only_the_pictures_set_aside_tell_the_slope() -> None:
    """On what it learned by heart a network is right to be sure, elsewhere it is not."""
    logits, unseen = draw_logits(1200), torch.arange(600, 700)
    scores = torch.sigmoid(4 * logits)
    scores[unseen] = torch.sigmoid(logits[unseen])
    scale = fit_scale(logits, know(scores), unseen)
    assert scale is not None
    assert scale.slope == pytest.approx(1, rel=0.15)


def test_labels_that_have_nothing_to_do_with_the_scores_tell_nothing() -> None:
    labels = torch.rand(1200, 3, generator=torch.Generator().manual_seed(1))
    assert fit_scale(draw_logits(1200), know(labels), torch.arange(64)) is None


@pytest.mark.parametrize(
    ("asked", "pictures", "count"),
    [(64, 1697, 64), (64, 842, 52), (64, 256, 16), (64, 255, 0), (0, 5000, 0), (500, 5000, 312)],
)
def test_at_most_a_sixteenth_is_set_aside(asked: int, pictures: int, count: int) -> None:
    config, network = TrainConfig(set_aside=asked), nn.Linear(2, 3)
    known = know(torch.zeros(pictures, 3))
    chosen = choose_set_aside(config, known, network)
    assert len(set(chosen.tolist())) == count
    assert chosen.tolist() == sorted(choose_set_aside(config, known, network).tolist())
    assert not len(choose_set_aside(config, replace(known, observed_only=True), network))
    assert not len(choose_set_aside(config, known, nn.Linear(2, 3, bias=False)))


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: build_torchvision("mobilenet_v3_small", 224, 224), id="torchvision"),
        pytest.param(lambda: build_timm("tf_efficientnet_lite0", 1000, 224, 224), id="timm"),
        # the mean of two heads
        pytest.param(lambda: build_timm("deit_tiny_distilled_patch16_224", 1000, 224, 224)),
    ],
)
def test_the_last_layer_takes_up_the_scale(build: Callable[[], nn.Module]) -> None:
    built = build().eval()
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        before = built(images)
    scale = ScoreScale(1.5, np.linspace(-1, 1, 1000))
    assert can_scale(built)
    apply_scale(built, scale)
    with torch.inference_mode():
        torch.testing.assert_close(built(images), scale.logits(before), rtol=1e-4, atol=1e-4)


class WatchedPictures(StoredPictures):
    """Remembers which pictures were asked for."""

    def __init__(self, pixels: Tensor) -> None:
        super().__init__(pixels)
        self.asked: list[int] = []

    def batches(self, batches: Sequence[Tensor], *, pinned: bool = False) -> Iterator[Tensor]:
        self.asked += torch.cat(list(batches)).tolist()
        return super().batches(batches, pinned=pinned)


def test_a_last_layer_that_nothing_can_be_added_to_is_left_alone() -> None:
    # SqueezeNet answers with what a ReLU leaves of its last convolution
    assert not can_scale(build_torchvision("squeezenet1_1", 224, 224))


def test_training_never_shows_what_was_set_aside() -> None:
    config = TrainConfig(**{**SMALL, "method": "fixed", "method_settings": {}, "set_aside": 64})
    network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 3))
    method = make_method(config, know(torch.rand(260, 3)))
    pictures = WatchedPictures(torch.zeros(260, 8, 8, 3, dtype=torch.uint8))
    trainer = Trainer(
        network, method, pictures, preprocess=Preprocess(8, 8), config=config,
        device=torch.device("cpu"),
    )  # fmt: skip
    trainer.train_epoch()
    assert len(trainer.set_aside) == 16
    assert sorted(pictures.asked + trainer.set_aside.tolist()) == list(range(260))


def test_a_run_ends_with_scores_that_are_as_high_as_the_labels(tmp_path: Path) -> None:
    present = paint_folder(tmp_path / "train", 272, seed=0)
    labels = PseudoLabels(
        root=tmp_path / "train",
        paths=tuple(f"{index:02}.png" for index in range(len(present))),
        classes=ClassList(tuple(CLASSES)),
        scores=np.where(present, 0.9, 0.05).astype(np.float32),
        thresholds=np.full(3, 0.5, np.float32),
    )
    labels.write(tmp_path / "labels.parquet")
    config = TrainConfig(
        network="clip:demo", height_px=SIDE, width_px=SIDE, method="fixed", batch_size=32,
        epochs=3, learning_rate=3e-3, head_rate_multiplier=1.0, flip=False, precision="fp32",
    )  # fmt: skip
    request = TrainRequest(tmp_path / "labels.parquet", tmp_path / "run", config)
    summary = train(request, SilentConsole()).summary
    assert summary.score_slope is not None
    run = load_run(tmp_path / "run")
    pixels = [run.preprocess.apply(open_image(run.pictures.absolute(i))) for i in range(272)]
    stored = StoredPictures(torch.from_numpy(np.stack(pixels)))
    logits = predict_logits(
        run.network, stored, run.preprocess, batch_size=64, device=torch.device("cpu"),
        precision="fp32",
    )  # fmt: skip
    means = torch.sigmoid(logits).mean(dim=0).tolist()
    assert means == pytest.approx(labels.scores.mean(axis=0).tolist(), abs=0.02)
    # the reference of drift is of the scores as they are now, and not of those before
    assert run.score_reference is not None
    assert run.score_reference.mean_scores.tolist() == pytest.approx(means, abs=1e-4)
    np.testing.assert_array_equal(run.score_reference.thresholds, run.thresholds)
    named = (torch.sigmoid(logits) >= torch.from_numpy(run.thresholds)).float().mean(dim=0)
    assert named.tolist() == pytest.approx([0.5] * 3, abs=0.02)

    # Stopped after the scale was found and before the end was written, it ends alike.
    summary_file = tmp_path / "run" / "summary.json"
    before, kept = summary_file.read_text(), Checkpoint.read(tmp_path / "run")
    summary_file.unlink()
    train(request, SilentConsole())
    assert summary_file.read_text() == before
    again = Checkpoint.read(tmp_path / "run")
    assert set(again.scaled_head) == {"head.weight", "head.bias"}
    for name, values in kept.result.items():
        assert torch.equal(again.result[name], values), name
    for name, values in kept.network.items():
        assert torch.equal(again.network[name], values), name
