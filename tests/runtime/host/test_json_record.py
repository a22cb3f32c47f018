"""Records are read whole and of the right kinds, or refused with the name of the field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.json_record import (
    RecordError,
    check_header,
    null_to_nan,
    parse_record,
)


class Color(Enum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True)
class Inner:
    count: int
    share: float = 0.5


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    edges: tuple[float, float]
    names: tuple[str, ...]
    places: list[int]
    kind: Literal["a", "b"]
    color: Color
    limit: float | None
    by_name: Mapping[str, int]
    rest: Any = None


SOUND: dict[str, Any] = {
    "name": "x",
    "inner": {"count": 3},
    "edges": [0, 1.5],
    "names": ["é", "b"],
    "places": [1, 2],
    "kind": "b",
    "color": "green",
    "limit": None,
    "by_name": {"cat": 1},
    "of a newer version": 1,
}


def test_a_record_is_read_as_its_annotations_say() -> None:
    assert parse_record(Outer, SOUND) == Outer(
        "x", Inner(3), (0, 1.5), ("é", "b"), [1, 2], "b", Color.GREEN, None, {"cat": 1}
    )


def test_reading_inverts_asdict() -> None:
    inner = Inner(3, 0.25)
    assert parse_record(Inner, asdict(inner)) == inner


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": 3}, "name is 3, expected str"),
        ({"inner": []}, "inner is not an object"),
        ({"inner": {}}, "inner.count is missing"),
        ({"inner": {"count": 10**400}}, f"inner.count is {10**400}, expected int"),
        ({"limit": -(10**400)}, f"limit is -{10**400}, expected float"),
        ({"edges": [10**400, 1]}, f"edges[0] is {10**400}, expected float"),
        ({"inner": {"count": True}}, "inner.count is True, expected int"),
        ({"inner": {"count": 1, "share": math.inf}}, "inner.share is inf, expected float"),
        ({"edges": [1]}, "edges has 1 values, expected 2"),
        ({"names": ["a", None]}, "names[1] is None, expected str"),
        ({"places": "12"}, "places is not a list"),
        ({"kind": "c"}, "kind is 'c', expected one of 'a', 'b'"),
        ({"color": "blue"}, "color is 'blue', expected one of 'red', 'green'"),
        ({"limit": "1"}, "limit is '1', expected float"),
        ({"by_name": {"cat": 1.5}}, "by_name.cat is 1.5, expected int"),
    ],
)
def test_a_field_of_another_kind_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError) as caught:
        parse_record(Outer, {**SOUND, **changes})
    assert str(caught.value) == message


def test_a_header_must_be_there_as_expected() -> None:
    check_header({"format": 2, "stage": "build", "more": 1}, format=2, stage="build")
    with pytest.raises(RecordError, match="format is 1, expected 2"):
        check_header({"format": 1}, format=2)
    with pytest.raises(RecordError, match="not an object"):
        check_header([], format=2)


def test_null_is_nan_where_json_has_no_nan() -> None:
    assert math.isnan(parse_record(Inner, null_to_nan({"count": 1, "share": None})).share)
    assert null_to_nan([None]) == [None]


@pytest.mark.parametrize(
    "text",
    ['{"a": NaN}', '{"a": -Infinity}', "[" * 100_000, '{"a": ' + "9" * 5000 + "}", "\xff", ""],
    ids=["nan", "infinity", "deep", "long", "latin-1", "empty"],
)
def test_what_is_no_json_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(CdulEdgeError, match=r"a\.json is not valid JSON"):
        read_json(file)


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(RecordError, match=r"^count is 'x{199}…, expected int$"):
        parse_record(Inner, {"count": "x" * 9000})
