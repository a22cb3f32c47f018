"""What `cdul-edge label` can be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cdul_edge.clip.files import local_weights_sha256
from cdul_edge.labelling.encode.prompts import DEFAULT_TEMPLATE
from cdul_edge.labelling.encode.views import Views
from cdul_edge.labelling.score.aggregation import (
    MAX_TEMPERATURE,
    Aggregation,
    Fusion,
    Strategy,
)
from cdul_edge.labelling.score.debias import Debias
from cdul_edge_runtime.bundle.thresholds import DEFAULT_RULE, UNLABELLED_RULES, read_shares
from cdul_edge_runtime.errors import CdulEdgeError

_NOT_CACHED = (
    "--temperature cached is for imported softmax values: these similarities are cosines; give "
    "model or a number"
)


SPREAD = "spread"
# What a store holds of each picture beside the whole: its snippets, or its patch tokens.
Kind = Literal["snippets", "patches"]
# How patch tokens are made (dense_tokens.py), for a store that was made otherwise to be refused.
TOKENS = "q-q + k-k attention, no residual, no MLP"


@dataclass(frozen=True)
class Scoring:
    """How similarities become scores, and scores decisions.

    `temperature` is "model", "cached", "spread" (that of the set's cosines), or a number.
    `thresholds` is a rule that needs no labels, or a JSON file {class: share of the pictures}.

    The strategy "evidence" takes zeta, fusion, balance and temperature for the scores that it needs
    of each picture on its own; those are the strategy cdul's.
    """

    strategy: Strategy = "evidence"
    zeta: float = 0.2
    fusion: Fusion = "half"
    balance: float = 0.0
    temperature: str = "model"
    debias: Debias = "none"
    thresholds: str = DEFAULT_RULE

    def __post_init__(self) -> None:
        # refuse wrong values now, not after hours of CLIP
        self.resolve(0.01, 0.01)
        if self.strategy == "patches" and self.balance:
            raise CdulEdgeError(
                "--lambda is about snippets, and --strategy patches has none: drop it"
            )
        if self.debias != "none" and self.strategy in ("evidence", "patches"):
            raise CdulEdgeError(
                f"--strategy {self.strategy} has its own statistics of the set: drop --debias, or "
                "give another --strategy"
            )
        if self.temperature == SPREAD and self.strategy == "patches":
            raise CdulEdgeError("--temperature spread is about views: drop it for patches")
        if self.thresholds not in UNLABELLED_RULES:
            self.shares()

    def shares(self) -> Mapping[str, float] | None:
        """The file's share of the pictures a class, or None where `thresholds` is a rule."""
        if self.thresholds in UNLABELLED_RULES:
            return None
        file = Path(self.thresholds)
        if not file.is_file():
            raise CdulEdgeError(
                f"--thresholds {self.thresholds!r} is no file, and no rule: there are "
                f"{', '.join(UNLABELLED_RULES)}"
            )
        return read_shares(file)

    @property
    def kind(self) -> Kind:
        """The similarities it works on."""
        return "patches" if self.strategy == "patches" else "snippets"

    def resolve(self, model: float, cached: float | None) -> Aggregation:
        """Settle the temperature.

        That of "spread" is measured later: the model's stands in for it.

        Args:
            model: the model's own, 1 / logit_scale.
            cached: that of imported softmax values.

        Raises:
            CdulEdgeError: a temperature that is no number, "cached" where none is, or one at which
                no picture alone shows a class.
        """
        if self.temperature == "cached":
            if cached is None:
                raise CdulEdgeError(_NOT_CACHED)
            temperature = cached
        elif self.temperature in ("model", SPREAD):
            temperature = model
        else:
            temperature = self._number()
        settled = Aggregation(
            temperature=temperature,
            strategy="cdul" if self.strategy == "evidence" else self.strategy,
            zeta=self.zeta,
            fusion=self.fusion,
            balance=self.balance,
            cached=cached,
        )
        if self.strategy == "evidence" and temperature > MAX_TEMPERATURE:
            raise CdulEdgeError(
                "--strategy evidence needs scores that tell present from absent, and at "
                f"temperature {temperature:.4g} all are alike: drop --temperature, or give another "
                "--strategy"
            )
        return settled

    def _number(self) -> float:
        try:
            return float(self.temperature)
        except ValueError as error:
            raise CdulEdgeError(
                f"--temperature {self.temperature!r}: expected model, cached, spread, or a number"
            ) from error


@dataclass(frozen=True)
class LabelRequest:
    """One run of `cdul-edge label` on pictures.

    Attributes:
        clip, pretrained, seed: as `load_clip` takes them.
        part_pictures: pictures a part of the store; None is the store's own, or 512.
        batch_pictures: pictures encoded at once; None fits the device.
        workers: decoding processes; None is one a core, 0 decodes in the main process.
        threads: of the encoder on a CPU; None is one a core.
        max_errors: stop beyond so many unreadable pictures.
        force: start anew where the labels in `out` were made otherwise.
        repair: make missing or cut parts again.
    """

    images: Path
    classes: Path
    out: Path
    clip: str
    pretrained: str | None = None
    seed: int = 0
    templates: tuple[str, ...] = (DEFAULT_TEMPLATE,)
    views: Views = field(default_factory=Views)
    scoring: Scoring = field(default_factory=Scoring)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    keep_embeddings: bool = False
    part_pictures: int | None = None
    batch_pictures: int | None = None
    workers: int | None = None
    threads: int | None = None
    max_errors: int | None = None
    force: bool = False
    repair: bool = False

    def __post_init__(self) -> None:
        if self.scoring.temperature == "cached":
            raise CdulEdgeError(_NOT_CACHED)
        # the patches stand for the snippets
        assert (self.scoring.kind == "patches") == (self.views.rows == 0)

    def picture_settings(self) -> dict[str, Any]:
        """What the embeddings depend on, as far as it is known before CLIP is loaded."""
        # stores of snippets have no word of it: they are older than patches
        tokens = {"kind": "patches", "tokens": TOKENS} if self.scoring.kind == "patches" else {}
        return {
            **tokens,
            "clip": _identify(self.clip),
            "pretrained": _identify(self.pretrained),
            "seed": self.seed,
            "weights_sha256": local_weights_sha256(self.clip, self.pretrained),
            "grid": self.views.grid,
            "overlap": self.views.overlap,
            "fit": self.views.fit,
            "precision": self.precision,
        }


def _identify(name: str | None) -> str | None:
    """A local file is the same one from whatever folder it is named."""
    return str(Path(name).resolve()) if name and Path(name).exists() else name
