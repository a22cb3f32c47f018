"""A model for Triton, read with the protobuf of Triton's own client."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge_export import ExportConfigRequest, ExportConfigResult, TritonOptions, export_config
from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.manifest import METADATA_KEY, Manifest, Precision
from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.host.files import sha256_file
from tests.fakes.engine_machine import Machine

TENSORRT = TritonOptions(backend="tensorrt")


def write(bundle: Path, out: Path, **fields: Any) -> ExportConfigResult:
    return export_config(ExportConfigRequest("triton", bundle, out, **fields), SilentConsole())


def read_config(folder: Path) -> Any:
    """The configuration as Triton parses it: a misspelt field is an error."""
    messages = pytest.importorskip("tritonclient.grpc.model_config_pb2")
    text_format = pytest.importorskip("google.protobuf.text_format")
    return text_format.Parse((folder / "config.pbtxt").read_text("utf-8"), messages.ModelConfig())


def test_the_bundles_file_is_served_as_it_is(bundle: Path, tmp_path: Path) -> None:
    result = write(bundle, tmp_path / "repository")
    folder = tmp_path / "repository" / "bundle"
    assert result.folder == folder
    assert list(result.files) == sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    assert sha256_file(folder / "1" / "model.onnx") == sha256_file(bundle / "model.fp32.onnx")
    assert (folder / "labels.txt").read_text() == "red\ngreen\nblue\n"
    config = read_config(folder)
    assert (config.name, config.backend, config.platform) == (
        "bundle",
        "onnxruntime",
        "onnxruntime_onnx",
    )
    assert config.max_batch_size == 8
    assert config.default_model_filename == "model.onnx"
    assert (config.input[0].name, list(config.input[0].dims)) == ("images", [8, 8, 3])
    assert (
        config.input[0].data_type
        == config.DESCRIPTOR.file.enum_types_by_name["DataType"].values_by_name["TYPE_UINT8"].number
    )
    assert (config.output[0].name, list(config.output[0].dims)) == ("scores", [3])
    assert config.output[0].label_filename == "labels.txt"
    assert list(config.dynamic_batching.preferred_batch_size) == [8]
    assert config.dynamic_batching.max_queue_delay_microseconds == 2000
    assert config.version_policy.latest.num_versions == 1
    assert config.model_warmup[0].inputs["images"].zero_data


def test_clients_read_thresholds_and_preprocessing_from_the_server(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    """Names that protobuf must escape come back whole; +inf is null in JSON."""
    names = ('say "hi"', "back\\slash\ttab", "Größe 茶")
    bundle = make_bundle(classes=ClassList(names))
    write(bundle, tmp_path / "repository", threshold=0.25)
    text = read_config(tmp_path / "repository" / "changed").parameters[METADATA_KEY].string_value
    manifest = Manifest.from_dict(json.loads(text))
    assert manifest.classes.names == names
    assert manifest.thresholds.tolist() == [0.25] * 3
    assert manifest.preprocess == Bundle.load(bundle).manifest.preprocess


def test_a_thousand_classes_with_never_among_their_thresholds(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    thresholds = np.linspace(0, 1, 1000).astype(np.float32)
    thresholds[7] = np.inf
    bundle = make_bundle(
        classes=ClassList(tuple(f"class {n}" for n in range(1000))), thresholds=thresholds
    )
    write(bundle, tmp_path / "repository")
    config = read_config(tmp_path / "repository" / "changed")
    assert list(config.output[0].dims) == [1000]
    read = Manifest.from_dict(json.loads(config.parameters[METADATA_KEY].string_value))
    np.testing.assert_array_equal(read.thresholds, thresholds)


def test_options_arrive_and_a_batch_of_one_is_not_batched(bundle: Path, tmp_path: Path) -> None:
    options = TritonOptions(name="door", instances="cpu", queue_delay_us=0)
    write(bundle, tmp_path / "repository", batch_size=1, triton=options)
    config = read_config(tmp_path / "repository" / "door")
    assert config.max_batch_size == 1
    assert not config.HasField("dynamic_batching")
    assert config.instance_group[0].kind == config.instance_group[0].KIND_CPU


def test_an_engine_is_served_with_the_batches_it_takes(bundle: Path, tmp_path: Path) -> None:
    engine = Machine.make("10.3.0").build(bundle, profile=Profile(1, 4, 6))
    result = write(bundle, tmp_path / "repository", triton=TENSORRT)
    folder = tmp_path / "repository" / "bundle"
    assert (folder / "1" / "model.plan").read_bytes() == engine.path.read_bytes()
    config = read_config(folder)
    assert (config.backend, config.platform) == ("tensorrt", "tensorrt_plan")
    assert config.default_model_filename == "model.plan"
    assert config.max_batch_size == 6
    assert list(config.dynamic_batching.preferred_batch_size) == [4, 6]
    assert config.instance_group[0].kind == config.instance_group[0].KIND_GPU
    assert "TensorRT 10.3.0" in result.limits[0]
    write(bundle, tmp_path / "repository", triton=TENSORRT, batch_size=4, force=True)
    assert list(read_config(folder).dynamic_batching.preferred_batch_size) == [4]
    with pytest.raises(CdulEdgeError, match="takes 1 to 6 pictures, and Triton sends 1 to 7"):
        write(bundle, tmp_path / "other", triton=TENSORRT, batch_size=7)


def test_one_of_several_engines_is_chosen_by_name(bundle: Path, tmp_path: Path) -> None:
    Machine.make("10.3.0").build(bundle)
    newer = Machine.make("10.9.0").build(bundle)
    with pytest.raises(CdulEdgeError, match="choose one with --engine"):
        write(bundle, tmp_path / "repository", triton=TENSORRT)
    chosen = replace(TENSORRT, engine=newer.path)
    result = write(bundle, tmp_path / "repository", triton=chosen)
    assert "TensorRT 10.9.0" in result.limits[0]


def test_an_engine_that_was_changed_is_not_served(bundle: Path, tmp_path: Path) -> None:
    engine = Machine.make("10.3.0").build(bundle)
    engine.path.write_bytes(b"another")
    with pytest.raises(BundleError, match="the engine file was changed"):
        write(bundle, tmp_path / "repository", triton=TENSORRT)


def test_a_neighbor_in_the_repository_stays(bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "repository" / "other"
    other.mkdir(parents=True)
    (other / "config.pbtxt").write_text("theirs")
    write(bundle, tmp_path / "repository")
    with pytest.raises(CdulEdgeError, match="exists"):
        write(bundle, tmp_path / "repository")
    write(bundle, tmp_path / "repository", force=True)
    with pytest.raises(CdulEdgeError, match="not a model for Triton"):
        write(bundle, tmp_path / "repository", force=True, triton=TritonOptions(name="other"))
    assert (other / "config.pbtxt").read_text() == "theirs"


@pytest.mark.parametrize("name", ["", "a/b", "../up", ".hidden", "two words"])
def test_a_name_that_is_no_folder_and_no_address_is_refused(
    name: str, bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(CdulEdgeError, match="expected letters"):
        write(bundle, tmp_path / "repository", triton=TritonOptions(name=name))
    assert not (tmp_path / "repository").exists()


@pytest.mark.parametrize(
    ("precision", "options", "message"),
    [
        ("bf16", TritonOptions(), "bf16 cannot be served there"),
        ("int8-cpu", TENSORRT, "int8-cpu cannot be served there"),
        ("fp32", TENSORRT, "no fp32 engine for Triton"),
        ("fp32", replace(TENSORRT, engine=Path("x.engine")), "no fp32 engine x.engine"),
    ],
)
def test_what_triton_cannot_serve_is_refused(
    precision: str, options: TritonOptions, message: str, bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        write(
            bundle,
            tmp_path / "repository",
            precision=Precision(precision),
            triton=options,
        )


def test_options_that_contradict_one_another_are_refused() -> None:
    with pytest.raises(CdulEdgeError, match="needs the backend tensorrt"):
        TritonOptions(engine=Path("one.engine"))
    with pytest.raises(CdulEdgeError, match="expected 0 or more"):
        TritonOptions(queue_delay_us=-1)
    with pytest.raises(CdulEdgeError, match="at most a minute"):
        TritonOptions(queue_delay_us=10**20)  # more than the field of Triton's protocol holds


def test_int8_of_the_cpu_runs_on_the_cpu_alone(
    bundle: Path, tmp_path: Path, add_precision: Callable[..., None]
) -> None:
    add_precision(bundle, Precision.INT8_CPU)
    write(bundle, tmp_path / "repository", precision=Precision.INT8_CPU)
    config = read_config(tmp_path / "repository" / "bundle")
    assert config.instance_group[0].kind == config.instance_group[0].KIND_CPU
    with pytest.raises(CdulEdgeError, match="runs on the CPU alone"):
        write(
            bundle,
            tmp_path / "other",
            precision=Precision.INT8_CPU,
            triton=TritonOptions(instances="gpu"),
        )
