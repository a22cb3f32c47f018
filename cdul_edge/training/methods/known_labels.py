"""What observed labels alone say, where no pseudo-label fills their gaps.

An unknown entry is then unknown. What it is taken for is each method's own business; as a label
that nothing revises it gets its class's share of pictures.
"""

from __future__ import annotations

from torch import Tensor

from cdul_edge.training.methods.base import Supervision, keep_observed
from cdul_edge_runtime.errors import CdulEdgeError

# From this share of absences on, people answered both ways. With fewer they mostly named what they
# saw, and the known labels alone would call everything present.
LEAST_ABSENT = 0.2


def asks_both_ways(observed: Tensor) -> bool:
    """Whether absences are at least a fifth of what was observed; (N, C) 1, -1, 0 for unknown."""
    absent, known = int((observed < 0).sum()), int((observed != 0).sum())
    return known > 0 and absent >= LEAST_ABSENT * known


def observed_prevalence(observed: Tensor) -> Tensor:
    """(C,) float32 share of pictures that show a class, as far as (N, C) observed labels tell.

    Where people answered both ways: of the answers to a class, the share that is "present" (0 for a
    class that nobody was asked about). Otherwise the share of all pictures in which it was seen,
    which is a lower bound.
    """
    present = (observed > 0).sum(dim=0)
    if not asks_both_ways(observed):
        return present / len(observed)
    return present / (observed != 0).sum(dim=0).clamp(min=1)


def know_observed_only(
    observed: Tensor, *, cosines: Tensor | None = None, epochs: int
) -> Supervision:
    """Supervision of which no pseudo-label is a part; arguments as `Supervision` has them."""
    prevalence = observed_prevalence(observed)
    scores = keep_observed(prevalence.expand(observed.shape).clone(), observed)
    return Supervision(scores, observed, cosines, hard=False, epochs=epochs, observed_only=True)


def require_pseudo_labels(supervision: Supervision, method: str) -> None:
    """Refuse a method whose subject is CLIP's labels, where there are none."""
    if supervision.observed_only:
        raise CdulEdgeError(
            f"the method {method} needs pseudo-labels, and with --labels-from observed there are "
            "none: use --method plmcl, which revises its own, or --labels-from observed+pseudo"
        )


def require_absences(supervision: Supervision, method: str) -> None:
    """Refuse observed labels, if they are all there is, from which only presence can be learned."""
    if supervision.observed_only and not asks_both_ways(supervision.observed):
        absent = int((supervision.observed < 0).sum())
        known = int((supervision.observed != 0).sum())
        raise CdulEdgeError(
            f"the method {method} learns the observed labels alone, of which {absent} of {known} "
            "are absences: too few, everything would become present; give more of them, or use "
            "--method an, em, vlpl or pu-mlc, which need none"
        )
