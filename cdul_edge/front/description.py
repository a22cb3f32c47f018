"""What a file or folder of this program is, and what it holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cdul_edge_runtime.errors import CdulEdgeError, extra_imports

if TYPE_CHECKING:
    from cdul_edge_runtime.bundle.bundle import Bundle
    from cdul_edge_runtime.bundle.manifest import Precision

Facts = Mapping[str, object]
LABELS = "labels folder"

_VERDICTS = {"ok": "", "unsure": ", too few to tell", "broken": ", over its budget"}
_MARKERS = (
    *("manifest.json", "config.json", "index.json", "demo.json", "study.json"),
    *("cdul-edge.json", ".cdul-edge.json"),
)
_PIPELINES = {"deepstream": "folder for DeepStream", "triton": "model for Triton"}


@dataclass(frozen=True)
class Description:
    """One file or folder.

    Attributes:
        kind: what it is, in words.
        facts: what it holds, as plain values by its own names.
    """

    kind: str
    facts: Facts

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON; the kind stands first."""
        return {"kind": self.kind, **{k: v for k, v in self.facts.items() if k != "kind"}}


def describe_path(path: Path) -> Description:
    """Say what `path` is.

    Raises:
        CdulEdgeError: nothing there, a damaged file, or nothing that this program knows.
    """
    if not path.exists():
        raise CdulEdgeError(f"{path} does not exist: check the path")
    describe = _describe_folder if path.is_dir() else _READERS.get(path.suffix.lower())
    if describe is None:
        raise _unknown(path)
    return describe(path)


def _describe_folder(folder: Path) -> Description:
    for name in _MARKERS:
        if (folder / name).is_file():
            return _describe_json(folder / name)
    if (folder / "_common_metadata").is_file():
        return _describe_labels(folder)
    raise _unknown(folder)


def _describe_json(file: Path) -> Description:
    from cdul_edge_runtime.host.files import read_json

    content = read_json(file)
    if not isinstance(content, dict) or content.get("program") != "cdul-edge":
        raise _unknown(file)
    if "graph" in content:
        return _describe_bundle(file.parent)
    if "convert" in content:
        return Description(f"folder for {content['convert']}, of {content['labels']}", content)
    if (pipeline := _PIPELINES.get(str(content.get("kind")))) is not None:
        return Description(pipeline, content)
    if file.name == "manifest.json":
        return Description(LABELS, content)
    if "source_sha256" in content and content.get("stage") == "build":
        return _describe_engine(file.with_suffix(".engine"))
    if content.get("stage") == "train":
        facts = {**_summarize(content), **_run_state(file.parent)}
        return Description("training run", facts)
    return Description(f"{content.get('stage', 'JSON')} report", _summarize(content))


def _describe_bundle(folder: Path) -> Description:
    from cdul_edge.front.engine_description import describe_engines
    from cdul_edge.front.measured_description import describe_measured
    from cdul_edge_runtime.bundle.bundle import Bundle

    bundle = Bundle.load(folder)
    facts: dict[str, object] = dict(bundle.manifest.to_dict())
    facts["files"] = {name: f"{r.bytes} bytes" for name, r in bundle.manifest.files.items()}
    facts["precisions"] = {p.value: _describe_precision(bundle, p) for p in bundle.precisions()}
    reference = bundle.score_reference()
    told = "no reference" if reference is None else f"{reference.pictures} pictures"
    facts["score_reference"] = told if reference is None else f"{told}, {reference.seen}"
    if engines := describe_engines(bundle):
        facts["engines"] = engines
    if measured := describe_measured(bundle):
        facts["measured"] = measured
    return Description("bundle, every file as its manifest says", facts)


def _describe_precision(bundle: Bundle, precision: Precision) -> str:
    """One line; raises `BundleError` where the file is not its record's."""
    from cdul_edge_runtime.bundle.manifest import Precision

    size = f"{bundle.model_path(precision).stat().st_size} bytes"
    if precision is Precision.FP32:
        return size
    if not precision.has_file:
        size = f"{precision.file.value} as {precision.value}"
        if not bundle.has_record(precision):
            return f"{precision.shown}; calibrate --precision {precision.value} was not run"
    record = bundle.record(precision)
    accuracy = record.accuracy
    change = round(-accuracy.map_drop, 2) + 0.0  # no -0.00
    return (
        f"{size}, {change:+.2f} points of mAP, {100 * accuracy.flip_rate:.2f} % flips "
        f"on {accuracy.pictures} pictures" + _VERDICTS[record.verdict]
    )


def _describe_engine(file: Path) -> Description:
    from cdul_edge.front.engine_description import describe_engine

    return Description(*describe_engine(file))


def _describe_onnx(file: Path) -> Description:
    from cdul_edge_runtime.classifier import Classifier

    with Classifier.load(file, warm_up=False) as classifier:
        return Description("classifier in one ONNX file", classifier.manifest.to_dict())


def _describe_npz(file: Path) -> Description:
    from cdul_edge_runtime.host.npz import read_npz

    shapes = {name: f"{array.dtype} {array.shape}" for name, array in read_npz(file).items()}
    kinds = {
        "reference pictures with PyTorch's scores": {"inputs", "scores", "names"},
        "distribution of scores, to measure drift against": {"counts", "mean_scores", "seen"},
        "similarities for `label --from-similarities`": {"names", "classes", "global_softmax"},
        "truth": {"names", "classes", "labels"},
    }
    kind = next((kind for kind, needed in kinds.items() if needed <= set(shapes)), None)
    return Description(kind or "NPZ file of another program", shapes)


def _describe_parquet(file: Path) -> Description:
    with extra_imports("train", "reading Parquet"):
        from cdul_edge.labels.parquet_files import read_facts, read_schema, read_table
    schema = read_schema(file)
    about = _summarize(read_facts(schema, file))
    kind = "pseudo-labels" if "scores" in schema.names else "similarity part"
    kind = kind if about else "Parquet file of another program"
    rows = read_table(file, columns=()).num_rows
    return Description(kind, {"rows": rows, "columns": schema.names, **about})


def _describe_labels(folder: Path) -> Description:
    """Pseudo-labels in parts."""
    with extra_imports("train", "reading Parquet"):
        from cdul_edge.labels.label_stream import describe_labels, iterate_labels
    found = iterate_labels(folder)
    about = describe_labels(found.root, found.classes, found.thresholds, found.provenance)
    facts = {"rows": found.count, "parts": len(found.files), "columns": list(found.columns)}
    return Description("pseudo-labels", {**facts, **_summarize(about)})


def _describe_checkpoint(file: Path) -> Description:
    with extra_imports("train", "reading a checkpoint"):
        from cdul_edge.training.checkpoint import Checkpoint
    checkpoint = Checkpoint.read(file.parent)
    facts = {
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "weights": sum(tensor.numel() for tensor in checkpoint.network.values()),
        "classes": checkpoint.classes,
        "plan": checkpoint.plan,
        "settings": checkpoint.settings,
        "labels_sha256": checkpoint.labels_sha256,
    }
    return Description("checkpoint of a training run", facts)


def _describe_lines(file: Path) -> Description:
    lines = [line for line in file.read_text("utf-8", "replace").splitlines() if line.strip()]
    try:
        last = json.loads(lines[-1]) if lines else None
    except (ValueError, RecursionError):
        last = None
    if not isinstance(last, dict):
        raise _unknown(file)
    kinds = {
        "epoch": "metrics of a training run",
        "path": "predictions",
        "stream": "rows of `cdul-edge watch`",
    }
    kind = next((kind for key, kind in kinds.items() if key in last), None)
    if kind is None:
        raise _unknown(file)
    return Description(kind, {"lines": len(lines), "last": last})


def _describe_table(file: Path) -> Description:
    from cdul_edge.labels.sheet import holds_sheet, read_sheet

    with file.open("rb") as opened:
        if not holds_sheet(opened.read(4096)):
            raise _unknown(file)
    questions = read_sheet(file)
    asked = Counter(one.name for one in questions)
    answered = Counter(one.name for one in questions if one.answer is not None)
    facts = {
        "pictures": questions[0].pictures,
        "answers": f"{answered.total()} of {asked.total()} questions",
        "classes": {name: f"{answered[name]} of {count}" for name, count in asked.items()},
    }
    return Description("sheet of questions, for `evaluate --sampled`", facts)


_READERS: dict[str, Callable[[Path], Description]] = {
    ".csv": _describe_table,
    ".engine": _describe_engine,
    ".json": _describe_json,
    ".jsonl": _describe_lines,
    ".npz": _describe_npz,
    ".onnx": _describe_onnx,
    ".parquet": _describe_parquet,
    ".pt": _describe_checkpoint,
}


def _run_state(folder: Path) -> Facts:
    metrics = folder / "metrics.jsonl"
    epochs = len(metrics.read_text("utf-8", "replace").splitlines()) if metrics.is_file() else 0
    return {"epochs_done": epochs, "finished": (folder / "summary.json").is_file()}


def _summarize(content: Facts) -> Facts:
    """Long lists, such as the skipped pictures, are counted; class names stay."""
    keep = ("classes", "thresholds")
    return {
        key: f"{len(value)} entries"
        if isinstance(value, list) and len(value) > 20 and key not in keep
        else value
        for key, value in content.items()
    }


def _unknown(path: Path) -> CdulEdgeError:
    return CdulEdgeError(
        f"{path} is nothing that cdul-edge made: expected a labels folder, run, bundle, or one of "
        f"their files ({', '.join(_READERS)})"
    )
