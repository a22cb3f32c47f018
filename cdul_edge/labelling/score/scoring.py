"""How similarities become scores, and scores decisions: what `--strategy` and its kin ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cdul_edge.labelling.score.aggregation import MAX_TEMPERATURE, Aggregation
from cdul_edge.labelling.score.choices import Debias, Fusion, Strategy
from cdul_edge.labels.settings import Kind
from cdul_edge_runtime.bundle.thresholds import DEFAULT_RULE, UNLABELED_RULES, read_shares
from cdul_edge_runtime.errors import CdulEdgeError

NOT_CACHED = (
    "--temperature cached is for imported softmax values, and these similarities are cosines: give "
    "model or a number"
)
SPREAD = "spread"


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
        if self.thresholds not in UNLABELED_RULES:
            self.shares()

    def shares(self) -> Mapping[str, float] | None:
        """The file's share of the pictures a class, or None where `thresholds` is a rule."""
        if self.thresholds in UNLABELED_RULES:
            return None
        file = Path(self.thresholds)
        if not file.is_file():
            raise CdulEdgeError(
                f"--thresholds {self.thresholds!r} is no file, and no rule: there are "
                f"{', '.join(UNLABELED_RULES)}"
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
                raise CdulEdgeError(NOT_CACHED)
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
