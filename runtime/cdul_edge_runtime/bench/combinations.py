"""The combinations of device and precision that a command goes through, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import DEVICES
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.device_choice import Auto, DeviceChoice, parse_device
from cdul_edge_runtime.errors import CdulEdgeError, DeviceError
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.host.machine import reset_peak_memory
from cdul_edge_runtime.run_order import RUNS
from cdul_edge_runtime.selection import parse_precision

All = Literal["all"]
Row = TypeVar("Row")
Wanted = tuple[DeviceChoice | Auto, Precision | Auto]
Fail = Callable[[str, str, str], Row]  # of device, precision and reason


@dataclass(frozen=True)
class Unavailable:
    """A combination that this machine or bundle does not have; `precision` may be "auto"."""

    device: str
    precision: str
    reason: str


@dataclass(frozen=True)
class Combinations:
    """The devices and precisions that were asked for; each is a name, "auto" or "all".

    "all" is everything that is here, and what is not is only listed; where a device fails, its
    row says so and the others go on. "auto" is what `Classifier.load` picks. What is named must be
    available at least once, with whatever the other one is.
    """

    device: DeviceChoice | Auto | All
    precision: Precision | Auto | All

    @classmethod
    def parse(cls, device: str, precision: str) -> Combinations:
        """Raises `CdulEdgeError` for a name that does not exist."""
        return cls(
            "all" if device == "all" else parse_device(device),
            "all" if precision == "all" else parse_precision(precision),
        )

    @property
    def several(self) -> bool:
        """Whether one that does not run stops none of the others."""
        return "all" in (self.device, self.precision)

    def measure(
        self,
        bundle: Bundle,
        measure: Callable[[Classifier], Row],
        fail: Fail[Row],
        unavailable: list[Unavailable],
        console: Console,
        *,
        threads: int | None = None,
    ) -> Iterator[Row]:
        """One row per combination; each is closed, and its memory counted, before the next.

        Args:
            bundle: what to open.
            measure: gives the row of an open classifier.
            fail: gives the row of one whose device failed, where others go on.
            unavailable: takes what is not here, where others go on.
            console: shows how many are done; nothing else of its may be shown meanwhile.
            threads: of the CPU.

        Raises:
            DeviceError: the device of a combination that was asked for by name failed.
            CdulEdgeError: a named combination, or all of them, cannot be opened.
        """
        found = False
        for device, precision in _shown(self._requested(bundle, threads), console):
            name = precision.value if isinstance(precision, Precision) else precision
            where = str(device)
            reset_peak_memory()
            try:
                classifier = Classifier.load(
                    bundle, device=where, precision=precision, threads=threads, warm_up=True
                )
            except CdulEdgeError as error:
                if not self.several:
                    raise
                if isinstance(error, DeviceError):
                    found = True
                    yield fail(where, name, str(error))
                else:
                    unavailable.append(Unavailable(where, name, str(error)))
                continue
            found = True
            with classifier:
                row = self.measure_one(partial(measure, classifier), fail, where, name)
            yield row
        if not found:
            reasons = "; ".join(list_reasons(unavailable))
            raise CdulEdgeError(f"{bundle.folder} cannot run as asked: {reasons}")

    def measure_one(
        self, measure: Callable[[], Row], fail: Fail[Row], device: str, precision: str
    ) -> Row:
        """The row, or that of a failure where others go on."""
        try:
            return measure()
        except DeviceError as error:
            if not self.several:
                raise
            return fail(device, precision, str(error))

    def _requested(self, bundle: Bundle, threads: int | None) -> list[Wanted]:
        devices = list(map(DeviceChoice, DEVICES)) if self.device == "all" else [self.device]
        if self.precision != "all":
            fits = [d for d in devices if d == "auto" or _fits(d, self.precision)]
            return [(device, self.precision) for device in fits or devices]
        if self.device == "auto":
            devices = [_picked_device(bundle, threads)]
        return [(d, p) for d in devices if d != "auto" for p in RUNS[d.kind]]


def _shown(requested: Sequence[Wanted], console: Console) -> Iterator[Wanted]:
    """Each in turn, counted when the next is asked for."""
    with console.progress("measuring", len(requested), unit="combinations") as advance:
        for one in requested:
            yield one
            advance(1)


def list_reasons(unavailable: Iterable[Unavailable]) -> list[str]:
    """What is not here, one text per reason, such as "cuda fp32/fp16: no driver"."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for missing in unavailable:
        # what several devices lack for one reason stands once
        reason = missing.reason.removeprefix(f"{missing.device} was asked for, and ")
        reasons.setdefault(reason, {}).setdefault(missing.device, []).append(missing.precision)
    found = []
    for reason, by_device in reasons.items():
        devices: dict[str, list[str]] = {}
        for device, precisions in by_device.items():
            devices.setdefault("/".join(precisions), []).append(device)
        where = "; ".join(f"{', '.join(names)} {files}" for files, names in devices.items())
        found.append(f"{where}: {reason}")
    return found


def _fits(device: DeviceChoice, precision: Precision | Auto) -> bool:
    return precision == "auto" or precision in RUNS[device.kind]


def _picked_device(bundle: Bundle, threads: int | None) -> DeviceChoice:
    with Classifier.load(bundle, threads=threads, warm_up=False) as classifier:
        assert classifier.selection is not None
        return classifier.selection.where
