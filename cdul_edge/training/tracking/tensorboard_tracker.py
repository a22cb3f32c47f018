"""TensorBoard: event files in the run folder, for `tensorboard --logdir RUN`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cdul_edge.training.tracking.places import TENSORBOARD
from cdul_edge.training.tracking.tracker import Kept, RunFacts, Status

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoardTracker:
    """Through `torch.utils.tensorboard`."""

    place = ""
    _writer: SummaryWriter
    _facts: RunFacts

    def start(self, facts: RunFacts, kept: Kept | None) -> Kept:
        """Open an event file; a resumed run hides what came after the epoch that it resumes at."""
        from torch.utils.tensorboard import SummaryWriter

        folder = facts.folder / TENSORBOARD
        purge = None if kept is None else kept.epoch + 1
        self._writer = SummaryWriter(folder, purge_step=purge)
        self._facts, self.place = facts, f"{folder}"
        if kept is None:
            for title, values in (("settings", facts.settings), ("tags", facts.tags)):
                text = json.dumps(dict(values), indent=2, ensure_ascii=False)
                self._writer.add_text(title, f"```\n{text}\n```", 0)
        return kept or Kept(facts.name)

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Add scalars, and have them on disk: a run that is killed loses none."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def end(self, status: Status, epoch: int, summary: Mapping[str, float]) -> None:
        """Add the summary beside the hyperparameters."""
        if summary:
            settings = {
                name: "none" if value is None else value
                for name, value in self._facts.settings.items()
            }
            self._writer.add_hparams(
                {**settings, **self._facts.tags}, dict(summary), run_name=".", global_step=epoch
            )
        self._writer.close()
