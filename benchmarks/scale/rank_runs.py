"""Short runs of training methods, alone or as one of several ranks; see `ranks`.

Under torchrun: python -m benchmarks.scale.rank_runs FOLDER CASE...
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from cdul_edge.launcher import find_launch
from cdul_edge.training.agreement import agree
from cdul_edge.training.checkpoint import Checkpoint
from cdul_edge.training.config import METHODS, MethodName, SettingValue, TrainConfig
from cdul_edge.training.data.dataset import StoredPictures
from cdul_edge.training.loop import Trainer
from cdul_edge.training.methods import make_method
from cdul_edge.training.methods.base import Regions, Supervision
from cdul_edge.training.networks.heads import start_undecided
from cdul_edge.training.presets import PLAIN
from cdul_edge.training.ranks import ALONE, Ranks
from cdul_edge.training.ranks.meeting import open_ranks
from cdul_edge_runtime.pictures.preprocess import Preprocess

SIDE_PX, CLASSES, EPOCHS = 16, 6, 4
PICTURES = 97  # batches of 14 and 13: no two or three ranks get equal shares of both
BATCH = 16

RATE = 0.02


@dataclass(frozen=True)
class Case:
    """A method, its settings, and what else differs from the usual run.

    Batch norms are kept still: they make a picture's logits depend on the others of a pass.
    """

    method: MethodName
    settings: dict[str, SettingValue] = field(default_factory=dict)
    rate: float = RATE
    changes: dict[str, object] = field(default_factory=dict)
    norm: Literal["group", "batch"] = "group"


# What makes methods revise labels in four epochs, where their defaults would not, and smaller steps
# for losses that are sums.
_EAGER: dict[MethodName, Case] = {
    "cdul": Case("cdul", {"label_warmup": 1, "freeze_after": 1.0}),
    "asl": Case("asl", rate=RATE / 84),
    "partial-bce": Case("partial-bce", {"label_warmup": 1, "update_every": 1, "theta_grow": 0.1}),
    "em-apl": Case("em-apl", {"label_warmup": 1}),
    "ll-r": Case("ll-r", {"delta_percent": 10.0}),
    "ll-ct": Case("ll-ct", {"delta_percent": 10.0}),
    "ll-cp": Case("ll-cp", {"delta_percent": 10.0}),
    "plmcl": Case("plmcl", {"label_warmup": 1, "freeze_after": 1.0}),
    "g2netpl": Case("g2netpl", {"label_warmup": 1, "freeze_after": 1.0}),
    "pu-mlc": Case("pu-mlc", {"mixup_gradients": True}, rate=RATE / 100),
    "ccd": Case("ccd", {"label_warmup": 1, "sure_entropy": 1.0}),
}
# As pretrained networks learn: their heads first, and then their last layers.
_TUNED = {"weights": "default", "freeze_trunk_epochs": 1, "freeze_depth": 0.5, "freeze_norms": True}
CASES: dict[str, Case] = {
    **{name: _EAGER.get(name, Case(name)) for name in METHODS},
    "distill-mixed": Case("distill", changes={"mixup": 0.5}),
    "distill-adamw": Case("distill", rate=1e-3, changes={"optimizer": "adamw"}),
    "distill-clipped-averaged": Case(
        "distill", changes={"gradient_clip": 0.01, "ema_decay": 0.9, "set_aside": 16}
    ),
    "distill-tuned": Case("distill", changes={**_TUNED, "ema_decay": 0.9}, norm="batch"),
    "ccd-tuned": Case("ccd", _EAGER["ccd"].settings, changes=_TUNED, norm="batch"),
    # The least that three ranks share: batches of 7 and 6 pictures, and halves of 3.
    "distill-least": Case("distill", changes={"batch_size": 7}),
    "pu-mlc-least": Case("pu-mlc", rate=RATE / 100, changes={"batch_size": 7}),
}


@dataclass(frozen=True)
class Outcome:
    """What a run left: weights by name, labels (N, C), the method's state, each epoch's loss.

    `moved` is how far the weight that moved most is from where it began.
    """

    weights: dict[str, Tensor]
    targets: Tensor
    state: dict[str, Tensor | bool | int | float | str | None]
    losses: list[float]
    moved: float


class Small(nn.Module):
    """Two convolutions, each with a norm."""

    def __init__(self, norm: Literal["group", "batch"]) -> None:
        super().__init__()
        norms = [nn.BatchNorm2d(n) if norm == "batch" else nn.GroupNorm(2, n) for n in (8, 16)]
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), norms[0], nn.ReLU(),
            nn.Conv2d(8, 16, 3, 2, 1), norms[1], nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(16, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, C)."""
        answer: Tensor = self.head(self.trunk(images))
        return answer


class Ended:
    """The end of an epoch; CLIP, asked to look, contradicts the network."""

    def __init__(self, trainer: Trainer) -> None:
        self._logits = trainer.predict(trainer.pictures)

    def logits(self) -> Tensor:
        """As `EpochEnd` has it."""
        return self._logits

    def look(self, regions: Regions) -> Tensor:
        """As `EpochEnd` has it."""
        looked_at = regions.wanted.any(dim=1, keepdim=True)
        return torch.softmax(-self._logits, dim=1) * looked_at


def start(case: Case, ranks: Ranks) -> Trainer:
    """A trainer of random pictures and labels, augmented; the same on every rank."""
    settings: dict[str, object] = {
        **PLAIN, "network": "small", "weights": "none", "height_px": SIDE_PX, "width_px": SIDE_PX,
        "epochs": EPOCHS, "batch_size": BATCH, "precision": "fp32", "learning_rate": case.rate,
        "optimizer": "sgd", "flip": True, "shift": 0.1, "color": 0.3, "zoom_in": 0.2,
        "method": case.method, "method_settings": case.settings, **case.changes,
    }  # fmt: skip
    config = TrainConfig(**settings)  # type: ignore[arg-type]
    draws = torch.Generator().manual_seed(1)
    shape = (PICTURES, SIDE_PX, SIDE_PX, 3)
    pixels = torch.randint(0, 256, shape, generator=draws, dtype=torch.uint8)
    scores = torch.rand(PICTURES, CLASSES, generator=draws)
    seen = torch.randint(-1, 2, scores.shape, generator=draws, dtype=torch.int8)
    seen[torch.rand(scores.shape, generator=draws) < 0.9] = 0
    known = Supervision(scores, seen, 0.1 * scores, hard=False, epochs=config.epochs)
    method = make_method(config, known)
    torch.manual_seed(0)
    network = Small(case.norm)
    if method.undecided:
        start_undecided(network)
    return Trainer(
        network, method, StoredPictures(pixels),
        preprocess=Preprocess(SIDE_PX, SIDE_PX, "squash"), config=config,
        device=torch.device("cpu"), ranks=ranks,
    )  # fmt: skip


def go_on(trainer: Trainer, epochs: int) -> list[float]:
    """Train so many epochs, each with the method's turn; the loss of each."""
    losses = []
    for _ in range(epochs):
        losses.append(trainer.train_epoch().loss)
        trainer.method.after_epoch(trainer.epoch, Ended(trainer))
        agree(trainer.method, trainer.ranks)
    return losses


def run(case: Case, ranks: Ranks, folder: Path) -> Outcome:
    """A whole run; its checkpoint of half-way lies in `folder`."""
    trainer = start(case, ranks)
    before = {key: values.clone() for key, values in trainer.network.state_dict().items()}
    losses = go_on(trainer, EPOCHS // 2)
    if ranks.first:
        folder.mkdir()
        saved = trainer.checkpoint(classes=[], plan={}, settings={}, labels_sha256="")
        saved.write(folder)
    losses += go_on(trainer, EPOCHS - EPOCHS // 2)
    return finish(trainer, losses, before)


def resume(case: Case, folder: Path) -> Outcome:
    """The second half of a run, alone, from what `run` left half-way in `folder`."""
    trainer = start(case, ALONE)
    trainer.load_state(Checkpoint.read(folder))
    before = {key: values.clone() for key, values in trainer.network.state_dict().items()}
    return finish(trainer, go_on(trainer, EPOCHS - EPOCHS // 2), before)


def finish(trainer: Trainer, losses: list[float], before: dict[str, Tensor]) -> Outcome:
    """What a run left that began with the weights `before`."""
    weights, method = trainer.result.state_dict(), trainer.method
    state = dict(method.state_dict())
    return Outcome(weights, method.targets, state, losses, furthest(weights, before))


def furthest(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest difference between two networks' weights of the same name."""
    return max(float((values - other[key]).abs().max()) for key, values in one.items())


def run_all(names: list[str], ranks: Ranks, folder: Path) -> None:
    """Run each of the cases; `load` reads what this rank had in the end."""
    torch.set_num_threads(1)
    for name in names:
        outcome = run(CASES[name], ranks, folder / f"{name}-{ranks.count}")
        torch.save(asdict(outcome), folder / f"{name}-{ranks.count}-{ranks.number}.pt")


def load(folder: Path, name: str, count: int = 1, number: int = 0) -> Outcome:
    """What rank `number` of `count` had in the end."""
    file = folder / f"{name}-{count}-{number}.pt"
    return Outcome(**torch.load(file, weights_only=True))


def main() -> None:
    folder, *names = sys.argv[1:]
    with open_ranks(find_launch(), torch.device("cpu")) as ranks:
        run_all(names, ranks, Path(folder))


if __name__ == "__main__":
    main()
