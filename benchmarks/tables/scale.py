"""Sets of any size: figures for the guide, all of them, and what a large set costs on paper."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.scale.rows import BENCHMARK
from benchmarks.tables.figure_rows import draw_chosen, draw_every, read_figures
from benchmarks.tables.markdown import table

# What the guide shows: (row, figure), and what it is.
SHOWN: tuple[tuple[str, str, str], ...] = (
    ("bytes", "s3-tar", "files that differ, Ray and shards on imitated S3 against one process"),
    ("kills", "lost", "finished parts lost by thirty kills"),
    ("rate", "rate", "steady rate, Ray against one process"),
    ("rate", "fixed", "Ray's fixed cost"),
    ("finish", "many-peak", "`evidence`, 1,000,000 x 80: peak memory"),
    ("finish", "growth", "its growth from 100,000 pictures"),
    ("finish", "wide-time", "`evidence`, 20,000 x 1,000: time"),
    ("agreement", "real-flips", "decisions that a sample flips, real"),
    ("agreement", "drawn-flips", "drawn"),
    ("killed-rank", "others", "tensors that a killed rank changes"),
)
JOBS = (("vit", "ViT-B/16, patches"), ("rn50x64", "RN50x64, ten views"))
PICTURES = 10**8


@dataclass(frozen=True)
class Prices:
    """What is assumed of machines that are rented: put your own in.

    Attributes:
        gpu_tflops: of an H100 in fp16, by its data sheet, without sparsity.
        gpu_share: of that which an image tower reaches.
        gpu_hour, core_hour: US dollars.
        gb_month: US dollars for a gigabyte in an object store, a month.
        picture_kb: size of a picture's file.
    """

    gpu_tflops: float = 989.0
    gpu_share: float = 0.3
    gpu_hour: float = 3.0
    core_hour: float = 0.05
    gb_month: float = 0.023
    picture_kb: float = 100.0


def draw_scale_summary() -> str:
    """For the guide; empty where none of its figures was measured."""
    return draw_chosen(BENCHMARK, SHOWN, f"Measured on two cores (`{BENCHMARK.command}`):")


def draw_scale() -> tuple[str, ...]:
    """Every row, with what is wanted."""
    told = f"`{BENCHMARK.command}`: medians of rounds, both sides in one run."
    return draw_every(BENCHMARK, "Beyond one machine", told)


def draw_paper(prices: Prices = Prices()) -> str:
    """A hundred million pictures in hours, bytes and money; empty where nothing was measured."""
    kept = read_figures(BENCHMARK)
    rows = []
    for key, title in JOBS:
        names = ("tflop", "encode", "decode", "stored")
        found = [kept.find("costs", f"{key}-{name}") for name in names]
        tflop, encode_s, decode_ms, stored_kb = (one.median if one else None for one in found)
        if tflop is None or encode_s is None or decode_ms is None or stored_kb is None:
            continue
        gpu_h = PICTURES * tflop / (prices.gpu_tflops * prices.gpu_share) / 3600
        decode_h = PICTURES * decode_ms / 1000 / 3600
        stored_gb = PICTURES * stored_kb / 1e6
        rows += [
            (f"{title}: encoding", f"{gpu_h:,.0f} GPU hours", _dollars(gpu_h * prices.gpu_hour)),
            (
                f"{title}: decoding, {decode_h / gpu_h:.1f} cores a GPU",
                f"{decode_h:,.0f} core hours",
                _dollars(decode_h * prices.core_hour),
            ),
            (
                f"{title}: similarities of 80 classes",
                f"{stored_gb / 1000:,.1f} TB",
                f"{_dollars(stored_gb * prices.gb_month)} a month",
            ),
            (
                f"{title}: encoding on CPUs instead",
                f"{PICTURES * encode_s / 3600:,.0f} core hours",
                _dollars(PICTURES * encode_s / 3600 * prices.core_hour),
            ),
        ]
    if not rows:
        return ""
    pictures_gb = PICTURES * prices.picture_kb / 1e6
    rows.append(
        (
            f"the pictures, {prices.picture_kb:g} kB each, read once",
            f"{pictures_gb / 1000:,.0f} TB",
            f"{_dollars(pictures_gb * prices.gb_month)} a month",
        )
    )
    told = (
        f"{PICTURES:,} pictures on paper. Operations, processor time, and bytes per picture are "
        f"measured (`{BENCHMARK.command} --only costs`); GPU hours = pictures x TFLOP / "
        f"({prices.gpu_tflops:g} TFLOPS x {prices.gpu_share:g}) / 3,600, of an H100's data sheet "
        f"and a share that is assumed, as prices are: ${prices.gpu_hour:g} a GPU hour, "
        f"${prices.core_hour:g} a core hour, ${prices.gb_month:g} a GB and month."
    )
    return f"{told}\n\n{table(('stage', 'takes', 'costs'), rows)}"


def _dollars(value: float) -> str:
    return f"${value:,.0f}"
