"""Every TensorRT name that the project uses, against the public names of six real versions.

tests/fakes/tensorrt_api/*.json were read off NVIDIA's binding wheels (names only), for the
classes in api.py; `test_the_real_bindings…` makes such a wheel importable and looks itself.
TensorRT for RTX is looked at as it is installed, too.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cdul_edge_runtime.backends.trt.api import OPTIONAL
from tests.fakes import fake_rtx, fake_tensorrt
from tests.fakes.engine_machine import Machine
from tests.fakes.fake_rtx import RtxMachine
from tests.fakes.tensorrt_names import MODULES, RTX, declared, find_uses, sources

RECORDED = {
    path.stem: json.loads(path.read_text())
    for path in (Path(__file__).parents[3] / "fakes" / "tensorrt_api").glob("*.json")
}
TENSORRT = ("8.6.1", "10.3.0", "10.13.3.9", "10.16.1.11", "11.4")
RTX_VERSION = "rtx-1.7.1.116"
VERSIONS = (*TENSORRT, RTX_VERSION)
FAKES = {
    *("Builder", "OptimizationProfile", "OnnxParser", "Runtime", "CudaEngine"),
    *("BuilderConfig", "TimingCache", "ExecutionContext"),
}


def names(version: str) -> set[str]:
    """Every `Class.member` of a version, and `TensorRT.Class`."""
    classes = RECORDED[version]
    members = {f"{name}.{member}" for name, all_of_it in classes.items() for member in all_of_it}
    members |= {f"{module}.{name}" for module in MODULES for name in classes}
    return members | {f"{RTX}{name}" for name in members if version == RTX_VERSION}


def declared_names() -> set[str]:
    return {f"{name}.{member}" for name, members in declared().items() for member in members}


def rtx_names() -> set[str]:
    """What is declared for TensorRT for RTX alone; its module repeats what TensorRT has."""
    return {name for name in declared_names() if name.startswith(RTX)}


def test_every_version_is_recorded() -> None:
    assert set(RECORDED) == set(VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_declared_is_there_in_every_version(version: str) -> None:
    wanted = declared_names() if version == RTX_VERSION else declared_names() - rtx_names()
    assert wanted - names(version) == set()


def test_what_is_declared_for_rtx_alone_is_not_in_every_version() -> None:
    alone = {name.removeprefix(RTX) for name in rtx_names()}
    everywhere = set.intersection(*(names(version) for version in TENSORRT))
    repeated = {name for name in declared_names() if name.startswith("TensorRT.")}
    with_a_configuration = {"ICudaEngine.create_execution_context"}
    assert alone & everywhere == repeated | with_a_configuration


def test_what_is_optional_is_in_some_versions_and_not_in_all() -> None:
    for name in OPTIONAL:
        holds = [name in names(version) for version in VERSIONS]
        assert any(holds), name
        assert not all(holds), f"{name} is in every version: declare it"


def test_the_sources_use_what_is_declared_and_nothing_else() -> None:
    uses = find_uses(*(path.read_text() for path in sources()))
    assert uses.faults == []
    assert uses.guarded == set(OPTIONAL)
    module_parts = {name for name in declared_names() if name.split(".")[0] in MODULES}
    log = {"ILogger.log"}  # overridden, never called
    assert uses.plain - module_parts == declared_names() - module_parts - log
    # a lean runtime will do for some of what the whole module has, so either counts
    used = {name.partition(".")[2] for name in uses.plain & module_parts}
    assert used == {name.partition(".")[2] for name in module_parts}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("config.int8_calibrator = None", "IBuilderConfig.int8_calibrator"),
        ("other = builder.create_builder_config(); other.algorithm_selector",
         "IBuilderConfig.algorithm_selector"),
        ("flag = trt.BuilderFlag.FP16", "BuilderFlag.FP16"),
        ("(trt or None).Refitter", "TensorRT.Refitter"),
        ("self.kept = builder; self.kept.max_batch_size", "Builder.max_batch_size"),
    ],
)  # fmt: skip
def test_a_name_that_not_every_version_has_is_found(line: str, found: str) -> None:
    header = "def f(self, trt: TensorRT, builder: api.Builder, config: api.IBuilderConfig):\n    "
    uses = find_uses(header + line)
    assert found in uses.plain
    assert found not in declared_names()


@pytest.mark.parametrize(
    "text",
    [
        "def f(trt: Any): trt.Builder",
        "def f(trt: TensorRT): x: Any = trt.BuilderFlag",
        "def f(trt: TensorRT, name: str): api.optional(trt.BuilderFlag, name)",
        "def f(trt: TensorRT): getattr(trt.BuilderFlag, 'FP16')",
        "import tensorrt as trt",
    ],
)
def test_what_cannot_be_followed_is_a_fault(text: str) -> None:
    assert len(find_uses(text).faults) == 1


@pytest.mark.parametrize("version", fake_tensorrt.VERSIONS)
def test_the_fake_offers_nothing_that_the_real_version_lacks(version: str) -> None:
    machine = Machine.make(version)
    recorded = RECORDED[version.removesuffix(".0.106")]
    for name, value in vars(machine.trt).items():
        if isinstance(value, SimpleNamespace):
            assert set(vars(value)) <= set(recorded[name]), name
        else:
            assert name.startswith("__") or name in recorded
    for name in FAKES:
        fake: Any = getattr(fake_tensorrt, name)
        methods = {m for m in vars(fake) if not m.startswith("_")}
        real = recorded.get(name) or recorded[f"I{name}"]
        assert methods <= set(real), name


def test_the_fake_of_rtx_offers_nothing_that_the_real_one_lacks() -> None:
    recorded = RECORDED[RTX_VERSION]
    for name, value in vars(RtxMachine.make().trt).items():
        if isinstance(value, SimpleNamespace):
            assert set(vars(value)) <= set(recorded[name]), name
        else:
            assert name.startswith("__") or name in recorded
    for fake, real in (
        (fake_rtx.RtxRuntime, "Runtime"),
        (fake_rtx.RtxEngine, "ICudaEngine"),
        (fake_rtx.RtxExecutionContext, "IExecutionContext"),
        (fake_rtx.IRuntimeConfig, "IRuntimeConfig"),
        (fake_rtx.IRuntimeCache, "IRuntimeCache"),
    ):
        assert {m for m in vars(fake) if not m.startswith("_")} <= set(recorded[real]), real


def test_the_installed_rtx_has_every_name_and_was_recorded_rightly() -> None:
    trt: Any = pytest.importorskip("tensorrt_rtx", reason="no TensorRT for RTX on this platform")
    real = {name: set(dir(getattr(trt, name))) for name in RECORDED[RTX_VERSION]}
    if trt.__version__ == RTX_VERSION.removeprefix("rtx-"):
        for name, members in RECORDED[RTX_VERSION].items():
            assert set(members) <= real[name], f"{name} was recorded wrongly"
    members = {f"{name}.{member}" for name, all_of_it in real.items() for member in all_of_it}
    members |= {f"{module}.{name}" for module in MODULES for name in dir(trt)}
    members |= {f"{RTX}{name}" for name in members}
    assert declared_names() - members == set()
    for name in OPTIONAL:
        assert (name in members) == (name in names(RTX_VERSION)), name
    # How the two are called and set that fakes alone have run so far.
    assert "runtime_config: " in trt.ICudaEngine.create_execution_context.__doc__
    for setting in ("cuda_graph_strategy", "dynamic_shapes_kernel_specialization_strategy"):
        assert getattr(trt.IRuntimeConfig, setting).fset is not None
