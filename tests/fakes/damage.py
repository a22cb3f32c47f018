"""Ways in which a file can be damaged, drawn from a seed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Damage = Callable[[bytes, np.random.Generator], bytes]

# What a hand, another program or another version may have left where something else is expected.
WRONG_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**70, 0.5, float("nan"), float("inf"), "", "x", "ä\n", "../x", "\ud800",
    [], [None], [[]], ["a", "a"], [1, 2, 3], {}, {"a": None}, {"x": {"y": []}},
)  # fmt: skip


def damage_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip, cut, drop, zero, double or insert bytes: one of them, at a random place."""
    found = bytearray(content)
    start = int(rng.integers(len(found)))
    stop = min(len(found), start + int(rng.choice([1, 4, 64, 1000])))
    kind = rng.integers(6)
    if kind == 0:
        for place in rng.integers(len(found), size=int(rng.integers(1, 9))):
            found[place] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del found[start:]
    elif kind == 2:
        del found[start:stop]
    elif kind == 3:
        found[start:stop] = bytes(stop - start)
    elif kind == 4:
        found[start:start] = found[start:stop]
    else:
        found[start:start] = rng.bytes(int(rng.integers(1, 40)))
    return bytes(found)


def damage_end(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip bytes of the last kilobyte, where Parquet and ZIP keep what they hold."""
    found = bytearray(content)
    last = min(len(found), 1000)
    for place in rng.integers(last, size=int(rng.integers(1, 5))):
        found[len(found) - 1 - int(place)] = int(rng.integers(256))
    return bytes(found)


def damage_json(content: bytes, rng: np.random.Generator) -> bytes:
    """Another value, or none, at a random place of sound JSON, which stays sound JSON."""
    return json.dumps(damage_value(json.loads(content), rng)).encode()


def damage_lines(content: bytes, rng: np.random.Generator) -> bytes:
    """As `damage_json`, in one line of JSON lines."""
    lines = content.splitlines()
    which = int(rng.integers(len(lines)))
    lines[which] = damage_json(lines[which], rng)
    return b"\n".join(lines)


def damage_value(value: Any, rng: np.random.Generator) -> Any:
    """A copy of JSON's plain values with one of them replaced or removed."""
    found = {"whole": copy.deepcopy(value)}
    places = list(_places(found))
    holder, key = places[int(rng.integers(len(places)))]
    if rng.integers(4) == 0 and holder is not found:
        del holder[key]
    else:
        holder[key] = copy.deepcopy(WRONG_VALUES[int(rng.integers(len(WRONG_VALUES)))])
    return found["whole"]


def _places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) below `holder`; of a long list the first three."""
    keys = list(holder) if isinstance(holder, dict) else range(min(3, len(holder)))
    for key in keys:
        yield holder, key
        if isinstance(holder[key], (dict, list)):
            yield from _places(holder[key])
