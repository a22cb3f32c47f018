"""What a request for a training run means with its labels, on this machine."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from cdul_edge.labels.label_stream import iterate_labels
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.subset import choose_pictures
from cdul_edge.training import run_folder
from cdul_edge.training.config import Precision, TrainConfig
from cdul_edge.training.data.corrected_labels import correct_labels
from cdul_edge.training.data.observed import ObservedLabels, open_observed
from cdul_edge.training.methods import resolve_settings
from cdul_edge.training.moved_defaults import as_begun, precision_of
from cdul_edge.training.networks.network import settle_size
from cdul_edge.training.optimization import resolve_precision
from cdul_edge.training.probabilities import settle_set_aside
from cdul_edge.training.ranks import Ranks
from cdul_edge.training.request import TrainRequest
from cdul_edge.version import __version__
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console


@dataclass(frozen=True)
class Task:
    """A request, and what its labels and this machine make of it."""

    request: TrainRequest
    about: run_folder.RunConfig
    labels: PseudoLabels  # of the chosen pictures
    observed: ObservedLabels | None
    device: torch.device
    console: Console
    ranks: Ranks

    @property
    def config(self) -> TrainConfig:
        """The settings of the run; only a precision of "auto" may be left, for a trial."""
        return self.about.settings

    def with_precision(self, precision: Precision) -> Task:
        """The same with the precision that was left open."""
        settings = replace(self.config, precision=precision)
        return replace(self, about=replace(self.about, settings=settings))

    def as_begun(self) -> Task:
        """The same, with the precision of a run that was begun in its folder meanwhile."""
        wanted = self.config.precision
        precision = self.ranks.tell(_settle_precision(self.request, wanted, self.device))
        return self.with_precision(precision)

    def inspect(self) -> run_folder.RunState:
        """What the run's folder is for it; see `inspect_folder`."""
        request = self.request
        read = (
            self.labels.local_root, request.data.images, *request.observed.files,
            request.evaluation.val, request.evaluation.truth, request.evaluation.train_truth,
            Path(request.config.weights),
        )  # fmt: skip
        labels = request.labels if isinstance(request.labels, Path) else None
        inputs = [path for path in (labels, *read) if path is not None and path.exists()]
        return run_folder.inspect_folder(
            request.out, self.about, force=request.force, inputs=inputs
        )


def open_task(request: TrainRequest, console: Console, device: torch.device, ranks: Ranks) -> Task:
    """Read the labels, and settle what the settings leave to them and to the machine.

    Raises:
        CdulEdgeError: labels or settings that do not fit, or that differ from rank to rank.
    """
    begun = request.out / run_folder.CONFIG
    wanted = request.config if request.force else as_begun(request.config, begun)
    config = replace(
        settle_size(wanted),
        precision=_settle_precision(request, wanted.precision, device),
        method_settings=asdict(resolve_settings(wanted)),
    )
    every = PseudoLabels.read(request.labels)
    chosen = choose_pictures(every, images=request.data.images, only=request.only)
    labels, count = chosen.labels, len(chosen.rows)
    if count < 2:
        raise CdulEdgeError(f"{request.labels} labels {count} picture(s), expected 2 or more")
    config = replace(config, set_aside=settle_set_aside(config.set_aside, count))
    observed = open_observed(request.observed, every, seed=config.seed)
    if observed is None and config.correct_labels:
        console.warn("--correct-labels corrects nothing without --observed: the pseudo-labels stay")
    if observed is not None:
        observed = observed.take(chosen.rows)
        console.say(f"observed labels: {observed.source}")
        if config.correct_labels:
            labels = correct_labels(labels, observed, console)
    digest = None if observed is None else hashlib.sha256(observed.values.tobytes()).hexdigest()
    about = run_folder.RunConfig(
        settings=config,
        labels=str(request.labels),
        labels_sha256=iterate_labels(request.labels).sha256(),
        observed_sha256=digest,
        observed_from=None if observed is None else observed.source,
        labels_from=request.observed.labels_from,
        pictures=count,
        classes=labels.classes,
        pictures_sha256=None if request.only is None else chosen.digest,
    )
    return Task(request, _agree(about, device, ranks), labels, observed, device, console, ranks)


def _agree(about: run_folder.RunConfig, device: torch.device, ranks: Ranks) -> run_folder.RunConfig:
    """What the first rank makes of the settings; what they are of must be the same everywhere."""
    own = {
        "labels": about.labels_sha256,
        "pictures": about.pictures_sha256 or str(about.pictures),
        "observed labels": about.observed_sha256 or "none",
        "version of cdul-edge": __version__,
        "version of PyTorch": torch.__version__,
        "device": device.type,
    }
    every = ranks.compare(own)
    for number, other in enumerate(every):
        differing = [name for name, value in other.items() if value != every[0][name]]
        if differing:
            name = differing[0]
            raise CdulEdgeError(
                f"process {number} of {ranks.count} and process 0 differ in {name} "
                f"({other[name][:12]} and {every[0][name][:12]}): give all of them the same files "
                "and versions"
            )
    return ranks.tell(about)


def _settle_precision(request: TrainRequest, wanted: Precision, device: torch.device) -> Precision:
    """What "auto" is; on a CPU it stays where both formats are worth a trial."""
    hardware = resolve_precision(wanted, device)
    if wanted != "auto" or device.type != "cpu":
        return hardware
    begun = None if request.force else precision_of(request.out / run_folder.CONFIG)
    if begun is not None:
        return begun
    return "auto" if hardware == "bf16" and request.try_precision else hardware
