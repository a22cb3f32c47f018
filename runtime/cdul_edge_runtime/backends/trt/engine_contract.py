"""What every engine of ours takes and gives: the contract of the graph it was built from."""

from __future__ import annotations

from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt import api as api
from cdul_edge_runtime.backends.trt.engine_stamp import StampedEngine
from cdul_edge_runtime.backends.trt.library import LeanTensorRT
from cdul_edge_runtime.errors import BundleError

IMAGES, SCORES = "images", "scores"  # see `manifest.Graph`


def check_contract(
    trt: LeanTensorRT, engine: api.ICudaEngine, stamped: StampedEngine
) -> tuple[tuple[int, int], int, Profile]:
    """((height, width) px, C, batch sizes) of an engine that keeps the graph's contract."""
    modes, types = trt.TensorIOMode, trt.DataType
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    shapes = {name: tuple(engine.get_tensor_shape(name)) for name in names}
    if (
        sorted(names) != [IMAGES, SCORES]
        or engine.get_tensor_mode(IMAGES) != modes.INPUT
        or engine.get_tensor_mode(SCORES) != modes.OUTPUT
        or engine.get_tensor_dtype(IMAGES) != types.UINT8
        or engine.get_tensor_dtype(SCORES) != types.FLOAT
        or len(shapes[IMAGES]) != 4
        or shapes[IMAGES][3] != 3
        or len(shapes[SCORES]) != 2
        or min(*shapes[IMAGES][1:], shapes[SCORES][1]) < 1
    ):
        raise BundleError(
            f"{stamped.path} has the tensors {shapes}: expected uint8 images (N, H, W, 3) and "
            "float32 scores (N, C): build it again with `cdul-edge build --force`"
        )
    low, best, high = (int(shape[0]) for shape in engine.get_tensor_profile_shape(IMAGES, 0))
    _, height, width, _ = shapes[IMAGES]
    return (height, width), shapes[SCORES][1], Profile(low, best, high)
