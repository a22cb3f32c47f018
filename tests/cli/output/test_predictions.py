from pathlib import Path

import numpy as np
import pytest

from cdul_edge.cli.output.predictions import PredictionWriter
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.prediction import Prediction


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_line_that_a_full_disk_did_not_take_is_not_counted_as_finished() -> None:
    half = np.full(2, 0.5, dtype=np.float32)
    classes = ClassList(("cat", "dog"))
    with (
        pytest.raises(OSError, match="No space"),
        Path("/dev/full").open("w", encoding="utf-8") as file,
    ):
        writer = PredictionWriter(file, "jsonl", classes)
        with pytest.raises(OSError, match="No space"):
            writer.write("a.jpg", Prediction(half, classes, half))
        assert writer.rows == 0
