"""What `verify` found: each precision on each device, held to its limits, and what flipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from cdul_edge.page.charts import Interval, draw_intervals, to_inline_svg
from cdul_edge.reporting.asked import Asked
from cdul_edge.reporting.inputs import Input
from cdul_edge.reporting.section import Section
from cdul_edge.reporting.stages.latency_chart import draw_latency
from cdul_edge.reporting.stages.stage_json import MachineFacts, UnavailableFacts, read_stage
from cdul_edge.reporting.stages.titles import title_of
from cdul_edge_runtime.bench.latency import Latency
from cdul_edge_runtime.bundle.verdict import Verdict
from cdul_edge_runtime.verify.flips import Flip
from cdul_edge_runtime.verify.pictures import Unreadable
from cdul_edge_runtime.verify.verification import FORMAT

SHOWN_FLIPS = 24  # of a row, with their pictures
_FLIPS = "decisions that flip on the pictures, percent"
_LOST = "mAP lost on the pictures, points"


@dataclass(frozen=True)
class CheckFacts:
    """A figure that was held against its limit; `interval` holds it in 95 of 100 cases."""

    name: str
    value: float | None
    limit: float
    passed: bool
    verdict: Verdict
    interval: tuple[float, float] | None = None
    pictures: int | None = None
    pictures_needed: int | None = None


@dataclass(frozen=True)
class MetricFacts:
    """Metrics against given truth, in percent."""

    map: float | None
    macro_f1: float | None
    ece: float | None = None


@dataclass(frozen=True)
class RowPictures:
    """What a row costs on pictures, against the FP32 file on the CPU; mAP in percent."""

    count: int = 0
    labels_per_picture: float | None = None
    max_error: float | None = None
    mean_error: float | None = None
    flip_rate: float | None = None
    flip_rate_interval: tuple[float, float] | None = None
    flipped_decisions: int | None = None
    flipped: tuple[Flip, ...] = ()
    truth: str | None = None
    map_fp32: float | None = None
    map: float | None = None
    map_drop: float | None = None
    map_drop_interval: tuple[float, float] | None = None
    metrics: MetricFacts | None = None


@dataclass(frozen=True)
class VerifyRowFacts:
    """One device in one precision.

    Attributes:
        thumbnails: names in the page of the pictures of `pictures.flipped`, the first
            `SHOWN_FLIPS`; None where one cannot be shown.
    """

    device: str
    precision: str
    backend: str
    accuracy_only: bool
    passed: bool
    verdict: Verdict
    checks: tuple[CheckFacts, ...]
    max_error: float | None
    flip_rate: float | None
    latency: Mapping[str, Latency]
    throughput: Mapping[str, float | None]
    peak_memory_mib: float | None
    device_memory_mib: float | None
    failure: str | None = None
    pictures: RowPictures | None = None
    thumbnails: tuple[str | None, ...] = ()

    @property
    def title(self) -> str:
        """Such as "int8-cpu on cpu"."""
        return f"{self.precision} on {self.device}"

    def check(self, name: str) -> int | None:
        """The place of a check among `checks`."""
        return next((i for i, check in enumerate(self.checks) if check.name == name), None)

    @property
    def lost(self) -> int | None:
        """The place of the check of mAP that was lost."""
        return self.check(_LOST)

    @property
    def flips(self) -> int | None:
        """The place of the check of flips on pictures, else on the reference."""
        found = self.check(_FLIPS)
        return self.check("decisions that flip, percent") if found is None else found


@dataclass(frozen=True)
class PicturesFacts:
    """How many pictures were read, what was not, and what mAP was taken against."""

    count: int = 0
    unreadable: tuple[Unreadable, ...] = ()
    truth: str | None = None
    root: str = ""


@dataclass(frozen=True)
class VerificationFacts:
    """verify.json, with the names that it has there."""

    version: str
    passed: bool
    verdict: Verdict
    bundle: str
    manifest_sha256: str
    rows: tuple[VerifyRowFacts, ...]
    machine: MachineFacts
    versions: Mapping[str, str]
    unavailable: tuple[UnavailableFacts, ...] = ()
    pictures: PicturesFacts | None = None
    warnings: tuple[str, ...] = ()
    resizer: str = ""


def read_verification(one: Input, asked: Asked) -> Section:
    """The section of one verify.json.

    Raises:
        CdulEdgeError: it is damaged, or of another format.
    """
    found = read_stage(one.path, VerificationFacts, "verify", stage="verify", format=FORMAT)
    root = Path(found.pictures.root) if found.pictures and found.pictures.root else None
    rows = tuple(_with_pictures(row, root, asked) for row in found.rows)
    pictures = found.pictures if found.pictures and found.pictures.count else None
    facts = replace(found, rows=rows, pictures=pictures)
    return Section(
        key=one.key,
        title=title_of(one, asked),
        template="report/verify.html",
        source=one.path,
        facts=facts,
        charts=_draw(rows, one.key),
    )


def _with_pictures(row: VerifyRowFacts, root: Path | None, asked: Asked) -> VerifyRowFacts:
    """Without the empty object that stands for no pictures, and with those that flipped."""
    if row.pictures is None or not row.pictures.count:
        return replace(row, pictures=None)
    shown = row.pictures.flipped[:SHOWN_FLIPS]
    return replace(row, thumbnails=tuple(asked.picture(flip.picture, root) for flip in shown))


def _draw(rows: Sequence[VerifyRowFacts], key: str) -> dict[str, Markup]:
    lost = [(row.title, row.checks[row.lost]) for row in rows if row.lost is not None]
    flips = [(row.title, row.checks[row.flips]) for row in rows if row.flips is not None]
    charts = {}
    if lost:
        charts["lost"] = _draw_checks(
            lost, f"{key}-lost", "Points of mAP lost", "points of mAP lost against fp32"
        )
    if any(check.value for _, check in flips):
        charts["flips"] = _draw_checks(
            flips, f"{key}-flips", "Decisions that flip", "decisions that flip, percent"
        )
    timed = {row.title: row.latency["network"] for row in rows if "network" in row.latency}
    if timed:
        charts["latency"] = draw_latency(timed, "one image", f"{key}-latency")
    return charts


def _draw_checks(
    checks: Sequence[tuple[str, CheckFacts]], key: str, title: str, x_label: str
) -> Markup:
    rows = [Interval(name, one.value, *(one.interval or (None, None))) for name, one in checks]
    limits = {one.limit for _, one in checks if one.limit}
    (limit,) = limits if len(limits) == 1 else (None,)
    told = [f"{name}: {_say(one)}" for name, one in checks]
    return to_inline_svg(
        draw_intervals(rows, x_label, reference=limit),
        key=key,
        title=title,
        description=f"{x_label}. {'; '.join(told)}",
    )


def _say(check: CheckFacts) -> str:
    if check.value is None:
        return "not a number"
    between = "" if check.interval is None else " ({:.2f} to {:.2f})".format(*check.interval)
    return f"{check.value:.2f}{between}, limit {check.limit:.2f}"
