from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cdul_edge_calibration.request import REDUCED, CalibrateRequest
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import CdulEdgeError


def test_by_default_every_file_but_fp32_is_made_on_512_pictures() -> None:
    request = CalibrateRequest(Path("bundle"))
    assert set(request.precisions) == {one for one in Precision if one.has_file} - {Precision.FP32}
    assert request.precisions == REDUCED
    assert (request.count, request.check_count) == (512, 512)
    assert (request.max_map_drop, request.max_flip_rate) == (0.5, 0.02)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"precisions": (Precision.FP32,)}, "FP32 is what calibration starts from"),
        ({"precisions": (Precision.INT8, Precision.FP32)}, "it makes fp16, int8, int8-cpu"),
        ({"precisions": ()}, "it makes fp16, int8, int8-cpu"),
        ({"count": 0}, "pictures 0 and 512"),
        ({"check_count": 0}, "pictures 512 and 0"),
        ({"seed": -1}, "seed -1"),
        ({"max_map_drop": -0.1}, "budget of -0.1 points"),
        ({"max_flip_rate": 1.1}, "flip rate of 1.1"),
        ({"max_map_drop": float("nan")}, "budget of nan points"),
        ({"method": "entropy"}, "method entropy: expected minmax or percentile"),
    ],
)
def test_a_number_out_of_range_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        CalibrateRequest(Path("bundle"), **wrong)


def test_all_faults_are_told_together() -> None:
    with pytest.raises(CdulEdgeError, match=r"FP32 is .*; pictures 0 .*; budget of -1"):
        CalibrateRequest(Path("bundle"), precisions=(), count=0, max_map_drop=-1)
