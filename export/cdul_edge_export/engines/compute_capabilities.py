"""The GPUs that TensorRT for RTX builds an engine for, by compute capability.

An engine holds weights and a plan; its kernels are compiled where it first runs. One more GPU in
the list therefore costs next to nothing, and without a list NVIDIA's own default is an engine for
every GPU from Ampere on. Turing is left to those who name it: it multiplies matrices in FP16 only.
Source: "CPU-Only AOT and TensorRT-RTX Engines" and "Support Matrix" in NVIDIA's documentation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import cast

from cdul_edge_runtime.backends.trt import api as api
from cdul_edge_runtime.backends.trt.library import RtxTensorRT
from cdul_edge_runtime.backends.trt.platform import (
    GpuPlatform,
    describe_capabilities,
    describe_gpu,
    holds_gpu,
    version_numbers,
)
from cdul_edge_runtime.errors import CdulEdgeError

ALL = "all"  # NVIDIA's default, by name
TURING = "7.5"
_SPELLING = re.compile(r"(?:sm|compute)?[ _-]*(\d{1,2})\.?(\d)")
_EXAMPLES = {
    **{"7.5": "RTX 20", "8.0": "A100", "8.6": "RTX 30", "8.9": "RTX 40"},
    **{"12.0": "RTX 50", "12.1": "GB10"},
}
# What people may name that has another library.
_FOR_TENSORRT = {
    **{"7.0": "Volta", "7.2": "Jetson Xavier", "8.7": "Jetson Orin", "9.0": "Hopper"},
    **{"10.0": "Blackwell of data centers", "10.3": "Blackwell of data centers"},
    **{"10.1": "Jetson Thor", "11.0": "Jetson Thor"},
}


@dataclass(frozen=True)
class GpuSet:
    """GPUs to build for.

    Attributes:
        capabilities: such as ("8.6", "8.9"), the oldest first.
        newer_gpus: NVIDIA's default, which newer GPUs load as well.
    """

    capabilities: tuple[str, ...]
    newer_gpus: bool = False

    def __str__(self) -> str:
        """Such as "compute capability 8.6, 8.9"."""
        return describe_capabilities(self.capabilities, newer_gpus=self.newer_gpus)

    def hold(self, capability: str) -> bool:
        """Whether a GPU of that compute capability is among them."""
        return holds_gpu(self.capabilities, capability, newer_gpus=self.newer_gpus)

    @property
    def suffix(self) -> str:
        """For file names: "-sm86-sm89", or "-all"."""
        return f"-{ALL}" if self.newer_gpus else "".join(f"-{_sm(c)}" for c in self.capabilities)


def known_capabilities(trt: RtxTensorRT) -> tuple[str, ...]:
    """What the installed module builds for, such as "8.6", the oldest first."""
    names = (name[2:] for name in trt.ComputeCapability.__members__ if name.startswith("SM"))
    return tuple(sorted((f"{name[:-1]}.{name[-1]}" for name in names), key=version_numbers))


def every_gpu(trt: RtxTensorRT) -> GpuSet:
    """NVIDIA's default: every GPU but Turing, and newer ones."""
    return GpuSet(tuple(one for one in known_capabilities(trt) if one != TURING), newer_gpus=True)


def these_gpus(trt: RtxTensorRT, capabilities: tuple[str, ...], platform: GpuPlatform) -> GpuSet:
    """The GPUs that are here, as far as they are supported; where one is newer, NVIDIA's default.

    Args:
        trt: the installed module.
        capabilities: of every GPU.
        platform: the first of them, for the error.

    Raises:
        CdulEdgeError: TensorRT for RTX supports none of them.
    """
    found = set(capabilities) & set(known_capabilities(trt))
    every = every_gpu(trt)
    if any(every.hold(one) for one in set(capabilities) - found):
        return every
    if not found:
        raise CdulEdgeError(
            f"TensorRT for RTX {trt.__version__} does not support {describe_gpu(platform)}: use "
            "--flavor tensorrt, or name other GPUs with --for"
        )
    return GpuSet(tuple(sorted(found, key=version_numbers)))


def parse_gpus(trt: RtxTensorRT, names: tuple[str, ...]) -> GpuSet:
    """GPUs by their compute capability: "sm86", "SM_86", "8.6" and "86" are one.

    Args:
        trt: the installed module, which says what there is.
        names: in any order, each one or several between commas; one that comes twice counts once.
            "all" is NVIDIA's default.

    Raises:
        CdulEdgeError: one that the module does not build for, or none.
    """
    known = known_capabilities(trt)
    several = [names] if isinstance(names, str) else names
    parts = [part.strip() for name in several for part in name.split(",")]
    wanted = list(filter(None, parts))
    if ALL in (lower := {name.lower() for name in wanted}):
        if lower != {ALL}:
            raise CdulEdgeError(f"--for {ALL} is every GPU from Ampere on: name no others with it")
        return every_gpu(trt)
    found = {_parse(name, known, trt.__version__) for name in wanted}
    if not found:
        raise CdulEdgeError(f"--for names no GPU: expected {ALL}, {_listed(known)}")
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


def forget_turing(
    trt: RtxTensorRT,
    builder: api.Builder,
    network: api.INetworkDefinition,
    config: api.IBuilderConfig,
    gpus: GpuSet,
) -> None:
    """After a build that failed: 1.7.1 holds the next one to Turing's limits, whatever its GPUs.

    An INT8 engine for Ampere would then run no convolution in INT8. So the next is one that is
    thrown away.
    """
    if TURING in gpus.capabilities:
        set_gpus(trt, cast(api.RtxIBuilderConfig, config), GpuSet(("8.6",)))
        builder.build_serialized_network(network, config)


def _parse(name: str, known: tuple[str, ...], version: str) -> str:
    match = _SPELLING.fullmatch(name.lower())
    capability = f"{int(match[1])}.{match[2]}" if match else name.lower()
    if capability in known:
        return capability
    if capability in _FOR_TENSORRT:
        raise CdulEdgeError(
            f"--for {name}: TensorRT for RTX {version} does not support "
            f"{_FOR_TENSORRT[capability]} ({capability}): build on that machine with --flavor "
            f"tensorrt, or name others of {ALL}, {_listed(known)}"
        )
    near = get_close_matches(_sm(capability), [_sm(one) for one in known], n=2, cutoff=0.6)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise CdulEdgeError(
        f"--for {name}: TensorRT for RTX {version} builds for no such GPU{hint}: expected {ALL}, "
        f"{_listed(known)}"
    )


def _listed(known: tuple[str, ...]) -> str:
    """Such as "sm86 (RTX 30), sm89 (RTX 40)"."""
    named = (f"{_sm(one)} ({_EXAMPLES[one]})" if one in _EXAMPLES else _sm(one) for one in known)
    return ", ".join(named)


def _sm(capability: str) -> str:
    return f"sm{capability.replace('.', '')}"
