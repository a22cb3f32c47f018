"""Classify pictures with a model that `cdul-edge export-config triton` wrote.

    pip install cdul-edge "tritonclient[grpc]"
    python client.py --model shapes --url localhost:8001 photo.jpg …

Classes, thresholds, and how a picture is resized come from the server, with the model.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tritonclient.grpc as triton

from cdul_edge_runtime.bundle.manifest import METADATA_KEY, Manifest
from cdul_edge_runtime.pictures.images import open_image
from cdul_edge_runtime.prediction import Prediction


class TritonClassifier:
    """A model on a server, used like `cdul_edge.Classifier`."""

    def __init__(self, url: str, model: str) -> None:
        self._client = triton.InferenceServerClient(url)
        self._model = model
        config = self._client.get_model_config(model).config
        self._batch = max(config.max_batch_size, 1)
        text = config.parameters[METADATA_KEY].string_value
        self.manifest = Manifest.from_dict(json.loads(text))

    def predict_files(self, paths: Sequence[str]) -> Iterator[Prediction]:
        """A prediction a picture, in order, as many in one request as the model takes."""
        for start in range(0, len(paths), self._batch):
            pictures = [open_image(Path(path)) for path in paths[start : start + self._batch]]
            inputs = np.stack([self.manifest.preprocess.apply(picture) for picture in pictures])
            tensor = triton.InferInput("images", inputs.shape, "UINT8")
            tensor.set_data_from_numpy(inputs)
            answer = self._client.infer(self._model, [tensor])
            for scores in answer.as_numpy("scores"):
                yield Prediction(scores, self.manifest.classes, self.manifest.thresholds)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def main() -> None:
    """Print a JSON line a picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--model", required=True)
    parser.add_argument("--url", default="localhost:8001", help="of Triton's gRPC service")
    given = parser.parse_args()
    classifier = TritonClassifier(given.url, given.model)
    for path, prediction in zip(
        given.pictures, classifier.predict_files(given.pictures), strict=True
    ):
        print(json.dumps({"path": path, **prediction.to_dict()}))
    classifier.close()


if __name__ == "__main__":
    main()
