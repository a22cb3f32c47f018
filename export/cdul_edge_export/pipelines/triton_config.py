"""config.pbtxt of a model in Triton's repository.

Fields as in NVIDIA's model_config.proto, written by hand: the protobuf of it comes with Triton's
client, which a workstation need not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdul_edge_runtime.bundle.manifest import METADATA_KEY, Manifest
from cdul_edge_runtime.choices import InstanceKind, TritonBackend

LABELS = "labels.txt"
MODEL_FILES: dict[TritonBackend, str] = {"onnxruntime": "model.onnx", "tensorrt": "model.plan"}

_PLATFORMS: dict[TritonBackend, str] = {
    "onnxruntime": "onnxruntime_onnx",
    "tensorrt": "tensorrt_plan",
}
_KINDS: dict[InstanceKind, str] = {"auto": "KIND_AUTO", "cpu": "KIND_CPU", "gpu": "KIND_GPU"}
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True)
class ModelConfig:
    """What config.pbtxt says.

    Attributes:
        name: of the model, and of its folder.
        backend: what serves it.
        manifest: of the bundle; clients read classes, thresholds and preprocessing from it.
        max_batch: most pictures in one call.
        preferred: batch sizes that the batcher tries to fill.
        queue_delay_us: how long a request may wait for others, microseconds.
        instances: where the model runs.
        comments: lines at the top.
    """

    name: str
    backend: TritonBackend
    manifest: Manifest
    max_batch: int
    preferred: tuple[int, ...]
    queue_delay_us: int
    instances: InstanceKind
    comments: Sequence[str] = ()

    def to_text(self) -> str:
        """The file."""
        shown = self.manifest.preprocess
        pixels = f"[ {shown.height_px}, {shown.width_px}, 3 ]"
        lines = [
            *(f"# {line}" for line in self.comments),
            f"name: {_quote(self.name)}",
            f"platform: {_quote(_PLATFORMS[self.backend])}",
            f"backend: {_quote(self.backend)}",
            f"default_model_filename: {_quote(MODEL_FILES[self.backend])}",
            f"max_batch_size: {self.max_batch}",
            "input [",
            f'  {{ name: "images" data_type: TYPE_UINT8 dims: {pixels} }}',
            "]",
            "output [",
            f'  {{ name: "scores" data_type: TYPE_FP32 dims: [ {len(self.manifest.classes)} ]'
            f" label_filename: {_quote(LABELS)} }}",
            "]",
            "version_policy { latest { num_versions: 1 } }",
            f"instance_group [ {{ count: 1 kind: {_KINDS[self.instances]} }} ]",
            *self._batching(),
            "model_warmup [",
            '  { name: "empty picture" batch_size: 1 inputs {',
            f'    key: "images" value {{ data_type: TYPE_UINT8 dims: {pixels} zero_data: true }}',
            "  } }",
            "]",
            "# for clients: classes, thresholds and preprocessing, as in the bundle's manifest",
            f"parameters {{ key: {_quote(METADATA_KEY)} value {{ string_value: "
            f"{_quote(self.manifest.to_json())} }} }}",
        ]
        return "\n".join(lines) + "\n"

    def _batching(self) -> list[str]:
        if self.max_batch == 1:
            return []
        preferred = ", ".join(map(str, self.preferred))
        return [
            "dynamic_batching {",
            f"  preferred_batch_size: [ {preferred} ]",
            f"  max_queue_delay_microseconds: {self.queue_delay_us}",
            "}",
        ]


def _quote(text: str) -> str:
    """A string of protobuf's text format, which is UTF-8 with C's escapes."""
    escaped = (
        _ESCAPES.get(c) or (c if c >= " " and c != "\x7f" else f"\\{ord(c):03o}") for c in text
    )
    return f'"{"".join(escaped)}"'
