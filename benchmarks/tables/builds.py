"""What NVIDIA's compiler made of every network: docs/networks.md, and the whole list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from benchmarks.tables.markdown import RESULTS, figures, section, table
from benchmarks.tensorrt_compiler import Compiled
from cdul_edge_runtime.host.json_record import parse_record

_MEGABYTE = 1e6
_HEADS = (
    "network", "ONNX, MB", "engine, MB", "build, s", "peak, MiB", "layers to kernels, fp16",
    "int8", "convolutions fused, fp16", "in INT8",
)  # fmt: skip


@dataclass(frozen=True)
class Built:
    """One network of tensorrt_build.json."""

    family: str
    parameters: int = 0
    opset: int = 0
    refused: str = ""
    builds: Mapping[str, Compiled] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether every precision was built."""
        return bool(self.builds) and all(one.built for one in self.builds.values())


def draw_builds() -> str:
    """docs/networks.md: the largest network of each family, and what was refused."""
    found = _read()
    largest: dict[str, str] = {}
    for name, one in sorted(found.items(), key=lambda item: item[1].parameters):
        if one.whole:
            largest[one.family] = name
    chosen = [name for name in found if name in largest.values()]
    return f"{_tell(found)}\n{table(_HEADS, [_row(name, found[name]) for name in chosen])}"


def draw_all_builds() -> str:
    """benchmarks/README.md: every network."""
    found = _read()
    rows = [_row(name, one) for name, one in found.items() if one.whole]
    told = (
        "Three figures in a cell: fp32, fp16, int8. For GeForce 30 and 40 (8.6, 8.9), one to eight "
        "images, a process a build."
    )
    return section("TensorRT for RTX, built without a GPU", told, _tell(found), table(_HEADS, rows))


def _read() -> dict[str, Built]:
    if not (RESULTS / "tensorrt_build.json").is_file():
        return {}
    found = figures("tensorrt_build").items()
    return {name: parse_record(Built, one, name) for name, one in found}


def _tell(found: Mapping[str, Built]) -> str:
    builds = [one for network in found.values() for one in network.builds.values()]
    told = f"{len(found)} networks: {sum(one.built for one in builds)} of {len(builds)} files built"
    told += f", {sum(bool(one.warnings) for one in builds)} with a warning."
    refused = [f"`{name}`: {one.refused}" for name, one in found.items() if one.refused]
    refused += [
        f"`{name}` {precision}: {one.message}"
        for name, network in found.items()
        for precision, one in network.builds.items()
        if not one.built
    ]
    return f"{told} Refused: {'; '.join(refused)}.\n" if refused else f"{told}\n"


def _row(name: str, one: Built) -> tuple[str, ...]:
    builds = tuple(one.builds.values())
    half, int8 = one.builds["fp16"], one.builds["int8"]
    assert half.fusion is not None
    assert int8.fusion is not None
    return (
        f"`{name}`",
        _three(build.onnx_bytes / _MEGABYTE for build in builds),
        _three((build.engine_bytes or 0) / _MEGABYTE for build in builds),
        " / ".join(f"{build.build_seconds:.1f}" for build in builds),
        _three(build.peak_mib or 0 for build in builds),
        f"{half.network_layers} to {half.fusion.kernels}",
        f"{int8.network_layers} to {int8.fusion.kernels}",
        f"{half.fusion.convolutions_fused} of {half.fusion.convolutions}",
        f"{int8.fusion.convolutions_in_int8} of {int8.fusion.convolutions}",
    )


def _three(values: Iterable[float]) -> str:
    return " / ".join(f"{value:.0f}" for value in values)
