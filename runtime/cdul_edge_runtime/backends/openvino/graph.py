"""Reading an ONNX file with OpenVINO, and checking that it is one of ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from cdul_edge_runtime.backends.openvino.api import Model, Port, Ported
from cdul_edge_runtime.backends.openvino.words import reason_of
from cdul_edge_runtime.bundle.classes import name_some
from cdul_edge_runtime.errors import BundleError, CdulEdgeError

# Where OpenVINO keeps the `metadata_props` of an ONNX file.
_METADATA = "framework"


def read_graph(openvino: ModuleType, path: Path) -> Model:
    """Read an ONNX file, and nothing else: asked without a format, OpenVINO would try each.

    Raises:
        CdulEdgeError: this OpenVINO was built without its reader of ONNX.
        BundleError: not a model that it can read.
    """
    readers = openvino.frontend.FrontEndManager()
    if "onnx" not in readers.get_available_front_ends():
        raise CdulEdgeError(
            f"OpenVINO {openvino.__version__} here cannot read ONNX files: "
            "pip install --force-reinstall openvino"
        )
    failures: tuple[type[Exception], ...] = (*_failures(openvino), RuntimeError, ValueError)
    try:
        reader = readers.load_by_framework("onnx")
        graph: Model = reader.convert(reader.load(str(path)))
    except failures as error:
        said = reason_of(error)
        raise BundleError(f"{path} is not a model that OpenVINO can load ({said})") from error
    return graph


def _failures(openvino: ModuleType) -> tuple[type[Exception], ...]:
    """What its readers raise, which is no `RuntimeError`."""
    names = "General Initialization NotImplemented OpConversion OpValidation".split()
    found = (getattr(openvino.frontend, f"{name}Failure", None) for name in names)
    return tuple(one for one in found if one is not None)


def read_metadata(graph: Model, path: Path) -> dict[str, str]:
    """The file's `metadata_props`.

    Raises:
        BundleError: they are not text.
    """
    if not graph.has_rt_info([_METADATA]):
        return {}
    try:
        names = graph.get_rt_info([_METADATA]).astype(dict)
        return {name: str(graph.get_rt_info([_METADATA, name]).astype(str)) for name in names}
    except UnicodeDecodeError as error:
        raise BundleError(
            f"{path} holds metadata that is not UTF-8 ({error}): copy it again, or export again"
        ) from error


def check_contract(graph: Ported, path: Path) -> tuple[tuple[int, int], int]:
    """((height, width) px of the input, width of the output).

    Raises:
        BundleError: the graph takes or gives something else than those of `cdul-edge export`.
    """
    inputs, outputs = map(_Tensor.of, graph.inputs), map(_Tensor.of, graph.outputs)
    found = [*inputs, *outputs]
    if [(one.name, one.kind, len(one.shape)) for one in found] == [
        ("images", "u8", 4),
        ("scores", "f32", 2),
    ]:
        (_, height, width, channels), (_, classes) = (one.shape for one in found)
        if height is not None and width is not None and classes is not None and channels == 3:
            return (height, width), classes
    told = name_some([str(one) for one in found], 4, "; ")
    raise BundleError(
        f"{path} has {told}: expected images: u8[N, H, W, 3] and "
        "scores: f32[N, C], as `cdul-edge export` makes them"
    )


@dataclass(frozen=True)
class _Tensor:
    """An input or an output; a length that differs from run to run is None."""

    name: str
    kind: str
    shape: tuple[int | None, ...]

    @classmethod
    def of(cls, port: Port) -> _Tensor:
        lengths = port.partial_shape
        shape = tuple(one.get_length() if one.is_static else None for one in lengths)
        return cls(min(port.names, default=""), port.element_type.get_type_name(), shape)

    def __str__(self) -> str:
        return f"{self.name}: {self.kind}{list(self.shape)}"
