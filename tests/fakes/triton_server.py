"""Triton's gRPC service over one model's folder: its own protocol, with ONNX Runtime behind it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import onnxruntime
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc


class _Service:
    """Says the configuration of the folder, and answers requests that fit it."""

    def __init__(self, folder: Path) -> None:
        self.config = text_format.Parse(
            (folder / "config.pbtxt").read_text("utf-8"), model_config_pb2.ModelConfig()
        )
        file = folder / "1" / self.config.default_model_filename
        self.session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        self.batches: list[int] = []

    def tell_config(self, request: Any, context: Any) -> Any:
        return service_pb2.ModelConfigResponse(config=self.config)

    def infer(self, request: Any, context: Any) -> Any:
        (asked,) = request.inputs
        shape = list(asked.shape)
        if shape[0] > self.config.max_batch_size or shape[1:] != list(self.config.input[0].dims):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"unexpected shape {shape}")
        self.batches.append(shape[0])
        images = np.frombuffer(request.raw_input_contents[0], np.uint8).reshape(shape)
        (scores,) = self.session.run(None, {asked.name: images})
        output = service_pb2.ModelInferResponse.InferOutputTensor(
            name="scores", datatype="FP32", shape=scores.shape
        )
        return service_pb2.ModelInferResponse(
            model_name=self.config.name, outputs=[output], raw_output_contents=[scores.tobytes()]
        )


@contextmanager
def serve(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """The address of the service, and the sizes of the batches that it was sent."""
    server = grpc.server(ThreadPoolExecutor(2))
    service = _Service(folder)
    servicer = service_pb2_grpc.GRPCInferenceServiceServicer()  # its other calls are refused
    servicer.ModelConfig, servicer.ModelInfer = service.tell_config, service.infer
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", service.batches
    finally:
        server.stop(None).wait()
