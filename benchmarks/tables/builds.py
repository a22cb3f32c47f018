"""What NVIDIA's compiler made of every network: docs/networks.md, and the whole list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from benchmarks.tables.markdown import RESULTS, figures, section, table
from benchmarks.tensorrt_compiler import Build, Fusion
from cdul_edge_runtime.host.json_record import parse_record

_MEGABYTE = 1e6
_HEADS = (
    "network", "ONNX, MB", "engine, MB", "CPU, s", "peak, MiB", "layers", "kernels",
    "convolutions", "fused",
)  # fmt: skip
_EXAMPLE = "resnet50"
_TOLD = """\
`python -m benchmarks.tensorrt_build` gives every network that this documentation names, and more of
timm's, to the parser and compiler of TensorRT for RTX, on a machine without a GPU: random weights,
GeForce 30 and 40, batches of 1 to 8 (`benchmarks/results/tensorrt_build.json`). Nothing was run, so
speed is unknown. Cells show fp32/fp16/int8: *layers* are the parser's, *kernels* the engine's;
*fused* convolutions share a kernel with what follows.
"""


@dataclass(frozen=True)
class Built:
    """One network of tensorrt_build.json."""

    family: str
    parameters: int = 0
    refused: str = ""
    builds: Mapping[str, Build] = field(default_factory=dict)
    every_gpu: Build | None = None

    @property
    def whole(self) -> bool:
        """Whether every precision was built."""
        return bool(self.builds) and all(one.built for one in self.builds.values())


def draw_builds() -> str:
    """docs/networks.md: the largest network of each family, and what was refused."""
    found = _read()
    if not found:
        return ""
    largest: dict[str, str] = {}
    for name, one in sorted(found.items(), key=lambda item: item[1].parameters):
        if one.whole:
            largest[one.family] = name
    rows = [_row(name, one) for name, one in found.items() if name in largest.values()]
    told = f"{_TOLD}\n{_tell(found)}{_tell_of_one(found)}"
    return section("What NVIDIA's compiler makes of them", told, table(_HEADS, rows))


def draw_all_builds() -> str:
    """benchmarks/README.md: every network."""
    found = _read()
    if not found:
        return ""
    rows = [_row(name, one) for name, one in found.items() if one.whole]
    told = (
        "Cells show fp32/fp16/int8. Built for GeForce 30 and 40 (8.6, 8.9) and one to eight "
        "images, each in a process of its own; a convolution is fused where it shares a kernel."
    )
    return section("TensorRT for RTX, built without a GPU", told, _tell(found), table(_HEADS, rows))


def _read() -> dict[str, Built]:
    if not (RESULTS / "tensorrt_build.json").is_file():
        return {}
    found = figures("tensorrt_build").items()
    return {name: parse_record(Built, one, name) for name, one in found}


def _tell(found: Mapping[str, Built]) -> str:
    builds = [one for network in found.values() for one in network.builds.values()]
    refused = [f"`{name}`: {one.refused}" for name, one in found.items() if one.refused]
    refused += [
        f"`{name}` {precision}: {one.message}"
        for name, network in found.items()
        for precision, one in network.builds.items()
        if not one.built
    ]
    built = sum(one.built for one in builds)
    warned = sum(bool(one.warnings) for one in builds)
    int8 = [
        one.fusion
        for name in found
        for p, one in found[name].builds.items()
        if p == "int8" and one.fusion
    ]
    told = f"{len(found)} networks, {len(builds)} files: {built} built, {warned} with a warning"
    told += f"; {sum(one.convolutions_in_int8 for one in int8):,} of "
    told += f"{sum(one.convolutions for one in int8):,} convolutions of the int8 files run in INT8"
    return f"{told}; refused: {'; '.join(refused)}.\n" if refused else f"{told}.\n"


def _tell_of_one(found: Mapping[str, Built]) -> str:
    """What the build of one network takes, and how little more GPUs cost."""
    one = found.get(_EXAMPLE)
    if one is None or not one.whole:
        return ""
    half, every = one.builds["fp16"], one.every_gpu
    told = f"\n`{_EXAMPLE}` in FP16 takes {half.cpu_seconds:.1f} s of a core ({half.seconds:.1f} s "
    told += f"here, beside other work) and {half.peak_mib or 0:.0f} MiB"
    if every is not None and every.built:
        more = 100 * (every.engine_bytes / half.engine_bytes - 1)
        told += f"; for {len(every.gpus)} GPU generations in place of {len(half.gpus)}, "
        told += f"{every.cpu_seconds:.1f} s and an engine {more:.1f} % larger"
    return f"{told}.\n"


def _row(name: str, one: Built) -> tuple[str, ...]:
    builds = tuple(one.builds.values())
    fusions = tuple(build.fusion for build in builds if build.fusion is not None)

    def each(value: Callable[[Build], float], digits: int = 0) -> str:
        return _join(f"{value(build):.{digits}f}" for build in builds)

    def count(value: Callable[[Fusion], int]) -> str:
        return _join(str(value(fusion)) for fusion in fusions)

    return (
        f"`{name}`",
        each(lambda build: build.onnx_bytes / _MEGABYTE),
        each(lambda build: build.engine_bytes / _MEGABYTE),
        each(lambda build: build.cpu_seconds, 1),
        each(lambda build: build.peak_mib or 0),
        each(lambda build: build.layers),
        count(lambda fusion: fusion.kernels),
        str(fusions[0].convolutions),
        count(lambda fusion: fusion.convolutions_fused),
    )


def _join(cells: Iterable[str]) -> str:
    return "/".join(cells)
