"""Which of the published claims hold in a study, by a rule that is written down here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Literal

from cdul_edge.study.cells import Row
from cdul_edge.study.outcome import Measure
from cdul_edge.study.report.summary import Summary, differences
from cdul_edge.study.variants import BASELINE, DEFAULT_STRATEGY, NOTHING_OBSERVED

Verdict = Literal["holds", "contradicted", "not distinguishable", "not run"]


@dataclass(frozen=True)
class Claim:
    """Somebody wrote that one variant beats another.

    Attributes:
        text: the claim, and where it was made.
        kind: whether the two are strategies or methods.
        better, worse: their names.
        measure: in which both are compared.
    """

    text: str
    kind: Literal["strategy", "method"]
    better: str
    worse: str
    measure: Measure


@dataclass(frozen=True)
class Finding:
    """What the cells say of a claim; `gains` are the seeds' differences, better minus worse."""

    claim: Claim
    gains: dict[int, float]

    @property
    def verdict(self) -> Verdict:
        """See `judge`."""
        return judge(list(self.gains.values()))

    def to_dict(self) -> dict[str, object]:
        """Plain values, two digits."""
        values = list(self.gains.values())
        return {
            "claim": self.claim.text,
            "better": self.claim.better,
            "worse": self.claim.worse,
            "measure": self.claim.measure,
            "gains": {str(seed): round(value, 2) for seed, value in self.gains.items()},
            "mean": round(mean(values), 2) if values else None,
            "deviation": round(stdev(values), 2) if len(values) > 1 else None,
            "verdict": self.verdict,
        }


_CDUL = "CDUL, ICCV 2023"
_AGGREGATION = f"aggregated snippets beat the whole picture ({_CDUL}, table 3)"
_MIN_MAX = f"min-max aggregation beats the average ({_CDUL}, table 3)"
_ALIGNMENT = f"gradient alignment beats fixed labels ({_CDUL}, section 4.3)"
_SOFT = f"soft labels beat hard ones ({_CDUL}, ablation)"
_GAUSSIAN = f"the Gaussian weight helps ({_CDUL}, ablation)"
_POSITIVE = "pseudo-positives alone beat positives and negatives (VLPL, CVPRW 2024)"

CLAIMS = (
    Claim(_AGGREGATION, "strategy", "cdul", "global", "labels_first_map"),
    Claim(_AGGREGATION, "strategy", "cdul", "global", "heldout_map"),
    Claim(_MIN_MAX, "strategy", "cdul", "average", "labels_first_map"),
    Claim(_ALIGNMENT, "method", "cdul", BASELINE, "labels_last_map"),
    Claim(_ALIGNMENT, "method", "cdul", BASELINE, "heldout_map"),
    Claim(_ALIGNMENT, "method", "cdul-paper", BASELINE, "heldout_map"),
    Claim(_SOFT, "method", "cdul", "cdul-hard", "heldout_map"),
    Claim(_SOFT, "method", "cdul-paper", "cdul-paper-hard", "heldout_map"),
    Claim(_SOFT, "method", BASELINE, "fixed-hard", "heldout_map"),
    Claim(_GAUSSIAN, "method", "cdul", "cdul-no-gaussian", "heldout_map"),
    Claim(_GAUSSIAN, "method", "cdul-paper", "cdul-paper-no-gaussian", "heldout_map"),
    Claim(_POSITIVE, "method", "vlpl", "vlpl+negatives", "heldout_map"),
)


def judge(gains: Sequence[float]) -> Verdict:
    """A claim's status from the seeds' differences, better minus worse.

    It holds where every seed agrees with it and the mean difference exceeds the deviation of the
    differences; it is contradicted where the same is true the other way round. One seed
    distinguishes nothing.
    """
    if not gains:
        return "not run"
    if len(gains) < 2 or abs(mean(gains)) <= stdev(gains):
        return "not distinguishable"
    if all(gain > 0 for gain in gains):
        return "holds"
    return "contradicted" if all(gain < 0 for gain in gains) else "not distinguishable"


def check_claims(summaries: Sequence[Summary], claims: Sequence[Claim] = CLAIMS) -> list[Finding]:
    """A finding for each claim; one of which a side was not run has no differences."""
    values = {summary.row: summary.values for summary in summaries}

    def of(claim: Claim, name: str) -> dict[int, float]:
        row: Row = (
            (name, BASELINE, NOTHING_OBSERVED)
            if claim.kind == "strategy"
            else (DEFAULT_STRATEGY, name, NOTHING_OBSERVED)
        )
        return values.get(row, {}).get(claim.measure, {})

    return [
        Finding(claim, differences(of(claim, claim.better), of(claim, claim.worse)))
        for claim in claims
    ]
