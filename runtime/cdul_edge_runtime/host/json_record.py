"""Frozen dataclasses from JSON: what a file says is checked once, where it is read.

`dataclasses.asdict` is the way back.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from math import isfinite, nan
from sys import float_info
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from cdul_edge_runtime.errors import CdulEdgeError

Record = TypeVar("Record")


class RecordError(CdulEdgeError):
    """A JSON value that is not what a record needs; the text names the field."""


def finite_or_none(value: float) -> float | None:
    """The value; None where it is NaN or infinite, which JSON does not have."""
    return value if isfinite(value) else None


def parse_record(record: type[Record], value: object, name: str = "") -> Record:
    """Make a dataclass of a JSON object; fields that it does not know are ignored.

    Its annotations may be str, bool, int (of 64 bits), float (never infinite), object or Any (any
    JSON), `Literal`, enumerations of strings, other such dataclasses, `tuple[X, ...]`,
    `tuple[X, Y]`, `list[X]`, `Mapping[str, X]` or dict, and unions of them. A field with a default
    may be missing.

    Args:
        record: the dataclass.
        value: what `json.loads` gave.
        name: where the value stands, for errors; empty at the top.

    Raises:
        RecordError: a field is missing or of another type.
    """
    if not isinstance(value, dict):
        raise RecordError(f"{name or 'it'} is not an object")
    hints = get_type_hints(record)
    found = {}
    for one in fields(record):  # type: ignore[arg-type]
        where = f"{name}.{one.name}" if name else one.name
        if one.name in value:
            found[one.name] = _parse(hints[one.name], value[one.name], where)
        elif one.default is MISSING and one.default_factory is MISSING:
            raise RecordError(f"{where} is missing")
    return record(**found)


def null_to_nan(value: Any) -> Any:
    """A JSON object with NaN where it has null, for records that JSON could not hold as they are.

    What is no object stays as it is, for `parse_record` to refuse.
    """
    if not isinstance(value, dict):
        return value
    return {name: nan if one is None else one for name, one in value.items()}


def check_header(value: object, **expected: object) -> None:
    """Raise `RecordError` unless `value` is a JSON object with exactly these fields, among others.

    >>> check_header(content, program="cdul-edge", format=1, stage="build")
    """
    if not isinstance(value, dict):
        raise RecordError("it is not an object")
    for name, wanted in expected.items():
        if value.get(name) != wanted:
            raise RecordError(f"{name} is {value.get(name)!r}, expected {wanted!r}")


def _parse(hint: object, value: object, name: str) -> object:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _parse_union(inner, value, name)
    if origin is Literal:
        if not isinstance(value, str) or value not in inner:
            raise RecordError(f"{name} is {value!r}, expected one of {', '.join(map(repr, inner))}")
        return value
    if origin in (tuple, list):
        kinds = inner if origin is tuple else (*inner, Ellipsis)
        return origin(_parse_items(kinds, value, name))
    if origin in (Mapping, dict):
        if not isinstance(value, dict):
            raise RecordError(f"{name} is not an object")
        return {key: _parse(inner[1], one, f"{name}.{key}") for key, one in value.items()}
    if isinstance(hint, type) and is_dataclass(hint):
        return parse_record(hint, value, name)
    if isinstance(hint, type) and issubclass(hint, Enum):
        known = [one.value for one in hint]
        if value not in known:
            raise RecordError(f"{name} is {value!r}, expected one of {', '.join(map(repr, known))}")
        return hint(value)
    return _parse_plain(hint, value, name)


def _parse_items(inner: tuple[object, ...], value: object, name: str) -> list[object]:
    if not isinstance(value, (list, tuple)):
        raise RecordError(f"{name} is not a list")
    kinds = inner[:1] * len(value) if inner[1:] == (Ellipsis,) else inner
    if len(kinds) != len(value):
        raise RecordError(f"{name} has {len(value)} values, expected {len(kinds)}")
    both = enumerate(zip(kinds, value, strict=True))
    return [_parse(kind, one, f"{name}[{i}]") for i, (kind, one) in both]


def _parse_union(kinds: tuple[object, ...], value: object, name: str) -> object:
    error = RecordError(f"{name} is of another kind")
    for kind in kinds:
        try:
            return _parse(kind, value, name)
        except RecordError as fault:
            if kind is not type(None):  # what is there was not meant to be nothing
                error = fault
    raise error


def _parse_plain(hint: object, value: object, name: str) -> object:
    if hint is Any:
        return value
    if hint is type(None):
        fits = value is None
    elif hint is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits = fits and not _is_beyond(value, float_info.max)
    elif hint is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
        fits = fits and not _is_beyond(value, 2**64)
    else:
        assert isinstance(hint, type), f"{name}: no JSON is a {hint}"
        fits = isinstance(value, hint)
    if not fits:
        kind = "null" if hint is type(None) else getattr(hint, "__name__", str(hint))
        raise RecordError(f"{name} is {_shorten(value)}, expected {kind}")
    return value


def _shorten(value: object) -> str:
    """A value in an error's one line, where it may be a whole list of another program."""
    shown = repr(value)
    return shown if len(shown) <= 500 else f"{shown[:200]}…"


def _is_beyond(value: object, most: float) -> bool:
    """JSON's integers may be too large for any array, and for a float."""
    return isinstance(value, (int, float)) and abs(value) > most
