"""What `watch` is given, checked before anything is opened."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.choices import TRANSPORTS, Transport
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.labels.smoothing import Smoothing
from cdul_edge_runtime.streams.source import Source
from cdul_edge_runtime.streams.sources.open_source import SourceOptions, open_source

Thresholds = npt.NDArray[np.float32]
LONGEST_S = 1e6  # no lock and no poll waits for much longer
_MISSED = 3  # frames
_METHODS = ("open", "frames", "interrupt", "close")


@dataclass(frozen=True)
class WatchOptions:
    """How streams are watched; see `watch`.

    Raises:
        CdulEdgeError: a value outside its range; the text names it.
    """

    rate: float | None = None
    smoothing: Smoothing | None = field(default_factory=Smoothing)
    timeout_s: float = 5.0
    transport: Transport = "tcp"
    reconnect: bool = True
    stats_s: float | None = None

    @property
    def reset_s(self) -> float:
        """Seconds without a frame after which labels end and begin anew.

        As `smoothing` says; where `rate` itself leaves such gaps, three of them.
        """
        reset_s = (self.smoothing or Smoothing()).reset_s
        return reset_s if self.rate is None else max(reset_s, _MISSED / self.rate)

    def __post_init__(self) -> None:
        if self.rate is not None:
            _check_positive("rate", self.rate, "frames a second", least=1 / LONGEST_S)
        if self.stats_s is not None:
            _check_positive("stats_s", self.stats_s, "seconds", most=LONGEST_S)
        _check_positive("timeout_s", self.timeout_s, "seconds", most=LONGEST_S)
        if self.transport not in TRANSPORTS:
            raise CdulEdgeError(f"transport {self.transport!r}: expected 'tcp' or 'udp'")
        if self.smoothing is not None and not isinstance(self.smoothing, Smoothing):
            raise CdulEdgeError(f"smoothing {self.smoothing!r}: expected a Smoothing or None")


def open_sources(
    sources: Mapping[str, str | Path | Source], options: WatchOptions
) -> dict[str, Source]:
    """A source per stream, in order; none of them is opened yet.

    Raises:
        CdulEdgeError: there is none, a name or an address is not one, or a source has two names.
        MissingExtraError: the library that reads one is not installed.
    """
    if not isinstance(sources, Mapping):
        raise CdulEdgeError(
            f"sources of type {type(sources).__name__}: expected a mapping of names to addresses, "
            'such as {"door": "rtsp://192.168.1.20/stream"}'
        )
    if not sources:
        raise CdulEdgeError("there is nothing to watch: give at least one source")
    how = SourceOptions(transport=options.transport, timeout_s=options.timeout_s)
    opened: dict[str, Source] = {}
    for name, source in sources.items():
        _check_name(name)
        opened[name] = _to_source(name, source, how)
        same = [n for n, other in opened.items() if n != name and other is opened[name]]
        if same:
            raise CdulEdgeError(
                f"streams {same[0]!r} and {name!r} share one source: give each its own"
            )
    return opened


def check_thresholds(thresholds: npt.NDArray[Any], classes: ClassList) -> Thresholds:
    """(C,) thresholds; a class with NaN is never a label, as with infinity."""
    try:
        given = np.array(thresholds, np.float32)
    except (TypeError, ValueError) as error:
        raise CdulEdgeError(f"thresholds are not numbers: {error}") from error
    if given.shape != (len(classes),):
        raise CdulEdgeError(
            f"thresholds of shape {given.shape}: expected ({len(classes)},), one per class"
        )
    return np.where(np.isnan(given), np.float32(np.inf), given)


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise CdulEdgeError(f"stream name {name!r}: expected a string")
    if not name.strip() or name != name.strip() or not name.isprintable():
        raise CdulEdgeError(
            f"stream name {name!r}: expected printable characters, without spaces at its ends"
        )


def _to_source(name: str, source: object, how: SourceOptions) -> Source:
    if isinstance(source, (str, os.PathLike)):
        return open_source(os.fspath(source), how)
    missing = [method for method in _METHODS if not callable(getattr(source, method, None))]
    if isinstance(source, type) or missing or not hasattr(source, "finite"):
        lacks = ", ".join(missing or ["finite"])
        raise CdulEdgeError(
            f"stream {name!r} is of type {type(source).__name__}, which lacks {lacks}: "
            "expected an address or a Source, which has open, frames, interrupt, close, and finite"
        )
    return cast(Source, source)


def _check_positive(
    name: str, value: object, unit: str, *, least: float = 0.0, most: float = math.inf
) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise CdulEdgeError(f"{name} {value!r}: expected a number of {unit}")
    if not 0 < value < math.inf:
        raise CdulEdgeError(f"{name} {value:g}: expected more than 0 {unit}")
    if not least <= value <= most:
        bound = f"at least {least:g}" if value < least else f"at most {most:g}"
        raise CdulEdgeError(f"{name} {value:g}: expected {bound} {unit}")
