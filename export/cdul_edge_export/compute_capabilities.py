"""The GPUs that TensorRT for RTX builds an engine for, by compute capability.

An engine holds no machine code: kernels are compiled where it first runs, so one more GPU costs
next to nothing. Source: "CPU-Only AOT and TensorRT-RTX Engines" in NVIDIA's documentation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from cdul_edge_runtime.backends.trt import api as api
from cdul_edge_runtime.backends.trt.library import RtxTensorRT
from cdul_edge_runtime.backends.trt.platform import (
    GpuPlatform,
    describe_capabilities,
    describe_gpu,
    version_numbers,
)
from cdul_edge_runtime.errors import CdulEdgeError

_TURING = "7.5"  # named only by itself: what it cannot do, no engine for it and others may do
_SPELLING = re.compile(r"(?:sm|compute)?[ _-]*(\d+)\.?(\d)")


@dataclass(frozen=True)
class GpuSet:
    """GPUs to build for.

    Attributes:
        capabilities: such as ("8.6", "8.9"), the oldest first.
        newer_gpus: NVIDIA's own default, which newer GPUs load as well.
    """

    capabilities: tuple[str, ...]
    newer_gpus: bool = False

    def __str__(self) -> str:
        """Such as "compute capability 8.6, 8.9"."""
        return describe_capabilities(self.capabilities, newer_gpus=self.newer_gpus)

    @property
    def short(self) -> str:
        """For file names: "-sm86-sm89"; empty for NVIDIA's default."""
        return "" if self.newer_gpus else "".join(f"-{_sm(one)}" for one in self.capabilities)


def known_capabilities(trt: RtxTensorRT) -> tuple[str, ...]:
    """What the installed module builds for, such as "8.6", the oldest first."""
    names = (name[2:] for name in trt.ComputeCapability.__members__ if name.startswith("SM"))
    return tuple(sorted((f"{name[:-1]}.{name[-1]}" for name in names), key=version_numbers))


def every_gpu(trt: RtxTensorRT) -> GpuSet:
    """NVIDIA's default: every GPU but Turing, and newer ones."""
    return GpuSet(tuple(one for one in known_capabilities(trt) if one != _TURING), newer_gpus=True)


def this_gpu(trt: RtxTensorRT, platform: GpuPlatform) -> GpuSet:
    """The GPU that is here.

    Raises:
        CdulEdgeError: TensorRT for RTX does not support it.
    """
    if platform.compute_capability not in known_capabilities(trt):
        raise CdulEdgeError(
            f"TensorRT for RTX {trt.__version__} does not support {describe_gpu(platform)}: use "
            "TensorRT (--flavor tensorrt), or name other GPUs with --for"
        )
    return GpuSet((platform.compute_capability,))


def parse_gpus(trt: RtxTensorRT, names: tuple[str, ...]) -> GpuSet:
    """GPUs by their compute capability: "sm86", "SM_86", "8.6" and "86" are one.

    Raises:
        CdulEdgeError: one that the installed module does not build for.
    """
    known = known_capabilities(trt)
    found = {_parse(name, known, trt.__version__) for name in names}
    return GpuSet(tuple(sorted(found, key=version_numbers)))


def set_gpus(trt: RtxTensorRT, config: api.RtxIBuilderConfig, gpus: GpuSet) -> None:
    """Tell the builder; NVIDIA's default is said by saying nothing.

    Raises:
        CdulEdgeError: it refuses one.
    """
    if gpus.newer_gpus:
        return
    config.num_compute_capabilities = len(gpus.capabilities)
    for index, capability in enumerate(gpus.capabilities):
        member = trt.ComputeCapability.__members__[_sm(capability).upper()]
        if not config.set_compute_capability(member, index):
            raise CdulEdgeError(f"TensorRT for RTX refuses compute capability {capability}")


def _parse(name: str, known: tuple[str, ...], version: str) -> str:
    match = _SPELLING.fullmatch(name.strip().lower())
    capability = f"{int(match[1])}.{match[2]}" if match else name
    if capability in known:
        return capability
    listed = [_sm(one) for one in known]
    near = get_close_matches(_sm(capability), listed, n=2, cutoff=0.6)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise CdulEdgeError(
        f"TensorRT for RTX {version} does not build for {name!r}{hint} Expected {', '.join(listed)}"
    )


def _sm(capability: str) -> str:
    return f"sm{capability.replace('.', '')}"
