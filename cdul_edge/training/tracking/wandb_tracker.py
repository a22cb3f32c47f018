"""Weights & Biases: offline in the run folder for `wandb sync`, or as WANDB_MODE says."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, cast

from cdul_edge.training.tracking.tracker import PROJECT, Kept, RunFacts, Status
from cdul_edge_runtime.errors import CdulEdgeError

if TYPE_CHECKING:
    from wandb import Run

_Mode = Literal["online", "offline", "disabled", "shared"]  # wandb itself refuses others
# A server that is not there is given up before the run's end would be; wandb waits 90 s.
_INIT_TIMEOUT_S = 20.0
_EXIT_CODES = {"finished": 0, "failed": 1, "interrupted": 130}


class WandbTracker:
    """Through `wandb.init` and the run that it gives."""

    place = ""
    _run: Run

    def start(self, facts: RunFacts, kept: Kept | None) -> Kept:
        """Open a run of the project that WANDB_PROJECT names, else "cdul-edge".

        Raises:
            CdulEdgeError: WANDB_MODE is online and nobody is logged in: it would ask in a terminal.
        """
        import wandb

        environment = os.environ
        # Unless it is silent, a login prints its server's address.
        wandb.setup(settings=wandb.Settings(silent=True))
        mode = environment.get("WANDB_MODE") or "offline"
        if mode in ("online", "shared") and not wandb.login(prompt=False, verify=False):
            raise CdulEdgeError(
                f"WANDB_MODE is {mode} and nobody is logged in: run `wandb login`, or set "
                "WANDB_API_KEY"
            )
        settings = wandb.Settings(console="off", silent=True)
        if "WANDB_INIT_TIMEOUT" not in environment:
            settings.init_timeout = _INIT_TIMEOUT_S
        going_on = kept or Kept(secrets.token_hex(4))
        self._run = wandb.init(
            project=environment.get("WANDB_PROJECT") or PROJECT,
            name=environment.get("WANDB_NAME") or facts.name,
            dir=environment.get("WANDB_DIR") or str(facts.folder),
            mode=cast(_Mode, mode),
            id=going_on.id,
            resume="allow",
            config={**facts.settings, **facts.tags},
            tags=[f"labels:{facts.tags['labels_sha256'][:12]}"],
            settings=settings,
        )
        self.place = f"{self._run.dir.removesuffix('/files')} ({mode})"
        return going_on

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log metrics, the epoch as their step."""
        self._run.log(dict(metrics), step=epoch)

    def end(self, status: Status, epoch: int, summary: Mapping[str, float]) -> None:
        """Put the summary beside the run's settings, and finish it."""
        self._run.summary.update(dict(summary))
        self._run.finish(exit_code=_EXIT_CODES[status])
