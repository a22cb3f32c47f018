"""What a method knows after an epoch, made the same on every rank to the last bit."""

from __future__ import annotations

from torch import Tensor

from cdul_edge.training.methods import AnyMethod
from cdul_edge.training.ranks import Ranks


def agree(method: AnyMethod, ranks: Ranks) -> None:
    """Give every rank's method the state of the first one's.

    They revise their labels from the same logits by the same rules, and differ by rounding where
    their processors do. What follows from a limit, such as whether labels went too far and stay,
    would then differ altogether, and a rank would wait for what the others do not ask for.
    """
    if ranks.count == 1 or not method.state:
        return
    state = method.state_dict()
    tensors = {
        name: ranks.follow(value.contiguous())
        for name, value in state.items()
        if isinstance(value, Tensor)
    }
    plain = {name: value for name, value in state.items() if name not in tensors}
    method.load_state_dict({**tensors, **ranks.tell(plain)})
