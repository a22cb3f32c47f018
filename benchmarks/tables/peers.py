"""This program beside other tools: a few rows for the project's README, and all of them."""

from __future__ import annotations

from statistics import median

from benchmarks.measured_rows.result_file import MeasuredRow, RowsFile
from benchmarks.peers.reasons import explain, written_reason
from benchmarks.peers.row import Comparison
from benchmarks.peers.rows import BENCHMARK
from benchmarks.tables import markdown
from benchmarks.tables.markdown import section, table

# What a reader with two minutes wants to know: (row, comparison), what it is, and beside what.
SHOWN = (
    ("predict", "resnet50-fp32", "predict, FP32, ms", "onnxruntime+cv2"),
    ("predict", "resnet50-auto", "predict, auto, ms", "onnxruntime+cv2"),
    ("openvino", "resnet50-bf16", "predict, bf16, ms", "OpenVINO+cv2"),
    ("ultralytics", "frame", "predict minus network, ms", "Ultralytics"),
    ("label-vit", "fp32", "label, FP32, images/s", "open_clip loop"),
    ("label-vit", "auto", "label, auto, images/s", "open_clip loop"),
    ("train-resnet18", "torchvision-cached", "train, images/s", "torchvision"),
    ("start", "onnxruntime-seconds", "cold start, s", "onnxruntime+cv2"),
)


def read_file() -> RowsFile[Comparison]:
    """What was measured; no rows where it never was."""
    return BENCHMARK.read(markdown.RESULTS / "peers.json")


def draw_peers_summary() -> str:
    """For the project's README; empty where none of its rows was measured."""
    kept = read_file()
    found = [(*shown, kept.find(*shown[:2])) for shown in SHOWN]
    rows = [
        (
            what,
            _figure(one.ours),
            f"{peer}: {_figure(one.theirs)}",
            f"{_ratio(one)}{_blame(row, one)}",
        )
        for row, _, what, peer, one in found
        if one is not None
    ]
    if not rows:
        return ""
    threads = max(row.threads for row in kept.rows.values())
    networks = "ResNet-50 (label: ViT-B/32, train: ResNet-18)"
    told = f"{networks}, {threads} threads, medians (`{BENCHMARK.command}`):"
    return f"{told}\n\n{table(('', 'ours', 'theirs', 'ours/theirs'), rows)}"


def draw_peers() -> tuple[str, ...]:
    """Every row, with what is wanted and why it is not there."""
    kept = read_file()
    if not kept.rows:
        return ()
    rows = [line for row in kept.rows.values() for line in _lines(row)]
    heads = ("what", "ours", "peer", "its", "ours/its", "wanted", "met", "`--only`")
    told = (
        f"`{BENCHMARK.command}`: medians of rounds in which the sides take turns in blocks, "
        "after calls that warm up, with as many threads for each. The ratio is the median of the "
        "rounds' ours / its. Weights are random: networks that learned are as fast. Each row of "
        "`peers.json` names its commit, its load, and the versions."
    )
    return (section("Beside other tools", told, table(heads, rows), *kept.drawn_notes()),)


def _lines(row: MeasuredRow[Comparison]) -> list[tuple[str, ...]]:
    name = f"`{row.name}`"
    if row.not_measured:
        return [(row.title, "", "", "", "", "", row.not_measured, name)]
    return [
        (
            one.work + (f" ({one.side})" if one.side else ""),
            f"{_figure(one.ours)} {one.unit}",
            one.peer,
            f"{_figure(one.theirs)} {one.unit}",
            _ratio(one),
            _wanted(one),
            _verdict(row.name, one),
            name,
        )
        for one in row.findings
    ]


def _figure(values: tuple[float, ...]) -> str:
    """Three digits of the median, and never an exponent."""
    middle = median(values)
    return f"{middle:.0f}" if middle >= 100 else f"{middle:.3g}"


def _ratio(one: Comparison) -> str:
    """Two decimals, or three where a ratio that missed its bar would read as the bar."""
    shown = f"{one.ratio:.2f}"
    if one.met is False and one.bar and one.bar.of == "ratio" and float(shown) == one.bar.limit:
        shown = f"{one.ratio:.3f}"
    return f"{shown}x"


def _wanted(one: Comparison) -> str:
    if one.bar is None:
        return ""
    sign, limit = one.bar.sign, f"{one.bar.limit:g}"
    return f"{sign} {limit}x" if one.bar.of == "ratio" else f"ours {sign} {limit} {one.unit}"


def _verdict(row: str, one: Comparison) -> str:
    if one.met is None:
        return "stated"
    why = explain(row, one)
    return "yes" if one.met else f"no{why and ': ' + why}"


def _blame(row: str, one: Comparison) -> str:
    """In the README: what was wanted, and why it is not there."""
    if one.met is not False:
        return ""
    why = written_reason(row, one)  # how rounds spread stands among all figures
    return f" (wanted {_wanted(one)}{why and ': ' + why})"
