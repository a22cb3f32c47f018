"""Settings of methods read plain text, and check themselves."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from cdul_edge.training.methods.settings import MethodSettings, choice, number
from cdul_edge_runtime.errors import CdulEdgeError


@dataclass(frozen=True)
class Example(MethodSettings):
    rate: float = number(0.1, 0, 1)
    warmup: int | None = number(None, 0, 9)
    rule: str = choice("plain", "literal")
    guard: bool = True


def test_text_becomes_what_the_default_is() -> None:
    given = {"rate": "2e-1", "warmup": "3", "rule": "literal", "guard": "off"}
    assert Example.read("example", given) == Example(0.2, 3, "literal", False)
    assert Example.read("example", {}) == Example()
    assert Example.read("example", {"rate": 0.3}) == Example(0.3)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"speed": "1"}, "the method example has no setting speed: its settings are rate, warmup"),
        ({"rate": "fast"}, "rate=fast is not a number"),
        ({"guard": "maybe"}, "guard=maybe is not on or off"),
        ({"rate": "nan"}, "rate nan, expected 0 to 1"),
        ({"rate": "2", "rule": "odd"}, "rate 2, expected 0 to 1; rule 'odd', expected plain or"),
        ({"warmup": "10"}, "warmup 10, expected 0 to 9"),
    ],
)
def test_what_does_not_fit_is_named(given: dict[str, str], fault: str) -> None:
    with pytest.raises(CdulEdgeError, match=fault):
        Example.read("example", given)
