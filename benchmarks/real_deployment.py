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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median

import numpy as np
import numpy.typing as npt
import onnx
import torch

from benchmarks.photographs import DATA, REPORTED, Photographs, reported_columns
from benchmarks.precision_latency import take_turns
from benchmarks.record import record
from benchmarks.world_figures import best_macro_f1
from cdul_edge.front.export_run import ExportRunRequest, export_run
from cdul_edge.training.run_folder import load_run
from cdul_edge.training.summary import read_summary
from cdul_edge_calibration import CalibrateRequest, calibrate
from cdul_edge_calibration.accuracy import score_batches
from cdul_edge_calibration.data.calibration_record import CalibrationRecord
from cdul_edge_calibration.data.pictures import PreparedPictures, prepare_pictures
from cdul_edge_calibration.graphs.layers import list_layers, name_nodes
from cdul_edge_calibration.graphs.quantize import quantize_for_cpu
from cdul_edge_calibration.precisions import PrecisionOutcome
from cdul_edge_export.bundle_export import PARITY_LIMIT
from cdul_edge_export.deploy import Deploy
from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.verdict import Estimate
from cdul_edge_runtime.device_choice import CpuThreads
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.bootstrap import (
    estimate_flip_rate,
    estimate_mean_gain,
    estimate_mean_map,
)
from cdul_edge_runtime.metrics.metrics import MetricsReport, evaluate_scores
from cdul_edge_runtime.verify import VerifyRequest, verify
from cdul_edge_runtime.verify.pictures import find_flips

Floats = npt.NDArray[np.float32]
ON_CPU = (Precision.FP32, Precision.INT8_CPU)
TURNS = 6  # of ten calls of each side
PLAIN = "int8-cpu, biases of FP32"  # what correcting them is worth


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


@dataclass(frozen=True, eq=False)
class Side:
    """One file of one run, its (N, 8) scores, and its (8,) thresholds."""

    scores: Floats
    thresholds: Floats
    report: MetricsReport
    best_f1: float
    size_mib: float
    float_layers: int = 0
    calibration: Mapping[str, object] | None = None


@dataclass(frozen=True, eq=False)
class DeployedRun:
    """One run on its way to a device."""

    network: str
    truth: npt.NDArray[np.int8]
    sides: Mapping[str, Side]
    layers: int
    p50_ms: Mapping[str, float]
    about: Mapping[str, object]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, action="append", required=True,
                        help="of `train`; repeat it for several seeds")  # fmt: skip
    parser.add_argument("--data", type=Path, default=DATA, help="train/ and heldout/")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        photographs = Photographs(options.data)
        runs = [deploy_run(run, photographs, options.threads) for run in options.run]
    except CdulEdgeError as error:
        print(f"real_deployment: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    record("real_deployment", summarize(runs, options.threads), threads=options.threads)


def deploy_run(run: Path, photographs: Photographs, threads: int) -> DeployedRun:
    """Export, calibrate, verify, and judge one run."""
    with tempfile.TemporaryDirectory(prefix="cdul-edge-") as folder:
        work = Path(folder)
        trained = load_run(run)
        # The run may come from another machine, whose pictures lie elsewhere.
        export_run(ExportRunRequest(run, work / "bundle", reference=photographs.train))
        made = calibrate(CalibrateRequest(work / "bundle", photographs.train, force=True)).outcomes
        bundle = Bundle.load(work / "bundle")
        held = HeldOut.of(bundle, photographs, work)
        outcomes = {outcome.precision: outcome for outcome in made}
        sides = {
            p.value: judge(bundle, held, bundle.model_path(p), p, outcomes.get(p))
            for p in bundle.precisions()
            if p.has_file
        }
        plain = without_correction(bundle, work)
        sides[PLAIN] = judge(bundle, held, plain, Precision.INT8_CPU, outcomes[Precision.INT8_CPU])
        network = Deploy(trained.network, trained.preprocess).eval()
        return DeployedRun(
            network=read_summary(run).network,
            truth=held.truth,
            sides=sides,
            layers=sum(one.kind == "Conv" for one in list_layers(onnx.load(bundle.model_path()))),
            p50_ms=measure_speed(network, bundle, held, threads),
            about={
                "parity_max_error": bundle.manifest.parity.max_error,
                "verify": verify_held_out(bundle, photographs, threads),
                "calibration": {name: side.calibration for name, side in sides.items()},
                "float_layers": {p.value: list(one.float_layers) for p, one in outcomes.items()},
            },
        )


def without_correction(bundle: Bundle, work: Path) -> Path:
    """`int8-cpu` of the same ranges and float layers with the biases of FP32."""
    made = CalibrationRecord.read(bundle.folder)
    assert made is not None  # it was written a moment ago
    model = onnx.load(bundle.model_path())
    name_nodes(model)
    kept = bundle.record(Precision.INT8_CPU).float_layers
    onnx.save(quantize_for_cpu(model, made.ranges, kept), work / "plain.onnx")
    return work / "plain.onnx"


def judge(
    bundle: Bundle,
    held: HeldOut,
    path: Path,
    precision: Precision,
    outcome: PrecisionOutcome | None,
) -> Side:
    """One file on the held-out photographs; `outcome` is what its calibration said."""
    scores, _ = score_batches(path, held.inputs.batches(), precision)
    mine, thresholds = scores[:, held.columns], bundle.manifest.thresholds[held.columns]
    return Side(
        scores=mine,
        thresholds=thresholds,
        report=evaluate_scores(mine, held.truth, ClassList(REPORTED), thresholds),
        best_f1=best_macro_f1(mine, held.truth),
        size_mib=path.stat().st_size / 2**20,
        float_layers=0 if outcome is None else len(outcome.float_layers),
        calibration=None if outcome is None else describe_calibration(outcome),
    )


def describe_calibration(outcome: PrecisionOutcome) -> dict[str, object]:
    """What a calibration itself said, without truth, on training photographs."""
    loss, flips = outcome.accuracy.map_loss, outcome.accuracy.flips
    return {
        "verdict": outcome.verdict,
        "pictures": loss.pictures,
        "map_drop": estimate(loss),
        "flips_percent": estimate(flips, scale=100),
    }


def summarize(runs: Sequence[DeployedRun], threads: int) -> dict[str, object]:
    """Means over the runs, with 95 % intervals over photographs, and each run's own figures."""
    return {
        "classes": list(REPORTED),
        "networks": [run.network for run in runs],
        "heldout": len(runs[0].truth),
        "precisions": {name: summarize_side(runs, name) for name in runs[0].sides},
        "torch_ms": round(median(run.p50_ms["torch"] for run in runs), 2),
        "threads": threads,
        "runs": [
            {
                "network": run.network,
                "map": {name: round(side.report.map, 2) for name, side in run.sides.items()},
                "p50_ms": run.p50_ms,
                **run.about,
            }
            for run in runs
        ],
    }


def summarize_side(runs: Sequence[DeployedRun], name: str) -> dict[str, object]:
    """One row of the table; a photograph's decisions in all runs are drawn together."""
    truth = runs[0].truth
    sides = [run.sides[name] for run in runs]
    mine, fp32 = [side.scores for side in sides], [run.sides["fp32"].scores for run in runs]
    flips = [
        find_flips(side.scores, before, side.thresholds, PARITY_LIMIT)[0]
        for side, before in zip(sides, fp32, strict=True)
    ]
    flipped = np.concatenate(flips, axis=1)
    f1, best = fmean(s.report.macro_f1 for s in sides), fmean(s.best_f1 for s in sides)
    speeds = [run.p50_ms.get(name) for run in runs]
    return {
        "map": estimate(estimate_mean_map(mine, truth)),
        "map_drop": estimate(estimate_mean_gain(fp32, mine, truth)),
        "flips_percent": estimate(estimate_flip_rate(flipped), scale=100),
        "macro_f1": round(f1, 2),
        "f1_share": round(100 * f1 / best, 1),
        "ece": round(fmean(side.report.ece for side in sides), 2),
        "size_mib": round(fmean(side.size_mib for side in sides), 1),
        "float_layers": [side.float_layers for side in sides],
        "layers": runs[0].layers,
        "p50_ms": None if None in speeds else round(median(s for s in speeds if s), 2),
    }


def measure_speed(network: Deploy, bundle: Bundle, held: HeldOut, threads: int) -> dict[str, float]:
    """Median milliseconds a photograph at batch 1, the sides taking turns."""
    one = next(held.inputs.batches())[:1]
    tensor = torch.from_numpy(one)
    sides = {
        p.value: OrtBackend(bundle.model_path(p), precision=p, threads=CpuThreads(threads))
        for p in ON_CPU
        if p in bundle.precisions()
    }
    calls: dict[str, Callable[[], object]] = {"torch": lambda: network(tensor)}
    calls |= {name: partial(backend.infer, one) for name, backend in sides.items()}
    with torch.inference_mode():
        seconds = take_turns(calls, turns=TURNS)
    return {name: round(1000 * median(taken), 2) for name, taken in seconds.items()}


def verify_held_out(bundle: Bundle, photographs: Photographs, threads: int) -> dict[str, object]:
    """What `cdul-edge verify --precision int8-cpu` says of all 20 classes on these photographs."""
    report = verify(
        VerifyRequest(
            bundle.folder,
            device="cpu",
            precision="int8-cpu",
            images=photographs.heldout,
            truth=photographs.heldout_table,
            threads=threads,
            batches=(1,),
            repeats=20,
        )
    )
    (row,) = report.rows
    return {"verdict": report.verdict, "pictures": row.pictures.to_dict() if row.pictures else None}


def estimate(found: Estimate, *, scale: float = 1) -> dict[str, float]:
    """A figure with the ends of its 95 % interval."""
    parts = {"value": found.value, "low": found.low, "high": found.high}
    return {name: round(scale * value, 3) for name, value in parts.items()}


if __name__ == "__main__":
    main()
