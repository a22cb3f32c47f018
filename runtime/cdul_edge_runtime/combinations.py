"""The combinations of device and precision that a command goes through, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from cdul_edge_runtime.backends import DEVICES, Device
from cdul_edge_runtime.bundle import Bundle
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.machine import reset_peak_memory
from cdul_edge_runtime.manifest import Precision
from cdul_edge_runtime.selection import RUNS, Auto, parse_device, parse_precision

All = Literal["all"]


@dataclass(frozen=True)
class Unavailable:
    """A combination that this machine or bundle does not have; `precision` may be "auto"."""

    device: str
    precision: str
    reason: str


@dataclass(frozen=True)
class Combinations:
    """A wish for devices and precisions; each is a name, "auto" or "all".

    "all" is everything that is here, and what is not is only listed. "auto" is what
    `Classifier.load` picks. A name must be met at least once, with whatever the other one is.
    """

    device: Device | Auto | All
    precision: Precision | Auto | All

    @classmethod
    def parse(cls, device: str, precision: str) -> Combinations:
        """Raises `CdulEdgeError` for a name that does not exist."""
        return cls(
            "all" if device == "all" else parse_device(device),
            "all" if precision == "all" else parse_precision(precision),
        )

    def open(
        self, bundle: Bundle, unavailable: list[Unavailable], *, threads: int | None = None
    ) -> Iterator[Classifier]:
        """Open one classifier after the other; each is closed before the next, memory counted anew.

        Args:
            bundle: what to open.
            unavailable: takes what cannot be opened.
            threads: of the CPU.

        Raises:
            CdulEdgeError: a named combination, or all of them, cannot be opened.
        """
        opened = False
        for device, precision in self._wishes(bundle):
            reset_peak_memory()
            try:
                classifier = Classifier.load(
                    bundle, device=device, precision=precision, threads=threads
                )
            except CdulEdgeError as error:
                if "all" not in (self.device, self.precision):
                    raise
                name = precision.value if isinstance(precision, Precision) else precision
                unavailable.append(Unavailable(device, name, str(error)))
                continue
            opened = True
            with classifier:
                yield classifier
        if not opened:
            reasons = "; ".join(f"{u.device} {u.precision}: {u.reason}" for u in unavailable)
            raise CdulEdgeError(f"{bundle.folder} cannot run as asked: {reasons}")

    def _wishes(self, bundle: Bundle) -> list[tuple[Device | Auto, Precision | Auto]]:
        devices = list(DEVICES) if self.device == "all" else [self.device]
        if self.precision != "all":
            fits = [d for d in devices if d == "auto" or _fits(d, self.precision)]
            return [(device, self.precision) for device in fits or devices]
        if self.device == "auto":
            devices = [_picked_device(bundle)]
        return [(d, p) for d in devices if d != "auto" for p in RUNS[d]]


def _fits(device: Device, precision: Precision | Auto) -> bool:
    return precision == "auto" or precision in RUNS[device]


def _picked_device(bundle: Bundle) -> Device:
    with Classifier.load(bundle, warm_up=False) as classifier:
        assert classifier.selection is not None
        return classifier.selection.device
