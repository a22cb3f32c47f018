from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from cdul_edge_export.engines import engine
from cdul_edge_export.engines.engine import build_engines, buildable_precisions
from cdul_edge_export.engines.engine_config import BuildSettings
from cdul_edge_export.engines.engine_target import tensorrt_target
from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt.engine_choice import find_engine
from cdul_edge_runtime.backends.trt.engine_stamp import EngineStamp
from cdul_edge_runtime.bundle.bundle import MANIFEST, Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from cdul_edge_runtime.host.files import read_json, write_json
from tests.fakes.engine_machine import Machine, add_precision
from tests.fakes.fake_tensorrt import VERSIONS

NAME = "fp32-orin-sm87-16mp-trt10.3.0"


@pytest.fixture
def machine() -> Machine:
    return Machine.make()


@pytest.fixture
def full(bundle: Path) -> Path:
    """A bundle with every precision."""
    for precision in (Precision.FP16, Precision.INT8, Precision.INT8_CPU):
        add_precision(bundle, precision)
    return bundle


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("precision", "allowed_in_8"),
    [
        (Precision.FP32, set()),
        (Precision.FP16, {"TF32", "FP16"}),
        (Precision.INT8, {"TF32", "FP16", "INT8"}),
    ],
)
def test_precision_comes_from_the_graph_and_only_8_needs_flags(
    version: str, precision: Precision, allowed_in_8: set[str], full: Path
) -> None:
    machine = Machine.make(version)
    engine = machine.build(full, precision, workspace_mib=5)
    (built,) = machine.world.built
    typed_flags = set() if precision is Precision.FP32 else {"TF32"}
    assert built["flags"] == (allowed_in_8 if version.startswith("8") else typed_flags)
    assert built["typed"] is engine.stamp.strongly_typed is not version.startswith("8")
    assert built["model"] == precision.value
    assert built["workspace"] == 5 << 20
    assert built["profile"] == [[1, 8, 8, 3], [4, 8, 8, 3], [8, 8, 8, 3]]
    assert engine.path.name == f"{precision.value}-orin-sm87-16mp-trt{version}.engine"


def test_the_stamp_says_what_was_built_and_where(bundle: Path, machine: Machine) -> None:
    engine = machine.build(bundle, version_compatible=True, hardware_compatible=True)
    read = EngineStamp.read(bundle / "engines" / f"{NAME}.json")
    assert read == engine.stamp
    assert read.platform == machine.platform
    assert read.profile == Profile(1, 4, 8)
    assert (read.version_compatible, read.hardware_compatible) == (True, True)
    assert read.source_sha256 == Bundle.load(bundle).fp32_sha256
    assert read.bytes == engine.path.stat().st_size
    assert read.build["seconds"] >= 0
    assert read.build["peak_memory_mib"] > 1
    assert find_engine(Bundle.load(bundle), Precision.FP32, machine.platform) == engine
    (built,) = machine.world.built
    assert built["flags"] == {"VERSION_COMPATIBLE"}
    assert built["hardware"] is machine.trt.HardwareCompatibilityLevel.AMPERE_PLUS


def test_a_build_adds_to_the_bundle_and_changes_nothing_in_it(
    bundle: Path, machine: Machine
) -> None:
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    machine.build(bundle)
    after = {path.name: path.read_bytes() for path in bundle.iterdir() if path.is_file()}
    assert after == before
    assert sorted(path.name for path in (bundle / "engines").iterdir()) == [
        f"{NAME}.engine",
        f"{NAME}.json",
        f"{NAME}.log",
        "timing-10.3.0-orin-sm87-16mp.cache",
    ]
    assert (bundle / "engines" / f"{NAME}.log").read_text() == "[info] building\n"


def test_the_optimization_level_is_tensorrts_own_unless_it_is_asked_for(
    bundle: Path, machine: Machine
) -> None:
    machine.build(bundle)
    machine.build(bundle, optimization_level=5, force=True)
    assert [built["level"] for built in machine.world.built] == [None, 5]


def test_the_peak_memory_is_that_of_this_build_and_not_of_what_came_before(
    bundle: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    peaks = {"so far": 900.0}
    monkeypatch.setattr(engine, "reset_peak_memory", lambda: peaks.update({"so far": 0.0}))

    def peak() -> float:
        peaks["so far"] += 100  # what this build takes
        return peaks["so far"]

    monkeypatch.setattr(engine, "peak_memory_mib", peak)
    for _ in range(2):
        assert machine.build(bundle, force=True).stamp.build["peak_memory_mib"] == 100


def test_a_builder_that_does_not_start_is_one_line(bundle: Path, machine: Machine) -> None:
    machine.world.starts = False
    with pytest.raises(CdulEdgeError, match=r"TensorRT does not start on this GPU \(CUDA init"):
        machine.build(bundle)


def test_two_modules_of_one_name_keep_an_engine_and_a_timing_cache_each(
    bundle: Path, machine: Machine
) -> None:
    machine.build(bundle)
    small = Machine.make(multiprocessors=8)
    own = small.build(bundle)
    names = {path.name for path in (bundle / "engines").iterdir()}
    assert {"timing-10.3.0-orin-sm87-16mp.cache", "timing-10.3.0-orin-sm87-8mp.cache"} <= names
    assert find_engine(Bundle.load(bundle), Precision.FP32, small.platform) == own
    assert small.world.caches == [b""]


def test_an_engine_is_replaced_with_force_only(bundle: Path, machine: Machine) -> None:
    machine.build(bundle)
    with pytest.raises(CdulEdgeError, match=rf"{NAME}.engine exists: replace it with --force"):
        machine.build(bundle, profile=Profile(1, 1, 1))
    assert machine.build(bundle, profile=Profile(1, 1, 1), force=True).stamp.profile.max == 1
    Machine.make(gpu="Thor", capability=(11, 0)).build(bundle)
    assert len(list((bundle / "engines").glob("*.engine"))) == 2


def test_several_engines_are_refused_before_the_first_is_built(
    full: Path, machine: Machine
) -> None:
    loaded = Bundle.load(full)
    assert buildable_precisions(loaded) == (Precision.FP32, Precision.FP16, Precision.INT8)
    machine.build(full, Precision.INT8)
    target = tensorrt_target(machine.trt, machine.cuda)
    wanted = [BuildSettings(precision) for precision in buildable_precisions(loaded)]
    with pytest.raises(CdulEdgeError, match=r"int8-orin-sm87-16mp-trt10\.3\.0\.engine exists"):
        build_engines(loaded, wanted, target)
    assert len(machine.world.built) == 1
    built = build_engines(loaded, wanted, target, force=True)
    assert [engine.stamp.precision for engine in built] == list(buildable_precisions(loaded))


def test_the_timing_cache_is_kept_and_a_refused_one_is_left_out_with_a_word(
    bundle: Path, machine: Machine
) -> None:
    path = bundle / "engines" / "timing-10.3.0-orin-sm87-16mp.cache"
    words: list[str] = []
    machine.build(bundle, talk=words.append)
    machine.build(bundle, force=True, talk=words.append)
    assert path.read_bytes() == b"+measured+measured"
    assert machine.world.caches == [b"", b"+measured"]
    assert not any("damaged" in word for word in words)
    path.write_bytes(b"noise")
    machine.world.accepts_cache = False
    machine.build(bundle, force=True, talk=words.append)
    assert any("damaged or of another TensorRT or GPU" in word for word in words)
    assert path.read_bytes() == b"+measured"


@pytest.mark.parametrize(
    ("version", "node"),
    [("8.6.1", "node 12"), ("10.3.0", "Einsum 'layer1.0' (node 12)")],
)
def test_a_parser_error_names_the_node(version: str, node: str, bundle: Path) -> None:
    machine = Machine.make(version)
    machine.world.parser_faults = ["no\nimporter", "bad axis"]
    with pytest.raises(CdulEdgeError) as raised:
        machine.build(bundle)
    assert f"{node}: no importer [ErrorCode.UNSUPPORTED_NODE]; {node}: bad axis" in str(
        raised.value
    )
    assert "\n" not in str(raised.value)
    assert machine.world.built == []


def test_a_build_that_fails_says_tensorrts_reason_and_the_memory_and_leaves_its_log(
    bundle: Path, machine: Machine
) -> None:
    machine.world.build_fails = "Requested amount of GPU memory could not be allocated"
    with pytest.raises(CdulEdgeError) as raised:
        machine.build(bundle)
    assert (
        "TensorRT built no fp32 engine (Requested amount of GPU memory could not be allocated; "
        "64 of 64 MiB are free on the GPU, workspace 1024 MiB): end other programs"
    ) in str(raised.value)
    assert [path.name for path in (bundle / "engines").iterdir()] == [f"{NAME}.log"]
    assert "[error] Requested" in (bundle / "engines" / f"{NAME}.log").read_text()


@pytest.mark.parametrize("full_at", [".engine", ".json", ".cache"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_full_disk_or_an_interruption_leaves_no_half_engine_and_no_stamp(
    full_at: str,
    error: BaseException,
    bundle: Path,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for method in ("write_bytes", "write_text"):
        original = getattr(Path, method)

        def write(path: Path, content: Any, _original: Any = original, **options: Any) -> int:
            if f"{full_at}." in path.name:
                _original(path, content[: len(content) // 2], **options)
                raise error
            written: int = _original(path, content, **options)
            return written

        monkeypatch.setattr(Path, method, write)
    with pytest.raises(type(error)):
        machine.build(bundle)
    left = {path.suffix for path in (bundle / "engines").iterdir()}
    assert left <= {".cache", ".log"}
    monkeypatch.undo()
    machine.build(bundle)


def test_a_full_disk_keeps_the_engine_that_was_to_be_replaced(
    bundle: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = machine.build(bundle)

    def fail(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left"):
        machine.build(bundle, force=True)
    assert find_engine(Bundle.load(bundle), Precision.FP32, machine.platform) == engine


def test_an_opset_that_tensorrt_8_cannot_read_is_refused_before_the_build(bundle: Path) -> None:
    content = read_json(bundle / MANIFEST)
    content["graph"].update(opset=18, newer_operators=["LayerNormalization"])
    write_json(bundle / MANIFEST, content)
    with pytest.raises(CdulEdgeError, match=r"opset 18 because of LayerNorm.*reads up to 17"):
        Machine.make("8.6.1").build(bundle)
    Machine.make("10.3.0").build(bundle)


def test_what_the_bundle_lacks_or_was_edited_is_refused(full: Path, machine: Machine) -> None:
    with pytest.raises(CdulEdgeError, match="int8-cpu is for x86 CPUs, TensorRT cannot use it"):
        machine.build(full, Precision.INT8_CPU)
    (full / "model.int8.onnx").write_bytes(b"edited")
    with pytest.raises(BundleError, match="is not the file its record names"):
        machine.build(full, Precision.INT8)
    (full / "model.fp16.json").unlink()
    with pytest.raises(BundleError, match="has no fp16 model: make one with"):
        machine.build(full, Precision.FP16)
    assert machine.world.built == []


def test_hardware_compatibility_needs_ampere(bundle: Path) -> None:
    machine = Machine.make(gpu="Xavier", capability=(7, 2))
    with pytest.raises(CdulEdgeError, match=r"from Ampere \(8.0\) on, Xavier has 7.2"):
        machine.build(bundle, hardware_compatible=True)


def test_a_damaged_stamp_is_told_and_does_not_stand_in_the_way(
    bundle: Path, machine: Machine
) -> None:
    engine = machine.build(bundle)
    engine.path.with_suffix(".json").write_text("{")
    words: list[str] = []
    target = tensorrt_target(machine.trt, machine.cuda)
    wanted = [BuildSettings(Precision.FP32)]
    build_engines(Bundle.load(bundle), wanted, target, talk=words.append)
    assert any(f"{NAME}.json is damaged" in word for word in words)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"workspace_mib": 0}, "workspace of 0 MiB: expected 1 to 16777216"),
        ({"workspace_mib": 1 << 44}, "MiB: expected 1 to 16777216"),
        ({"optimization_level": 6}, "optimization level 6: expected 0 to 5"),
    ],
)
def test_settings_out_of_range_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        BuildSettings(Precision.FP32, **settings)
