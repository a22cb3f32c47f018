"""Decoding the pictures of a run before it starts, for runs that share them."""

from __future__ import annotations

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.subset import choose_pictures
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.data.dataset import locate_pictures, open_pictures
from cdul_edge.training.networks.network import create_network
from cdul_edge.training.request import TrainRequest
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.pictures.images import find_images
from cdul_edge_runtime.pictures.preprocess import Preprocess


def find_preprocess(config: TrainConfig) -> Preprocess:
    """What the pictures of a run with these settings look like; `create_network`'s errors."""
    return create_network(config, classes=2)[1].preprocess


def decode_pictures(request: TrainRequest, preprocess: Preprocess, console: Console) -> None:
    """Fill the disk cache of `request.data` with what its run will read; a full one stays.

    Raises:
        CdulEdgeError: no folder to share, or as `train` says of its labels and pictures.
    """
    data, val = request.data, request.evaluation.val
    if data.cache_folder is None or data.cache != "disk":
        raise CdulEdgeError("decoding ahead needs cache='disk' and a cache_folder that runs share")
    labels = choose_pictures(
        PseudoLabels.read(request.labels), images=data.images, only=request.only
    ).labels
    sets = [locate_pictures(labels.folder, labels.paths)]
    if val is not None:
        sets.append(find_images(val))
    for pictures in sets:
        with console.progress("reading pictures", len(pictures)) as tick:
            open_pictures(
                pictures,
                preprocess,
                data,
                scratch=data.cache_folder,
                remedy="repair it, or take it out",
                tick=tick,
            )
