"""The training loop: epochs of steps, then the method's turn. It knows no method by name."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cdul_edge.clip.float32 import whole_float32
from cdul_edge.training.checkpoint import Checkpoint
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.data.augmentation import RowDraws, move_pixels, recolor, zoom
from cdul_edge.training.data.dataset import Pictures
from cdul_edge.training.data.read_ahead import read_batches
from cdul_edge.training.divergence import check_weights, sum_losses
from cdul_edge.training.evaluation import predict_logits
from cdul_edge.training.methods import AnyMethod
from cdul_edge.training.methods.base import Step, binary_entropy
from cdul_edge.training.methods.mixing import draw_mixing
from cdul_edge.training.optimization import (
    autocast,
    begin_epoch,
    load_optimizer,
    make_average,
    make_optimizer,
    make_schedule,
    rate_factor,
    update_average,
)
from cdul_edge.training.probabilities import (
    ScoreScale,
    choose_set_aside,
    fit_scale,
    scale_head,
)
from cdul_edge.training.ranks import ALONE, Ranks
from cdul_edge.training.summary import EpochLine
from cdul_edge.training.whole_batch import SharedNetwork, answer_whole, join_shares
from cdul_edge_runtime.host.console import Advance
from cdul_edge_runtime.pictures.preprocess import Preprocess

# A look at the loss waits for the GPU; on the CPU it is free.
_STEPS_BETWEEN_LOOKS = {"cpu": 1}


class Trainer:
    """A network, a method and pictures, and everything that changes while they train.

    Under torchrun each of several ranks has one, of the same network, method, and pictures; all
    of them call its methods alike.
    """

    def __init__(
        self,
        network: nn.Module,
        method: AnyMethod,
        pictures: Pictures,
        *,
        preprocess: Preprocess,
        config: TrainConfig,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self.ranks = ranks
        self.network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.method, self.pictures = method, pictures
        self.preprocess, self.config, self.device = preprocess, config, device
        self.set_aside = choose_set_aside(config, method.supervision, network)
        everything = torch.arange(len(pictures))
        self.shown = everything[~torch.isin(everything, self.set_aside)]
        self.shared = SharedNetwork(self.network, ranks)
        self.shared.check_batches(len(self.shown) // self.steps_per_epoch)
        self.optimizer = make_optimizer(self.network, config)
        self.schedule = make_schedule(self.optimizer, config, self._all_steps)
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        self.ema = make_average(self.network, config)
        # Order of the pictures and augmentation; torch's own generator is left to the network.
        self.draws = torch.Generator().manual_seed(config.seed)
        self.epoch = 0
        self.step = 0

    @property
    def steps_per_epoch(self) -> int:
        """Batches of `batch_size` or one less; never of one picture, which batch norm refuses."""
        count = len(self.shown)
        steps = math.ceil(count / self.config.batch_size)
        return steps if count // steps >= 2 else max(1, count // 2)

    @property
    def result(self) -> nn.Module:
        """The network that counts: the running mean of the weights where there is one."""
        return self.ema.module if self.ema is not None else self.network

    def train_epoch(self, tick: Advance = lambda count: None) -> EpochLine:
        """Show every picture once, but those set aside; `tick` is called with each batch's size.

        Raises:
            CdulEdgeError: the loss or a weight is not finite any more.
        """
        started, config = perf_counter(), self.config
        begin_epoch(self.network, self.optimizer, config, epoch=self.epoch + 1)
        self._begin_shared_epoch()
        order = self.shown[torch.randperm(len(self.shown), generator=self.draws)]
        batches = order.tensor_split(self.steps_per_epoch)
        sums = torch.zeros(2, dtype=torch.float64)
        unseen: list[Tensor] = []
        wanted = [batch[self._part(len(batch))] for batch in batches]
        shown = read_batches(self.pictures, wanted, self.device)
        for number, images in enumerate(shown, start=1):
            indices = batches[number - 1]
            unseen.append(self._take_step(images, indices) * len(indices))
            if number % _STEPS_BETWEEN_LOOKS.get(self.device.type, 50) == 0:
                sums += self._look(unseen, number)
            tick(len(indices))
        sums += self._look(unseen, number)
        self.shared.end_epoch(None if self.ema is None else self.ema.module)
        check_weights(self.network, config, done=self.epoch)
        seconds = perf_counter() - started
        loss, bce = (sums / len(order)).tolist()
        self.epoch += 1
        return EpochLine(
            epoch=self.epoch,
            loss=loss,
            bce=bce,
            kl=bce - float(binary_entropy(self.method.targets[order]).mean(dtype=torch.float64)),
            rate=config.learning_rate * rate_factor(self.step - 1, self._all_steps, config),
            seconds=seconds,
            images_per_second=len(order) / seconds,
        )

    def predict(self, pictures: Pictures, *, exact: bool = False) -> Tensor:
        """(N, C) float32 logits of the resulting network; `exact` computes in float32."""
        with whole_float32() if exact else nullcontext():
            return predict_logits(
                self.result,
                pictures,
                self.preprocess,
                batch_size=self.config.batch_size,
                device=self.device,
                precision="fp32" if exact else self.config.precision,
                ranks=self.ranks,
            )

    def find_scale(self, logits: Tensor) -> ScoreScale | None:
        """What makes the result's scores probabilities, as the pictures set aside tell.

        Args:
            logits: (N, C) that the result gives of the training pictures.

        Returns:
            None where nothing was set aside, or it tells nothing.
        """
        if not len(self.set_aside):
            return None
        return fit_scale(logits, self.method.supervision, self.set_aside)

    def checkpoint(
        self,
        *,
        classes: list[str],
        plan: Mapping[str, object],
        settings: Mapping[str, object],
        labels_sha256: str,
        scale: ScoreScale | None = None,
    ) -> Checkpoint:
        """The state after the last epoch, with what the run is told of itself.

        Args:
            scale: of a finished run, which `self.result` has not taken up yet.
        """
        rng = {"torch": torch.get_rng_state(), "draws": self.draws.get_state()}
        if self.device.type == "cuda":
            rng["cuda"] = torch.cuda.get_rng_state(self.device)
        return Checkpoint(
            epoch=self.epoch,
            step=self.step,
            network=self.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            method=self.method.state_dict(),
            ema=self.ema.module.state_dict() if self.ema is not None else None,
            scaler=self.scaler.state_dict(),
            rng=rng,
            classes=classes,
            plan=plan,
            settings=settings,
            labels_sha256=labels_sha256,
            scaled_head={} if scale is None else scale_head(self.result, scale),
        )

    def load_state(self, saved: Checkpoint) -> None:
        """Resume from what `checkpoint` gave."""
        self.epoch, self.step = saved.epoch, saved.step
        self.network.load_state_dict(saved.network)
        load_optimizer(self.optimizer, saved.optimizer)
        self.schedule = make_schedule(self.optimizer, self.config, self._all_steps, done=saved.step)
        self.method.load_state_dict(saved.method)
        if self.ema is not None and saved.ema is not None:
            self.ema.module.load_state_dict(saved.ema)
            self.ema.n_averaged.fill_(self.step)
        self.scaler.load_state_dict(saved.scaler)
        torch.set_rng_state(saved.rng["torch"])
        self.draws.set_state(saved.rng["draws"])
        if self.device.type == "cuda" and "cuda" in saved.rng:
            torch.cuda.set_rng_state(saved.rng["cuda"], self.device)

    @property
    def _all_steps(self) -> int:
        return self.steps_per_epoch * self.config.epochs

    @property
    def _needs_whole_batches(self) -> bool:
        """Whether every rank prepares the pictures of all: they are mixed, or a loss reads them."""
        return self.config.mixup > 0 or self.method.reads_pictures

    def _part(self, rows: int) -> slice:
        """Which of a batch's rows this rank prepares."""
        return slice(None) if self._needs_whole_batches else self.ranks.bounds(rows)

    def _begin_shared_epoch(self) -> None:
        self.shared.begin_epoch((3, self.preprocess.height_px, self.preprocess.width_px))
        if self.ranks.count > 1:
            # What the network draws by itself, such as dropout, differs from rank to rank, and is
            # the same again where a rank was lost in the middle of the epoch.
            torch.manual_seed(self.ranks.seed(self.config.seed, self.epoch))

    def _take_step(self, images: Tensor, indices: Tensor) -> Tensor:
        """One optimizer step; returns (loss, binary cross-entropy), (2,) on the device.

        Args:
            images: of the rows of `_part`.
            indices: (B,) of the whole batch.
        """
        config, rows = self.config, len(indices)
        draws = RowDraws(self.draws, rows, self._part(rows))
        prepared = self._augment(images, draws)
        mixing = draw_mixing(rows, config.mixup, self.draws)
        if mixing is not None:
            prepared = mixing.blend(prepared)
        own = self.ranks.share(prepared) if self._needs_whole_batches else prepared
        step = Step(
            logits=join_shares(self._forward(own), rows, self.ranks),
            indices=indices,
            epoch=self.epoch + 1,
            images=prepared,
            network=lambda shown: answer_whole(self._forward, shown, self.ranks),
            another_view=lambda: self._augment(images, draws),
            draws=self.draws,
        )
        loss = self.method.loss(step) if mixing is None else mixing.loss(self.method, step)
        self.optimizer.zero_grad(set_to_none=True)
        # Ranks average their gradients, and these are parts of a sum.
        self.scaler.scale(loss * self.ranks.count).backward()  # type: ignore[no-untyped-call]
        if config.gradient_clip > 0:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), config.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._advance_schedule()
        if self.ema is not None:
            update_average(self.ema, self.network, config)
        self.step += 1
        targets = step.rows(self.method.targets)
        if mixing is not None:
            targets = mixing.blend(targets)
        bce = F.binary_cross_entropy_with_logits(step.logits.detach(), targets)
        return torch.stack([loss.detach(), bce])

    def _advance_schedule(self) -> None:
        if not self.scaler.is_enabled():
            self.schedule.step()
            return
        with warnings.catch_warnings():
            # fp16 skips steps whose gradients overflow, which torch takes for a mistake of ours.
            warnings.simplefilter("ignore", UserWarning)
            self.schedule.step()

    def _augment(self, images: Tensor, draws: RowDraws) -> Tensor:
        """(B, H, W, 3) uint8 to what the network is shown, (B, 3, H, W)."""
        moved = move_pixels(images, self.config, draws)
        colored = recolor(moved, self.preprocess, self.config, draws)
        return zoom(colored, self.config, draws)

    def _forward(self, prepared: Tensor) -> Tensor:
        with autocast(self.device, self.config.precision):
            answer: Tensor = self.shared(prepared)
        return answer.float()  # losses are float32 whatever the forward pass was

    def _look(self, unseen: list[Tensor], number: int) -> Tensor:
        """Sum the losses since the last look; the first that is not finite ends the run."""
        first, steps = number - len(unseen) + 1, self.steps_per_epoch
        total = sum_losses(unseen, self.config, done=self.epoch, first=first, steps=steps)
        unseen.clear()
        return total
