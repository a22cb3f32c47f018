"""Every row, and what it does."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

from benchmarks.measured_rows.benchmark import Benchmark
from benchmarks.measured_rows.result_file import MeasuredRow
from benchmarks.measured_rows.row import Row, Setting


@dataclass(frozen=True)
class Toy:
    """What a row finds."""

    key: str
    value: float

    def told(self) -> str:
        """A line for the terminal."""
        return f"{self.key} is {self.value:g}"


@dataclass(frozen=True, kw_only=True)
class ToyRow(MeasuredRow[Toy]):
    """A row of the file."""

    toys: tuple[Toy, ...] = ()

    @property
    def findings(self) -> tuple[Toy, ...]:
        """The toys."""
        return self.toys


@dataclass(frozen=True)
class Found:
    """What a row's own process found."""

    value: float

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {"toys": [{"key": "toy", "value": self.value}], "notes": ["made up"]}


def prepare(setting: Setting) -> None:
    (setting.work / "prepared").write_text("42")


def steady(setting: Setting) -> Found:
    """What was prepared, for every round."""
    print("not on stdout")
    return Found(setting.rounds * float((setting.work / "prepared").read_text()))


def fail(setting: Setting) -> Found:
    raise ValueError("no such toy")


def hang(setting: Setting) -> Found:
    time.sleep(600)
    return Found(0)


def press_ctrl_c(setting: Setting) -> Found:
    os.kill(os.getppid(), signal.SIGINT)
    return hang(setting)


def end_by_sigterm(setting: Setting) -> Found:
    os.kill(os.getppid(), signal.SIGTERM)
    return hang(setting)


BENCHMARK: Benchmark[Toy] = Benchmark(
    package="tests.fakes.measured_toys",
    rows=(
        Row("steady", "A steady row", "rows:steady", "rows:prepare"),
        Row("fails", "A row that fails", "rows:fail"),
        Row("hangs", "A row that hangs", "rows:hang"),
        Row("needs", "A row that needs much", "rows:fail", needs={"no_such_peer": "no-such-peer"}),
        Row("elsewhere", "A row for elsewhere", "rows:fail", obstacle=lambda: "no camera here"),
        Row("ctrl-c", "A row in which somebody presses Ctrl-C", "rows:press_ctrl_c"),
        Row("sigterm", "A row in which SIGTERM comes", "rows:end_by_sigterm"),
    ),
    setting=Setting,
    kept=ToyRow,
    packages=("numpy",),
    rounds=2,
    limit_s=60.0,
)
