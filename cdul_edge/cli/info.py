"""`cdul-edge info`: what is this file or folder of ours?"""

from __future__ import annotations

import json as json_module
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from cdul_edge.cli.output.labels_view import show_labels
from cdul_edge.cli.output.result_console import result_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports

if TYPE_CHECKING:
    from cdul_edge.labels.manifest import LabelsManifest
    from cdul_edge_runtime.bundle.bundle import Bundle
    from cdul_edge_runtime.bundle.manifest import Precision

Facts = dict[str, Any]

_VERDICTS = {"ok": "", "unsure": ", too few to tell", "broken": ", over its budget"}
LABELS = "labels folder"


def info(
    path: Annotated[Path, typer.Argument(help="File or folder that a command of cdul-edge made.")],
    json: Annotated[
        Path | None,
        typer.Option(
            help="Write the facts as JSON to this file; - is stdout.", show_default="a table"
        ),
    ] = None,
) -> None:
    """Describe a labels folder, run, or bundle, or one of their files."""
    facts = describe_path(path)
    if json is not None:
        write_summary(json, facts)
    elif facts["kind"] == LABELS:
        show_labels(_read_labels(path), result_console())
    else:
        _show(facts)


def _read_labels(path: Path) -> LabelsManifest:
    from cdul_edge.labels.manifest import read_manifest

    manifest = read_manifest(path if path.is_dir() else path.parent)
    assert manifest is not None, "describe_path has seen it"
    return manifest


def describe_path(path: Path) -> Facts:
    """What `path` is, as plain values under "kind" and its own names.

    Raises:
        CdulEdgeError: nothing there, a damaged file, or nothing that this program knows.
    """
    if not path.exists():
        raise CdulEdgeError(f"{path} does not exist: check the path")
    describe = _describe_folder if path.is_dir() else _READERS.get(path.suffix.lower())
    if describe is None:
        raise _stranger(path)
    return describe(path)


def _describe_folder(folder: Path) -> Facts:
    for name in ("manifest.json", "config.json"):
        if (folder / name).is_file():
            return _describe_json(folder / name)
    raise _stranger(folder)


def _describe_json(file: Path) -> Facts:
    from cdul_edge_runtime.host.files import read_json

    content = read_json(file)
    if not isinstance(content, dict) or content.get("program") != "cdul-edge":
        raise _stranger(file)
    if "graph" in content:
        return _describe_bundle(file.parent)
    if file.name == "manifest.json":
        return {**content, "kind": LABELS}
    if content.get("stage") == "train":
        return {"kind": "training run", **_summarize(content), **_run_state(file.parent)}
    return {"kind": str(content.get("stage", "JSON")) + " report", **_summarize(content)}


def _describe_bundle(folder: Path) -> Facts:
    from cdul_edge_runtime.bundle.bundle import Bundle

    bundle = Bundle.load(folder)
    facts = {"kind": "bundle, every file as its manifest says", **bundle.manifest.to_dict()}
    facts["files"] = {name: f"{r.bytes} bytes" for name, r in bundle.manifest.files.items()}
    facts["precisions"] = {p.value: _describe_precision(bundle, p) for p in bundle.precisions()}
    return facts


def _describe_precision(bundle: Bundle, precision: Precision) -> str:
    """One line; raises `BundleError` where the file is not its record's."""
    from cdul_edge_runtime.bundle.manifest import Precision

    size = f"{bundle.model_path(precision).stat().st_size} bytes"
    if precision is Precision.FP32:
        return size
    record = bundle.record(precision)
    accuracy = record.accuracy
    change = round(-accuracy.map_drop, 2) + 0.0  # no -0.00
    return (
        f"{size}, {change:+.2f} points of mAP, {100 * accuracy.flip_rate:.2f} % flips "
        f"on {accuracy.pictures} pictures" + _VERDICTS[record.verdict]
    )


def _describe_onnx(file: Path) -> Facts:
    from cdul_edge_runtime.classifier import Classifier

    with Classifier.load(file, warm_up=False) as classifier:
        return {"kind": "classifier in one ONNX file", **classifier.manifest.to_dict()}


def _describe_npz(file: Path) -> Facts:
    from cdul_edge_runtime.host.npz import read_npz

    shapes = {name: f"{array.dtype} {array.shape}" for name, array in read_npz(file).items()}
    kinds = {
        "reference pictures with PyTorch's scores": {"inputs", "scores", "names"},
        "similarities for `label --from-similarities`": {"names", "classes", "global_softmax"},
        "truth": {"names", "classes", "labels"},
    }
    kind = next((kind for kind, needed in kinds.items() if needed <= set(shapes)), None)
    return {"kind": kind or "NPZ file of another program", **shapes}


def _describe_parquet(file: Path) -> Facts:
    with extra_imports("train", "reading Parquet"):
        from cdul_edge.labels.parquet_files import read_facts, read_schema, read_table
    schema = read_schema(file)
    about = _summarize(read_facts(schema, file))
    kind = "pseudo-labels" if "scores" in schema.names else "similarity part"
    kind = kind if about else "Parquet file of another program"
    rows = read_table(file, columns=()).num_rows
    return {"kind": kind, "rows": rows, "columns": schema.names, **about}


def _describe_checkpoint(file: Path) -> Facts:
    with extra_imports("train", "reading a checkpoint"):
        from cdul_edge.training.checkpoint import Checkpoint
    checkpoint = Checkpoint.read(file.parent)
    return {
        "kind": "checkpoint of a training run",
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "weights": sum(tensor.numel() for tensor in checkpoint.network.values()),
        "classes": checkpoint.classes,
        "plan": checkpoint.plan,
        "settings": checkpoint.settings,
        "labels_sha256": checkpoint.labels_sha256,
    }


def _describe_lines(file: Path) -> Facts:
    lines = [line for line in file.read_text("utf-8", "replace").splitlines() if line.strip()]
    try:
        last = json_module.loads(lines[-1]) if lines else {}
    except json_module.JSONDecodeError:
        raise _stranger(file) from None
    kinds = {"epoch": "metrics of a training run", "path": "predictions"}
    kind = next((kind for key, kind in kinds.items() if key in last), None)
    if kind is None:
        raise _stranger(file)
    return {"kind": kind, "lines": len(lines), "last": last}


_READERS: dict[str, Callable[[Path], Facts]] = {
    ".json": _describe_json,
    ".jsonl": _describe_lines,
    ".npz": _describe_npz,
    ".onnx": _describe_onnx,
    ".parquet": _describe_parquet,
    ".pt": _describe_checkpoint,
}


def _run_state(folder: Path) -> Facts:
    metrics = folder / "metrics.jsonl"
    epochs = len(metrics.read_text(encoding="utf-8").splitlines()) if metrics.is_file() else 0
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


def _stranger(path: Path) -> CdulEdgeError:
    return CdulEdgeError(
        f"{path} is nothing that cdul-edge made: expected a labels folder, run, bundle, or one of "
        f"their files ({', '.join(_READERS)})"
    )


def _show(facts: Facts) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in facts.items():
        text = value if isinstance(value, str) else json_module.dumps(value, ensure_ascii=False)
        table.add_row(key, text)
    result_console().print(table)
