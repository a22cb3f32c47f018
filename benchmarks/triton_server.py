r"""Does a real Triton take what `export-config triton` writes, and answer as `predict` does?

PyTriton (`nvidia-pytriton` on PyPI) brings Triton's server with its Python backend alone. Triton
itself reads config.pbtxt, checks requests against it, batches them, warms the model up, and reads
the labels file. In the place of the missing onnxruntime backend a Python backend of that name runs
the model's file; nothing of the repository is changed for it. TensorRT's backend cannot be had so.

    python3 -m venv triton && triton/bin/pip install nvidia-pytriton onnxruntime
    python -m benchmarks.triton_server demo-out/bundle --triton triton \
        --pictures demo-out/world/heldout
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from benchmarks.record import record
from cdul_edge_export import ExportConfigRequest, TritonOptions, export_config
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.pictures.images import find_images
from examples.triton.client import TritonClassifier

NAME = "triton_server"
MODEL = "shapes"
START_S = 60.0
CALLERS = 8
BACKEND = """
import json, os
import numpy as np, onnxruntime as ort
import triton_python_backend_utils as pb

class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        return config

    def initialize(self, args):
        config = json.loads(args["model_config"])
        folder = os.path.join(args["model_repository"], args["model_version"])
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        file = os.path.join(folder, config["default_model_filename"])
        self.session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        inputs = [pb.get_input_tensor_by_name(one, "images").as_numpy() for one in requests]
        scores = self.session.run(None, {"images": np.concatenate(inputs)})[0]
        parts = np.split(scores, np.cumsum([len(one) for one in inputs])[:-1])
        return [pb.InferenceResponse([pb.Tensor("scores", part)]) for part in parts]
"""


@contextmanager
def running(installed: Path, repository: Path, port: int) -> Iterator[str]:
    """A server on loopback; yields the address of its gRPC service.

    Raises:
        RuntimeError: it does not start; the message ends with what it said.
    """
    (library,) = installed.glob("lib/python3.*/site-packages")
    server = library / "pytriton" / "tritonserver"
    version = library.parent.name.removeprefix("python")
    with tempfile.TemporaryDirectory() as folder:
        backends = Path(folder, "backends")
        shutil.copytree(server / "backends", backends)
        stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
        shutil.copy(stub, backends / "python")
        (backends / "onnxruntime").mkdir()
        (backends / "onnxruntime" / "model.py").write_text(BACKEND)
        command = [
            *(str(server / "bin" / "tritonserver"), f"--model-repository={repository}"),
            *(f"--backend-directory={backends}", "--grpc-address=127.0.0.1"),
            *(f"--grpc-port={port}", "--allow-http=false", "--allow-metrics=false"),
        ]
        environment = {
            **os.environ,
            "PATH": f"{installed / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(library),
            "LD_LIBRARY_PATH": str(library / "nvidia_pytriton.libs"),
        }
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            _wait(process, f"127.0.0.1:{port}", log)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    client = triton.InferenceServerClient(url)
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            if client.is_model_ready(MODEL):
                client.close()
                return
        except InferenceServerException:
            time.sleep(0.1)
    raise RuntimeError("Triton does not serve the model: " + log.read_text()[-2000:])


def measure(bundle: Path, pictures: Path, installed: Path, port: int) -> dict[str, object]:
    """Answers of the server against those of `predict`, and how it batches."""
    found = find_images(pictures)
    paths = [str(found.absolute(index)) for index in range(len(found))]
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder)
        request = ExportConfigRequest(
            "triton", bundle, repository, triton=TritonOptions(name=MODEL, queue_delay_us=5000)
        )
        export_config(request, SilentConsole())
        with running(installed, repository, port) as url:
            return {**_answers(bundle, paths, url), **_behavior(paths, url)}


def _answers(bundle: Path, paths: list[str], url: str) -> dict[str, object]:
    differ, largest = 0, 0.0
    server = TritonClassifier(url, MODEL)
    with Classifier.load(bundle, device="cpu", precision="fp32", threads=1) as classifier:
        ours = classifier.predict_batch(paths, batch_size=8)
    for mine, theirs in zip(ours, server.predict_files(paths), strict=True):
        differ += len(set(mine.labels) ^ set(theirs.labels))
        largest = max(largest, float(np.abs(mine.scores - theirs.scores).max()))
    decisions = len(paths) * len(server.manifest.classes)
    server.close()
    return {
        "pictures": len(paths),
        "decisions": decisions,
        "differ": differ,
        "largest_score_difference": largest,
    }


def _behavior(paths: list[str], url: str) -> dict[str, object]:
    """What is Triton's own: its version, its batcher, its check of shapes, its labels."""
    client = triton.InferenceServerClient(url)
    before = _executions(client)

    def call(start: int) -> None:
        one = TritonClassifier(url, MODEL)
        for path in paths[start : start + 20]:
            list(one.predict_files([path]))
        one.close()

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(call, range(0, 20 * CALLERS, 20)))
    after = _executions(client)
    server = TritonClassifier(url, MODEL)
    preprocess = server.manifest.preprocess
    wrong = np.zeros((1, preprocess.height_px - 1, preprocess.width_px, 3), np.uint8)
    try:
        client.infer(MODEL, [_tensor(wrong)])
        refused = ""
    except InferenceServerException as error:
        refused = str(error.message()).partition(" NOTE")[0]
    empty = np.zeros((1, preprocess.height_px, preprocess.width_px, 3), np.uint8)
    best = client.infer(
        MODEL, [_tensor(empty)], outputs=[triton.InferRequestedOutput("scores", class_count=1)]
    )
    label = best.as_numpy("scores")[0, 0].decode().rpartition(":")[2]
    return {
        "server": client.get_server_metadata().version,
        "requests_of_one": after[0] - before[0],
        "executions": after[1] - before[1],
        "wrong_shape": refused,
        "label_of_its_classification": label in server.manifest.classes.names,
    }


def _executions(client: Any) -> tuple[int, int]:
    (model,) = client.get_inference_statistics(MODEL).model_stats
    return int(model.inference_count), int(model.execution_count)


def _tensor(inputs: Any) -> Any:
    tensor = triton.InferInput("images", inputs.shape, "UINT8")
    tensor.set_data_from_numpy(inputs)
    return tensor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--triton", type=Path, required=True, help="venv of nvidia-pytriton")
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--port", type=int, default=18999)
    options = parser.parse_args()
    figures = measure(options.bundle, options.pictures, options.triton, options.port)
    print(figures)
    record(NAME, figures, threads=1)


if __name__ == "__main__":
    main()
