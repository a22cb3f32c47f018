"""PyTorch as one more backend, for `verify --run`: the network that a bundle was exported from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from cdul_edge_export.deploy import torch_scores
from cdul_edge_runtime.bundle.manifest import Manifest
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.preprocess import Preprocess


class TorchBackend:
    """A trained network on the CPU, as it was trained; shares no code with the exported graph.

    Attributes:
        input_shape: (height, width) px.
        class_count: C.
    """

    max_batch: int | None = None
    device_memory_mib: float | None = None

    def __init__(self, network: nn.Module, preprocess: Preprocess, class_count: int) -> None:
        """Take a network in evaluation mode: float32 normalized (N, 3, H, W) to logits (N, C)."""
        self._network: nn.Module | None = network
        self._preprocess = preprocess
        self.input_shape = (preprocess.height_px, preprocess.width_px)
        self.class_count = class_count

    @property
    def name(self) -> str:
        return f"torch {torch.__version__}, cpu"

    def check_fit(self, manifest: Manifest, where: str) -> None:
        """Make sure that the bundle can be of this network.

        Raises:
            CdulEdgeError: other pictures or another number of classes; `where` names the run.
        """
        faults = []
        if self.class_count != len(manifest.classes):
            faults.append(f"{self.class_count} classes, the bundle has {len(manifest.classes)}")
        if self._preprocess != manifest.preprocess:
            faults.append(f"pictures as {self._preprocess}, the bundle {manifest.preprocess}")
        if faults:
            raise CdulEdgeError(
                f"{where} has {' and '.join(faults)}: give the run it was exported from"
            )

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        network = self._network  # read once: another thread may close it meanwhile
        if network is None:
            raise CdulEdgeError("this PyTorch network was closed: load it again")
        # torch takes no others
        pixels = torch.from_numpy(np.require(images, requirements=["C", "W"]))
        scores: npt.NDArray[np.float32] = torch_scores(
            network, self._preprocess, pixels, batch_size=len(images)
        ).numpy()
        return scores

    def close(self) -> None:
        self._network = None
