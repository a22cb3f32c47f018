from __future__ import annotations

import json
import re
from pathlib import Path
from time import sleep

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bench.benchmark import (
    VERSIONS,
    BenchRequest,
    bench,
    measure_speed,
)
from cdul_edge_runtime.bench.latency import Effort
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.classifier import Classifier


class Slow:
    """Takes 2 ms a picture, four pictures at most."""

    name = "slow"
    input_shape = (8, 8)
    class_count = 3
    max_batch = 4
    device_memory_mib = None

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        sleep(0.002 * len(images))
        return np.zeros((len(images), 3), np.float32)

    def close(self) -> None: ...


def test_throughput_is_pictures_a_second_at_the_sizes_that_fit(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    classifier = Classifier(loaded.manifest, Slow())
    inputs = loaded.reference().inputs  # three pictures: a batch of four repeats one
    speed = measure_speed(classifier, inputs, (1, 4, 16), Effort(5, 1))
    assert (list(speed.throughput), speed.throughput[16]) == ([1, 4, 16], None)
    # sleep never ends early: at most 500 a second; a busy machine may be slower.
    assert 0 < (speed.throughput[4] or 0) <= 500
    assert speed.latency["network"].p50_ms >= 2
    assert speed.latency["end_to_end"].p50_ms >= 2
    none_fits = measure_speed(classifier, inputs, (16,), Effort(5, 1))
    assert none_fits.throughput == {16: None}
    assert none_fits.latency["network"].p50_ms >= 2


def test_the_report_has_a_row_a_number_of_threads_and_is_plain_json(bundle: Path) -> None:
    report = bench(
        BenchRequest(
            bundle,
            device="cpu",
            precision="all",
            batches=(2,),
            threads=(1, 2),
            effort=Effort(2, 1, 0.1),
        )
    )
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert [row["threads"] for row in content["rows"]] == [1, 2]
    assert set(content["rows"][0]["throughput"]) == {"2"}
    assert {one["precision"] for one in content["unavailable"]} == {"fp16", "int8", "int8-cpu"}
    assert len(content["unavailable"]) == 3
    assert content["effort"] == {"repeats": 2, "warm_up": 1, "budget_s": 0.1}
    assert {"machine", "versions", "power"} <= set(content)


def test_a_report_names_the_version_of_every_extra_that_runs_a_bundle() -> None:
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    for extra in ("cpu", "gpu", "trt", "rtx"):
        (package,) = re.findall(rf'^{extra} = \["([\w-]+)', project, re.MULTILINE)
        assert package in VERSIONS
