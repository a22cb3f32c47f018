from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt.engine_choice import find_engine
from cdul_edge_runtime.backends.trt.engine_stamp import (
    EngineStamp,
    StampedEngine,
    damaged_stamps,
    list_engines,
)
from cdul_edge_runtime.backends.trt.platform import GpuPlatform
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from cdul_edge_runtime.host.files import read_json, sha256_file, write_json
from tests.fakes.engine_machine import add_precision

ORIN = GpuPlatform("10.3.0", "Orin", "8.7", 16, "aarch64")
THOR = GpuPlatform("10.13.3", "Thor", "11.0", 20, "aarch64")


def stamp_of(path: Path, source: str, **changes: Any) -> EngineStamp:
    stamp = EngineStamp(
        precision=Precision.FP16,
        source_sha256=source,
        sha256=sha256_file(path),
        bytes=path.stat().st_size,
        platform=ORIN,
        profile=Profile(1, 1, 8),
        strongly_typed=True,
        build={"seconds": 3.5, "peak_memory_mib": None},
    )
    return replace(stamp, **changes)


def add_engine(bundle: Path, name: str, **changes: Any) -> StampedEngine:
    path = bundle / "engines" / f"{name}.engine"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(name.encode())
    source = Bundle.load(bundle).record(Precision.FP16).sha256
    stamp = stamp_of(path, changes.pop("source_sha256", source), **changes)
    stamp.write(path.with_suffix(".json"))
    return StampedEngine(path, stamp)


@pytest.fixture
def typed(bundle: Path) -> Path:
    """A bundle with an FP16 file."""
    add_precision(bundle, Precision.FP16)
    return bundle


def test_read_undoes_write(typed: Path) -> None:
    engine = add_engine(typed, "a", version_compatible=True)
    assert EngineStamp.read(engine.path.with_suffix(".json")) == engine.stamp
    assert list_engines(typed, Precision.FP16) == [engine]
    assert list_engines(typed, Precision.FP32) == []


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"program": "cdul-edge", "format": 9}'])
def test_a_damaged_stamp_is_no_engine_and_is_named(content: str, typed: Path) -> None:
    add_engine(typed, "a")
    (typed / "engines" / "b.json").write_text(content)
    assert [engine.path.stem for engine in list_engines(typed, Precision.FP16)] == ["a"]
    (fault,) = damaged_stamps(typed)
    assert "b.json is damaged" in fault


def test_a_stamp_of_an_older_format_says_to_build_again(typed: Path) -> None:
    stamp = add_engine(typed, "a").path.with_suffix(".json")
    content = read_json(stamp)
    del content["platform"]["multiprocessors"]
    write_json(stamp, content | {"format": 1})
    (fault,) = damaged_stamps(typed)
    assert "of another version" in fault
    assert "format is 1, expected 2" in fault
    assert "build again here with `cdul-edge build --force`" in fault


@pytest.mark.parametrize("sizes", [(0, 1, 1), (2, 1, 4), (1, 5, 4)])
def test_batch_sizes_are_ordered(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(CdulEdgeError, match="expected 1 <= min <= best <= max"):
        Profile(*sizes)


@pytest.mark.parametrize(
    ("here", "flags", "misfits"),
    [
        (ORIN, {}, 0),
        (replace(ORIN, tensorrt="10.3.1"), {}, 1),
        (replace(ORIN, tensorrt="10.3.1"), {"version_compatible": True}, 0),
        (replace(ORIN, tensorrt="11.4.0.106"), {"version_compatible": True}, 0),
        (replace(ORIN, tensorrt="12.0"), {"version_compatible": True}, 1),
        (replace(ORIN, tensorrt="10.2.0"), {"version_compatible": True}, 1),  # older
        (replace(ORIN, gpu="Thor", compute_capability="11.0"), {}, 1),
        (THOR, {"version_compatible": True, "hardware_compatible": True}, 0),
        (
            replace(ORIN, gpu="Xavier", compute_capability="7.2"),
            {"hardware_compatible": True},
            1,
        ),
        (replace(ORIN, gpu="Orin Nano"), {}, 1),
        (replace(ORIN, multiprocessors=8), {}, 1),  # an Orin NX calls its GPU "Orin", too
        (replace(ORIN, multiprocessors=8), {"hardware_compatible": True}, 0),
        (replace(THOR, system="x86_64"), {}, 3),
    ],
)
def test_an_engine_fits_its_own_machine_and_what_it_was_built_to_be_compatible_with(
    here: GpuPlatform, flags: dict[str, bool], misfits: int, typed: Path
) -> None:
    engine = add_engine(typed, "a", **flags)
    assert len(engine.stamp.misfits(here)) == misfits


ADA = GpuPlatform("1.7.1.116", "RTX 4090", "8.9", 128, "x86_64", "rtx")


@pytest.mark.parametrize(
    ("here", "misfits"),
    [
        (ADA, []),
        (replace(ADA, gpu="RTX 3090", compute_capability="8.6", multiprocessors=82), []),
        (replace(ADA, system="AMD64"), []),  # the same processor, in the words of Windows
        (replace(ADA, system="aarch64"), ["built on x86_64, this is aarch64"]),
        (
            replace(ADA, tensorrt="1.7.2"),
            ["built with TensorRT for RTX 1.7.1.116, here is 1.7.2"],
        ),
        (
            replace(ADA, gpu="RTX 5090", compute_capability="12.0", multiprocessors=170),
            [
                "built for compute capability 8.6, 8.9, here is RTX 5090 (compute capability "
                "12.0, 170 multiprocessors)"
            ],
        ),
        (replace(ADA, flavor="tensorrt"), ["for TensorRT for RTX, not TensorRT"]),
    ],
)
def test_an_rtx_engine_fits_its_version_and_the_gpus_it_was_built_for(
    here: GpuPlatform, misfits: list[str], typed: Path
) -> None:
    built = GpuPlatform("1.7.1.116", "", "", 0, "x86_64", "rtx")  # without a GPU
    stamp = add_engine(typed, "a", platform=built, compute_capabilities=("8.6", "8.9")).stamp
    assert stamp.misfits(here) == misfits
    assert stamp.misfits(ORIN) == ["for TensorRT for RTX, not TensorRT"]
    assert EngineStamp.read(typed / "engines" / "a.json") == stamp


def test_a_stamp_from_before_there_were_two_libraries_is_tensorrts(typed: Path) -> None:
    engine = add_engine(typed, "a")
    path = engine.path.with_suffix(".json")
    content = read_json(path)
    del content["platform"]["flavor"], content["compute_capabilities"], content["newer_gpus"]
    write_json(path, content)
    stamp = EngineStamp.read(path)
    assert stamp == engine.stamp
    assert stamp.flavor == "tensorrt"
    assert stamp.misfits(ORIN) == []


def test_eight_goes_to_ten_but_not_to_eleven(typed: Path) -> None:
    old = replace(ORIN, tensorrt="8.6.2")
    stamp = add_engine(typed, "a", platform=old, version_compatible=True).stamp
    assert stamp.misfits(ORIN) == []
    assert stamp.misfits(replace(ORIN, tensorrt="11.4.0")) == [
        "built with TensorRT 8.6.2, here is 11.4.0"
    ]


def test_the_engine_of_this_machine_comes_before_one_that_is_only_compatible(typed: Path) -> None:
    add_engine(typed, "a", platform=replace(ORIN, tensorrt="10.0.1"), version_compatible=True)
    own = add_engine(typed, "b")
    assert find_engine(Bundle.load(typed), Precision.FP16, ORIN) == own


def test_where_no_engine_fits_each_reason_is_named_and_the_command_that_mends_it(
    typed: Path,
) -> None:
    bundle = Bundle.load(typed)
    with pytest.raises(BundleError) as raised:
        find_engine(bundle, Precision.FP16, THOR)
    assert str(raised.value) == (
        f"{typed} has no fp16 engine for TensorRT 10.13.3 on Thor: build one here with "
        f"`cdul-edge build {typed} --precision fp16`"
    )
    add_engine(typed, "far")
    add_engine(typed, "stale", platform=THOR, source_sha256="0" * 64)
    add_engine(typed, "edited", platform=THOR).path.write_bytes(b"other")
    add_engine(typed, "gone", platform=THOR).path.unlink()
    (typed / "engines" / "cut.json").write_text("{")
    with pytest.raises(BundleError) as raised:
        find_engine(bundle, Precision.FP16, THOR)
    for reason in (
        "cut.json is damaged",
        "far.engine (built with TensorRT 10.3.0, here is 10.13.3, built for Orin",
        "stale.engine (built from another ONNX file)",
        "edited.engine (the engine file was changed)",
        "gone.engine (the engine file is missing)",
        f"`cdul-edge build {typed} --precision fp16 --force`",
    ):
        assert reason in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_engine_of_a_precision_whose_file_is_not_the_bundles_is_refused(typed: Path) -> None:
    bundle = Bundle.load(typed)
    add_engine(typed, "a")
    with pytest.raises(BundleError, match="has no int8 model"):
        find_engine(bundle, Precision.INT8, ORIN)
    record = bundle.record(Precision.FP16)
    replace(record, source_sha256="0" * 64).write(typed)
    with pytest.raises(BundleError, match=r"was made from another model\.fp32\.onnx"):
        find_engine(bundle, Precision.FP16, ORIN)


def test_check_and_read_refuse_what_does_not_fit(typed: Path) -> None:
    engine = add_engine(typed, "a")
    source = engine.stamp.source_sha256
    engine.check(source, ORIN)
    assert engine.read(ORIN) == b"a"
    for refused in (lambda: engine.check(source, THOR), lambda: engine.read(THOR)):
        with pytest.raises(BundleError, match=r"a\.engine does not fit .*build again here with"):
            refused()
