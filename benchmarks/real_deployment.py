"""What a student of the real photographs loses on its way to a device.

A finished run is exported, calibrated on the training photographs as a user without truth would
(defaults throughout), and judged on the held-out ones: mAP of eight classes with 95 % intervals,
the loss against FP32 on the same photographs, flipped decisions, and the latency of what runs on
this CPU, taking turns in one process. FP16 and TensorRT's INT8 run here for their arithmetic alone.

    python -m benchmarks.real_deployment --run RUN [--run ANOTHER ...] [--data DIR]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
import onnx
import torch

from benchmarks.photographs import DATA, REPORTED, Photographs, reported_columns
from benchmarks.precision_latency import take_turns
from benchmarks.record import median_ratio, record
from cdul_edge.front.export_run import ExportRunRequest, export_run
from cdul_edge.training.run_folder import load_run
from cdul_edge.training.summary import read_summary
from cdul_edge_calibration import CalibrateRequest, calibrate
from cdul_edge_calibration.accuracy import score_batches
from cdul_edge_calibration.data.pictures import PreparedPictures, prepare_pictures
from cdul_edge_calibration.graphs.layers import list_layers
from cdul_edge_calibration.precisions import PrecisionOutcome
from cdul_edge_export.deploy import Deploy
from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.verdict import Estimate
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.bootstrap import (
    estimate_flip_rate,
    estimate_map,
    estimate_map_drop,
)
from cdul_edge_runtime.metrics.metrics import evaluate_scores, mean_average_precision
from cdul_edge_runtime.verify import VerifyRequest, verify
from cdul_edge_runtime.verify.pictures import find_flips

Floats = npt.NDArray[np.float32]
ON_CPU = (Precision.FP32, Precision.INT8_CPU)
TURNS = 6  # of ten calls of each side


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The held-out photographs.

    Attributes:
        inputs: of N of them.
        truth: (N, 8) int8 of the reported classes.
        columns: of those among the bundle's classes.
    """

    inputs: PreparedPictures
    truth: npt.NDArray[np.int8]
    columns: list[int]

    @classmethod
    def of(cls, bundle: Bundle, photographs: Photographs, work: Path) -> HeldOut:
        """Every held-out photograph as this bundle sees it."""
        columns = reported_columns(bundle.manifest.classes)
        pictures, truth = photographs.heldout_truth(bundle.manifest.classes)
        preprocess, file = bundle.manifest.preprocess, work / "heldout.bin"
        inputs, unreadable = prepare_pictures(pictures, pictures.paths, preprocess, file)
        if unreadable:
            raise CdulEdgeError(f"a held-out photograph cannot be read ({unreadable[0]})")
        return cls(inputs, truth[:, columns], columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, action="append", required=True)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        photographs = Photographs(options.data)
        runs = [deploy_run(run, photographs, options.threads) for run in options.run]
    except CdulEdgeError as error:
        sys.exit(str(error))
    record("real_deployment", {"classes": list(REPORTED), "runs": runs}, threads=options.threads)


def deploy_run(run: Path, photographs: Photographs, threads: int) -> dict[str, object]:
    """Export, calibrate, verify, and judge one run."""
    with tempfile.TemporaryDirectory(prefix="cdul-edge-") as folder:
        work = Path(folder)
        network = deployed_network(run)
        export_run(ExportRunRequest(run, work / "bundle"))
        made = calibrate(CalibrateRequest(work / "bundle", photographs.train, force=True)).outcomes
        bundle = Bundle.load(work / "bundle")
        held = HeldOut.of(bundle, photographs, work)
        scores = {
            precision: score_batches(
                bundle.model_path(precision), held.inputs.batches(), precision
            )[0]
            for precision in bundle.precisions()
        }
        fp32 = scores[Precision.FP32]
        rows = {
            precision.value: {
                "size_mib": round(bundle.model_path(precision).stat().st_size / 2**20, 1),
                **judge(each, fp32, bundle, held),
            }
            for precision, each in scores.items()
        }
        for outcome in made:
            rows[outcome.precision.value].update(describe_calibration(outcome, bundle))
        shape = bundle.manifest.preprocess
        return {
            "run": read_summary(run).network,
            "heldout": len(held.truth),
            "size_px": [shape.height_px, shape.width_px],
            "parity_max_error": bundle.manifest.parity.max_error,
            "precisions": rows,
            "latency": measure_speed(network, bundle, held, threads),
            "verify": verify_held_out(bundle, photographs, threads),
        }


def deployed_network(run: Path) -> Deploy:
    """The run's PyTorch network, pixels in and scores out."""
    trained = load_run(run)
    return Deploy(trained.network, trained.preprocess).eval()


def judge(scores: Floats, fp32: Floats, bundle: Bundle, held: HeldOut) -> dict[str, object]:
    """mAP and loss of the reported classes, and flips, with their 95 % intervals."""
    columns, truth = held.columns, held.truth
    thresholds, near = bundle.manifest.thresholds[columns], bundle.manifest.parity.limit
    mine, theirs = scores[:, columns], fp32[:, columns]
    value = mean_average_precision(theirs, truth) - mean_average_precision(mine, truth)
    flipped, _ = find_flips(mine, theirs, thresholds, near)
    report = evaluate_scores(mine, truth, ClassList(REPORTED), thresholds)
    return {
        "map": estimate(estimate_map(mine, truth)),
        "map_drop": estimate(estimate_map_drop(theirs, mine, truth, value)),
        "flips_percent": estimate(estimate_flip_rate(flipped), scale=100),
        "ap": {name: round(ap, 1) for name, ap in report.ap.items()},
        "macro_f1": round(report.macro_f1, 2),
        "best_macro_f1": round(best_macro_f1(mine, truth), 2),
        "ece": round(report.ece, 2),
    }


def best_macro_f1(scores: Floats, truth: npt.NDArray[np.int8]) -> float:
    """Mean over the classes of the best F1 that any threshold gives, in percent: a bound."""
    best = []
    for column in range(scores.shape[1]):
        known = truth[:, column] >= 0
        positive = truth[known, column][np.argsort(-scores[known, column], kind="stable")] == 1
        hits, predicted = np.cumsum(positive), np.arange(1, len(positive) + 1)
        best.append(float((2 * hits / (predicted + positive.sum())).max()))
    return 100 * float(np.mean(best))


def describe_calibration(outcome: PrecisionOutcome, bundle: Bundle) -> dict[str, object]:
    """What the calibration itself said of a precision, without truth, on training photographs."""
    loss, flips = outcome.accuracy.map_loss, outcome.accuracy.flips
    layers = sum(layer.kind == "Conv" for layer in list_layers(onnx.load(bundle.model_path())))
    return {
        "calibration": {
            "verdict": outcome.verdict,
            "pictures": loss.pictures,
            "map_drop": estimate(loss),
            "flips_percent": estimate(flips, scale=100),
        },
        "float_layers": list(outcome.float_layers),
        "layers": layers,
    }


def measure_speed(
    network: Deploy, bundle: Bundle, held: HeldOut, threads: int
) -> dict[str, object]:
    """Median milliseconds a photograph at batch 1, the sides taking turns."""
    one = next(held.inputs.batches())[:1]
    tensor = torch.from_numpy(one)
    sides = {
        p.value: OrtBackend(bundle.model_path(p), precision=p, threads=threads) for p in ON_CPU
    }
    calls: dict[str, Callable[[], object]] = {"torch": lambda: network(tensor)}
    calls |= {name: partial(backend.infer, one) for name, backend in sides.items()}
    with torch.inference_mode():
        seconds = take_turns(calls, turns=TURNS)
    int8, fp32 = seconds[Precision.INT8_CPU.value], seconds[Precision.FP32.value]
    return {
        "p50_ms": {name: round(1000 * median(taken), 2) for name, taken in seconds.items()},
        "int8_cpu_over_fp32": round(median_ratio(fp32, int8), 2),
        "turns": TURNS,
    }


def verify_held_out(bundle: Bundle, photographs: Photographs, threads: int) -> dict[str, object]:
    """What `cdul-edge verify` says of all 20 classes on the held-out photographs."""
    report = verify(
        VerifyRequest(
            bundle.folder,
            device="cpu",
            precision="all",
            images=photographs.heldout,
            truth=photographs.heldout_table,
            threads=threads,
        )
    )
    rows = {row.precision: row.verdict for row in report.rows}
    return {"verdict": report.verdict, "rows": rows}


def estimate(found: Estimate, *, scale: float = 1) -> dict[str, float]:
    """A figure with the ends of its 95 % interval."""
    parts = {"value": found.value, "low": found.low, "high": found.high}
    return {name: round(scale * value, 3) for name, value in parts.items()}


if __name__ == "__main__":
    main()
