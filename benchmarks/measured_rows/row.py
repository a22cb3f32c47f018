"""What a row is, and how it is measured."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from benchmarks.measured_rows.words import count

# The libraries' own way of waiting and of counting threads: what a shell or a test sets would slow
# one side more than another.
_SETTINGS_OF_OTHERS = (
    "OMP_WAIT_POLICY ONEDNN_MAX_CPU_ISA GOMP_SPINCOUNT KMP_BLOCKTIME "
    "OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS"
).split()
_Setting = TypeVar("_Setting", bound="Setting")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How rows are measured; each field but `work` is an option of the same name.

    Attributes:
        rounds: turns of each side; their medians count.
        threads: of each side, whatever library it runs.
        work: a folder for exported networks, which rows share.
        quick: short turns and tiny networks, to try the code; the figures mean nothing.
    """

    rounds: int
    work: Path
    threads: int = 1
    quick: bool = False

    @classmethod
    def add_options(cls, parser: ArgumentParser) -> None:
        """Add the options that `words` gives."""
        parser.add_argument("--rounds", type=count, help="turns of each side")
        parser.add_argument(
            "--quick", action="store_true", help="tiny networks and short turns, to try the code"
        )

    @classmethod
    def read(cls: type[_Setting], given: Namespace, work: Path) -> _Setting:
        """What those options say."""
        names = {one.name for one in fields(cls)} - {"work"}
        return cls(work=work, **{k: v for k, v in vars(given).items() if k in names})

    def words(self) -> list[str]:
        """The options that give this setting again, in any folder."""
        return ["--rounds", str(self.rounds), *(["--quick"] if self.quick else [])]

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Of the process that measures, made of this one's."""
        return {name: value for name, value in given.items() if name not in _SETTINGS_OF_OTHERS}

    def allowed_s(self, limit_s: float) -> float:
        """How long a row may take where --limit says `limit_s`."""
        return limit_s


@dataclass(frozen=True)
class Bar:
    """What is wanted of a figure."""

    kind: Literal["at most", "at least"]
    limit: float

    @property
    def sign(self) -> str:
        """The kind, as tables show it."""
        return "≤" if self.kind == "at most" else "≥"

    def met(self, value: float) -> bool:
        """Whether the unrounded value is within it."""
        return value <= self.limit if self.kind == "at most" else value >= self.limit


class Measured(Protocol):
    """What a row's own process found."""

    def to_dict(self) -> dict[str, object]:
        """Plain values, by fields of the benchmark's `MeasuredRow`."""


def _nothing() -> str | None:
    return None


@dataclass(frozen=True)
class Row:
    """What `--only` names.

    Attributes:
        measuring: "module:function" of the benchmark's package, imported in the row's own process:
            takes the setting and returns what it found.
        preparing: the same of what a process before it does, such as an export; empty where
            nothing is to be done.
        needs: import names of what it needs, with the package that brings each.
        obstacle: why it cannot be measured here though all of them are there; nothing where it can.
    """

    name: str
    title: str
    measuring: str
    preparing: str = ""
    needs: Mapping[str, str] = field(default_factory=dict)
    obstacle: Callable[[], str | None] = _nothing

    def what_is_missing(self) -> str:
        """Why it cannot be measured here; empty where it can."""
        missing = [package for module, package in self.needs.items() if find_spec(module) is None]
        if not missing:
            return self.obstacle() or ""
        verb = "is" if len(missing) == 1 else "are"
        return f"{' and '.join(missing)} {verb} not installed (pip install {' '.join(missing)})"
