"""A run's weights as safetensors, which hold no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_model

from cdul_edge.hub.contents import NETWORK, WEIGHTS
from cdul_edge.training.checkpoint import FILE_NAME, Checkpoint
from cdul_edge.training.run_config import RunConfig
from cdul_edge.training.run_folder import load_run
from cdul_edge.training.summary import RunSummary, read_summary
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import sha256_file, write_json


@dataclass(frozen=True)
class RunFacts:
    """What a run knows that its bundle does not.

    Attributes:
        config: its settings, and whether people gave labels.
        summary: what it measured.
    """

    config: RunConfig
    summary: RunSummary


def read_run(run: Path, bundle: Bundle) -> RunFacts:
    """Read what a finished run found.

    Raises:
        CdulEdgeError: it is no finished run, or not the one that the bundle was exported from.
    """
    config, summary = RunConfig.read(run), read_summary(run)
    origin = bundle.manifest.provenance.get("run")
    known = origin.get("checkpoint_sha256") if isinstance(origin, Mapping) else None
    if known != sha256_file(run / FILE_NAME):
        raise CdulEdgeError(
            f"{bundle.folder} was not exported from {run} as it is now: give the run that it came "
            "from, or export again"
        )
    return RunFacts(config, summary)


def write_weights(run: Path, folder: Path) -> None:
    """Write the network of a run as model.safetensors, and how to build it as network.json."""
    trained = load_run(run)
    save_model(trained.network, str(folder / WEIGHTS))
    plan = Checkpoint.read(run).read_plan(run)
    write_json(folder / NETWORK, {"program": "cdul-edge", **plan.to_dict()})
