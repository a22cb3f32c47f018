"""Damaged files of this program's own: whatever reads them says so, and nothing else comes out.

Pictures, lists, truth and class files have their own such test, in tests/runtime.
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pyarrow")
pytest.importorskip("onnxruntime")

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from cdul_edge.front.description import describe_path
from cdul_edge.labelling.imported.similarity_files import read_similarities
from cdul_edge.labelling.store.folder import read_list
from cdul_edge.labelling.store.parts import read_head, read_part
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.scored_pictures import read_scored_pictures
from cdul_edge.study.cells import Cell
from cdul_edge.study.outcome import MEASURES, Finished, read_finished
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.run_folder import load_first_epoch, load_run
from cdul_edge.training.summary import read_metrics
from cdul_edge_calibration.data.calibration_record import CalibrationRecord
from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt.engine_choice import find_engine
from cdul_edge_runtime.backends.trt.engine_stamp import EngineStamp
from cdul_edge_runtime.backends.trt.platform import GpuPlatform
from cdul_edge_runtime.bundle.bundle import SCORE_REFERENCE, Bundle, Reference
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.score_reference import ScoreReference
from cdul_edge_runtime.bundle.thresholds import read_shares, read_thresholds
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import sha256_file, write_json
from tests.fakes.damage import (
    Damage,
    damage_bytes,
    damage_end,
    damage_json,
    damage_lines,
    damage_value,
)

MADE = Path(__file__).parent / "fixtures" / "b501723" / "made.tar.xz"
ORIN = GpuPlatform("10.3.0", "Orin", "8.7", 16, "aarch64")
COLORS = ClassList(("red", "green"))


@dataclass(frozen=True)
class Case:
    """A file, how it is damaged, how often in the default suite, and what reads it.

    Attributes:
        file: relative to the folder of `made`.
        reads: given that folder; it raises only what the program calls its errors.
    """

    file: str
    damages: tuple[Damage, ...]
    times: int
    reads: Callable[[Path], object]


def use_bundle(folder: Path) -> None:
    bundle = Bundle.load(folder / "bundle")
    reference = bundle.reference()
    for precision in bundle.precisions():
        bundle.model_path(precision)
        if precision is not Precision.FP32:
            assert bundle.record(precision).verdict in ("ok", "broken", "too few pictures")
    with Classifier.load(bundle, device="cpu", precision="fp32", warm_up=False) as classifier:
        classifier.predict(reference.inputs[0])


def use_model(folder: Path) -> None:
    with Classifier.load(folder / "model.onnx") as classifier:
        classifier.predict(np.zeros((32, 32, 3), np.uint8))


def use_engines(folder: Path) -> None:
    bundle = Bundle.load(folder / "bundle")
    find_engine(bundle, Precision.FP16, ORIN).read(ORIN)


def use_calibration(folder: Path) -> None:
    if CalibrationRecord.read(folder / "bundle") is None:
        raise CdulEdgeError("it is made again")


def use_part(folder: Path) -> None:
    path = folder / "labels/similarities/part-00000.parquet"
    read_head(path)
    read_part(path, "cosines")


def use_run(folder: Path) -> None:
    load_first_epoch(folder / "run", load_run(folder / "run").network)


def damage_checkpoint(content: bytes, rng: np.random.Generator) -> bytes:
    """Another value, or none, at a random place of a sound file of torch's."""
    state = torch.load(io.BytesIO(content), weights_only=True)
    kept = {name: state.pop(name) for name in ("network", "optimiser", "method", "rng", "settings")}
    sink = io.BytesIO()
    damaged = damage_value(state, rng)
    torch.save({**damaged, **kept} if isinstance(damaged, dict) else damaged, sink)
    return sink.getvalue()


KNOWN = (".json", ".jsonl", ".npz", ".onnx", ".parquet", ".pt")
LINES: tuple[Damage, ...] = (damage_lines, damage_bytes)
JSON: tuple[Damage, ...] = (damage_json, damage_json, damage_json, damage_bytes)
BINARY: tuple[Damage, ...] = (damage_end, damage_bytes)
CASES = (
    Case("bundle/manifest.json", JSON, 80, use_bundle),
    Case("bundle/model.int8.json", JSON, 80, use_bundle),
    Case("bundle/reference.npz", BINARY, 40, use_bundle),
    Case("bundle/model.fp32.onnx", BINARY, 10, use_bundle),
    Case("bundle/calibration.json", JSON, 60, use_calibration),
    Case("bundle/engines/a.json", JSON, 80, use_engines),
    Case("bundle/engines/a.engine", BINARY, 10, use_engines),
    Case("reference.npz", BINARY, 60, lambda at: Reference.read(at / "reference.npz")),
    Case(SCORE_REFERENCE, BINARY, 60, lambda at: ScoreReference.read(at / SCORE_REFERENCE, COLORS)),
    Case("model.onnx", BINARY, 80, use_model),
    Case("thresholds.json", JSON, 40, lambda at: read_thresholds(at / "thresholds.json", COLORS)),
    Case("thresholds.json", JSON, 40, lambda at: read_shares(at / "thresholds.json")),
    Case(
        "labels/pseudo_labels.parquet",
        BINARY,
        60,
        lambda at: read_scored_pictures(at / "labels/pseudo_labels.parquet"),
    ),
    Case("labels/manifest.json", JSON, 60, lambda at: PseudoLabels.read(at / "labels")),
    Case("labels/pictures.parquet", BINARY, 40, lambda at: read_list(at / "labels")),
    Case("similar.npz", BINARY, 60, lambda at: read_similarities(at / "similar.npz")),
    Case("similar.parquet", BINARY, 60, lambda at: read_similarities(at / "similar.parquet")),
    Case("labels/similarities/part-00000.parquet", BINARY, 60, use_part),
    Case(
        "predictions.jsonl",
        LINES,
        60,
        lambda at: read_scored_pictures(at / "predictions.jsonl"),
    ),
    Case("run/config.json", JSON, 60, use_run),
    Case("run/summary.json", JSON, 40, use_run),
    Case("run/checkpoint.pt", BINARY, 40, use_run),
    Case("run/checkpoint.pt", (damage_checkpoint,), 20, use_run),
    Case("run/metrics.jsonl", LINES, 40, lambda at: read_metrics(at / "run")),
    Case("cell.json", JSON, 60, lambda at: read_finished(at / "cell.json")),
    Case("run/first_epoch.pt", BINARY, 20, use_run),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the old version made, and the kinds of files that it did not."""
    folder = tmp_path_factory.mktemp("made")
    with tarfile.open(MADE) as archive:
        archive.extractall(folder, filter="data")
    shutil.copy(folder / "bundle/reference.npz", folder)
    shutil.copy(folder / "bundle/model.fp32.onnx", folder / "model.onnx")
    write_json(folder / "thresholds.json", {"red": 0.5, "green": 1})
    scores = np.linspace(0, 1, 60).reshape(30, 2)
    ScoreReference.of(scores, np.full(2, 0.5), COLORS).write(folder / SCORE_REFERENCE)
    write_engine(folder / "bundle")
    write_cell(folder / "cell.json")
    write_similarities(folder)
    return folder


def write_engine(bundle: Path) -> None:
    plan = bundle / "engines" / "a.engine"
    plan.parent.mkdir()
    plan.write_bytes(b"a plan")
    EngineStamp(
        precision=Precision.FP16,
        source_sha256=Bundle.load(bundle).record(Precision.FP16).sha256,
        sha256=sha256_file(plan),
        bytes=6,
        platform=ORIN,
        profile=Profile(1, 1, 8),
        strongly_typed=True,
        build={"seconds": 3.5},
    ).write(plan.with_suffix(".json"))


def write_cell(file: Path) -> None:
    cell = Cell("default", "cdul", "none", 0)
    curves = ((None, 50.0), (50.0, 51.0))
    measures = dict.fromkeys(MEASURES, 50.0)
    finished = Finished(cell, measures, {"cat": None}, *curves, TrainConfig(), "abcd")
    write_json(file, finished.to_dict())


def write_similarities(folder: Path) -> None:
    cosines = np.random.default_rng(0).normal(0.2, 0.02, (3, 3, 2)).astype(np.float32)
    names, classes = ["a", "b", "c"], list(COLORS)
    views = {"global_cosines": cosines[:, 0], "local_cosines": cosines[:, 1:]}
    arrays: dict[str, Any] = {"names": np.array(names), "classes": np.array(classes), **views}
    np.savez(folder / "similar.npz", **arrays)
    columns = {name: list(values.reshape(3, -1)) for name, values in views.items()}
    about = {b"cdul_edge": json.dumps({"classes": classes}).encode()}
    table = pa.table({"path": names, **columns}).replace_schema_metadata(about)
    pq.write_table(table, folder / "similar.parquet")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_what_is_damaged_is_one_of_our_errors(made: Path, case: Case) -> None:
    refused = try_damaged(made, case, range(case.times))
    assert refused > case.times // 8  # or the damage did nothing


@pytest.mark.parametrize("times", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_info_says_what_any_damaged_file_is_or_why_not(made: Path, times: int) -> None:
    suffixes = {".json": JSON, ".jsonl": LINES}
    files = [file for file in made.rglob("*") if file.suffix in KNOWN]
    assert len(files) > 30
    for file in files:
        damages = suffixes.get(file.suffix, BINARY)
        try_damaged(made, describing(str(file.relative_to(made)), damages), range(times))


def describing(file: str, damages: tuple[Damage, ...]) -> Case:
    return Case(file, damages, 0, lambda at: describe_path(at / file))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_what_is_damaged_is_one_of_our_errors_many_times(made: Path, case: Case) -> None:
    try_damaged(made, case, range(1000, 1000 + 20 * case.times))


def try_damaged(made: Path, case: Case, seeds: Iterable[int]) -> int:
    """Damage the file once with each seed and read it; how often it was refused."""
    file, refused = made / case.file, 0
    sound = file.read_bytes()
    try:
        for seed in seeds:
            damage = case.damages[seed % len(case.damages)]
            file.write_bytes(damage(sound, np.random.default_rng(seed)))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # what others say of a damaged file
                    case.reads(made)
            except CdulEdgeError as error:
                refused += len(str(error).splitlines()) == 1
            except Exception as error:
                raise AssertionError(f"{case.file}, {damage.__name__}, seed {seed}") from error
    finally:
        file.write_bytes(sound)
    return refused
