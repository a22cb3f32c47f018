"""Whether memory stays flat while batches go by: on the GPU, and of this process."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.gpu.step import Context, Figure, Outcome

MARKS = (200, 1_000, 2_000)
QUICK_MARKS = (2, 10, 20)
# Between the first mark and the last: what 2 KiB a batch on the GPU, or 16 KiB on the host, add up
# to. CUDA gives memory in pieces of 2 MiB.
_MOST_DEVICE_MIB = 4
_MOST_HOST_MIB = 32


@dataclass(frozen=True)
class Sample:
    """Memory after so many batches.

    Attributes:
        device_mib: used on the whole GPU, by every library and process; None without a GPU.
        host_mib: resident size of this process.
    """

    batches: int
    device_mib: float | None
    host_mib: float


class MemoryLog:
    """Call `batch_done` after each batch; it measures when a mark is reached."""

    def __init__(self, context: Context) -> None:
        self._device = context.device
        self.marks: tuple[int, ...] = context.size(MARKS, QUICK_MARKS)
        self.samples: list[Sample] = []
        self._batches = 0

    @property
    def batches(self) -> int:
        """How many the last mark asks for."""
        return self.marks[-1]

    def batch_done(self) -> None:
        """Count one batch."""
        self._batches += 1
        if self._batches in self.marks:
            self.samples.append(self._measure())

    def outcome(self) -> Outcome:
        """Growth from the first mark to the last, and the curve."""
        if self._batches < self.batches:
            return Outcome(failures=(f"ended after {self._batches} of {self.batches} batches",))
        return tell_growth(self.samples)

    def _measure(self) -> Sample:
        gc.collect()  # what waits for the collector is no leak
        return Sample(self._batches, used_device_mib(self._device), _resident_mib())


def tell_growth(samples: Sequence[Sample]) -> Outcome:
    """What was added between the first sample and the last, on the GPU and in this process."""
    first, last = samples[0], samples[-1]
    figures = [_growth("process", last.host_mib - first.host_mib, _MOST_HOST_MIB)]
    if first.device_mib is not None and last.device_mib is not None:
        figures.insert(0, _growth("GPU", last.device_mib - first.device_mib, _MOST_DEVICE_MIB))
    return Outcome(tuple(figures), details={"mib": [asdict(one) for one in samples]})


def used_device_mib(device: str) -> float | None:
    """Memory in use on the whole GPU; None on a CPU."""
    if device != "cuda":
        return None
    import torch

    torch.cuda.synchronize()
    free, total = torch.cuda.mem_get_info()
    return (total - free) / (1 << 20)


def _resident_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(found) / (1 << 10)


def _growth(where: str, mib: float, most: float) -> Figure:
    return Figure(f"{where} memory grew by", round(mib, 1), "MiB", at_most=most, costs=True)
