"""What holds for every training method, whatever it does with the labels."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from cdul_edge.clip.float32 import is_whole
from cdul_edge.training.attention.second_look import EndedEpoch
from cdul_edge.training.checkpoint import Checkpoint
from cdul_edge.training.config import METHODS, MethodName, TrainConfig
from cdul_edge.training.data.dataset import StoredPictures
from cdul_edge.training.loop import Trainer
from cdul_edge.training.methods import AnyMethod, find_method, make_method
from cdul_edge.training.networks.network import create_network
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.metrics.metrics import mean_average_precision
from tests.fakes.method_inputs import Ended, know, take
from tests.training.conftest import CLASSES, paint

Small = Callable[..., TrainConfig]

# Steps a method takes to learn the squares (epochs of three batches), and its lowest mean AP on
# squares that it has not seen. 50 is chance. Each floor lies five points or more below the least of
# four seeds and two kinds of arithmetic. The entropy of `em` and its kin, and PU-MLC's mixed
# pictures, ask for more steps; `ll-cp` spoils one label per batch at least, of 42 here.
USUAL = (4, 94.0)
LEARNS: dict[MethodName, tuple[int, float]] = {
    "asl": (4, 90.0),
    "partial-bce": (4, 90.0),
    "em": (8, 75.0),
    "em-apl": (8, 75.0),
    "ll-cp": (5, 85.0),
    "vlpl": (12, 75.0),
    "pu-mlc": (10, 75.0),
}

# What makes a method revise labels in a run of a few epochs, where its defaults would not.
EAGER: dict[MethodName, dict[str, Any]] = {
    "cdul": {"label_warmup": 1, "freeze_after": 1.0},
    "partial-bce": {"label_warmup": 1, "update_every": 1, "theta_grow": 0.1},
    "em-apl": {"label_warmup": 1},
    "ll-r": {"delta_percent": 10.0},
    "ll-ct": {"delta_percent": 10.0},
    "ll-cp": {"delta_percent": 10.0},
    "plmcl": {"label_warmup": 1, "freeze_after": 1.0},
    "g2netpl": {"label_warmup": 1, "freeze_after": 1.0},
    "ccd": {"label_warmup": 1, "sure_entropy": 1.0},
}
REVISES = {"cdul", "partial-bce", "role", "em-apl", "ll-cp", "plmcl", "g2netpl", "ccd"}

every_method = pytest.mark.parametrize("name", METHODS)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make(
    name: MethodName,
    scores: Tensor,
    observed: Tensor | None = None,
    epochs: int = 5,
    **settings: Any,
) -> AnyMethod:
    """A method on these scores, with cosines that rank as they do."""
    config = TrainConfig(method=name, epochs=epochs, method_settings=settings)
    return make_method(config, know(scores, observed, cosines=0.1 * scores, epochs=epochs))


def run_epochs(method: AnyMethod, logits: list[Tensor]) -> list[Tensor]:
    """An epoch of one step for each of the (N, C) logits; the gradient of each loss."""
    gradients = []
    for epoch, seen in enumerate(logits, start=1):
        z = seen.clone().requires_grad_()
        loss = method.loss(take(z, epoch=epoch))
        assert loss.shape == ()
        gradients.append(torch.autograd.grad(loss, z)[0])
        method.after_epoch(epoch, Ended(seen))
    return gradients


def as_bytes(method: AnyMethod) -> dict[str, Any]:
    """Labels and state, to compare to the bit."""
    values = {**method.state_dict(), "targets": method.targets}
    return {k: v.numpy().tobytes() if isinstance(v, Tensor) else v for k, v in values.items()}


@cache
def paint_squares(
    count: int, combinations: tuple[int, ...], seed: int
) -> tuple[StoredPictures, npt.NDArray[np.bool_]]:
    """Pictures of the combinations in turn, each a sum of 1 red, 2 green, 4 blue; (count, 3)."""
    rng = np.random.default_rng(seed)
    present = (np.resize(combinations, count)[:, None] >> np.arange(3)) % 2 == 1
    pixels = np.stack([np.asarray(paint(row, rng)) for row in present])
    return StoredPictures(torch.from_numpy(pixels)), present


def start_training(
    small: Small, method: MethodName, count: int, *, device: str = "cpu",
    learner: nn.Module | None = None, **changes: Any,
) -> Trainer:  # fmt: skip
    """A trainer on `count` squares whose labels, above 0.8 and below 0.2, are right.

    `learner` is trained in place of the network that the settings name.
    """
    settings = {**changes.pop("method_settings", {})}
    if method == "ccd":
        settings["relabel"] = False  # there is no CLIP here to look again with
    still = {"shift": 0.0, "color": 0.0, **changes}
    config = small(method=method, method_settings=settings, **still)
    pictures, present = paint_squares(count, (1, 2, 3, 4, 5, 6, 7), 0)
    some = torch.rand(present.shape, generator=torch.Generator().manual_seed(0))
    scores = torch.where(torch.from_numpy(present), 0.8, 0.1) + 0.1 * some
    network, plan = create_network(config, len(CLASSES))
    supervision = know(scores, cosines=0.2 * scores.round(), epochs=config.epochs)
    return Trainer(
        learner or network, make_method(config, supervision), pictures,
        preprocess=plan.preprocess, config=config, device=torch.device(device),
    )  # fmt: skip


def train(trainer: Trainer, epochs: int) -> None:
    for _ in range(epochs):
        trainer.train_epoch()
        trainer.method.after_epoch(trainer.epoch, EndedEpoch(trainer, None, SilentConsole()))


@every_method
def test_squares_are_told_apart_that_were_never_seen(small: Small, name: MethodName) -> None:
    epochs, floor = LEARNS.get(name, USUAL)
    torch.manual_seed(0)
    trainer = start_training(
        small, name, 42, epochs=epochs, batch_size=14, weights="default",
        learning_rate=3e-3, head_rate_multiplier=1.0, flip=False,
    )  # fmt: skip
    train(trainer, epochs)
    unseen, present = paint_squares(16, tuple(range(8)), 1)
    scores = torch.sigmoid(trainer.predict(unseen)).numpy()
    found = mean_average_precision(scores, present.astype(np.int8))
    assert found >= floor


@every_method
def test_a_run_cut_after_an_epoch_goes_on_to_the_same_bits(
    small: Small, tmp_path: Path, name: MethodName
) -> None:
    options: dict[str, Any] = {"epochs": 3, "method_settings": EAGER.get(name, {})}
    torch.manual_seed(0)
    whole = start_training(small, name, 12, **options)
    first = as_bytes(whole.method)
    train(whole, 2)
    saved = whole.checkpoint(classes=list(CLASSES), plan={}, settings={}, labels_sha256="")
    saved.write(tmp_path)
    at_the_cut = as_bytes(whole.method)
    train(whole, 1)

    torch.manual_seed(1)
    resumed = start_training(small, name, 12, **options)
    resumed.load_state(Checkpoint.read(tmp_path))
    assert as_bytes(resumed.method) == at_the_cut
    train(resumed, 1)
    assert as_bytes(resumed.method) == as_bytes(whole.method)
    expected = whole.network.state_dict()
    for key, values in resumed.network.state_dict().items():
        assert torch.equal(values, expected[key]), key
    if name in REVISES - {"ccd"}:
        assert at_the_cut != first


FINE_TUNING: dict[str, Any] = {
    "weights": "default", "epochs": 4, "batch_size": 64, "flip": True, "shift": 0.1, "color": 0.2,
    "zoom_in": 0.3, "zoom_out": 0.2, "mixup": 0.5, "ema_decay": 0.9, "ema_warmup": True,
    "freeze_trunk_epochs": 2, "freeze_norms": True, "freeze_depth": 0.5, "set_aside": 16,
    "gradient_clip": 1.0,
}  # fmt: skip


def test_a_run_with_everything_that_fine_tuning_can_do_goes_on_to_the_same_bits(
    small: Small, tmp_path: Path
) -> None:
    options: dict[str, Any] = {**FINE_TUNING, "optimizer": "sgd"}
    whole = start_training(small, "cdul", 256, **options)
    train(whole, 1)
    for epoch in (1, 2, 3):  # the trunk is frozen, thawed with this epoch, thawed
        cut = whole.checkpoint(classes=list(CLASSES), plan={}, settings={}, labels_sha256="")
        cut.write(tmp_path)
        train(whole, 1)
        torch.manual_seed(epoch)
        resumed = start_training(small, "cdul", 256, **options)
        resumed.load_state(Checkpoint.read(tmp_path))
        train(resumed, 1)
        assert as_bytes(resumed.method) == as_bytes(whole.method)
        for kind in ("network", "result"):
            expected = getattr(whole, kind).state_dict()
            for key, values in getattr(resumed, kind).state_dict().items():
                assert torch.equal(values, expected[key]), (epoch, key)
    assert len(whole.set_aside) == 16


def test_what_decides_thresholds_is_computed_without_tf32(small: Small) -> None:
    trainer = start_training(small, "fixed", 8, precision="bf16")
    seen: list[tuple[bool, torch.dtype]] = []

    def note(module: object, given: object, answer: Tensor) -> None:
        seen.append((is_whole(), answer.dtype))

    trainer.network.register_forward_hook(note)
    before = is_whole()
    for exact in (True, False):
        trainer.predict(trainer.pictures, exact=exact)
    assert set(seen) == {(True, torch.float32), (before, torch.bfloat16)}
    assert is_whole() == before


@every_method
def test_a_state_is_read_without_running_code_from_it_and_leads_to_the_same_labels(
    name: MethodName,
) -> None:
    scores, logits = torch.sigmoid(draw(9, 4)), [draw(9, 4, seed=s) for s in (1, 2, 3)]
    one = make(name, scores, **EAGER.get(name, {}))
    first = one.targets.clone()
    run_epochs(one, logits)
    if name in REVISES:
        assert not torch.equal(one.targets, first)
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    other = make(name, scores, **EAGER.get(name, {}))
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other.targets, one.targets)
    z = draw(9, 4, seed=5)
    assert float(other.loss(take(z, epoch=4))) == float(one.loss(take(z, epoch=4)))


@every_method
def test_permuting_the_classes_permutes_labels_and_gradients(name: MethodName) -> None:
    scores, logits = torch.sigmoid(draw(8, 5)), [draw(8, 5, seed=s) for s in (1, 2, 3)]
    order = torch.tensor([3, 0, 4, 2, 1])
    plain = make(name, scores, **EAGER.get(name, {}))
    permuted = make(name, scores[:, order], **EAGER.get(name, {}))
    expected = run_epochs(plain, logits)
    found = run_epochs(permuted, [z[:, order] for z in logits])
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one[:, order], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(permuted.targets, plain.targets[:, order])


@every_method
def test_what_was_observed_stays_however_the_network_disagrees(name: MethodName) -> None:
    scores = torch.sigmoid(draw(12, 4))
    observed = torch.randint(-1, 2, (12, 4), generator=torch.Generator().manual_seed(0))
    method = make(name, scores, observed, **EAGER.get(name, {}))
    fixed, first = observed != 0, method.targets.clone()
    against = -5.0 * observed + draw(12, 4, seed=1)
    run_epochs(method, [against] * 4)
    assert torch.equal(method.targets[fixed], (observed[fixed] > 0).float())
    assert method.targets.min() >= 0
    assert method.targets.max() <= 1
    if name in REVISES:
        assert not torch.equal(method.targets, first)


@every_method
@pytest.mark.parametrize(
    "scores",
    [
        pytest.param(torch.tensor([[0.9], [0.2], [0.6], [0.1]]), id="one class"),
        pytest.param(torch.zeros(4, 3), id="all zero"),
        pytest.param(torch.ones(4, 3), id="all one"),
    ],
)
def test_labels_at_the_edge_give_finite_losses_and_gradients(
    name: MethodName, scores: Tensor
) -> None:
    settings = {**EAGER.get(name, {})}
    if name == "ccd":  # which refuses labels that are sure of nothing, unless it needs no bias
        settings["debias"] = False
    method = make(name, scores, **settings)
    flat, sure = torch.zeros_like(scores), 50.0 * (1 - 2 * scores.round())
    for gradient in run_epochs(method, [draw(*scores.shape), flat, sure, -sure]):
        assert gradient.isfinite().all()
    assert method.targets.isfinite().all()
    assert float(method.loss(take(draw(*scores.shape), epoch=5)).isfinite())


@every_method
def test_defaults_are_valid_and_every_setting_is_explained(name: MethodName) -> None:
    settings = find_method(name).Settings
    settings()
    explained = set()
    for one in settings.__mro__:
        for words in re.findall(r"^ {4,8}(\w+(?:, \w+)*): ", one.__doc__ or "", re.MULTILINE):
            explained |= set(words.split(", "))
    assert {one.name for one in fields(settings)} <= explained


@every_method
def test_a_method_says_in_its_docs_what_it_is(name: MethodName) -> None:
    assert find_method(name).__doc__
    page = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
    assert f"`{name}`" in page
